"""A section of its own: declared once, loaded from a table, a variable or a flag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from mintmark.config import Section, Settings, Sources, kinds, load_section, read, settings_of, shown
from mintmark.config.file import read_file
from mintmark.config.section import MASK, always, has_password, setting
from mintmark.config.service import ServiceSettings
from mintmark.errors import BadSetting


@dataclass(frozen=True, kw_only=True)
class Pier(Section):
    """Where boats land."""

    table: ClassVar[str] = "pier"

    boats: int = setting("MINTMARK_PIER_BOATS", "How many boats.", 3, kinds.COUNT)
    flags: tuple[str, ...] = setting("MINTMARK_PIER_FLAGS", "Their flags.", (), kinds.WORDS)
    fee: int = setting("MINTMARK_PIER_FEE_USD", "Fee in dollars.", 2_500_000, kinds.USD)
    pass_phrase: str | None = setting("MINTMARK_PIER_PASS_PHRASE", "What to say.", None, kinds.TEXT, secret=always)


SECTIONS = {"": Settings, "pier": Pier}


@pytest.fixture
def in_file(tmp_path: Path) -> Sources:
    path = tmp_path / "mintmark.toml"
    path.write_text('[pier]\nboats = 5\nflags = ["red", "blue"]\n')
    return Sources({"MINTMARK_PIER_BOATS": "7"}, read_file(path, True, SECTIONS))


def test_a_section_is_loaded_from_flag_environment_table_and_default(in_file: Sources) -> None:
    assert load_section(Pier, in_file) == Pier(boats=7, flags=("red", "blue"))
    assert load_section(Pier, in_file, {"boats": 9, "fee": None}) == Pier(boats=9, flags=("red", "blue"))


def test_the_table_s_keys_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "mintmark.toml"
    for text, named in (("[pier]\nboat = 1", "pier.boat"), ("pier = 3", r"\[pier\]")):
        path.write_text(text)
        with pytest.raises(BadSetting, match=named):
            read_file(path, True, SECTIONS)


def test_a_value_out_of_bounds_names_table_and_file(tmp_path: Path) -> None:
    path = tmp_path / "mintmark.toml"
    path.write_text("[pier]\nboats = -1\n")
    with pytest.raises(BadSetting, match=r"pier\.boats in .*mintmark\.toml: '-1' cannot be used\. How many boats\."):
        load_section(Pier, Sources({}, read_file(path, True, SECTIONS)))


def test_values_are_shown_as_they_are_written_and_secrets_not_at_all(in_file: Sources) -> None:
    found = read(Pier, Sources({"MINTMARK_PIER_PASS_PHRASE": "open sesame"}, in_file.file))
    values = {name: shown(each, found[name]) for name, each in settings_of(Pier).items()}
    assert values == {"boats": 5, "flags": ["red", "blue"], "fee": 2.5, "pass_phrase": MASK}
    assert "sesame" not in repr(load_section(Pier, Sources({"MINTMARK_PIER_PASS_PHRASE": "open sesame"})))


def test_a_password_in_one_of_several_addresses_is_a_secret() -> None:
    url = "http://mia:hunter2@gpu-2:8188"
    for text in (url, f"http://gpu-1:8188, {url}", "postgresql://host/books?password=hunter2"):
        assert has_password(text)
    for text in ("http://gpu-1:8188 http://gpu-2:8188", "http://mia@gpu-1:8188", "gpu-1:8188"):
        assert not has_password(text)
    found = read(ServiceSettings, Sources({"MINTMARK_SERVICE_WORKERS": f"http://gpu-1:8188 {url}"}))
    assert shown(settings_of(ServiceSettings)["workers"], found["workers"]) == MASK
    assert "hunter2" not in repr(load_section(ServiceSettings, Sources({"MINTMARK_SERVICE_WORKERS": url})))


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        (" https://Shop.example , http://localhost:5173", ("https://shop.example", "http://localhost:5173")),
        ("https://shop.example:443,https://shop.example", ("https://shop.example",)),
        ("http://[::1]:80,https://10.0.0.5:8443", ("http://[::1]", "https://10.0.0.5:8443")),
        ("capacitor://localhost", ("capacitor://localhost",)),
    ],
)
def test_origins_are_as_a_browser_sends_them(text: str, origins: tuple[str, ...]) -> None:
    found = load_section(ServiceSettings, Sources({"MINTMARK_SERVICE_CORS_ORIGINS": text}))
    assert found.cors_origins == origins


@pytest.mark.parametrize(
    "text",
    [
        "shop.example",
        "null",
        "https://",
        "https://shop.example/",
        "https://shop.example/page",
        "https://*.shop.example",
        "https://shop.example,*",
        "https://shop.example:0",
        "https://shop.example:99999",
        "https://shop.example:x",
        "https://mia@shop.example",
        "https://shöp.example",
        "https://shop.example\nSet-Cookie: a=b",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="MINTMARK_SERVICE_CORS_ORIGINS"):
        load_section(ServiceSettings, Sources({"MINTMARK_SERVICE_CORS_ORIGINS": text}))

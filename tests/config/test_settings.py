"""Every setting once, refused by name where it cannot be used, and on the page as the code has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mintmark import config
from mintmark.config import Settings, load
from mintmark.errors import BadSetting

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
ROOT = Path(__file__).parents[2]


def test_without_an_environment_the_defaults_hold(tmp_path: Path) -> None:
    found = load({}, data_dir=tmp_path)
    assert found == Settings(data_dir=tmp_path, keys_dir=config.default_data_dir())
    assert (found.mode, found.on_unknown, found.allowance_microusd, found.budget_microusd) == (
        "live",
        "strict",
        5_000_000,
        None,
    )


def test_the_data_folder_is_the_user_s_own_by_default() -> None:
    assert "mintmark" in load({}).data_dir.parts


@pytest.mark.parametrize(
    ("variable", "text", "setting", "value"),
    [
        ("MINTMARK_SANDBOX", "yes", "sandbox", True),
        ("MINTMARK_SANDBOX", "0", "sandbox", False),
        ("MINTMARK_ALLOWANCE_USD", "0.1", "allowance_microusd", 100_000),
        ("MINTMARK_ALLOWANCE_USD", "0", "allowance_microusd", 0),
        ("MINTMARK_BUDGET_USD", "12.345678", "budget_microusd", 12_345_678),
        ("MINTMARK_ON_UNKNOWN", "available", "on_unknown", "available"),
        ("MINTMARK_WORKFLOWS", "", "workflows", ()),
        ("MINTMARK_MAX_PIXELS", "64", "max_pixels", 64),
        ("MINTMARK_PROVIDER_TIMEOUT_S", "1.5", "provider_timeout_s", 1.5),
        ("MINTMARK_GPU_HOUR_USD", "1.20", "gpu_hour", {"hour": 1.2}),
        ("MINTMARK_GPU_HOUR_USD", "capital=100, months=2", "gpu_hour", {"capital": 100.0, "months": 2.0}),
        ("MINTMARK_PROVIDER_URLS", "fal=https://gate/x?a=b", "provider_urls", {"fal": "https://gate/x?a=b"}),
    ],
)
def test_a_variable_sets_its_setting(variable: str, text: str, setting: str, value: object) -> None:
    assert getattr(load({variable: text}), setting) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MINTMARK_SANDBOX", "perhaps"),
        ("MINTMARK_ALLOWANCE_USD", "five"),
        ("MINTMARK_ALLOWANCE_USD", "-1"),
        ("MINTMARK_ALLOWANCE_USD", "nan"),
        ("MINTMARK_ALLOWANCE_USD", "inf"),
        ("MINTMARK_BUDGET_USD", "1e300"),
        ("MINTMARK_ON_UNKNOWN", "whatever"),
        ("MINTMARK_MAX_PIXELS", "0"),
        ("MINTMARK_MAX_PIXELS", "1.5"),
        ("MINTMARK_PROVIDER_TIMEOUT_S", "0"),
        ("MINTMARK_PROVIDER_TIMEOUT_S", "nan"),
        ("MINTMARK_PROVIDER_URLS", "fal=ftp://gate"),
        ("MINTMARK_PROVIDER_URLS", "no pair"),
        ("MINTMARK_GPU_HOUR_USD", "much"),
        ("MINTMARK_GPU_HOUR_USD", "-1"),
        ("MINTMARK_GPU_HOUR_USD", "nan"),
        ("MINTMARK_GPU_HOUR_USD", "capital=100"),
        ("MINTMARK_GPU_HOUR_USD", "capital=100,months=0"),
        ("MINTMARK_GPU_HOUR_USD", "capital=100,months=36,wats=700"),
        ("MINTMARK_DATA_DIR", "~nobody-of-this-name/data"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name_and_with_its_meaning(variable: str, text: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load({variable: text})
    assert variable in caught.value.message
    assert text in caught.value.message
    assert caught.value.hint == next(row[3] for row in config.table() if row[0] == variable)


def test_the_worker_s_token_is_never_shown() -> None:
    found = load({"MINTMARK_WORKER_TOKEN": "a-secret-token"})
    assert found.worker_token == "a-secret-token"
    assert "a-secret-token" not in repr(found)


def test_play_money_has_books_of_its_own(tmp_path: Path) -> None:
    live = Settings(data_dir=tmp_path)
    assert live.books_dir == tmp_path
    assert live.with_(sandbox=True).books_dir == tmp_path / "sandbox"
    assert live.with_(sandbox=True).mode == "sandbox"


def test_a_flag_that_was_not_given_changes_nothing(tmp_path: Path) -> None:
    found = Settings(data_dir=tmp_path, policy="strict")
    assert found.with_(policy=None, project="posters") == Settings(
        data_dir=tmp_path, policy="strict", project="posters"
    )


def test_every_setting_has_a_variable_of_its_own_that_begins_with_its_table_s_name() -> None:
    variables = [row[0] for row in config.table()]
    assert len(set(variables)) == len(variables)
    for table, kind in config.sections().items():
        start = f"MINTMARK_{table.upper()}_" if table else "MINTMARK_"
        for each in config.settings_of(kind).values():
            assert re.fullmatch(rf"{start}[A-Z_]+", each.env)


def test_no_key_of_the_file_is_also_a_table() -> None:
    keys = {config.key("", each.env) for each in config.settings_of(Settings).values()}
    assert keys & set(config.sections()) == set()


def test_every_section_of_the_folder_is_known() -> None:
    declared = {
        path.stem
        for path in (ROOT / "config").glob("*.py")
        if re.search(r"^SECTION = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert declared == set(config.SECTIONS)


def documented() -> dict[str, tuple[str, str]]:
    """(default, meaning) by variable, as the page's table has them."""
    rows = re.findall(r"^\| `(MINTMARK_\w+)` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    return {variable: (default, meaning) for variable, default, meaning in rows}


def test_the_page_has_every_setting_and_no_other() -> None:
    assert list(documented()) == [row[0] for row in config.table()]


EVERY = [each for kind in config.sections().values() for each in config.settings_of(kind).values()]


@pytest.mark.parametrize("each", EVERY, ids=lambda each: each.env)
def test_the_page_says_what_the_code_says(each: config.Setting) -> None:
    shown, said = documented()[each.env]
    assert said == each.help
    assert shown == written(config.shown(each, config.Found(each.default, "default")))


def written(value: object) -> str:
    """A default as the page has it."""
    if value is None or value in ([], {}):
        return "–"
    if isinstance(value, list):
        return f"`{','.join(map(str, value))}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{int(value) if isinstance(value, bool) else value}`"


def test_no_setting_is_read_beside_the_table() -> None:
    """A variable the code names is a setting, or one of those the page lists as belonging to development."""
    known = {row[0] for row in config.table()} | set(re.findall(r"`(MINTMARK_\w+)`", PAGE))
    named: set[str] = set()
    for folder in ("cli", "generation", "metering", "moderation", "nodes", "orchestrator", "provenance", "providers"):
        for path in (ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r"MINTMARK_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8")))
    # The sockets' types are no variables.
    assert named - known - {"MINTMARK_PIPELINE", "MINTMARK_RECORD", "MINTMARK_SOURCE", "MINTMARK_VERDICT"} == set()


def test_nothing_below_the_edge_reads_the_environment() -> None:
    """But the readers of provider keys and accounts, and the program started with a few harmless variables of ours."""
    allowed = {"providers/accounts.py", "providers/keys.py", "orchestrator/execution/convert.py"}
    folders = [path.parent for path in ROOT.glob("*/__init__.py")]
    readers = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        if folder.name not in ("cli", "config", "tests", "bench", "tools")
        for path in folder.rglob("*.py")
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    }
    assert readers <= allowed

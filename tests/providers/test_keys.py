"""Where keys come from, where they rest, and that nothing tells them."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mintmark.config import Settings
from mintmark.errors import BadSetting, CannotWrite, InvalidInput, MissingKey
from mintmark.providers.keyfile import KeyFile
from mintmark.providers.keyring_store import Backend, KeyringStore
from mintmark.providers.keys import VARIABLES, Keys
from mintmark.providers.registry import names

VALUE = "sk-proj-0123456789"
OTHER = "sk-proj-9876543210"


class MemoryKeyring:
    """A keyring that works, as ``keyring``'s own backends do."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def keys(folder: Path, env: dict[str, str] | None = None, backend: Backend | None = None) -> Keys:
    return Keys(Settings(data_dir=folder), env=env or {}, keyring=KeyringStore(lambda: backend))


def test_without_a_keyring_a_key_rests_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert keys(folder).set("openai", VALUE) == "file"
    files = [path for path in folder.iterdir() if path.suffix == ".json"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]
    assert json.loads(files[0].read_text()) == {"openai": VALUE}
    found = keys(folder).find("openai")
    assert found is not None
    assert found.reveal() == VALUE


def test_a_line_break_that_came_along_with_a_kept_key_never_reaches_a_header(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    backend.kept["mintmark", "fal"] = f"{VALUE}\n"
    (tmp_path / "keys.json").write_text(json.dumps({"openai": f" {VALUE}\n", "bfl": "two\nlines"}))
    kept = keys(tmp_path, backend=backend)
    assert [kept.require(name).reveal() for name in ("fal", "openai")] == [VALUE, VALUE]
    with pytest.raises(InvalidInput, match="key file") as told:
        kept.find("bfl")
    assert "lines" not in str(told.value).replace("line breaks", "")


def test_with_a_keyring_nothing_is_written_to_disk(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    assert keys(tmp_path, backend=backend).set("fal", VALUE) == "keyring"
    assert backend.kept == {("mintmark", "fal"): VALUE}
    assert not any(VALUE in path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert keys(tmp_path, backend=backend).present() == {"fal": "keyring"}


def test_a_key_that_moves_to_the_keyring_leaves_no_copy_in_the_file(tmp_path: Path) -> None:
    keys(tmp_path).set("openai", VALUE)
    keys(tmp_path, backend=MemoryKeyring()).set("openai", OTHER)
    assert KeyFile(tmp_path / "keys.json").read() == {}


def test_the_environment_wins_over_keyring_and_file(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    keys(tmp_path).set("openai", OTHER)
    keys(tmp_path).set("fal", OTHER)
    backend.kept["mintmark", "openai"] = OTHER
    both = keys(tmp_path, {"OPENAI_API_KEY": f"{VALUE}\n"}, backend)
    assert both.require("openai").reveal() == VALUE
    assert both.present() == {"openai": "environment", "fal": "file"}


def test_the_keyring_wins_over_the_file(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    keys(tmp_path).set("openai", OTHER)
    backend.kept["mintmark", "openai"] = VALUE
    assert keys(tmp_path, backend=backend).require("openai").reveal() == VALUE


def test_the_first_variable_of_a_provider_that_is_set_counts(tmp_path: Path) -> None:
    env = {"GEMINI_API_KEY": "", "GOOGLE_API_KEY": VALUE}
    assert keys(tmp_path, env).require("google").reveal() == VALUE


def test_a_missing_key_names_every_way_to_supply_it(tmp_path: Path) -> None:
    with pytest.raises(MissingKey) as told:
        keys(tmp_path).require("openai")
    assert "OPENAI_API_KEY" in str(told.value)
    assert "mintmark keys set openai" in str(told.value)
    assert "Settings > Mintmark > Keys" in str(told.value)
    assert told.value.charged == "no"


def test_every_provider_that_can_be_called_has_a_variable() -> None:
    assert set(names()) <= set(VARIABLES)
    assert len({each for variables in VARIABLES.values() for each in variables}) == sum(map(len, VARIABLES.values()))


@pytest.mark.parametrize(
    "bad", ["", "two words", "line\nbreak", "tab\t", "\x00", "umläut-key", "x" * 5000, "zero​width"]
)
def test_what_cannot_be_a_key_is_refused_without_being_quoted(tmp_path: Path, bad: str) -> None:
    with pytest.raises(InvalidInput) as told:
        keys(tmp_path).set("openai", bad)
    assert not bad or bad not in str(told.value)
    assert not any(tmp_path.iterdir())


def test_a_broken_key_in_the_environment_is_named_by_its_variable(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="FAL_KEY") as told:
        keys(tmp_path, {"FAL_KEY": "abc def secret"}).find("fal")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("method", ["find", "require", "remove"])
def test_an_unknown_provider_is_refused_with_the_known_ones(tmp_path: Path, method: str) -> None:
    with pytest.raises(InvalidInput, match="openai"):
        getattr(keys(tmp_path), method)("opnai")


def test_removing_says_where_the_key_was(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    keys(tmp_path).set("openai", VALUE)
    backend.kept["mintmark", "openai"] = VALUE
    both = keys(tmp_path, {"OPENAI_API_KEY": VALUE}, backend)
    assert both.remove("openai") == ("keyring", "file")
    assert both.present() == {"openai": "environment"}
    assert both.remove("openai") == ()


def test_removing_where_nothing_was_kept_writes_nothing(tmp_path: Path) -> None:
    assert keys(tmp_path).remove("fal") == ()
    assert not any(tmp_path.iterdir())


def test_keys_that_are_set_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda provider: keys(tmp_path).set(provider, f"{VALUE}-{provider}"), VARIABLES))
    assert keys(tmp_path).present() == dict.fromkeys(VARIABLES, "file")


def test_a_keyring_that_raises_counts_as_none(tmp_path: Path) -> None:
    def broken() -> Backend | None:
        raise RuntimeError("no D-Bus session, and the key was sk-secret")

    store = KeyringStore(broken)
    assert Keys(Settings(data_dir=tmp_path), env={}, keyring=store).set("openai", VALUE) == "file"


def test_a_keyring_that_hangs_is_given_up_once(tmp_path: Path) -> None:
    asked = []

    class Hanging(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            asked.append(username)
            never.wait(30)
            return None

    never = threading.Event()
    store = KeyringStore(Hanging, patience_s=0.05)
    found = Keys(Settings(data_dir=tmp_path), env={}, keyring=store)
    assert found.present() == {}
    assert found.find("fal") is None
    assert len(asked) == 1
    never.set()


def test_a_keyring_that_forgets_what_it_was_told_is_not_trusted(tmp_path: Path) -> None:
    class Forgetful(MemoryKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            pass

    assert keys(tmp_path, backend=Forgetful()).set("openai", VALUE) == "file"


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_key_file_that_others_can_read_is_closed_to_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys(tmp_path).set("openai", VALUE)
    file = tmp_path / "keys.json"
    file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        keys(tmp_path).find("openai")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "0600" in caplog.text


@pytest.mark.parametrize("text", [f'{{"openai": "{VALUE}"', "[1]", '{"openai": 7}', "\udcff"])
def test_a_file_that_is_no_key_file_is_named_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadSetting, match=r"keys\.json") as told:
        keys(tmp_path).find("openai")
    shown: BaseException | None = told.value
    while shown is not None:
        assert VALUE not in repr(shown) + repr(vars(shown))
        shown = shown.__cause__ or shown.__context__


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(CannotWrite):
        keys(blocked / "data").set("openai", VALUE)


def test_nothing_shows_a_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    found = keys(tmp_path, {"FAL_KEY": OTHER})
    found.set("openai", VALUE)
    shown = repr(found) + repr(found.find("openai")) + repr(found.present()) + repr(found.remove("openai"))
    printed = capsys.readouterr()
    for value in (VALUE, OTHER):
        assert value not in shown + caplog.text + printed.out + printed.err

"""One tree of errors, whose codes are public and survive every wire."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mintmark import errors
from mintmark.errors import (
    AllowanceExhausted,
    ChargeUnknown,
    InternalError,
    MintmarkError,
    ProviderDown,
    ProviderError,
    ResultLost,
    UsageError,
    every_error,
    from_dict,
    from_text,
)

PAGE = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
KINDS = [kind for kind in every_error().values() if kind.__module__ == errors.__name__]


def documented() -> dict[str, tuple[str, str, str]]:
    """(exit code, cause, fix) by code, as the page's tables have them."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
    return {code: (exit_code, cause, fix) for code, exit_code, cause, fix in rows}


def test_every_code_is_one_kind_s_own() -> None:
    def below(kind: type[MintmarkError]) -> set[type[MintmarkError]]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    kinds = {kind for kind in below(MintmarkError) if kind.__module__ == errors.__name__} - {MintmarkError}
    assert kinds == set(KINDS)
    assert all("code" in vars(kind) for kind in kinds)


def test_the_page_has_every_code_and_no_other() -> None:
    assert set(documented()) == {kind.code for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_the_page_tells_exit_code_cause_and_fix(kind: type[MintmarkError]) -> None:
    exit_code, cause, fix = documented()[kind.code]
    assert int(exit_code) == kind.exit_code == (2 if issubclass(kind, UsageError) else 1)
    assert len(cause) > 15
    assert len(fix) > 5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_the_tree_at_the_top_has_every_kind(kind: type[MintmarkError]) -> None:
    assert re.search(rf"── {kind.__name__}\b", str(errors.__doc__))
    if not kind.__subclasses__():
        assert kind.code in str(errors.__doc__) or kind.code == "unknown_policy"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_an_error_survives_as_text_and_as_data(kind: type[MintmarkError]) -> None:
    error = kind("What happened [here]: (a, b).", hint="Do this.")
    read = from_text(str(error))
    assert type(read) is kind
    assert read.message == "What happened [here]: (a, b). Do this."
    whole = from_dict(error.as_dict())
    assert (type(whole), whole.message, whole.hint) == (kind, error.message, error.hint)


@pytest.mark.parametrize("text", ["plain text", "ends in [no_such_code]", "[disk_full] at the beginning", ""])
def test_text_of_others_is_no_error_of_ours(text: str) -> None:
    assert from_text(text) is None


def test_text_of_several_lines_is_read() -> None:
    found = from_text("first\nsecond [disk_full]\n")
    assert found is not None
    assert (found.code, found.message) == ("disk_full", "first\nsecond")


def test_a_code_of_a_newer_release_is_still_an_error() -> None:
    found = from_dict({"code": "from_the_future", "message": "m", "hint": "h"})
    assert (type(found), found.message) == (InternalError, "m")


@pytest.mark.parametrize(("kind", "charged"), [(ChargeUnknown, "unknown"), (ResultLost, "yes"), (ProviderDown, "no")])
def test_what_is_known_of_the_charge_survives_the_wire(kind: type[ProviderError], charged: str) -> None:
    read = from_text(str(kind("m")))
    assert isinstance(read, ProviderError)
    assert read.charged == charged
    assert kind("m", charged="unknown").charged == "unknown"


def test_data_is_kept_beside_the_text() -> None:
    error = AllowanceExhausted("m", left_microusd=1, asked_microusd=2)
    assert error.data == {"left_microusd": 1, "asked_microusd": 2}
    assert str(error) == "m [allowance_exhausted]"
    assert error.as_dict() == {"code": "allowance_exhausted", "message": "m", "hint": ""}

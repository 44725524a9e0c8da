"""What docs/architecture.md says of the code is so."""

from __future__ import annotations

import pytest

from mintmark.tools.walks import PAGE, WALKS, Hop, filled, problems


@pytest.mark.parametrize("walk", WALKS)
def test_every_hop_is_there_and_reached_from_where_the_walk_says(walk: str) -> None:
    assert list(problems(WALKS[walk])) == []


def test_the_page_shows_the_code_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == filled(page), "run: python tools/walks.py"
    assert all(f"`{hop.place}`" in page for walk in WALKS.values() for hop in walk)


def test_a_hop_that_is_gone_or_no_longer_reached_is_told() -> None:
    walk = (
        Hop("metering/prices.py::quote", ""),
        Hop("metering/prices.py::charge", ""),
        Hop("metering/prices.py::no_such_rule", ""),
        Hop("metering/no_such_file.py::charge", "", "metering/prices.py::quote"),
        Hop("metering/prices.py::usd", "", "metering/prices.py::charge"),
    )
    assert list(problems(walk)) == [
        "3: there is no metering/prices.py::no_such_rule",
        "3: metering/prices.py::charge does not reach metering/prices.py::no_such_rule",
        "4: there is no metering/no_such_file.py::charge",
        "5: metering/prices.py::charge does not reach metering/prices.py::usd",
    ]

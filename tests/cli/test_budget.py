"""``mintmark budget`` and ``mintmark credit``, and that jobs are held to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from .conftest import Books, Cli


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")


def run(cli: Cli):
    return cli("run", "text-to-image", "--set", "width=256", "--set", "height=256", "--json")


def test_a_budget_is_set_listed_held_and_removed(cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_PROJECT", "acme")
    options = ("--project", "acme", "--per", "month")
    made = cli("budget", "set", *options, "--limit", "0.002", "--soft", "0.0015", "--grace", "0.0005", "--json").json
    assert (made["limit_microusd"], made["soft_microusd"], made["grace_microusd"]) == (2_000, 1_500, 500)
    refused = run(cli).error
    assert refused["code"] == "budget_exceeded"
    assert "project acme, per month" in refused["message"]
    told = cli("budget", "set", *options, "--limit", "100", "--soft", "80", "--grace", "10").out
    assert "project acme, per month: at most $100.00, a warning beyond $80.00, refused from $10.00" in told
    assert "For everybody together" in cli("budget", "set", "--limit", "1000").out
    cli("budget", "remove")
    assert run(cli).code == 0
    (listed,) = cli("budget", "list", "--json").json
    spent = cli("ledger", "sum", "--json").json["settled_microusd"]
    assert listed["taken_microusd"] == spent > 0
    assert "project acme, per month" in cli("budget", "list").out
    assert cli("budget", "remove", *options).code == 0
    assert cli("budget", "list", "--json").json == []


def test_a_picture_redrawn_for_little_fits_into_a_budget_of_little_more(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_BUDGET_USD", "0.03")
    Image.new("RGB", (256, 256), "teal").save(tmp_path / "a.png")
    ran = cli("run", "image-to-image", "--image", f"image={tmp_path / 'a.png'}", "--json")
    assert ran.code == 0, ran.error
    assert cli("ledger", "sum", "--json").json["settled_microusd"] == 25_000


def test_credit_is_added_once_drawn_listed_and_paid_back(
    cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_USER", "mia")
    monkeypatch.setenv("MINTMARK_ALLOWANCE_USD", "2")
    for _ in range(2):
        added = cli("credit", "top-up", "5", "--user", "mia", "--key", "i-1", "--expires", "2999-01-31", "--json").json
    assert added["left_microusd"] == 5_000_000
    assert added["lots"][0]["expires_at"].startswith("2999-01-31T23:59:59")
    assert run(cli).code == 0
    spent = cli("ledger", "sum", "--json").json["settled_microusd"]
    (listed,) = cli("credit", "list", "--json").json
    assert 5_000_000 - listed["left_microusd"] == spent > 0
    assert "2999-01-31" in cli("credit", "list").out
    assert cli("credit", "refund", "4.995", "--user", "mia", "--reason", "moved").code == 0
    assert run(cli).error["code"] == "credit_exhausted"


@pytest.mark.parametrize(
    "words",
    [
        ("budget", "set", "--project", "acme"),
        ("budget", "set", "--project", "acme", "--limit", "-1"),
        ("budget", "set", "--project", "acme", "--limit", "lots"),
        ("budget", "set", "--project", "acme", "--user", "mia", "--limit", "1"),
        ("budget", "set", "--per", "year", "--limit", "1"),
        ("budget", "set", "--limit", "1", "--soft", "2"),
        ("budget", "remove", "--project", "nobody"),
        ("credit", "top-up", "5"),
        ("credit", "top-up", "0", "--user", "mia"),
        ("credit", "top-up", "5", "--user", "mia", "--expires", "soon"),
        ("credit", "top-up", "5", "--user", "mia", "--project", "acme"),
        ("credit", "top-up", "5", "--user", "mia", "--expires", "2001-01-01"),
        ("credit", "top-up", "5", "--user", "mia\x1b"),
        ("credit", "top-up", "5", "--user", "mi\udcff"),
        ("credit", "top-up", "1e30", "--user", "mia"),
        ("credit", "top-up", "NaN", "--user", "mia"),
        ("credit", "top-up", "0,03", "--user", "mia"),
        ("credit", "top-up", "1,50", "--user", "mia"),
        ("credit", "top-up", "1,0000", "--user", "mia"),
        ("credit", "top-up", "0.0000015", "--user", "mia"),
        ("budget", "set", "--project", "acme", "--limit", "0.0000001"),
        ("budget", "set", "--project", "acme", "--limit", "0,03"),
        ("budget", "set", "--project", "ac\nme", "--limit", "1"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli(*words).code == 2
    assert cli("budget", "list", "--json").json == cli("credit", "list", "--json").json == []


def test_what_is_no_amount_is_told_how_dollars_are_written(cli: Cli) -> None:
    assert cli("budget", "set", "--limit", "x", "--json").error["hint"] == "Write dollars, such as 25 or 0.03."


def test_commas_are_for_thousands(cli: Cli) -> None:
    told = cli("budget", "set", "--project", "acme", "--limit", "$1,200.50", "--json").json
    assert told["limit_microusd"] == 1_200_500_000


def test_names_are_shown_as_they_are_and_not_taken_for_markup_or_sql(cli: Cli) -> None:
    names = ("[/x]", "[red]y", "a'; DROP TABLE budgets;--")
    for name in names:
        assert cli("budget", "set", "--project", name, "--limit", "1").code == 0
        assert cli("credit", "top-up", "1", "--project", name, "--key", f"{name}!").code == 0
    for command in ("budget", "credit"):
        ran = cli(command, "list")
        assert ran.code == 0
        assert [name for name in names if name not in ran.out] == []


def test_who_sets_money_right_leaves_it_in_the_audit_log(cli: Cli) -> None:
    cli("budget", "set", "--project", "acme", "--limit", "2")
    cli("credit", "top-up", "5", "--user", "mia", "--key", "i-1")
    cli("credit", "refund", "1", "--user", "mia", "--key", "r-1", "--reason", "moved")
    cli("budget", "remove", "--project", "acme")
    acts = {each["action"]: each for each in cli("audit", "list", "--json").json}
    assert list(acts) == ["budget.removed", "credit.refunded", "credit.topped_up", "budget.set"]
    assert acts["budget.set"]["data"]["limit_microusd"] == 2_000_000
    assert acts["credit.topped_up"]["target"] == "user mia"
    assert acts["credit.refunded"]["data"] == {"microusd": 1_000_000, "key": "r-1", "reason": "moved"}
    assert {each["actor"] for each in acts.values()} == {"cli"}

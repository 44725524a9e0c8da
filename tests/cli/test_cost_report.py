"""``mintmark cost report``, ``watch`` and ``breakeven`` on the ledger, and ``ledger accept|reject``."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mintmark.metering.ledger import Account, Posting
from mintmark.metering.sqlite_ledger import SqliteLedger

from .conftest import Books, Cli

WATCH = ("cost", "watch", "--gpu-hour", "1.20", "--rate", "600")


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")


def spent(home: Path, *postings: dict[str, Any], **account: Any) -> None:
    """Calls in the ledger, each of a job of its own, for whoever ``account`` says."""
    ledger = SqliteLedger(home / "data" / "sandbox")
    known = {"kind": "settled", "microusd": 3_000, "provider": "fal", "model": "fal/flux-schnell", "images": 1}
    for number, facts in enumerate(postings):
        job = f"{account.get('user', 'u')}-{number}-{len(ledger.lines(limit=1000))}"
        ledger.allow(job, 10**9, Account(**account))
        now = {"at": datetime.now(timezone.utc), "request_id": None, "call_id": f"call {job}", "job_id": job}
        ledger.post([Posting.model_validate({**known, **now, **facts})])
        ledger.close_job(job)
    ledger.close()


def rows(cli: Cli, *arguments: str) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in cli("cost", "report", *arguments, "--json").json["rows"]}


# -- report -------------------------------------------------------------------------------------------------------


def test_a_report_agrees_with_the_bill(cli: Cli, books: Books) -> None:
    cli("run", "text-to-image", "--set", "width=256", "--set", "height=256", "--set", "count=3", "--json")
    told = cli("cost", "report", "--json").json
    (row,) = told["rows"]
    assert (row["key"], row["calls"], row["images"]) == ("fal/flux-schnell", 1, 3)
    assert row["microusd"] == told["total"]["microusd"] == books.billed
    assert row["per_image_microusd"] == books.billed / 3


def test_rented_and_owned_images_stand_in_one_table(cli: Cli, home: Path) -> None:
    spent(home, {}, {"provider": "local", "model": "local/sdxl", "microusd": 500})
    assert {key: row["per_image_microusd"] for key, row in rows(cli).items()} == {
        "fal/flux-schnell": 3_000,
        "local/sdxl": 500,
    }
    shown = cli("cost", "report").out
    assert "local/sdxl" in shown and "$0.0005" in shown and "total" in shown


def test_owned_images_are_told_with_the_seconds_of_the_gpu_that_they_took(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent(home, {}, {"provider": "local", "model": "local/sdxl", "microusd": 5_000})
    assert {row["gpu_seconds"] for row in rows(cli).values()} == {None}
    monkeypatch.setenv("MINTMARK_GPU_HOUR_USD", "1.20")
    assert {key: row["gpu_seconds"] for key, row in rows(cli).items()} == {"fal/flux-schnell": None, "local/sdxl": 15.0}
    assert "local/sdxl: 15.0 GPU seconds" in cli("cost", "report").out


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("user", {"ann", "bob"}),
        ("project", {"red", "blue"}),
        ("workflow", {"poster@1.0.0", ""}),
        ("provider", {"fal"}),
        ("api_key", {""}),
    ],
)
def test_it_is_told_by_whatever_is_asked_for(cli: Cli, home: Path, by: str, keys: set[str]) -> None:
    spent(home, {}, user="ann", project="red", workflow="poster@1.0.0")
    spent(home, {}, user="bob", project="blue")
    assert set(rows(cli, "--by", by)) == keys


def test_days_stand_in_order_and_are_cut_where_asked(cli: Cli, home: Path) -> None:
    days = [datetime(2026, 11, day, 12, tzinfo=timezone.utc) for day in (3, 1, 2)]
    spent(home, *({"at": day} for day in days))
    assert list(rows(cli, "--by", "day")) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert list(rows(cli, "--by", "day", "--since", "2026-11-02", "--until", "2026-11-02")) == ["2026-11-02"]


def test_csv_has_a_line_each_and_no_formulas(cli: Cli, home: Path) -> None:
    for name in ("=cmd()", "\uff1dcmd()", "\n=cmd()"):
        spent(home, {}, user=name)
    told = list(csv.DictReader(io.StringIO(cli("cost", "report", "--by", "user", "--csv").out)))
    assert {row["user"] for row in told} == {"'=cmd()", "'\uff1dcmd()", "'\n=cmd()"}
    assert {(row["microusd"], row["accepted"]) for row in told} == {("3000", "")}


def test_what_is_in_doubt_stands_beside_and_not_within(cli: Cli, home: Path) -> None:
    spent(home, {}, {"kind": "unknown", "microusd": 9_000, "images": 0})
    (row,) = rows(cli).values()
    assert (row["microusd"], row["unknown"], row["unknown_microusd"]) == (3_000, 1, 9_000)
    assert "mintmark ledger unknown" in cli("cost", "report").out


def test_an_empty_ledger_says_so(cli: Cli) -> None:
    assert "No sandbox calls" in cli("cost", "report").out
    assert cli("cost", "report", "--json").json["rows"] == []
    assert len(cli("cost", "report", "--csv").out.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [("--by", "mood"), ("--since", "yesterday"), ("--since", "2026-11-02", "--until", "2026-11-01"), ("--csv",)],
)
def test_what_cannot_be_reported_is_refused(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("cost", "report", *arguments, "--json").error["code"] == "usage_error"


# -- accepted -----------------------------------------------------------------------------------------------------


def test_rejected_images_make_an_accepted_one_dearer(cli: Cli, books: Books) -> None:
    small = ("--set", "width=256", "--set", "height=256", "--set", "count=3")
    made = cli("run", "text-to-image", *small, "--json").json
    one, two, _ = made["outputs"]
    assert cli("ledger", "accept", one["path"], "--json").json["decided"] == [
        {"subject": one["sha256"], "job_id": made["job_id"], "images": 1}
    ]
    cli("ledger", "reject", two["sha256"], "--reason", "six fingers")
    (row,) = rows(cli).values()
    assert (row["accepted"], row["rejected"], row["per_accepted_microusd"]) == (1, 1, books.billed)
    assert "1 of 2" in cli("cost", "report").out
    assert cli("ledger", "accept", made["job_id"], "--json").json["decided"][0]["images"] == 3
    (row,) = rows(cli).values()
    assert (row["accepted"], row["rejected"], row["per_accepted_microusd"]) == (3, 0, books.billed / 3)


@pytest.mark.parametrize("what", ["f" * 64, "no-such-file.png", "01234567-89ab-4def-8123-456789abcdef"])
def test_what_nobody_knows_cannot_be_accepted(cli: Cli, what: str) -> None:
    assert cli("ledger", "accept", what, "--json").error["code"] == "unknown_job"


# -- break-even ---------------------------------------------------------------------------------------------------


def test_without_arguments_break_even_takes_the_ledgers_own_price(cli: Cli, home: Path) -> None:
    spent(home, {"images": 4, "microusd": 120_000}, {"at": datetime.now(timezone.utc) - timedelta(days=40)})
    told = cli("cost", "breakeven", "--json").json
    assert (told["hosted_microusd"], told["images"], told["break_even_images"]) == (30_000, 4, 71_428.57)
    assert told["sources"]["hosted-price"] == "average of 4 images in the last 30 days (sandbox)"
    assert told["sources"]["gpu-hour"].startswith("assumed")
    assert "assumed; say --overhead" in cli("cost", "breakeven").out


def test_own_numbers_take_the_place_of_assumed_ones(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_GPU_HOUR_USD", "2.40")
    local = {"provider": "local", "model": "local/sdxl", "images": 10, "microusd": 20_000}
    spent(home, {"microusd": 30_000}, local)
    told = cli("cost", "breakeven", "--json").json
    assert told["sources"]["rate"] == "measured on 10 local images"
    assert told["own_microusd"] == 2_000
    assert told["sources"]["gpu-hour"] == "MINTMARK_GPU_HOUR_USD"


def test_a_ledger_without_images_has_no_price(cli: Cli) -> None:
    error = cli("cost", "breakeven", "--json").error
    assert error["code"] == "usage_error" and "--hosted-price" in error["hint"]


# -- watch --------------------------------------------------------------------------------------------------------


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    heard: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204 if self.path == "/ok" else 500)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_below_the_crossover_all_is_well(cli: Cli, home: Path) -> None:
    spent(home, {"images": 100, "microusd": 3_000_000})
    ran = cli(*WATCH, "--overhead", "2000", "--json")
    assert (ran.code, ran.json["crossed"], ran.json["break_even_images"]) == (0, False, 71_428.57)
    assert ran.json["advice"].startswith("Stay hosted: 100 images")


def test_at_the_crossover_the_exit_code_the_log_and_the_webhook_say_so_once(
    cli: Cli, home: Path, hook: tuple[str, list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    url, heard = hook
    spent(home, {"images": 100, "microusd": 3_000_000})
    crossing = (*WATCH, "--overhead", "2.8", "--webhook", f"{url}/ok", "--json")
    ran = cli(*crossing)
    assert (ran.code, ran.json["crossed"], ran.json["break_even_images"], ran.json["webhook"]) == (3, True, 100, "sent")
    assert [each["event"] for each in heard] == ["cost.breakeven_crossed"]
    assert [r.levelname for r in caplog.records if getattr(r, "action", "") == "breakeven_crossed"] == ["ERROR"]
    again = cli(*crossing)
    assert (again.code, again.json["webhook"], len(heard)) == (3, "nothing new", 1)
    back = cli(*WATCH, "--overhead", "2000", "--webhook", f"{url}/ok", "--json")
    assert (back.code, back.json["webhook"]) == (0, "sent")
    assert heard[-1]["event"] == "cost.breakeven_not_crossed"


def test_a_webhook_that_fails_is_tried_again_the_next_time(cli: Cli, home: Path, hook: tuple[str, list[Any]]) -> None:
    url, heard = hook
    spent(home, {"images": 100, "microusd": 3_000_000})
    crossing = (*WATCH, "--overhead", "1", "--json", "--webhook")
    ran = cli(*crossing, f"{url}/broken?token=secret")
    assert (ran.code, ran.json["webhook"]) == (3, "failed: 500")
    assert "secret" not in ran.out + ran.err
    assert cli(*crossing, f"{url}/ok").json["webhook"] == "sent"
    assert len(heard) == 2


def test_without_hosted_images_there_is_nothing_to_watch(cli: Cli) -> None:
    ran = cli(*WATCH, "--overhead", "2000")
    assert ran.code == 0 and "Nothing was hosted" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rate", "600", "--overhead", "1"),
        ("--gpu-hour", "1", "--rate", "600", "--overhead", "much"),
        ("--gpu-hour", "1", "--rate", "600", "--overhead", "1", "--webhook", "file:///etc/passwd"),
        ("--gpu-hour", "1", "--rate", "0", "--overhead", "1"),
    ],
)
def test_what_cannot_be_watched_is_refused(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("cost", "watch", *arguments, "--json").code == 2

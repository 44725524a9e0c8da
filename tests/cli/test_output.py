"""What every command promises: one JSON document with ``--json``, exit codes 0, 1 and 2, help that helps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Cli

MINTMARK = [sys.executable, "-c", "from mintmark.cli import main; main()"]

COMMANDS = (
    ("run",),
    ("verify",),
    ("sign",),
    ("moderate",),
    ("workflows", "list"),
    ("workflows", "show"),
    ("workflows", "validate"),
    ("workflows", "digest"),
    ("models", "list"),
    ("models", "show"),
    ("ledger", "list"),
    ("ledger", "sum"),
    ("keys", "set"),
    ("keys", "list"),
    ("keys", "remove"),
    ("doctor",),
    ("runner",),
    ("sandbox",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_a_json_form(cli: Cli, command: tuple[str, ...]) -> None:
    ran = cli(*command, "--help")
    assert ran.code == 0
    assert "--json" in ran.out
    assert ran.err == ""


def test_help_of_the_whole_names_every_command(cli: Cli) -> None:
    ran = cli("--help")
    assert ran.code == 0
    for command in {command[0] for command in COMMANDS}:
        assert f" {command} " in ran.out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_unknown_option_is_a_usage_error_in_the_form_asked_for(cli: Cli, command: tuple[str, ...]) -> None:
    ran = cli(*command, "--no-such-option", "--json")
    assert (ran.code, ran.error["code"]) == (2, "usage_error")
    assert "--no-such-option" in ran.error["message"]
    plain = cli(*command, "--no-such-option")
    assert (plain.code, plain.out) == (2, "")
    assert "--no-such-option" in plain.err


@pytest.mark.parametrize(
    ("args", "culprit"),
    [
        (["run"], "workflow"),
        (["verify"], "file"),
        (["models", "show"], "name"),
        (["workflows", "digest"], "workflow"),
        (["keys", "remove"], "provider"),
        (["no-such-command"], "no-such-command"),
        (["ledger", "no-such-command"], "no-such-command"),
        (["ledger", "list", "--limit", "many"], "limit"),
        (["ledger", "list", "--limit", "0"], "limit"),
        (["runner", "--port", "99999"], "port"),
        (["sandbox", "--latency", "-1"], "latency"),
        (["moderate"], "text"),
        (["moderate", "a fox", "--image", "x.png"], "text"),
    ],
)
def test_what_cannot_be_understood_exits_with_2_and_names_the_culprit(cli: Cli, args: list[str], culprit: str) -> None:
    ran = cli(*args, "--json")
    assert (ran.code, ran.error["code"], ran.err) == (2, "usage_error", "")
    assert culprit in ran.error["message"].lower()
    assert ran.error["hint"]


def test_without_json_an_error_goes_to_stderr_with_its_code_and_fix(cli: Cli) -> None:
    ran = cli("run", "nope")
    assert (ran.code, ran.out) == (2, "")
    assert "[unknown_workflow]" in ran.err
    assert "text-to-image" in ran.err
    assert "Traceback" not in ran.err


def test_a_bad_setting_is_named_with_what_it_is_for(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_BUDGET_USD", "much")
    ran = cli("ledger", "sum", "--json")
    assert (ran.code, ran.error["code"]) == (2, "bad_setting")
    assert "MINTMARK_BUDGET_USD" in ran.error["message"]


def test_text_with_markup_in_it_is_shown_as_it_is(cli: Cli) -> None:
    ran = cli("run", "[bold]nope[/bold]")
    assert "[bold]nope[/bold]" in ran.err


# -- as a process of its own ----------------------------------------------------------------------------------------


def test_the_real_process_prints_one_document_and_nothing_else() -> None:
    ran = subprocess.run([*MINTMARK, "models", "list", "--json"], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)


def test_the_real_process_exits_with_2_for_usage_and_1_for_failure(tmp_path: Path) -> None:
    usage = subprocess.run([*MINTMARK, "run", "--json"], capture_output=True, text=True, timeout=60)
    assert (usage.returncode, json.loads(usage.stdout)["error"]["code"], usage.stderr) == (2, "usage_error", "")
    command = [*MINTMARK, "run", "text-to-image", "--worker", "http://127.0.0.1:1", "--json"]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (failed.returncode, json.loads(failed.stdout)["error"]["code"], failed.stderr) == (
        1,
        "worker_unreachable",
        "",
    )


def test_the_version_is_one_line() -> None:
    ran = subprocess.run([*MINTMARK, "--version"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0
    assert ran.stdout.strip() == __import__("mintmark").__version__


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = subprocess.Popen([*MINTMARK, "models", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    told = command.stderr.read()
    command.stderr.close()
    assert command.wait(60) in (0, 1)
    assert told == b""

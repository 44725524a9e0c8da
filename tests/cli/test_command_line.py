"""A command line loads the command it names and no other, and says the same as the whole of it would."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mintmark.cli.commands import COMMANDS, GROUPS, command_line

from .conftest import Books, Cli


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_a_command_alone_is_the_command_among_all(name: str) -> None:
    alone, among = (CliRunner().invoke(each, [name, "--help"]).output for each in (command_line(name), command_line()))
    assert alone == among
    assert f"mintmark {name}" in alone


def test_help_names_every_command() -> None:
    told = CliRunner().invoke(command_line(), ["--help"]).output
    assert [name for name in (*COMMANDS, *GROUPS) if f" {name} " not in told] == []


def test_a_command_does_not_load_the_others() -> None:
    code = "import sys; from mintmark.cli.commands import command_line; command_line('verify'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.rpartition(".")[2] for name in done.stdout.split() if name.startswith("mintmark.cli.")}
    assert "verify" in loaded
    assert loaded.isdisjoint({"advise", "cost", "doctor", "ledger", "models", "moderate", "run_job", "servers"})


def test_a_run_looks_at_no_pixels_and_for_no_garbage(books: Books) -> None:
    """Where nobody asked for pixels, NumPy is not even loaded: that is a tenth of the time that a person waits."""
    tell = "print('numpy' in sys.modules, 'PIL' in sys.modules, gc.get_freeze_count() > 0, file=sys.stderr)"
    code = f"import atexit, gc, sys; atexit.register(lambda: {tell}); from mintmark.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "text-to-image", "--sandbox", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.split() == ["False", "True", "True"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("nope",), "mintmark --help"),
        (("workflows", "shw"), "mintmark workflows --help"),
        (("models", "show"), "mintmark models show --help"),
        (("ledger", "sum", "--bogus"), "mintmark ledger sum --help"),
    ],
)
def test_a_wrong_command_points_to_the_help_of_as_much_as_was_understood(
    words: tuple[str, ...], hint: str, cli: Cli
) -> None:
    assert cli(*words, "--json").error["hint"] == f"See: {hint}"


def test_models_priced_by_tokens_are_told_by_what_an_image_costs_at_most(cli: Cli) -> None:
    """As on the canvas: web/comfy/price.js."""
    told = cli("models", "list", "--provider", "openai").out
    assert re.search(r"openai/gpt-image-2 +up to \$0\.22 / image", told)
    assert "up to $0.22 / image" in " ".join(cli("models", "show", "openai/gpt-image-2").out.split())


def test_what_stands_in_brackets_is_part_of_a_title(cli: Cli) -> None:
    assert "FLUX.2 [flex]" in cli("models", "show", "bfl/flux-2-flex").out


def test_a_workflow_tells_what_its_inputs_may_be(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    told = " ".join(cli("workflows", "show", "text-to-image").out.split())
    assert "mintmark models list --task text-to-image" in told
    assert "PNG, JPEG, WebP" in told
    assert "64 to 4096" in told


def test_a_picture_that_the_worker_lacks_is_named_with_what_to_do(cli: Cli, tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "nowhere.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    (tmp_path / "pair.json").write_text(json.dumps(graph))
    message = cli("run", tmp_path / "pair.json", "--sandbox", "--json").error["message"]
    assert message.startswith("pair does not fit the worker at http://127.0.0.1:")
    assert "the worker has no file 'nowhere.png' in its input folder; upload it" in message


def test_a_switch_takes_no_value_in_the_help(cli: Cli) -> None:
    told = cli("run", "--help").out
    assert re.search(r"--sandbox +Use the offline sandbox", told)

"""A command line loads the command it names and no other, and says the same as the whole of it would."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mintmark.cli.commands import COMMANDS, GROUPS, command_line

from .conftest import Books


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

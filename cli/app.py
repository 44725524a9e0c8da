"""All commands, and what becomes of their errors: one line for people, one JSON document for programs."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

import typer

from ..errors import Canceled, InternalError, MintmarkError, UsageError
from . import advise, cost, doctor, keys, ledger, models, moderate, run_job, servers, verify, workflows
from .output import fail

app = typer.Typer(
    name="mintmark",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hosted image generation with moderation, cost metering and content credentials.",
)
app.command("run")(run_job.run)
app.command("verify")(verify.verify)
app.command("moderate")(moderate.moderate)
app.add_typer(workflows.app, name="workflows")
app.add_typer(models.app, name="models")
app.add_typer(ledger.app, name="ledger")
app.add_typer(cost.app, name="cost")
app.command("advise")(advise.advise)
app.add_typer(keys.app, name="keys")
app.command("doctor")(doctor.doctor)
app.command("runner")(servers.runner)
app.command("sandbox")(servers.sandbox)

# Typer brings its own copy of click in newer releases, so its error classes are reached through Typer's own names.
_BadUsage: Any = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130
"""What Typer makes of Ctrl-C: it catches KeyboardInterrupt itself."""


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        from .. import __version__

        typer.echo(__version__)
        raise typer.Exit


def run() -> None:
    """Run the command that ``sys.argv`` names and exit: 0 done, 1 failure, 2 usage."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    for stream in (sys.stdout, sys.stderr):
        # A console or a redirected file that cannot show a sign shows "?", instead of ending a run that was paid for.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(standalone_mode=False)
    except MintmarkError as exc:
        return fail(exc)
    except _BadUsage as exc:
        # Without a message it is a bare group, whose help was just shown.
        return fail(UsageError(exc.format_message(), hint=_hint())) if exc.format_message() else 2
    except (KeyboardInterrupt, typer.Abort):
        return fail(Canceled("Stopped."))
    except typer.Exit as exc:
        return int(exc.exit_code)
    except BrokenPipeError:
        # The reader of our output is gone (`mintmark … | head`); closing stderr keeps Python from complaining of it.
        sys.stderr.close()
        return 1
    except Exception as exc:
        logging.getLogger("mintmark.cli").critical("This is a defect of Mintmark", exc_info=True)
        return fail(InternalError(f"{type(exc).__name__}: {exc}", hint="Please report this with the lines above."))
    if code == _INTERRUPTED:
        return fail(Canceled("Stopped."))
    return code if isinstance(code, int) else 0


def _hint() -> str:
    """Where the command that was meant explains itself."""
    names = [word for word in sys.argv[1:3] if word.isalpha()]
    known = {each.name for each in app.registered_commands} | {each.name for each in app.registered_groups}
    if "run" in names and any("=" in word or " " in word for word in sys.argv[2:]):
        return 'Inputs are set like this: mintmark run NAME --set prompt="a red fox"'
    return f"See: mintmark {names[0]} --help" if names and names[0] in known else "See: mintmark --help"

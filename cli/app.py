"""All commands, and what becomes of their errors: one line for people, one JSON document for programs."""

from __future__ import annotations

import logging
import sys
from typing import Any

import typer

from ..errors import Canceled, InternalError, MintmarkError, UsageError
from . import doctor, keys, ledger, models, moderate, run_job, servers, verify, workflows
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
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(standalone_mode=False)
    except MintmarkError as exc:
        return fail(exc)
    except _BadUsage as exc:
        return fail(UsageError(exc.format_message(), hint="See: mintmark --help"))
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

"""All commands, and what becomes of their errors: one line for people, one JSON document for programs."""

from __future__ import annotations

import errno
import io
import logging
import sys
from typing import Any

import typer
from typer.main import get_command

from .. import log
from ..errors import Canceled, FileMissing, InternalError, MintmarkError, UsageError
from .commands import command_line, known
from .output import fail, printable
from .paths import check_words

logger = log.get("cli")

# Typer brings its own copy of click in newer releases, so its error classes are reached through Typer's own names.
_BadUsage: Any = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130
"""What Typer makes of Ctrl-C: it catches KeyboardInterrupt itself."""


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
        check_words(sys.argv[1:])
        code = _bare(get_command(command_line(_named())))(standalone_mode=False)
    except MintmarkError as exc:
        return fail(exc)
    except _BadUsage as exc:
        # Without a message it is a bare group, whose help was just shown.
        return fail(UsageError(exc.format_message(), hint=_hint(exc))) if exc.format_message() else 2
    except (KeyboardInterrupt, typer.Abort):
        return fail(Canceled("Stopped."))
    except typer.Exit as exc:
        return int(exc.exit_code)
    except BrokenPipeError:
        # The reader of our output is gone (`mintmark … | head`); closing stderr keeps Python from complaining of it.
        sys.stderr.close()
        return 1
    except Exception as exc:
        if isinstance(exc, OSError) and exc.errno == errno.ENAMETOOLONG:
            where = printable(exc.filename or "A path")
            return fail(FileMissing(f"{where}: a name that long is no file's.", hint="Check the path."))
        logger.critical("This is a defect of Mintmark", exc_info=True, extra=log.action("defect"))
        return fail(InternalError(f"{type(exc).__name__}: {exc}", hint="Please report this with the lines above."))
    if code == _INTERRUPTED:
        return fail(Canceled("Stopped."))
    return code if isinstance(code, int) else 0


def _bare(command: Any) -> Any:
    """The command and those below it with switches shown as such: Typer writes ``<bool>`` after each."""
    for param in command.params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    for each in getattr(command, "commands", {}).values():
        _bare(each)
    return command


def _named() -> str | None:
    """The command that is meant, where the first word already is one; "" where none is, so that none is loaded."""
    if sys.argv[1:] == ["--version"]:
        return ""
    return sys.argv[1] if len(sys.argv) > 1 and known(sys.argv[1]) else None


def _hint(exc: Any) -> str:
    """Where the command that was meant explains itself: as far as it was understood."""
    names: list[str] = []
    context = exc.ctx
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    if "run" in names and any("=" in word or " " in word for word in sys.argv[2:]):
        return 'Inputs are set like this: mintmark run NAME --set prompt="a red fox"'
    return f"See: {' '.join(['mintmark', *names, '--help'])}"

"""``python dying.py STEP before|after ARGS``: ``mintmark ARGS`` that kills itself at one write of its books.

STEP is a state a call moves to, or a method of the journal, the ledger or the spool. SIGKILL, so nothing is tidied up.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from mintmark.cli import main
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.execution.local_jobs import JobStore
from mintmark.storage.spool import Spool

STEPS = ("held", "asking", "accepted", "settled", "store", "note", "close_job", "put", "post", "allow", "start", "end")
_OWNERS = {"put": Spool, "post": SqliteLedger, "allow": SqliteLedger, "start": JobStore, "end": JobStore}
_NAMES = {"held": "hold", "asking": "begin", "accepted": "move", "settled": "move"}


def _dies_at(step: str, when: str) -> None:
    name = _NAMES.get(step, step)
    owner: Any = _OWNERS.get(step, SqliteJournal)
    real = getattr(owner, name)

    def dying(self: Any, *args: Any, **named: Any) -> Any:
        here = name != "move" or args[1] == step
        if here and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(self, *args, **named)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, dying)


if __name__ == "__main__":
    _dies_at(sys.argv[1], sys.argv[2])
    sys.argv[1:3] = []
    main()

"""Under which ids a job's prompts run on workers, and so under which its money is set aside. Pure.

A worker runs an id once, and its journal closes with it; so an attempt that is begun anew has another one. The first is
the job's own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

FAULT, MEMORY, GONE = "provider_fault", "out_of_memory", "worker_gone"
ANEW = (FAULT, MEMORY, GONE)
"""Reasons of a ``requeued`` after which the prompt itself had ended. After any other it may still be found."""


def prompt_ids(job_id: str, reasons: Iterable[str | None]) -> list[str]:
    """All of them, the present one last; ``reasons`` are those for which the job waited again so far."""
    anew = sum(reason in ANEW for reason in reasons)
    return [job_id, *(str(uuid.uuid5(uuid.UUID(job_id), str(number + 1))) for number in range(anew))]

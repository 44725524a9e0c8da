"""What tests let other processes do. Imported by its full name, which every child can import too."""

from __future__ import annotations

from pathlib import Path

from mintmark.orchestrator.execution.local_jobs import JobStore


def start(folder: str) -> str:
    """Start the job every process here asks for; its id."""
    store = JobStore(Path(folder))
    try:
        return store.start("same", "w@1.0.0", "http://worker").job_id
    finally:
        store.close()

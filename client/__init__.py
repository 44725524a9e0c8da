"""The Python client of the service: submit, wait, stream, batch.

It speaks HTTP only: nothing here may know how jobs are kept or run.
"""

from __future__ import annotations

from .client import Client
from .sync import SyncClient
from .values import Job, Order, Output, Update

__all__ = ["Client", "Job", "Order", "Output", "SyncClient", "Update"]

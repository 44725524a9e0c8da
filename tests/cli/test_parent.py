"""A server at the end of a pipe: told to stop in order, or left behind by whoever died."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mintmark.cli import parent
from mintmark.orchestrator.dispatch import supervise

SERVER = """
import asyncio
from mintmark.cli import parent

async def serve():
    over = asyncio.Event()
    parent.time.sleep = lambda seconds: print("lingers", seconds)
    parent.at_end_of_input(over.set, linger_s=0.3)
    await over.wait()

asyncio.run(serve())
"""


@pytest.mark.parametrize(
    ("said", "told"), [(supervise.STOP, b""), (b"", b"lingers 0.3\n"), (b"something else\n", b"lingers 0.3\n")]
)
def test_it_stops_at_once_where_that_was_said_and_lingers_where_not(said: bytes, told: bytes) -> None:
    ran = subprocess.run([sys.executable, "-c", SERVER], input=said, capture_output=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, b"", told)


def test_both_ends_say_the_same() -> None:
    assert parent.STOP == supervise.STOP

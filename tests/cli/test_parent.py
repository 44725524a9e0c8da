"""A server at the end of a pipe: told to stop in order, or left behind by whoever died."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mintmark.cli import parent
from mintmark.orchestrator.dispatch import supervise

SERVER = """
import asyncio
from mintmark.cli.parent import at_end_of_input, die

async def serve():
    over = asyncio.Event()
    at_end_of_input(over.set, orphaned=die)
    await over.wait()

asyncio.run(serve())
"""


@pytest.mark.parametrize(("said", "code"), [(supervise.STOP, 0), (b"", 1), (b"something else\n", 1)])
def test_it_stops_in_order_where_that_was_said_and_dies_where_not(said: bytes, code: int) -> None:
    ran = subprocess.run([sys.executable, "-c", SERVER], input=said, capture_output=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (code, b"")


def test_both_ends_say_the_same() -> None:
    assert parent.STOP == supervise.STOP

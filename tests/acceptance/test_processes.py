"""Several commands on one machine, and a person who changes their mind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Place

SMALL = ("--set=width=256", "--set=height=256")


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Look until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_two_runs_of_the_same_thing_at_once_are_two_jobs(place: Place) -> None:
    first, second = (place.start("run", "text-to-image", *SMALL, "--json") for _ in range(2))
    told = []
    for process in (first, second):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b""), out + err
        told.append(json.loads(out))
    assert told[0]["job_id"] != told[1]["job_id"]
    paths = {place.folder / each["outputs"][0]["path"] for each in told}
    assert len(paths) == 2
    assert all(path.is_file() for path in paths)
    ledger = {line["request_id"]: line["microusd"] for line in place.ledger()}
    assert ledger == {line["request_id"]: line["microusd"] for line in place.bill}
    assert len(ledger) == 2


@pytest.mark.parametrize(
    ("model", "path"), [("fal/flux-schnell", "queue"), ("openai/gpt-image-2.6-sunburst", "images")]
)
def test_an_interrupt_stops_the_job_and_holds_nothing(place: Place, model: str, path: str) -> None:
    slow = {"provider": model.split("/")[0], "kind": "slow", "seconds": 20, "path": path}
    place.sandbox.ask("PUT", "/_sandbox/faults", {"faults": [slow]})
    running = place.start("run", "text-to-image", f"--set=model={model}", "--json")
    wait_for(lambda: bool(place.calls))
    wait_for(lambda: bool(place.rows("journal", "SELECT 1 FROM calls WHERE state IN ('asking', 'accepted')")))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=40)
    assert running.returncode == 1, out + err
    assert json.loads(out)["error"]["code"] == "canceled"
    assert b"Traceback" not in err
    assert not place.out.exists() or list(place.out.iterdir()) == []
    (job,) = place.rows("jobs", "SELECT state FROM jobs")
    assert job["state"] == "canceled"
    total = json.loads(place.run("ledger", "sum", "--json").stdout)
    assert (total["set_aside_microusd"], total["settled_microusd"]) == (0, 0)
    # What cannot be called back may be billed; then it is marked as unknown, with at least so much held.
    assert sum(line["microusd"] for line in place.bill) <= total["unknown_microusd"]


def test_an_interrupt_before_anything_is_asked_costs_nothing(place: Place) -> None:
    running = place.start("run", "text-to-image", "--json")
    wait_for(lambda: (place.folder / "data").exists())
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=40)
    assert running.returncode in (0, 1), out + err
    assert b"Traceback" not in err
    if running.returncode == 1:
        assert json.loads(out)["error"]["code"] == "canceled"
    total = json.loads(place.run("ledger", "sum", "--json").stdout)
    assert total["set_aside_microusd"] == 0


@pytest.mark.parametrize("command", ["runner", "sandbox"])
def test_a_server_stops_in_order_when_it_is_interrupted(place: Place, command: str) -> None:
    process = place.start(command, "--port", "0", "--json")
    assert process.stdout is not None
    while not process.stdout.readline().startswith(b"}"):
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert b"Traceback" not in err
    assert process.returncode == 0


def test_a_file_made_by_a_run_verifies_in_another_process_and_one_byte_spoils_it(place: Place) -> None:
    made = json.loads(place.run("run", "text-to-image", *SMALL, "--json").stdout)
    path = place.folder / made["outputs"][0]["path"]
    assert _verified(place, path) == ("valid", True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert _verified(place, path)[0] == "invalid"


def _verified(place: Place, path: Path) -> tuple[str, bool]:
    ran: subprocess.CompletedProcess[str] = place.run("verify", path, "--json")
    found = json.loads(ran.stdout)
    return found["state"], found["ai_generated"]

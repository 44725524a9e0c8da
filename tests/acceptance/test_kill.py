"""A run that is killed anywhere, any number of times, and run again: what was billed is what the books say."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Place
from .dying import STEPS

DYING = Path(__file__).with_name("dying.py")
FAL, OPENAI = "fal/flux-schnell", "openai/gpt-image-2.6-sunburst"
LONGEST_S = 1.5
"""About as long as a whole run takes."""

Killer = tuple[str, str] | float
"""A step of the books and before or after it; or a delay in seconds."""


class Asked:
    """One thing that is asked for until it is done, through any number of deaths."""

    def __init__(self, place: Place, number: int, model: str) -> None:
        size = ("1024", "1024") if model == OPENAI else ("256", "256")
        wanted = (f"model={model}", f"prompt=teapot number {number}", f"width={size[0]}", f"height={size[1]}")
        self._place = place
        self._args = ["run", "text-to-image", *(f"--set={each}" for each in wanted), "-o", str(place.out), "--json"]

    def die(self, killer: Killer) -> bool:
        """Run until the killer strikes; False where the run was over before it could."""
        if isinstance(killer, tuple):
            command = [sys.executable, str(DYING), *killer, *self._args]
        else:
            command = self._place.command(*self._args)
        told = self._place.folder / "told.json"
        with told.open("wb") as file:
            process = subprocess.Popen(command, env=self._place.env, stdout=file, stderr=file, cwd=self._place.folder)
            if isinstance(killer, float):
                time.sleep(killer)
                process.kill()
            code = process.wait(120)
        assert code in (0, -signal.SIGKILL) or "charge_unknown" in told.read_text(), told.read_text()
        return code == -signal.SIGKILL

    def is_open(self) -> bool:
        """Whether a dead process left it; what is over is not asked for again, for that would be another order."""
        return bool(self._place.rows("jobs", "SELECT 1 FROM jobs WHERE state = 'open'"))

    def finish(self) -> None:
        """Run to the end: done, or failed because nobody knows what an earlier death cost."""
        ran = self._place.run(*self._args)
        told = json.loads(ran.stdout)
        assert ran.returncode == 0 or told["error"]["code"] == "charge_unknown", ran.stdout + ran.stderr


def kill_often(place: Place, killers: Iterator[tuple[str, Killer]], kills: int, chance: random.Random) -> None:
    """Kill runs until there were so many deaths; each order is then finished."""
    dead = number = 0
    while dead < kills:
        number += 1
        model, killer = next(killers)
        asked = Asked(place, number, model)
        begun = died = asked.die(killer)
        while died:
            dead += 1
            if not asked.is_open() or chance.random() < 0.5:
                break
            died = asked.die(chance.uniform(0.3, LONGEST_S))
        # Killed before the job was written down: nothing was ordered yet, so nothing is left to finish.
        if begun and asked.is_open():
            asked.finish()


def check_books(place: Place) -> None:
    """The acceptance: bill = settled + unknown that the bill shows, line by line, and nothing was asked twice."""
    bill, ledger = place.bill, place.ledger()
    settled = {line["request_id"]: line["microusd"] for line in ledger if line["kind"] == "settled"}
    unknown = {line["call_id"]: line for line in ledger if line["kind"] == "unknown"}
    assert len(settled) == sum(line["kind"] == "settled" for line in ledger)
    billed_unknown = 0
    for line in bill:
        by_request = settled.pop(line["request_id"], None)
        if by_request is not None:
            assert by_request == line["microusd"]
            continue
        billed_unknown += line["microusd"]
        assert _unknown_of(line, unknown, place) is not None, line
    assert settled == {}, "settled, but never billed"
    total = sum(line["microusd"] for line in ledger if line["kind"] == "settled")
    assert sum(line["microusd"] for line in bill) == total + billed_unknown
    # fal names a call at once: from then on nothing about it may be unknown.
    assert [line for line in unknown.values() if line["provider"] == "fal" and line["request_id"]] == []
    asked = Counter(_prompt(call["body"]) for call in place.calls)
    assert [prompt for prompt, times in asked.items() if times > 1] == []
    assert place.rows("jobs", "SELECT * FROM jobs WHERE state = 'open'") == []
    summed = json.loads(place.run("ledger", "sum", "--json").stdout)
    assert summed["set_aside_microusd"] == 0
    again = place.rows("journal", "SELECT key FROM calls WHERE state != 'released' GROUP BY key HAVING count(*) > 1")
    assert again == []


def _unknown_of(line: dict[str, Any], unknown: dict[str, Any], place: Place) -> Any:
    """The unknown call behind a line of the bill, taken out: each explains one line."""
    if line["client_request_id"]:
        return unknown.pop(line["client_request_id"], None)
    # A provider without a field for our call id: it is one of its calls whose name never arrived, with enough held.
    nameless = [each for each in unknown.values() if each["provider"] == line["provider"] and not each["request_id"]]
    enough = [each for each in nameless if each["microusd"] >= line["microusd"]]
    return unknown.pop(enough[0]["call_id"]) if enough else None


def _prompt(body: Any) -> str:
    return str(body["prompt"])


def every_step(models: tuple[str, ...], chance: random.Random) -> Iterator[tuple[str, Killer]]:
    """First each step of the books once, in random order, then random moments."""
    steps: list[tuple[str, Killer]] = [
        (chance.choice(models), (step, when)) for step in STEPS for when in ("before", "after")
    ]
    chance.shuffle(steps)
    yield from steps
    while True:
        yield chance.choice(models), chance.uniform(0.2, LONGEST_S)


@pytest.mark.acceptance
def test_fifty_kills_cost_nothing_twice_and_lose_nothing(place: Place) -> None:
    chance = random.Random(20261121)
    kill_often(place, every_step((FAL, OPENAI), chance), 50, chance)
    check_books(place)
    assert len({line["provider"] for line in place.bill}) == 2


@pytest.mark.parametrize(
    ("model", "killer"),
    [
        (FAL, ("accepted", "before")),
        (FAL, ("accepted", "after")),
        (FAL, ("settled", "after")),
        # OpenAI names a call only with its answer, so there is no step between.
        (OPENAI, ("asking", "after")),
        (OPENAI, ("settled", "before")),
        (OPENAI, ("settled", "after")),
    ],
)
def test_one_kill_at_a_step_costs_nothing_twice(place: Place, model: str, killer: tuple[str, str]) -> None:
    asked = Asked(place, 1, model)
    assert asked.die(killer)
    assert asked.is_open()
    asked.finish()
    check_books(place)


@pytest.mark.parametrize("killer", [("accepted", "after"), ("settled", "after"), ("store", "after")])
def test_a_newcomer_s_killed_run_is_taken_up_again_without_paying_twice(place: Place, killer: tuple[str, str]) -> None:
    """As ``make run`` does it: the sandbox is the run's own and dies with it."""
    del place.env["MINTMARK_SANDBOX_URL"]
    asked = Asked(place, 1, FAL)
    assert asked.die(killer)
    ran = place.run(*asked._args)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [line["kind"] for line in place.ledger()] == ["settled"]
    assert json.loads(ran.stdout)["total_microusd"] == place.ledger()[0]["microusd"]

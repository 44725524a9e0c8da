"""What a worker takes: the lanes of its kind, what goes on in its journal, and what needs the most memory there is."""

from __future__ import annotations

from mintmark.generation.context import Device, WorkerHealth
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.link.client import WorkerLink

GIB = 1024**3


def worker(kind: str = "comfyui", *, gib: int | None = None, shared: bool = False, up: bool = True) -> Worker:
    made = Worker("w", WorkerLink("http://127.0.0.1:9"), shared=shared)
    devices = () if gib is None else (Device(name="a", type="cuda", vram_total=gib * GIB),)
    made.health = WorkerHealth(
        boot_id="b", kind=kind, pack_version="1", mode="sandbox", policy="p", providers=(), prompt_thread_alive=True,
        devices=devices,
    )  # fmt: skip
    made.state = "up" if up else "down"
    return made


def test_one_that_has_not_said_what_it_is_takes_nothing() -> None:
    assert Worker("w", WorkerLink("http://127.0.0.1:9"), shared=True).claims([]) == ()


def test_what_is_tied_to_a_journal_goes_to_those_that_share_it() -> None:
    own, far = worker("runner", shared=True), worker("runner")
    assert (own.claims([own, far]), far.claims([own, far])) == (("hosted", "own"), ("hosted",))


def test_what_was_too_large_for_one_goes_to_the_largest_that_is_there() -> None:
    small, middle, large = worker(gib=8), worker(gib=24), worker(gib=80)
    fleet = [small, middle, large]
    assert ["large" in each.claims(fleet) for each in fleet] == [False, False, True]
    large.state = "down"
    assert ["large" in each.claims(fleet) for each in (small, middle)] == [False, True]
    assert (small.smaller(fleet), middle.smaller(fleet)) == (True, False)


def test_one_that_does_not_tell_its_memory_is_not_the_largest() -> None:
    assert worker().claims([]) == ("gpu", "hosted")

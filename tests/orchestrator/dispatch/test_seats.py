"""A worker as placing sees it."""

from __future__ import annotations

from mintmark.clock import utc_now
from mintmark.orchestrator.dispatch.seats import seat_of
from mintmark.orchestrator.fleet.capabilities import Capabilities
from mintmark.orchestrator.fleet.entries import Entry

from .test_worker import GIB, worker


def test_what_a_worker_tells_is_on_its_seat() -> None:
    told = worker(gib=24)
    assert told.health is not None
    told.health = told.health.model_copy(update={"models_in_memory": ("a.safetensors", "b.pt"), "models_known": True})
    told.object_info = {"KSampler": {}}
    told.capabilities = Capabilities(boot_id="b", asked_at=0.0, folders={"loras": {"x/a.safetensors": 7}})
    told.obey(Entry(name="w", url="u", labels=frozenset({"spot"}), region="eu", added_at=utc_now(), added_by="x"))
    seat = seat_of(told, free_at=5.0, inferred={"old.pt": 1})
    assert (seat.name, seat.lanes, seat.classes, seat.vram) == ("w", {"gpu", "hosted"}, {"KSampler"}, 24 * GIB)
    assert seat.memory == {"a.safetensors": 7, "b.pt": 0}  # it tells all that it has
    assert seat.choices == frozenset(), "of what it lets choose it has told, and there is nothing"
    told.object_info = {}
    assert seat_of(told).choices is None
    assert (seat.region, seat.labels, seat.up, seat.room, seat.free_at) == ("eu", {"spot"}, True, 2, 5.0)


def test_what_it_does_not_tell_is_taken_from_what_it_last_ran() -> None:
    told = worker(gib=24)
    assert told.health is not None
    told.health = told.health.model_copy(update={"models_in_memory": ("a.pt",)})
    assert list(seat_of(told, inferred={"old.pt": 3}).memory) == ["old.pt", "a.pt"]


def test_one_that_gets_no_jobs_has_no_seat_and_one_on_probation_a_single_place() -> None:
    told = worker()
    told.care.looked_ill("unreachable")
    assert (seat_of(told).up, seat_of(told).room) == (False, 0)
    told.care.looked_well()
    assert (seat_of(told).up, seat_of(told).room) == (True, 1)
    assert seat_of(told, claimed=1).room == 0


def test_one_that_does_not_answer_has_none() -> None:
    assert seat_of(worker(up=False)).up is False

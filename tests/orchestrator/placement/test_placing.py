"""Who runs a job: lane, what it can, what it has in memory, whom it would push out, and how long that is waited for."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.orchestrator.placement.choosing import foresee, next_for
from mintmark.orchestrator.placement.fleet import CONSIDERED, Fleet
from mintmark.orchestrator.placement.placing import COPY_LOADS, OVERTAKEN_LOADS, place
from mintmark.orchestrator.placement.values import Choice, Seat, Work

GIB = 2**30
LOAD_S = 20.0


def seat(name: str, *files: str, **more: Any) -> Seat:
    """A worker with these models of one unit each in memory, which holds two."""
    return Seat(name=name, memory=dict.fromkeys(files, 1), **{"memory_size": 2, **more})


def busy(name: str, *files: str, free_at: float, **more: Any) -> Seat:
    return seat(name, *files, room=0, running=1, free_at=free_at, **more)


def work(*files: str, **more: Any) -> Work:
    facts = {"job_id": "job", "files": frozenset(files), "sizes": dict.fromkeys(files, 1), "load_s": LOAD_S}
    return Work(**{**facts, **more})


def placed(job: Work, *seats: Seat, now: float = 0.0) -> Any:
    choice = place(job, Fleet(seats), now)
    return choice.worker, choice.reason


# -- what is in memory ------------------------------------------------------------------------------------------------


def test_a_job_goes_where_its_models_are_in_memory() -> None:
    assert placed(work("a"), seat("one"), seat("two", "a"), seat("three")) == ("two", "warm")


def test_all_of_its_files_have_to_be_there() -> None:
    assert placed(work("a", "lora"), seat("one", "a"), seat("two", "a", "lora")) == ("two", "warm")
    assert placed(work("a", "lora"), seat("one", "a"), seat("two", "lora"))[1] == "cold"


def test_of_two_warm_workers_the_one_with_the_less_wanted_rest_takes_it() -> None:
    fleet = Fleet([seat("one", "a", "popular"), seat("two", "a", "rare")])
    fleet.wanted.update({"popular": 9, "rare": 1})
    assert place(work("a"), fleet, 0).worker == "two"


def test_who_does_not_have_its_file_is_not_asked_whatever_else_speaks_for_it() -> None:
    job = work("a", listed=frozenset("a"))
    lacking, having = seat("one", "a", choices=frozenset("b")), seat("two", choices=frozenset("ab"))
    assert placed(job, lacking, having) == ("two", "cold")
    assert placed(work("a"), lacking, having) == ("one", "warm"), "nobody lists it, so nobody is known to lack it"
    assert placed(job, lacking, seat("two")) == ("two", "cold"), "one that was not asked yet may have it"
    assert place(job, Fleet([lacking]), 0).against == {"one": "it has no a"}


def test_a_job_that_loads_nothing_goes_where_least_is_in_memory() -> None:
    assert placed(work(), seat("one", "a"), seat("two")) == ("two", "any")


# -- waiting ----------------------------------------------------------------------------------------------------------


WITHIN_S = COPY_LOADS * LOAD_S


def waiting(jobs: int, *seats: Seat, wanted: int = 99) -> Fleet:
    """The fleet where so many jobs wait that load a, and so many models are wanted: more than all can hold."""
    fleet = Fleet(seats)
    fleet.waits(work("a"), jobs)
    fleet.wanted.update(f"model-{number}" for number in range(wanted))
    return fleet


def test_a_warm_worker_is_waited_for_that_is_free_before_whoever_waits_for_a_load_and_then_loads_would_begin() -> None:
    warm, cold = busy("warm", "a", free_at=WITHIN_S), seat("cold")
    choice = place(work("a"), waiting(1, warm, cold), 0)
    assert (choice.worker, choice.reason, choice.waits_for) == (None, "waits_for_warm", "warm")
    assert place(work("a"), waiting(1, busy("warm", "a", free_at=WITHIN_S + 1), cold), 0).reason == "cold"


def test_a_copy_that_is_being_loaded_is_enough_for_as_many_as_it_can_begin_in_time() -> None:
    """Not one copy for each of them, however long they have waited."""
    loading, job = busy("loading", "a", free_at=LOAD_S + 5), work("a", run_s=5.0)
    enough = 1 + int((WITHIN_S - LOAD_S - 5) / 5)
    assert place(job, waiting(enough, loading, seat("cold")), 0).reason == "waits_for_warm"
    assert place(job, waiting(enough + 1, loading, seat("cold")), 0) == Choice(worker="cold", reason="cold")
    two = [loading, busy("also", "a", free_at=LOAD_S + 5)]
    assert place(job, waiting(2 * enough, *two, seat("cold")), 0).reason == "waits_for_warm"
    assert place(job, waiting(2 * enough + 1, *two, seat("cold")), 0).reason == "cold"


def test_where_there_is_room_for_all_that_is_wanted_a_copy_is_loaded_sooner() -> None:
    cold = [seat(f"cold-{number}") for number in range(9)]

    def reason(free_at: float, wanted: int, **more: Any) -> str:
        loading = busy("warm", "a", free_at=free_at, **more)
        return place(work("a"), waiting(1, loading, *cold, wanted=wanted), 0).reason

    assert (reason(LOAD_S, 0), reason(LOAD_S + 1, 0)) == ("waits_for_warm", "cold")
    half = LOAD_S * 1.5
    assert (reason(half, 10), reason(half + 1, 10)) == ("waits_for_warm", "cold"), "ten of the twenty that fit"
    assert (reason(WITHIN_S, 20), reason(WITHIN_S + 1, 20)) == ("waits_for_warm", "cold")
    assert reason(WITHIN_S, 0, memory_size=None) == "waits_for_warm", "who knows whether it pushes something out"


def test_how_crowded_a_fleet_is_follows_who_comes_and_goes() -> None:
    fleet = Fleet([seat("one"), seat("two"), seat("unknown", memory_size=None)])
    fleet.wanted.update(("a", "b"))
    assert fleet.crowding(work("a")) == 1
    fleet.remove("unknown")
    assert fleet.crowding(work("a")) == pytest.approx(2 / 4)
    fleet.put(seat("two", up=False))
    assert fleet.crowding(work("a")) == 1
    fleet.put(seat("two", memory_size=6))
    assert fleet.crowding(work("a")) == pytest.approx(2 / 8)
    assert fleet.crowding(work("a", sizes={"a": 2})) == pytest.approx(4 / 8)
    for name in ("one", "two"):
        fleet.remove(name)
    assert fleet.crowding(work("a")) == 1


def test_of_more_holders_than_are_looked_at_each_has_its_share_of_those_who_wait() -> None:
    many = [busy(f"warm-{number}", "a", free_at=LOAD_S) for number in range(2 * CONSIDERED)]
    job = work("a", run_s=LOAD_S)
    assert place(job, waiting(4 * CONSIDERED, *many, seat("cold")), 0).reason == "waits_for_warm"
    assert place(job, waiting(4 * CONSIDERED + 2, *many, seat("cold")), 0).reason == "cold"


def test_who_waits_for_other_models_too_is_not_of_the_same_backlog() -> None:
    fleet = waiting(1, busy("warm", "a", free_at=LOAD_S), seat("cold"))
    fleet.waits(work("a", "lora"), 99)
    fleet.waits(work("b"), 99)
    assert place(work("a", run_s=5.0), fleet, 0).reason == "waits_for_warm"


def test_who_was_passed_over_for_longer_than_was_foreseen_waits_for_no_warm_worker_any_more() -> None:
    warm, cold = busy("warm", "a", free_at=10), seat("cold")
    assert placed(work("a", passed_over_s=WITHIN_S), warm, cold)[1] == "waits_for_warm"
    assert placed(work("a", passed_over_s=WITHIN_S + 1), warm, cold) == ("cold", "cold")


def test_a_deadline_is_not_waited_past() -> None:
    assert placed(work("a", slack_s=4), busy("warm", "a", free_at=5), seat("cold")) == ("cold", "cold")


def test_a_worker_goes_on_with_its_warm_work_and_a_cold_job_is_overtaken_within_a_bound() -> None:
    fleet = Fleet([seat("one", "a", "b")])
    fleet.waits(work("a"))
    bound = OVERTAKEN_LOADS * LOAD_S
    assert place(work("c", passed_over_s=bound - 1), fleet, 0).reason == "overtaken"
    assert place(work("c", passed_over_s=bound), fleet, 0).worker == "one"
    fleet.waits(work("a"), -1)
    assert place(work("c"), fleet, 0).worker == "one"


def test_an_idle_worker_is_preferred_to_one_with_warm_work() -> None:
    fleet = Fleet([seat("one", "a"), seat("two", "b", "d")])
    fleet.waits(work("a"))
    assert place(work("c"), fleet, 0).worker == "two"


def test_an_idle_worker_is_not_kept_for_warm_work_that_it_cannot_run() -> None:
    """Whichever of what it lacks that is, and however many wait that another one runs."""
    special = {
        "classes": work("a", classes=frozenset({"Rare"})),
        "region": work("a", region="eu"),
        "pins": work("a", pins=(("mintmark", ">=2"),)),
        "shape": work("a", shape="new sampler"),
    }
    idle = seat(
        "one", "a", classes=frozenset({"K"}), versions={"mintmark": "1.0.0"}, unfit={"new sampler": "it lacks it"}
    )
    for job in special.values():
        fleet = Fleet([idle])
        fleet.waits(job, 9)
        assert place(work("c"), fleet, 0) == Choice(worker="one", reason="cold")
        fleet.waits(work("a"))
        assert place(work("c"), fleet, 0).reason == "overtaken"
        assert fleet.backlog(frozenset({"a"})) == 10
        fleet.waits(work("a"), -1)
        assert place(work("c"), fleet, 0).worker == "one"


# -- what is pushed out -----------------------------------------------------------------------------------------------


def test_a_cold_job_goes_where_what_it_evicts_is_missed_least() -> None:
    fleet = Fleet([seat("one", "popular", "x"), seat("two", "rare", "y")])
    fleet.wanted.update({"popular": 50, "rare": 1, "x": 5, "y": 5})
    choice = place(work("c"), fleet, 0)
    assert (choice.worker, choice.evicts) == ("two", ("rare",))


def test_what_others_hold_too_is_missed_less() -> None:
    fleet = Fleet([seat("one", "a", "x"), seat("two", "b", "y"), busy("three", "a", "z", free_at=99)])
    fleet.wanted.update({"a": 6, "b": 5})
    assert place(work("c"), fleet, 0).worker == "one"


def test_of_what_another_free_worker_has_hardly_anything_is_missed() -> None:
    spare = [seat("one", "popular", "x"), seat("two", "popular", "y")]
    fleet = Fleet([*spare, seat("three", "rare", "z")])
    fleet.wanted.update({"popular": 50, "rare": 3})
    assert place(work("c"), fleet, 0).evicts == ("popular",)
    fleet = Fleet([spare[0], busy("two", "popular", "y", free_at=99), seat("three", "rare", "z")])
    fleet.wanted.update({"popular": 50, "rare": 3})
    assert place(work("c"), fleet, 0).evicts == ("rare",)


def test_an_empty_worker_loses_nothing() -> None:
    fleet = Fleet([seat("one", "a", "b"), seat("two", "a")])
    fleet.wanted.update({"a": 1})
    assert place(work("c"), fleet, 0).worker == "two"


# -- what rules a worker out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "worker", "why"),
    [
        (work("a"), seat("one", up=False), "not up"),
        (work("a"), seat("one", lanes=frozenset({"hosted"})), "lane gpu"),
        (work("a", absent=frozenset({"one"})), seat("one"), "did not come for the job"),
        (work("a", region="eu"), seat("one", region="us"), "region us, not in eu"),
        (work("a", region="eu"), seat("one"), "region unknown"),
        (work("a", labels=frozenset({"fast"})), seat("one"), "not labelled fast"),
        (work("a", classes=frozenset({"KSampler", "Rare"})), seat("one", classes=frozenset({"KSampler"})), "Rare"),
        (work("a", shape="odd"), seat("one", unfit={"odd": "it refuses it"}), "it refuses it"),
        (work("a", vram=24 * GIB), seat("one", vram=16 * GIB), "16.0 GiB of memory, and the job needs 24.0"),
    ],
)
def test_a_worker_that_cannot_run_it_is_told_with_its_reason(job: Work, worker: Seat, why: str) -> None:
    choice = place(job, Fleet([worker]), 0)
    assert (choice.worker, choice.reason) == (None, "nobody_can")
    assert why in choice.against["one"]


def test_a_shape_that_a_worker_does_not_run_is_no_reason_against_others() -> None:
    picky = seat("one", "a", unfit={"odd": "it refuses it"})
    assert placed(work("a", shape="odd"), picky, seat("two")) == ("two", "cold")
    assert placed(work("a"), picky, seat("two")) == ("one", "warm")


def test_a_worker_that_was_not_asked_yet_is_not_ruled_out() -> None:
    job = work("a", classes=frozenset({"KSampler"}), vram=GIB)
    assert placed(job, seat("one", classes=None, vram=None)) == ("one", "cold")


def test_one_that_could_and_has_no_room_is_no_reason_to_despair() -> None:
    assert placed(work("a"), busy("one", free_at=999), seat("two", up=False)) == (None, "all_busy")


def test_the_one_worker_of_many_that_can_is_found() -> None:
    many = [seat(f"w{number}") for number in range(100)]
    assert placed(work("a", region="eu"), *many, seat("eu", region="eu")) == ("eu", "cold")


# -- the next job of a worker -----------------------------------------------------------------------------------------


def test_a_worker_gets_the_first_job_whose_best_place_it_is() -> None:
    fleet = Fleet([seat("one", "a"), seat("two", "b")])
    queue = [work("b", job_id="1"), work("a", job_id="2"), work("a", job_id="3")]
    found, told = next_for("one", queue, fleet, 0)
    assert found is not None and found.job_id == "2"
    assert {job_id: choice.worker for job_id, choice in told.items()} == {"1": "two", "2": "one"}


def test_a_worker_that_nothing_is_for_gets_nothing() -> None:
    fleet = Fleet([seat("one"), busy("two", "b", free_at=1)])
    assert next_for("one", [work("b")], fleet, 0)[0] is None


def test_what_a_worker_holds_is_known_anew_when_it_is_put_again() -> None:
    fleet = Fleet([seat("one", "a")])
    fleet.put(seat("one", "b"))
    assert [each.name for each in fleet.free_with(frozenset({"a"}))] == []
    assert [each.name for each in fleet.free_with(frozenset({"b"}))] == ["one"]
    fleet.remove("one")
    assert list(fleet.free()) == []
    assert fleet.copies("b") == 0


# -- what was tried before, and what is foreseen ----------------------------------------------------------------------


def test_a_job_goes_where_it_has_not_failed_while_there_is_such_a_worker() -> None:
    again = work("a", avoid=frozenset({"one"}))
    assert placed(again, seat("one", "a"), seat("two")) == ("two", "cold")
    assert placed(again, seat("one", "a"), busy("two", free_at=99)) == (None, "all_busy")
    assert placed(again, seat("one", "a"), seat("two", up=False)) == ("one", "warm"), "better there than nowhere"


def test_a_worker_of_another_version_than_is_pinned_is_ruled_out_with_both() -> None:
    job = work("a", pins=(("mintmark", ">=2"),))
    old, new = seat("one", versions={"mintmark": "1.4.0"}), seat("two", versions={"mintmark": "2.1.0"})
    assert placed(job, old, new) == ("two", "cold")
    assert place(job, Fleet([old]), 0).against == {"one": "it pins mintmark >=2, and 1.4.0 is there"}


def test_what_is_foreseen_of_a_job_counts_those_before_it() -> None:
    fleet = Fleet([seat("one", "a", room=1), seat("two", "b", room=1)])
    queue = [work("a", job_id="first"), work("a", job_id="second"), work("b", job_id="third")]
    assert foresee("first", queue, fleet, 0) == (Choice(worker="one", reason="warm"), 0)
    fleet = Fleet([seat("one", "a", room=1), seat("two", "b", room=1)])
    third = foresee("third", queue, fleet, 0)
    assert third is not None and third.choice.worker == "two"
    assert foresee("unknown", queue, fleet, 0) is None


def test_what_those_before_it_load_is_foreseen_as_loaded() -> None:
    fleet = Fleet([seat("one", room=2)])
    queue = [work("a", job_id="first"), work("a", job_id="second")]
    found = foresee("second", queue, fleet, 0)
    assert found == (Choice(worker="one", reason="warm"), 1)

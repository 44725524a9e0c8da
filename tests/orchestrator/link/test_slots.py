"""One prompt that runs and one that waits, in the order they came."""

from __future__ import annotations

import asyncio

from mintmark.orchestrator.link.slots import Gate, Slots, capacity_of


def test_a_comfyui_gets_two_and_a_runner_many() -> None:
    assert (capacity_of("comfyui"), capacity_of("runner")) == (2, 1024)


def test_places_are_given_in_the_order_they_were_asked_for() -> None:
    slots = Slots(2)
    for who in "abcd":
        slots.ask(who)
    assert slots.admit() == ["a", "b"]
    assert slots.admit() == []
    slots.leave("b")
    assert slots.admit() == ["c"]
    assert slots.taken == 2


def test_who_leaves_the_line_is_not_called() -> None:
    slots = Slots(1)
    for who in "abc":
        slots.ask(who)
    slots.admit()
    slots.leave("b")
    slots.leave("a")
    assert slots.admit() == ["c"]


async def test_never_more_are_inside_than_there_are_places() -> None:
    gate, inside, most = Gate(2), 0, 0

    async def job() -> None:
        nonlocal inside, most
        async with gate.place():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(job() for _ in range(20)))
    assert (inside, most) == (0, 2)


async def test_a_canceled_wait_gives_its_turn_to_the_next() -> None:
    gate = Gate(1)
    entered: list[str] = []

    async def job(name: str, hold: asyncio.Event) -> None:
        async with gate.place():
            entered.append(name)
            await hold.wait()

    hold = asyncio.Event()
    tasks = [asyncio.create_task(job(name, hold)) for name in "abc"]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    hold.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == ["a", "c"]


async def test_more_places_let_in_who_waits_at_once() -> None:
    gate = Gate(1)
    async with gate.place():
        second = asyncio.create_task(gate.place().__aenter__())
        await asyncio.sleep(0.01)
        assert not second.done()
        gate.widen(2)
        await asyncio.wait_for(second, 60)

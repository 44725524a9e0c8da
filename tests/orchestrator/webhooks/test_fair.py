"""Webhooks of one project hold up no other's, however slow their receivers are."""

from __future__ import annotations

import asyncio
import time

from mintmark.orchestrator.webhooks import claiming
from mintmark.orchestrator.webhooks.outbox import PART
from mintmark.orchestrator.webhooks.slots import LATE_S, REMEMBERED, SLOW_MS, Slots

from .conftest import Post
from .receiver import Names, Receiver, never, receiving, saying

TARPITS = 200


def wildcard(count: int) -> Names:
    """Many names of one address: each is a target of its own."""
    return Names(**{f"t{number}_example": [["127.0.0.1"]] for number in range(count)})


def end_at_each(post: Post, receiver: Receiver, count: int, project: str) -> None:
    for number in range(count):
        post.end(f"http://t{number}.example:{receiver.port}/", project=project)


async def test_tarpits_of_one_project_hold_up_no_other(post: Post) -> None:
    gate = asyncio.Event()
    async with (
        receiving(*[never(gate)] * TARPITS) as slow,
        receiving() as quick,
        post.sending(client={"resolver": wildcard(TARPITS)}, try_s=50.0) as sender,
    ):
        for project in ("evil", "worse", "worst"):
            end_at_each(post, slow, TARPITS, project)
            sender.wake()
            await slow.wait({"evil": 56, "worse": 84, "worst": 98}[project])
        for _ in range(20):
            started = time.perf_counter()
            post.end(quick.url, project="shop")
            sender.wake()
            await quick.wait(len(quick.got) + 1)
            assert time.perf_counter() - started < 5
        assert len(slow.got) == 98
        gate.set()


async def test_targets_that_failed_get_few_places_and_the_others_of_their_project_the_rest(post: Post) -> None:
    gate = asyncio.Event()
    options = {"client": {"resolver": wildcard(8)}, "at_once": 32, "try_s": 50.0}
    answers = [saying(500)] * 8 + [never(gate)] * 8
    async with receiving(*answers) as slow, receiving() as quick, post.sending(**options) as sender:
        end_at_each(post, slow, 8, "acme")
        await slow.wait(8)
        while any(not post.webhooks.attempts(each.delivery_id) for each in post.webhooks.deliveries()):
            await asyncio.sleep(0.02)
        post.clock.go(seconds=5)
        sender.wake()
        # Of the 4 places for targets in trouble a project alone gets 2.
        await slow.wait(10)
        for _ in range(5):
            post.end(quick.url)
        sender.wake()
        await quick.wait(5)
        assert len(slow.got) == 10
        gate.set()


async def test_projects_take_turns_and_each_sends_the_longest_due_first(post: Post) -> None:
    ended = []
    for project in ("b", "b", "b", "b", "a", "c"):
        ended.append(post.end(f"http://{project}.example/", project=project).job_id)
        post.clock.go(seconds=1)

    def chosen(slots: Slots) -> tuple[list[int], str]:
        found, after = post.store.read(lambda db: claiming.choose(db, post.clock(), slots))
        rows = {each.seq: each.job_id for each in post.webhooks.deliveries()}
        return [ended.index(rows[seq]) for seq in found], after

    assert chosen(Slots(128, 16)) == ([4, 0, 5, 1, 2, 3], "b")
    slots = Slots(128, 16)
    slots.after = "a"
    assert chosen(slots)[0] == [0, 5, 4, 1, 2, 3]
    assert chosen(Slots(128, 2))[0] == [4, 0, 5, 1]
    assert chosen(Slots(8, 16))[0] == [4, 0, 5, 1, 2]


async def test_what_a_project_may_not_send_hides_nothing_else_of_it(post: Post) -> None:
    for _ in range(100):
        post.end("http://down.example/")
    post.clock.go(seconds=1)
    wanted = post.end("http://up.example/")
    slots = Slots(128, 16)
    slots.learn("down.example", claiming.Tried(post.clock(), 0, again_at=post.clock()))
    while slots.may("acme", "down.example"):
        slots.take("acme", "down.example")
    found, _ = post.store.read(lambda db: claiming.choose(db, post.clock(), slots.copy()))
    [seq] = [each.seq for each in post.webhooks.deliveries() if each.job_id == wanted.job_id]
    assert found == [seq]
    while slots.may("acme", "up.example"):
        slots.take("acme", "up.example")
    assert post.store.read(lambda db: claiming.choose(db, post.clock(), slots.copy())) == ([], "")


async def test_with_room_for_troubled_targets_alone_only_these_are_chosen(post: Post) -> None:
    for _ in range(100):
        post.end("http://up.example/")
    post.clock.go(seconds=1)
    post.end("http://down.example/")
    slots = Slots(128, 1000)
    while slots.may("acme", "up.example"):
        slots.take("acme", "up.example")
    slots.learn("down.example", claiming.Tried(post.clock(), SLOW_MS, 200, delivered=True))
    found, _ = post.store.read(lambda db: claiming.choose(db, post.clock(), slots.copy()))
    assert found == [post.webhooks.deliveries()[0].seq]


def test_trouble_is_over_with_a_quick_answer_or_after_a_while(clock) -> None:
    now = [0.0]
    slots = Slots(128, 16, clock=lambda: now[0])
    failed = claiming.Tried(clock(), 5, 500, again_at=clock())
    slots.learn("a", failed)
    slots.learn("b", failed)
    assert slots.troubled() == ["a", "b"]
    slots.learn("a", claiming.Tried(clock(), 5, 200, delivered=True))
    assert slots.troubled() == ["b"]
    now[0] = LATE_S
    assert slots.troubled() == []
    for number in range(REMEMBERED + 5):
        slots.learn(f"t{number}", failed)
    assert len(slots.troubled()) == REMEMBERED


async def test_what_was_written_down_by_an_older_version_is_still_sent(post: Post) -> None:
    def back(db) -> None:
        db.script("DROP INDEX webhook_due_of")
        db.script("ALTER TABLE webhook_deliveries DROP COLUMN forgotten")
        db.script("CREATE INDEX webhook_due ON webhook_deliveries (next_at) WHERE state = 'waiting'")
        db.run("UPDATE parts SET version = 1 WHERE name = 'webhooks'")

    post.store.transact(back)
    async with receiving() as receiver:
        post.end(receiver.url)
        post.store.install(PART)
        async with post.sending():
            await receiver.wait()

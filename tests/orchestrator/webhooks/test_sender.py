"""What is written down is delivered at least once, whatever the receiver does and whoever dies."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mintmark.orchestrator.jobs.states import State
from mintmark.orchestrator.webhooks import claiming
from mintmark.orchestrator.webhooks.keeping import Delivery
from mintmark.orchestrator.webhooks.sender import Sender
from mintmark.orchestrator.webhooks.slots import Slots

from .conftest import Post
from .receiver import Names, closing, never, receiving, saying


async def settled(post: Post, count: int = 1, *, attempts: int = 1) -> list[Delivery]:
    """The deliveries, once so many tries of so many are written down."""
    for _ in range(1000):
        found = post.webhooks.deliveries()
        if sum(len(post.webhooks.attempts(each.delivery_id)) >= attempts for each in found) >= count:
            return post.webhooks.deliveries()
        await asyncio.sleep(0.01)
    raise AssertionError(post.webhooks.deliveries())


async def test_a_delivery_is_what_the_library_of_receivers_verifies(post: Post) -> None:
    secret = post.webhooks.rotate_secret("acme")
    async with receiving() as receiver, post.sending():
        ended = post.end(f"{receiver.url}/hook?token=t", metadata={"name": "Füchsin 狐"})
        [message] = await receiver.wait()
        told = Webhook(secret).verify(message.body, message.headers)
        assert told["type"] == "job.succeeded"
        assert told["data"] == {"job_id": ended.job_id, "status": "succeeded", "metadata": {"name": "Füchsin 狐"}}
        assert told["timestamp"].startswith(f"{post.clock():%Y-%m-%dT%H:%M:%S}")
        assert message.path == "/hook?token=t"
        assert message.headers["Content-Type"] == "application/json"
        [delivery] = await settled(post)
        assert (delivery.state, delivery.attempts, delivery.next_at) == ("delivered", 1, None)
        [attempt] = post.webhooks.attempts(delivery.delivery_id)
        assert (attempt.status, attempt.error, attempt.response) == (200, None, "thanks")
        assert attempt.latency_ms >= 0


async def test_a_project_without_a_secret_gets_one_so_that_all_is_signed(post: Post) -> None:
    async with receiving() as receiver, post.sending():
        post.end(receiver.url)
        [message] = await receiver.wait()
        [row] = post.store.read(lambda db: db.run("SELECT secret FROM webhook_secrets WHERE project = 'acme'"))
        assert Webhook(row["secret"]).verify(message.body, message.headers)


async def test_while_a_secret_is_replaced_receivers_may_know_either(post: Post) -> None:
    old = post.webhooks.rotate_secret("acme")
    new = post.webhooks.rotate_secret("acme", grace_s=3600)
    async with receiving() as receiver, post.sending() as sender:
        post.end(receiver.url)
        [during] = await receiver.wait()
        for secret in (old, new):
            assert Webhook(secret).verify(during.body, during.headers)
        post.clock.go(hours=1)
        post.end(receiver.url)
        sender.wake()
        after = (await receiver.wait(2))[1]
        assert len(after.headers["webhook-signature"].split(" ")) == 1
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(after.body, after.headers)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (saying(500, "oops"), 500),
        (saying(404), 404),
        (saying(302, Location="http://169.254.169.254/"), 302),
        (closing(), None),
    ],
)
async def test_what_is_not_taken_is_sent_again_as_the_same(post: Post, answer, status: int | None) -> None:
    async with receiving(answer) as receiver, post.sending() as sender:
        post.end(receiver.url)
        [delivery] = await settled(post)
        assert (delivery.state, delivery.next_at) == ("waiting", post.clock() + timedelta(seconds=5))
        sender.wake()
        post.clock.go(seconds=5)
        sender.wake()
        first, again = await receiver.wait(2)
        assert (first.id, first.body) == (again.id, again.body)
        assert int(again.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 5
        [delivery] = await settled(post, attempts=2)
        assert (delivery.state, delivery.attempts) == ("delivered", 2)
        tries = post.webhooks.attempts(delivery.delivery_id)
        assert [each.status for each in tries] == [status, 200]
        assert tries[0].error


async def test_a_receiver_that_asks_for_time_gets_it(post: Post) -> None:
    answers = saying(503, Retry_After="120"), saying(429, Retry_After="soon")
    async with receiving(*answers) as receiver, post.sending() as sender:
        post.end(receiver.url)
        [delivery] = await settled(post)
        assert delivery.next_at == post.clock() + timedelta(seconds=120)
        post.clock.go(seconds=120)
        sender.wake()
        [delivery] = await settled(post, attempts=2)
        assert delivery.next_at == post.clock() + timedelta(seconds=15)


async def test_after_a_day_it_is_given_up(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with receiving(*[saying(500)] * 30) as receiver, post.sending() as sender:
        begun = post.clock()
        post.end(f"{receiver.url}/hook?token=secret")
        tries = 0
        while True:
            tries += 1
            [delivery] = await settled(post, attempts=tries)
            if delivery.next_at is None:
                break
            post.clock.now = delivery.next_at
            sender.wake()
        assert delivery.state == "dead"
        assert post.clock() - begun == timedelta(hours=24)
        assert 10 < tries < 16
        assert {record.action for record in caplog.records} == {"webhook_failed", "webhook_dead"}
        assert "secret" not in caplog.text


@pytest.mark.parametrize("why", ["gone", "forbidden"])
async def test_what_can_never_be_delivered_is_given_up_at_once(post: Post, why: str) -> None:
    names = Names(metadata_example=[["169.254.169.254"]])
    async with receiving(saying(410)) as receiver, post.sending(client={"resolver": names}):
        post.end(receiver.url if why == "gone" else "http://metadata.example/hook")
        [delivery] = await settled(post)
        assert delivery.state == "dead"
        assert len(receiver.got) == (1 if why == "gone" else 0)


async def test_a_slow_target_holds_up_nobody_else(post: Post) -> None:
    gate = asyncio.Event()
    async with receiving(*[never(gate)] * 50) as slow, receiving() as quick, post.sending(per_target=2, at_once=10):
        for _ in range(20):
            post.end(slow.url)
        await slow.wait(2)
        for _ in range(5):
            post.end(quick.url)
        await quick.wait(5)
        assert len(slow.got) == 2
        gate.set()


async def test_a_receiver_that_never_answers_is_tried_again(post: Post) -> None:
    gate = asyncio.Event()
    async with receiving(never(gate)) as receiver, post.sending(try_s=0.2):
        post.end(receiver.url)
        [delivery] = await settled(post)
        gate.set()
        [attempt] = post.webhooks.attempts(delivery.delivery_id)
        assert (delivery.state, attempt.status) == ("waiting", None)
        assert "in time" in str(attempt.error)


async def test_who_dies_between_sending_and_writing_it_down_leaves_it_to_others(post: Post) -> None:
    gate = asyncio.Event()
    async with receiving(never(gate)) as receiver:
        async with post.sending():
            post.end(receiver.url)
            await receiver.wait()
        # It was sent, and nobody wrote that down.
        [delivery] = post.webhooks.deliveries()
        assert (delivery.state, delivery.attempts, post.webhooks.attempts(delivery.delivery_id)) == ("waiting", 1, [])
        gate.set()
        async with post.sending(another_process=True) as sender:
            sender.wake()
            post.clock.now += claiming.LEASE
            sender.wake()
            first, again = await receiver.wait(2)
            assert first.id == again.id
            [delivery] = await settled(post)
            assert (delivery.state, delivery.attempts) == ("delivered", 2)


async def test_a_late_word_of_a_lost_lease_changes_nothing(post: Post) -> None:
    post.end("http://127.0.0.1:9999/")
    store, at = post.store, post.clock()
    [first] = store.transact(lambda db: claiming.claim(db, claiming.choose(db, at, Slots(2, 1))[0], at, "a"))
    assert store.read(lambda db: claiming.choose(db, at, Slots(2, 1))) == ([], "")
    later = at + claiming.LEASE
    [second] = store.transact(lambda db: claiming.claim(db, [first.row["seq"]], later, "b"))
    store.transact(lambda db: claiming.mark(db, second, claiming.Tried(later, 5, 200, delivered=True)))
    store.transact(lambda db: claiming.mark(db, first, claiming.Tried(later, 5, 500, again_at=later)))
    [delivery] = post.webhooks.deliveries()
    assert delivery.state == "delivered"
    assert [each.status for each in post.webhooks.attempts(delivery.delivery_id)] == [500, 200]


async def test_several_senders_share_the_work_and_send_nothing_twice(post: Post) -> None:
    async with receiving() as receiver, post.sending(), post.sending(another_process=True):
        for _ in range(40):
            post.end(receiver.url)
        await settled(post, 40)
        assert len({message.id for message in receiver.got}) == len(receiver.got) == 40


async def test_a_job_that_is_gone_cannot_be_told_of(post: Post) -> None:
    async with receiving() as receiver:
        ended = post.end(receiver.url)
        del post.jobs[ended.job_id]
        async with post.sending():
            [delivery] = await settled(post)
            assert delivery.state == "dead"
            assert receiver.got == []


async def test_a_job_is_told_of_as_it_is_when_it_is_told(post: Post) -> None:
    async with receiving(saying(500)) as receiver, post.sending() as sender:
        ended = post.end(receiver.url, metadata={"name": "mia"})
        await settled(post)
        purged = ended.ordered.model_copy(update={"metadata": {}})
        post.jobs[ended.job_id] = ended.model_copy(update={"ordered": purged})
        post.clock.go(seconds=5)
        sender.wake()
        _, again = await receiver.wait(2)
        assert json.loads(again.body)["data"]["metadata"] == {}


async def test_a_defect_in_one_delivery_stops_no_other(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    def broken(job) -> dict[str, str]:
        if job.state is State.FAILED:
            raise ValueError("defect")
        return {}

    async with receiving() as receiver, post.sending(describe=broken):
        post.end(receiver.url, "failed", State.FAILED)
        post.end(receiver.url)
        await receiver.wait()
        await settled(post)
        assert [each.state for each in post.webhooks.deliveries()] == ["delivered", "waiting"]
    assert [record.action for record in caplog.records if record.levelno == logging.ERROR] == ["webhook_broke"]


async def test_what_was_delivered_long_ago_is_forgotten(post: Post) -> None:
    async with receiving() as receiver, post.sending():
        post.end(receiver.url)
        await settled(post)
    late = post.clock() + claiming.KEPT
    assert post.store.transact(lambda db: claiming.forget(db, late)) == 0
    late += timedelta(seconds=1)
    assert post.store.transact(lambda db: claiming.forget(db, late)) == 1
    assert post.webhooks.deliveries() == []
    assert post.store.read(lambda db: db.run("SELECT count(*) AS n FROM webhook_attempts"))[0]["n"] == 0


async def test_a_sender_whose_side_task_ended_says_so(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_self: Sender) -> bool:
        raise RuntimeError("defect")

    monkeypatch.setattr(Sender, "_claim_and_send", broken)
    async with post.sending() as sender:
        with pytest.raises(RuntimeError, match="defect"):
            await sender.watch()


async def test_a_sender_that_is_woken_while_it_is_stopped_ends(post: Post) -> None:
    for _ in range(20):
        async with post.sending() as sender:
            # Until it rests; then both come in the same turn of the loop.
            await asyncio.sleep(0.02)
            sender.wake()
    assert post.webhooks.deliveries() == []


async def test_who_is_alone_sends_at_once_what_a_dead_one_had_under_way(post: Post) -> None:
    gate = asyncio.Event()
    async with receiving(never(gate)) as receiver:
        async with post.sending():
            post.end(receiver.url)
            await receiver.wait()
        gate.set()
        async with post.sending(alone=True):
            first, again = await receiver.wait(2)
            assert first.id == again.id
            assert (await settled(post))[0].state == "delivered"


async def test_what_is_committed_a_moment_after_the_sender_was_woken_does_not_wait_for_its_round(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.orchestrator.webhooks.sender.LOOK_EVERY_S", 60.0)
    async with receiving() as receiver, post.sending() as sender:
        await asyncio.sleep(0.02)
        sender.wake()
        await asyncio.sleep(0.02)
        post.end(receiver.url)
        await receiver.wait()

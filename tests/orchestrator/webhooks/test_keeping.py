"""Secrets shown once, deliveries listed and sent again."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from mintmark.errors import InvalidInput
from mintmark.orchestrator.access import audit
from mintmark.orchestrator.webhooks.keeping import secrets_of
from mintmark.orchestrator.webhooks.outbox import PART, add, forget_addresses
from mintmark.storage.base import Part
from mintmark.tests.orchestrator.databases import Open

from .conftest import Post
from .receiver import receiving, saying
from .test_sender import settled


def secrets(post: Post, project: str = "acme") -> list[str]:
    return post.store.read(lambda db: secrets_of(db, project, post.clock()))


def test_a_secret_is_rotated_with_a_grace_and_noted_without_itself(post: Post) -> None:
    first = post.webhooks.rotate_secret("acme")
    second = post.webhooks.rotate_secret("acme", grace_s=60, actor="key:admin")
    assert secrets(post) == [second, first]
    post.clock.go(seconds=60)
    assert secrets(post) == [second]
    third = post.webhooks.rotate_secret("acme", grace_s=0)
    assert secrets(post) == [third]
    assert secrets(post, "other") == []
    entries = list(audit.oldest(post.store))
    assert [entry.action for entry in entries] == ["webhook.secret_rotated"] * 3
    assert [entry.actor for entry in entries] == ["cli", "key:admin", "cli"]
    assert not any(secret in repr(entries) for secret in (first, second, third))


@pytest.mark.parametrize("grace_s", [-1, 367 * 86_400])
def test_a_grace_has_its_bounds(post: Post, grace_s: float) -> None:
    with pytest.raises(InvalidInput):
        post.webhooks.rotate_secret("acme", grace_s=grace_s)


def test_deliveries_are_listed_newest_first_and_by_what_is_asked(post: Post) -> None:
    jobs = [post.end("http://a.example/") for _ in range(3)]
    other = post.end("http://b.example/", project="other")
    assert [each.job_id for each in post.webhooks.deliveries(limit=2)] == [other.job_id, jobs[2].job_id]
    before = post.webhooks.deliveries(limit=2)[-1].seq
    assert [each.job_id for each in post.webhooks.deliveries(before=before)] == [jobs[1].job_id, jobs[0].job_id]
    assert [each.job_id for each in post.webhooks.deliveries(job_id=jobs[1].job_id)] == [jobs[1].job_id]
    assert [each.job_id for each in post.webhooks.deliveries(project="other")] == [other.job_id]
    assert post.webhooks.deliveries(state="dead") == []


async def test_what_was_given_up_is_sent_again_under_its_id_and_for_another_day(post: Post) -> None:
    async with receiving(saying(410), saying(500)) as receiver, post.sending() as sender:
        post.end(receiver.url)
        [dead] = await settled(post)
        post.clock.go(days=3)
        post.webhooks.replay(dead.delivery_id, actor="key:admin")
        sender.wake()
        [waiting] = await settled(post, attempts=2)
        assert (waiting.state, waiting.next_at) == ("waiting", post.clock() + timedelta(seconds=5))
        post.clock.go(seconds=5)
        sender.wake()
        [delivered] = await settled(post, attempts=3)
        assert (delivered.state, delivered.attempts) == ("delivered", 3)
        assert len({message.id for message in receiver.got}) == 1
    [entry] = audit.oldest(post.store)
    assert (entry.actor, entry.action, entry.target) == ("key:admin", "webhook.replayed", dead.delivery_id)


async def test_what_was_delivered_may_be_sent_again_too(post: Post) -> None:
    async with receiving() as receiver, post.sending() as sender:
        post.end(receiver.url)
        [delivery] = await settled(post)
        post.webhooks.replay(delivery.delivery_id)
        sender.wake()
        await receiver.wait(2)


async def test_all_that_were_given_up_since_then_are_sent_again(post: Post) -> None:
    async with receiving(*[saying(410)] * 3) as receiver, post.sending() as sender:
        post.end(receiver.url)
        await settled(post)
        post.clock.go(hours=1)
        since = post.clock()
        for project in ("acme", "other"):
            post.end(receiver.url, project=project)
        sender.wake()
        await settled(post, 3)
        assert post.webhooks.replay_dead(since, project="other") == 1
        assert post.webhooks.replay_dead(since) == 1
        sender.wake()
        await settled(post, 2, attempts=2)
        states = [each.state for each in post.webhooks.deliveries()]
        assert states == ["delivered", "delivered", "dead"]


def addresses(post: Post) -> list[str]:
    return [row["url"] for row in post.store.read(lambda db: db.run("SELECT url FROM webhook_deliveries"))]


async def test_the_address_of_what_was_delivered_is_forgotten_with_its_job(post: Post) -> None:
    async with receiving() as receiver, post.sending():
        told = post.end(f"{receiver.url}/?customer=zoe")
        [delivery] = await settled(post)
        post.store.transact(lambda db: forget_addresses(db, told.job_id))
        assert addresses(post) == [""]
        with pytest.raises(InvalidInput, match="purged"):
            post.webhooks.replay(delivery.delivery_id)
        assert post.webhooks.replay_dead(post.clock()) == 0


async def test_what_is_still_to_be_delivered_is_and_its_address_forgotten_then(post: Post) -> None:
    async with receiving(saying(500)) as receiver, post.sending() as sender:
        told = post.end(receiver.url)
        await settled(post)
        post.store.transact(lambda db: forget_addresses(db, told.job_id))
        assert addresses(post) == [receiver.url]
        post.clock.go(seconds=5)
        sender.wake()
        [delivery] = await settled(post, attempts=2)
        assert (delivery.state, addresses(post)) == ("delivered", [""])


def test_a_database_of_version_2_learns_to_forget_addresses(place: Open) -> None:
    store = place().store
    columns = "    ended_at    TEXT,\n    forgotten   INTEGER NOT NULL DEFAULT 0"
    assert columns in PART.script
    old = re.sub(r"(ended_at    TEXT),\n    forgotten[^\n]*", r"\1", PART.script)
    store.install(Part("webhooks", old, version=2))
    row = {"delivery_id": "msg_1", "kind": "job.succeeded", "at": "2026-11-21T06:00:00.000000+00:00"}
    store.transact(lambda db: add(db, **row, url="https://a.example/", project="acme", job_id="job-1"))
    store.install(PART)
    store.transact(lambda db: forget_addresses(db, "job-1"))
    [(forgotten, url)] = [
        (each["forgotten"], each["url"])
        for each in store.read(lambda db: db.run("SELECT forgotten, url FROM webhook_deliveries"))
    ]
    assert (forgotten, url) == (1, "https://a.example/")


def test_what_is_not_there_is_not_sent_again(post: Post) -> None:
    with pytest.raises(InvalidInput, match="msg_nothing"):
        post.webhooks.replay("msg_nothing")

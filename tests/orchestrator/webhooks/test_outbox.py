"""What is written down to be delivered."""

from __future__ import annotations

import pytest

from mintmark.orchestrator.jobs.states import State
from mintmark.orchestrator.webhooks.outbox import outbox, target_of
from mintmark.storage.base import Session
from mintmark.tests.orchestrator.made_jobs import event, job

from .conftest import Post

URL = "https://mia.example:8443/hook?token=secret"


@pytest.mark.parametrize(
    ("kind", "state", "told"),
    [
        ("succeeded", State.SUCCEEDED, "job.succeeded"),
        ("failed", State.FAILED, "job.failed"),
        ("deadline_passed", State.FAILED, "job.failed"),
        ("canceled", State.CANCELED, "job.canceled"),
        ("superseded", State.CANCELED, "job.canceled"),
    ],
)
def test_every_end_is_told_of(post: Post, kind: str, state: State, told: str) -> None:
    ended = post.end(URL, kind, state)
    [delivery] = post.webhooks.deliveries()
    assert (delivery.type, delivery.state, delivery.attempts) == (told, "waiting", 0)
    assert (delivery.job_id, delivery.project, delivery.at) == (ended.job_id, "acme", post.clock())
    assert delivery.delivery_id == f"msg_{ended.job_id.replace('-', '')}_7"


@pytest.mark.parametrize("kind", ["queued", "claimed", "requeued", "accepted", "rejected", "purged"])
def test_nothing_else_is_unless_it_was_asked_for(post: Post, kind: str) -> None:
    post.end(URL, kind, State.RUNNING)
    post.end(URL, "purged", State.SUCCEEDED)
    post.end(None)
    assert post.webhooks.deliveries() == []


def test_progress_is_told_of_where_it_was_asked_for(post: Post) -> None:
    post.end(URL, "claimed", State.RUNNING, webhook_events=("progress",))
    post.end(URL, "requeued", State.QUEUED, webhook_events=("progress",))
    assert [each.type for each in post.webhooks.deliveries()] == ["job.queued", "job.running"]


def test_it_is_there_with_the_event_or_not_at_all(post: Post) -> None:
    made = job(post.clock(), State.FAILED, webhook_url=URL)

    def lost(db: Session) -> None:
        outbox(db, made, event(made, "failed", post.clock()))
        raise KeyError

    with pytest.raises(KeyError):
        post.store.transact(lost)
    assert post.webhooks.deliveries() == []


def test_the_same_event_is_told_of_once(post: Post) -> None:
    ended = post.end(URL)
    post.store.transact(lambda db: outbox(db, ended, event(ended, "succeeded", post.clock(), seq=7)))
    assert len(post.webhooks.deliveries()) == 1


def test_only_the_host_of_a_url_is_shown(post: Post) -> None:
    post.end(URL)
    [delivery] = post.webhooks.deliveries()
    assert delivery.target == "mia.example:8443"
    assert "secret" not in repr(delivery)


@pytest.mark.parametrize(
    ("url", "target"),
    [("https://User:pw@Host.example/x", "host.example"), ("http://[::1]:81/", "[::1]:81"), ("http://[::1", "?")],
)
def test_a_target_is_host_and_port(url: str, target: str) -> None:
    assert target_of(url) == target

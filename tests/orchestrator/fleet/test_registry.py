"""The registry of workers, on SQLite and, where one is there, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mintmark.errors import ForbiddenTarget, InvalidInput, NotFound, WrongState
from mintmark.metering.periods import stamp
from mintmark.orchestrator.access.audit import oldest, verify
from mintmark.orchestrator.fleet import sql
from mintmark.orchestrator.fleet.entries import Entry
from mintmark.orchestrator.fleet.registry import Registry
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.storage.base import Part
from mintmark.tests.orchestrator.databases import KINDS, Open, opened
from mintmark.tests.orchestrator.made_jobs import job

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    with opened(request.param, tmp_path) as open_one:
        yield open_one


@pytest.fixture
def registry(database: Open) -> Registry:
    ledger = database()
    SqlJobStore(ledger)
    return Registry(ledger.store, now=lambda: NOON)


def entries(registry: Registry) -> list[Entry]:
    found = registry.read()
    assert found is not None
    return found[1]


def test_a_worker_is_added_with_what_is_said_of_it(registry: Registry) -> None:
    told = {"labels": ("a100", "team=x"), "region": "eu-1", "hour_microusd": 1_200_000}
    registry.add("http://gpu-1:8188/", name="one", actor="mia", **told)
    [found] = entries(registry)
    assert (found.name, found.url, found.state, found.added_by) == ("one", "http://gpu-1:8188", "up", "mia")
    assert (found.labels, found.region, found.hour_microusd) == ({"a100", "team=x"}, "eu-1", 1_200_000)
    assert found.added_at == NOON


def test_a_name_is_made_of_host_and_port_where_none_is_given(registry: Registry) -> None:
    names = [registry.add(url).name for url in ("gpu-1:8188", "https://GPU.example/comfy", "http://[fd00::7]:8188")]
    assert names == ["gpu-1-8188", "gpu.example-https-comfy", "fd00-7-8188"]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("url", {"url": "ftp://gpu-1"}),
        ("url", {"url": "http://mia:secret@gpu-1:8188"}),
        ("url", {"url": "http://169.254.169.254"}),
        ("url", {"url": "http://gpu-1:22"}),
        ("url", {"url": "http://gpu-1:8188?x=1"}),
        ("name", {"name": "Grün"}),
        ("name", {"name": "runner-1.abc"}),
        ("labels", {"labels": ["two words"]}),
        ("labels", {"labels": [f"l{number}" for number in range(33)]}),
        ("region", {"region": "EU West"}),
        ("hour_microusd", {"hour_microusd": -1}),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(registry: Registry, field: str, said: dict[str, object]) -> None:
    with pytest.raises((InvalidInput, ForbiddenTarget)) as raised:
        registry.add(**{"url": "http://gpu-1:8188", **said})  # type: ignore[arg-type]
    assert raised.value.data["field"] == field
    assert "secret" not in str(raised.value)
    assert entries(registry) == []


def test_one_url_and_one_name_are_one_worker(registry: Registry) -> None:
    registry.add("http://gpu-1:8188", name="one")
    for field, said in (("url", ("http://gpu-1:8188/", "two")), ("name", ("http://gpu-2:8188", "one"))):
        with pytest.raises(InvalidInput) as raised:
            registry.add(said[0], name=said[1])
        assert raised.value.data["field"] == field
    with pytest.raises(InvalidInput, match="http://gpu-9:1 is there already"):
        registry.add("http://gpu-9:8188", taken={"http://gpu-9:8188": "http://gpu-9:1"})


def test_another_service_on_the_database_reads_the_same(database: Open, registry: Registry) -> None:
    other = Registry(database().store)
    before = other.read()
    assert before is not None and other.read(before[0]) is None
    registry.add("http://gpu-1:8188", name="one")
    after = other.read(before[0])
    assert after is not None and [each.name for each in after[1]] == ["one"]


def test_a_worker_is_removed_once_it_is_drained_and_its_jobs_are_over(database: Open, registry: Registry) -> None:
    registry.add("http://gpu-1:8188", name="one")
    registry.heard("one", new=False)
    with pytest.raises(WrongState, match="still takes jobs"):
        registry.remove("one")
    jobs = SqlJobStore(database())
    jobs.accept(job(NOON).ordered)
    [lease] = jobs.claim("me", "one", ["hosted", "gpu"])
    registry.order("one", "draining")
    with pytest.raises(WrongState, match="still has jobs"):
        registry.remove("one")
    jobs.requeue(lease, reason="given_back")
    registry.remove("one")
    assert entries(registry) == []
    with pytest.raises(NotFound):
        registry.remove("one")


def test_a_worker_that_never_answered_is_removed_at_once(registry: Registry) -> None:
    registry.add("http://gpu-l:8188", name="misspelled")
    registry.remove("misspelled")
    assert entries(registry) == []


def test_who_is_drained_is_not_freed_by_what_a_service_finds(registry: Registry) -> None:
    registry.add("http://gpu-1:8188", name="one", labels=["a"])
    registry.order("one", "draining")
    until = NOON + timedelta(seconds=30)
    found = Entry(name="one", url=None, state="quarantined", reason="memory", until=until, strikes=1, struck_at=NOON,
                  added_at=NOON, added_by="service")  # fmt: skip
    registry.stand(found)
    assert [each.state for each in entries(registry)] == ["draining"]
    registry.order("one", "up")
    registry.stand(found)
    [entry] = entries(registry)
    assert (entry.state, entry.reason, entry.until, entry.labels) == ("quarantined", "memory", until, {"a"})
    registry.order("one", "up")
    [entry] = entries(registry)
    assert (entry.state, entry.reason, entry.strikes) == ("up", None, 0)


def test_a_worker_of_the_settings_can_be_drained_and_not_removed_or_described(registry: Registry) -> None:
    registry.order("http://gpu-7:8188", "draining")
    [entry] = entries(registry)
    assert (entry.url, entry.state) == (None, "draining")
    for act in (lambda: registry.remove("http://gpu-7:8188"), lambda: registry.describe("http://gpu-7:8188", {})):
        with pytest.raises(NotFound):
            act()


def test_that_a_worker_told_what_it_has_is_kept_from_the_first_time_on(registry: Registry) -> None:
    registry.add("http://gpu-1:8188", name="one")
    registry.add("http://gpu-2:8188", name="two")
    registry.heard("one", new=False)
    registry.heard("one", new=False)
    registry.heard("http://gpu-7:8188", new=True)
    registry.heard("removed", new=False)
    assert [(each.name, each.told_at) for each in entries(registry)] == [
        ("http://gpu-7:8188", NOON),
        ("one", NOON),
        ("two", None),
    ]
    assert registry.read(registry.read()[0]) is None  # type: ignore[index]
    registry.order("one", "draining")
    registry.describe("one", {"region": "eu"})
    found = registry.get("one")
    assert found is not None and (found.told_at, found.state, found.region) == (NOON, "draining", "eu")


def test_workers_of_a_registry_that_did_not_keep_that_count_as_having_told(database: Open) -> None:
    store = database().store
    lines = sql.PART.script.splitlines()
    older = "\n".join(line for line in lines if "told_at" not in line)
    store.install(Part("workers", older, version=2))
    store.transact(
        lambda db: db.run(
            "INSERT INTO workers (name, labels, state, strikes, added_at, added_by)"
            " VALUES ('one', '', 'up', 0, :at, 'x')",
            at=stamp(NOON),
        )
    )
    ledger = database()
    SqlJobStore(ledger)
    registry = Registry(ledger.store, now=lambda: NOON)
    registry.add("http://gpu-2:8188", name="two")
    assert [(each.name, each.told_at) for each in entries(registry)] == [("one", NOON), ("two", None)]


def test_labels_region_and_cost_may_change(registry: Registry) -> None:
    registry.add("http://gpu-1:8188", name="one", labels=["a"], region="eu", hour_microusd=5)
    changed = registry.describe("one", {"labels": ["b"], "region": None})
    assert (changed.labels, changed.region, changed.hour_microusd) == ({"b"}, None, 5)
    with pytest.raises(InvalidInput) as raised:
        registry.describe("one", {"region": "no good"})
    assert raised.value.data["field"] == "region"


def test_every_act_is_in_the_audit_log_once(database: Open, registry: Registry) -> None:
    registry.add("http://gpu-1:8188", name="one", actor="mia")
    for _ in range(2):
        registry.order("one", "draining", actor="mia")
    registry.order("one", "up", actor="mia")
    registry.order("one", "draining", actor="mia")
    registry.remove("one", actor="mia")
    store = database().store
    told = [each.action for each in oldest(store) if each.actor == "mia"]
    assert told == ["worker.added", "worker.drained", "worker.resumed", "worker.drained", "worker.removed"]
    assert verify(store) is None

"""Releases on SQLite and, where one is there, on PostgreSQL."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import (
    InvalidInput,
    InvalidWorkflow,
    ModelRetired,
    NotAllowed,
    UnknownVersion,
    UnknownWorkflow,
    VersionTaken,
)
from mintmark.orchestrator.releases.releases import ADMIN, Alias, Publisher, Releases
from mintmark.orchestrator.releases.shelf import FRESH_S
from mintmark.orchestrator.releases.sql import PART
from mintmark.orchestrator.releases.values import has_canary
from mintmark.storage.base import Part, Store
from mintmark.tests.orchestrator.databases import KINDS, opened
from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.library import Library

POSTER: dict[str, Any] = {
    "format": 1,
    "name": "poster",
    "version": "1.0.0",
    "title": "Poster",
    "lane": "hosted",
    "inputs": [
        {
            "name": "prompt",
            "title": "Prompt",
            "type": "string",
            "default": "x",
            "binds": [{"node": "1", "input": "text"}],
        }
    ],
    "outputs": [{"name": "images", "node": "2", "kind": "images"}],
    "requires": {"nodes": ["Draw", "Save"]},
    "graph": {
        "1": {"class_type": "Draw", "inputs": {"text": "x", "steps": 4}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
    },
}


def poster(version: str = "1.0.0", **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(POSTER), "version": version, **changes}


class Ticks:
    """A clock for what is remembered."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self) -> None:
        self.now += FRESH_S


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path / "books") as open_ledger:
        yield open_ledger().store


@pytest.fixture
def another(store: Store, ticks: Ticks) -> Callable[[], Releases]:
    """Another process's view of the same releases."""
    return lambda: Releases(store, Library(), monotonic=ticks)


@pytest.fixture
def releases(another: Callable[[], Releases]) -> Releases:
    return another()


def published(releases: Releases, *versions: str) -> None:
    for version in versions:
        releases.publish(poster(version))


def test_a_published_version_is_found_by_name_range_version_and_digest(releases: Releases) -> None:
    published(releases, "1.0.0", "1.2.0", "2.0.0", "2.1.0-rc.1")
    for reference, version in {
        "poster": "2.0.0",
        "poster@1": "1.2.0",
        "poster@^1.0.0": "1.2.0",
        "poster@1.0.0": "1.0.0",
        "poster@2.1.0-rc.1": "2.1.0-rc.1",
    }.items():
        found = releases.resolve(reference)
        assert found.version == version
        assert releases.by_digest(found.digest) == found


def test_publishing_the_same_again_changes_nothing(releases: Releases) -> None:
    first = releases.publish(poster(), by="key:1")
    second = releases.publish(json.dumps(dict(reversed(poster().items()))), by="key:2")
    assert first.digest == second.digest
    (listed,) = releases.versions("poster")
    assert (listed.published_by, listed.shipped, listed.digest) == ("key:1", False, first.digest)


def test_a_version_is_never_published_with_other_content(releases: Releases, another: Callable[[], Releases]) -> None:
    first = releases.publish(poster())
    for each in (releases, another()):
        with pytest.raises(VersionTaken) as caught:
            each.publish(poster(title="Another"))
        assert caught.value.data["digest"] == first.digest
    assert releases.resolve("poster").title == "Poster"


def test_a_shipped_version_is_never_published_with_other_content(releases: Releases) -> None:
    shipped = releases.resolve("text-to-image@1.0.0")
    assert releases.publish(shipped.document()).digest == shipped.digest
    with pytest.raises(VersionTaken):
        releases.publish({**shipped.document(), "title": "Mine"})
    assert releases.publish({**shipped.document(), "version": "1.0.1"}).version == "1.0.1"
    assert [(each.version, each.shipped) for each in releases.versions("text-to-image")] == [
        ("1.0.0", False),
        ("1.0.1", False),
        ("1.1.0", True),
    ]


def test_of_two_that_publish_at_once_one_is_refused(releases: Releases, another: Callable[[], Releases]) -> None:
    gate, told = threading.Barrier(2), []

    def publish(each: Releases, title: str) -> None:
        gate.wait()
        try:
            each.publish(poster(title=title))
        except VersionTaken:
            told.append("taken")
        else:
            told.append("published")

    threads = [
        threading.Thread(target=publish, args=(each, title))
        for each, title in ((releases, "One"), (another(), "Other"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["published", "taken"]


def test_every_problem_of_a_document_is_told_at_once(releases: Releases) -> None:
    broken = poster(outputs=[{"name": "images", "node": "77", "kind": "images"}])
    broken["inputs"][0]["binds"][0]["node"] = "88"
    with pytest.raises(InvalidWorkflow) as caught:
        releases.publish(broken)
    wheres = {each["where"] for each in caught.value.data["problems"]}
    assert len(wheres) >= 2
    with pytest.raises(UnknownWorkflow):
        releases.resolve("poster")


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"a": NaN}', "{" * 2000, b"\xff", "null"])
def test_what_is_no_workflow_is_refused(releases: Releases, document: str | bytes) -> None:
    with pytest.raises(InvalidWorkflow):
        releases.publish(document)


def test_shipped_workflows_are_there_too(releases: Releases) -> None:
    published(releases, "1.0.0")
    assert releases.names() == sorted([*Library().names(), "poster"])
    (listed,) = releases.versions("inpaint")
    assert (listed.shipped, listed.digest) == (True, Library().resolve("inpaint").digest)


@pytest.mark.parametrize(
    "reference", ["postr", "", "../../etc/passwd", "poster/1.0.0", "\0", "'; DROP TABLE releases; --"]
)
def test_an_unknown_name_is_told(releases: Releases, reference: str) -> None:
    published(releases, "1.0.0")
    with pytest.raises(UnknownWorkflow):
        releases.resolve(reference)
    if reference == "postr":
        with pytest.raises(UnknownWorkflow) as caught:
            releases.resolve(reference)
        assert "Did you mean poster" in caught.value.hint


@pytest.mark.parametrize("wanted", ["3", "stable", "^2", "1.0.1", "x y", "../1"])
def test_an_unknown_version_is_told_with_those_there_are(releases: Releases, wanted: str) -> None:
    published(releases, "1.0.0")
    with pytest.raises(UnknownVersion) as caught:
        releases.resolve(f"poster@{wanted}")
    assert "There is poster@1.0.0." in caught.value.hint


def test_an_unknown_digest_is_told(releases: Releases) -> None:
    with pytest.raises(UnknownVersion):
        releases.by_digest("ab" * 32)


def test_a_deprecated_version_is_skipped_unless_it_is_named(releases: Releases) -> None:
    published(releases, "1.0.0", "1.1.0")
    told = releases.deprecate("poster", "1.1.0", "Use 1.0.0: it draws better.")
    assert told.deprecated == "Use 1.0.0: it draws better."
    assert releases.resolve("poster@^1").version == "1.0.0"
    assert releases.resolve("poster").version == "1.0.0"
    assert releases.resolve("poster@1.1.0").version == "1.1.0"
    releases.deprecate("poster", "1.0.0", "Gone soon.")
    with pytest.raises(UnknownVersion, match="it draws better"):
        releases.resolve("poster")
    releases.deprecate("poster", "1.1.0", None)
    assert releases.resolve("poster").version == "1.1.0"


def test_a_shipped_version_can_be_deprecated(releases: Releases) -> None:
    releases.deprecate("inpaint", "1.0.0", "Use another.")
    assert releases.versions("inpaint")[0].deprecated == "Use another."
    with pytest.raises(UnknownVersion):
        releases.resolve("inpaint")


@pytest.mark.parametrize("message", ["", "  ", "x" * 1001])
def test_a_deprecation_says_something(releases: Releases, message: str) -> None:
    published(releases, "1.0.0")
    with pytest.raises(InvalidInput):
        releases.deprecate("poster", "1.0.0", message)


def test_an_alias_moves_and_goes(releases: Releases) -> None:
    published(releases, "1.0.0", "2.0.0")
    releases.alias("poster", "stable", "1.0.0")
    releases.alias("poster", "christmas", "2.0.0")
    assert releases.resolve("poster@stable").version == "1.0.0"
    assert releases.resolve("poster@christmas").version == "2.0.0"
    # Without a version it is the stable one, where there is one.
    assert releases.resolve("poster").version == "1.0.0"
    assert releases.aliases("poster") == {"stable": Alias("1.0.0"), "christmas": Alias("2.0.0")}
    releases.alias("poster", "stable", "2.0.0")
    assert releases.resolve("poster").version == "2.0.0"
    releases.alias("poster", "christmas", None)
    with pytest.raises(UnknownVersion):
        releases.resolve("poster@christmas")


def test_a_canary_gets_its_share_of_users_and_each_stays_where_he_is(releases: Releases) -> None:
    published(releases, "1.0.0", "2.0.0")
    releases.alias("poster", "stable", "1.0.0")
    releases.alias("poster", "canary", "2.0.0", percent=20)
    users = [f"user-{number}" for number in range(2000)]
    chosen = {user for user in users if releases.resolve("poster@stable", sticky=user).version == "2.0.0"}
    assert 0.16 * len(users) < len(chosen) < 0.24 * len(users)
    assert chosen == {user for user in users if releases.resolve("poster", sticky=user).version == "2.0.0"}
    releases.alias("poster", "canary", "2.0.0", percent=50)
    more = {user for user in users if releases.resolve("poster", sticky=user).version == "2.0.0"}
    assert chosen < more
    assert releases.resolve("poster").version == "1.0.0"
    assert releases.resolve("poster@canary", sticky="anybody").version == "2.0.0"
    # A version that is asked for is the version that is run.
    assert {releases.resolve("poster@1.0.0", sticky=user).version for user in users[:50]} == {"1.0.0"}


def test_another_workflow_has_other_canaries() -> None:
    users = [f"user-{number}" for number in range(1000)]
    one, other = ({user for user in users if has_canary(name, user, 30)} for name in ("poster", "flyer"))
    assert one != other
    assert {has_canary("poster", user, 0) for user in users} == {False}
    assert {has_canary("poster", user, 100) for user in users} == {True}


@pytest.mark.parametrize(
    ("alias", "version", "percent", "error"),
    [
        ("Stable", "1.0.0", 100, InvalidInput),
        ("1", "1.0.0", 100, InvalidInput),
        ("", "1.0.0", 100, InvalidInput),
        ("a" * 65, "1.0.0", 100, InvalidInput),
        ("stable", "1.0.0", 50, InvalidInput),
        ("canary", "1.0.0", 101, InvalidInput),
        ("canary", "1.0.0", -1, InvalidInput),
        ("stable", "9.9.9", 100, UnknownVersion),
        ("stable", "^1", 100, UnknownVersion),
    ],
)
def test_an_alias_that_cannot_be_is_refused(
    releases: Releases, alias: str, version: str, percent: int, error: type[Exception]
) -> None:
    published(releases, "1.0.0")
    with pytest.raises(error):
        releases.alias("poster", alias, version, percent=percent)
    assert releases.aliases("poster") == {}


def test_what_another_process_changes_is_seen_after_a_moment(
    releases: Releases, another: Callable[[], Releases], ticks: Ticks
) -> None:
    published(releases, "1.0.0", "2.0.0")
    other = another()
    assert other.resolve("poster").version == "2.0.0"
    releases.alias("poster", "stable", "1.0.0")
    assert other.resolve("poster").version == "2.0.0"
    ticks.pass_by()
    assert other.resolve("poster").version == "1.0.0"
    # What it does not know at all it looks for at once.
    published(releases, "3.0.0")
    assert other.resolve("poster@3").version == "3.0.0"


def test_nothing_is_asked_of_the_database_twice_within_a_moment(
    releases: Releases, store: Store, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(releases, "1.0.0")
    releases.resolve("poster@^1")
    asked: list[int] = []
    real = store.read
    monkeypatch.setattr(store, "read", lambda work: asked.append(1) or real(work))
    for _ in range(50):
        releases.resolve("poster@^1", sticky="anna")
    assert asked == []
    ticks.pass_by()
    releases.resolve("poster@^1")
    assert len(asked) == 1


def test_a_jobs_version_outlives_its_file(store: Store, tmp_path: Path, ticks: Ticks) -> None:
    file = tmp_path / "mine" / "poster" / "1.0.0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(poster()))
    releases = Releases(store, Library([tmp_path / "mine"]), monotonic=ticks)
    digest = releases.resolve("poster").digest
    file.unlink()
    ticks.pass_by()
    with pytest.raises(UnknownWorkflow):
        releases.resolve("poster")
    assert releases.by_digest(digest).label == "poster@1.0.0"
    assert Releases(store, Library(), monotonic=ticks).by_digest(digest).label == "poster@1.0.0"


def test_a_file_that_is_added_is_found(store: Store, tmp_path: Path, ticks: Ticks) -> None:
    releases = Releases(store, Library([tmp_path / "mine"]), monotonic=ticks)
    with pytest.raises(UnknownWorkflow):
        releases.resolve("poster")
    file = tmp_path / "mine" / "poster" / "1.0.0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(poster()))
    assert releases.resolve("poster").version == "1.0.0"


def test_what_was_asked_a_moment_ago_is_at_hand_until_it_may_have_changed(releases: Releases, ticks: Ticks) -> None:
    assert releases.at_hand("poster") is None
    releases.publish(poster())
    first = releases.resolve("poster")
    assert releases.at_hand("poster") is first
    releases.publish(poster("1.1.0"))
    assert releases.at_hand("poster") is None
    second = releases.resolve("poster")
    assert releases.at_hand("poster") is second
    ticks.pass_by()
    assert releases.at_hand("poster") is None


# -- whose a name is ------------------------------------------------------------------------------------------------

SHOP, EVIL = Publisher("shop", is_admin=False), Publisher("evil", is_admin=False)
BOSS = Publisher("ops", is_admin=True)


def refused(releases: Releases, name: str, version: str, publisher: Publisher, document: dict[str, Any]) -> None:
    """Nothing of it may be changed by this publisher."""
    with pytest.raises(NotAllowed, match=name):
        releases.publish({**document, "version": "9.9.9"}, publisher=publisher)
    for alias in ("stable", "canary"):
        with pytest.raises(NotAllowed, match=name):
            releases.alias(name, alias, version, publisher=publisher)
        with pytest.raises(NotAllowed, match=name):
            releases.alias(name, alias, None, publisher=publisher)
    for message in ("Gone.", None):
        with pytest.raises(NotAllowed, match=name):
            releases.deprecate(name, version, message, publisher=publisher)


def test_a_name_belongs_to_the_project_that_published_it_first(releases: Releases) -> None:
    releases.publish(poster(), publisher=SHOP)
    refused(releases, "poster", "1.0.0", EVIL, poster())
    with pytest.raises(NotAllowed, match="another project"):
        releases.publish(poster(), publisher=EVIL)
    releases.publish(poster("1.1.0"), publisher=SHOP)
    releases.alias("poster", "stable", "1.0.0", publisher=SHOP)
    releases.deprecate("poster", "1.1.0", "Use 1.0.0.", publisher=SHOP)
    assert releases.resolve("poster").version == "1.0.0"
    assert [each.version for each in releases.versions("poster")] == ["1.0.0", "1.1.0"]


def test_an_admin_changes_any_name_and_takes_none(releases: Releases) -> None:
    releases.publish(poster(), publisher=SHOP)
    releases.publish(poster("1.1.0"), publisher=BOSS)
    releases.alias("poster", "stable", "1.1.0", publisher=BOSS)
    releases.deprecate("poster", "1.0.0", "Old.", publisher=BOSS)
    releases.publish(poster("1.2.0"), publisher=SHOP)
    refused(releases, "poster", "1.0.0", Publisher("ops", is_admin=False), poster())


def test_what_ships_is_changed_by_admins_alone(releases: Releases) -> None:
    shipped = releases.resolve("text-to-image").document()
    refused(releases, "text-to-image", "1.0.0", SHOP, shipped)
    with pytest.raises(NotAllowed, match="comes with"):
        releases.publish(shipped, publisher=SHOP)
    releases.publish({**shipped, "version": "9.9.9"}, publisher=BOSS)
    refused(releases, "text-to-image", "1.0.0", Publisher("ops", is_admin=False), {**shipped, "title": "Mine"})


def test_a_name_that_ships_later_is_its_projects_no_more(store: Store, tmp_path: Path, ticks: Ticks) -> None:
    Releases(store, Library(), monotonic=ticks).publish(poster(), publisher=SHOP)
    file = tmp_path / "mine" / "poster" / "2.0.0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(poster("2.0.0")))
    later = Releases(store, Library([tmp_path / "mine"]), monotonic=ticks)
    refused(later, "poster", "1.0.0", SHOP, poster())


def test_of_two_projects_that_want_a_name_at_once_one_gets_it(
    releases: Releases, another: Callable[[], Releases]
) -> None:
    gate, told = threading.Barrier(2), []

    def publish(each: Releases, version: str, publisher: Publisher) -> None:
        gate.wait()
        try:
            each.publish(poster(version), publisher=publisher)
        except NotAllowed:
            told.append("refused")
        else:
            told.append("published")

    threads = [
        threading.Thread(target=publish, args=args) for args in ((releases, "1.0.0", SHOP), (another(), "2.0.0", EVIL))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["published", "refused"]


def test_what_an_older_mintmark_published_is_there_and_nobodys(store: Store, ticks: Ticks) -> None:
    store.install(Part(PART.name, PART.script.replace("    project TEXT,\n", "")))
    text = json.dumps(poster())
    digest = WorkflowVersion.model_validate(poster()).digest
    store.transact(
        lambda db: (
            db.run("INSERT INTO release_documents (digest, document) VALUES (:it, :text)", it=digest, text=text),
            db.run(
                "INSERT INTO releases VALUES ('poster', '1.0.0', :it, '2026-01-01T00:00:00+00:00', 'key:1')", it=digest
            ),
            db.run("UPDATE release_revision SET revision = 1"),
        )
    )
    releases = Releases(store, Library(), monotonic=ticks)
    assert releases.resolve("poster").digest == digest
    refused(releases, "poster", "1.0.0", SHOP, poster())
    releases.publish(poster("1.1.0"), publisher=ADMIN)
    releases.publish(poster("1.2.0"), publisher=BOSS)
    refused(releases, "poster", "1.2.0", SHOP, poster())
    refused(releases, "poster", "1.2.0", Publisher("ops", is_admin=False), poster())
    assert [each.version for each in Releases(store, Library(), monotonic=ticks).versions("poster")][-1] == "1.2.0"


# -- models that end ------------------------------------------------------------------------------------------------

RETIRING = "openai/gpt-image-1.5"


def asking(version: str, model: str = RETIRING) -> dict[str, Any]:
    graph = copy.deepcopy(POSTER["graph"])
    graph["1"] = {"class_type": "MintmarkTextToImage", "inputs": {"text": "x", "model": model}}
    return poster(version, graph=graph, requires={"nodes": ["MintmarkTextToImage", "Save"]})


def on(store: Store, *day: int) -> Releases:
    """The releases as they are published on that day."""
    return Releases(store, Library(), now=lambda: datetime(*day, tzinfo=timezone.utc))  # type: ignore[arg-type, misc]


def test_a_version_that_pins_a_model_which_ends_within_a_month_is_published_with_a_warning(store: Store) -> None:
    releases = on(store, 2026, 11, 21)
    (warning,) = releases.warnings(releases.publish(asking("1.0.0")))
    assert "graph.1" in warning and "2026-12-01" in warning and "openai/gpt-image-2.6-sunburst" in warning
    assert releases.warnings(releases.publish(asking("1.0.1", "fal/flux-dev"))) == ()
    early = on(store, 2026, 10, 31)
    assert early.warnings(early.publish(asking("1.0.2"))) == ()


def test_a_new_version_that_pins_a_model_which_has_ended_is_refused(store: Store) -> None:
    before = on(store, 2026, 11, 30).publish(asking("1.0.0"))
    after = on(store, 2026, 12, 1)
    with pytest.raises(ModelRetired) as told:
        after.publish(asking("1.0.1"))
    assert "graph.1" in told.value.message and "openai/gpt-image-2.6-sunburst" in told.value.hint
    assert [each.version for each in after.versions("poster")] == ["1.0.0"]
    again = after.publish(asking("1.0.0"))
    assert again.digest == before.digest, "what is there already is harmless to publish again"
    assert "2026-12-01" in after.warnings(again)[0]

"""Who is let in."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

import pytest

from mintmark.errors import InvalidInput, NotAllowed, NotAuthenticated, WrongState
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.access import cache
from mintmark.orchestrator.access.access import Access, is_loopback
from mintmark.orchestrator.access.keys import KeyLimits, digest_of
from mintmark.tests.orchestrator.databases import Open
from mintmark.tests.orchestrator.ticking import Clock

from .conftest import door

HERE, AFAR = "127.0.0.1", "203.0.113.9"


def made(access: Access, **facts: object) -> tuple[str, str]:
    """(id, header) of a new key."""
    given = {"scopes": ["submit", "read"], "project": "acme", "user": "mia"}
    key, token = access.keys.create(**{**given, **facts})
    return key.key_id, f"Bearer {token}"


async def test_without_a_key_this_machine_may_do_everything_and_no_other_anything(access: Access) -> None:
    caller = await access.authenticate("Bearer sk-anything-an-openai-client-sends", HERE)
    for scope in ("submit", "read", "publish", "review", "metrics", "admin"):
        caller.require(scope)
    assert (caller.key_id, caller.name, caller.project) == (None, "local", "default")
    for peer in (AFAR, None, "", "127.0.0.1.evil.example", "localhost"):
        with pytest.raises(NotAuthenticated, match="no API key yet"):
            await access.authenticate(None, peer)
    assert not await access.has_keys()


async def test_without_a_key_no_page_of_somebody_else_and_no_proxy_is_taken_for_this_machine(access: Access) -> None:
    for host in ("localhost:8199", "127.0.0.1:8199", "[::1]:8199", "mintmark.localhost", "LOCALHOST"):
        await access.authenticate(None, HERE, host=host)
    for host in ("rebinding.example:8199", "10.0.0.1:8199", "localhost.example", "", "[::1", "127.0.0.1.example"):
        with pytest.raises(NotAuthenticated):
            await access.authenticate(None, HERE, host=host)
    with pytest.raises(NotAuthenticated):
        await access.authenticate(None, HERE, host="localhost", proxied=True)
    own = {"host": "localhost:8199", "origin": "http://localhost:8199"}
    await access.authenticate(None, HERE, **own)
    for origin in ("https://evil.example", "null", "", "http://localhost:3000", "http://127.0.0.1:8199"):
        with pytest.raises(NotAuthenticated):
            await access.authenticate(None, HERE, **{**own, "origin": origin})
    for site in ("none", "same-origin"):
        await access.authenticate(None, HERE, host="localhost", site=site)
    for site in ("same-site", "cross-site", ""):
        with pytest.raises(NotAuthenticated):
            await access.authenticate(None, HERE, host="localhost", site=site)
    # Who has a key may come by any name.
    await access.authenticate(made(access)[1], AFAR, host="api.example", proxied=True)


async def test_the_first_key_closes_the_door_to_everybody_else(access: Access) -> None:
    key_id, header = made(access)
    assert await access.has_keys()
    with pytest.raises(NotAuthenticated):
        await access.authenticate(None, HERE)
    caller = await access.authenticate(header, AFAR)
    assert (caller.key_id, caller.project, caller.user, caller.name) == (key_id, "acme", "mia", f"key:{key_id}")


async def test_revoking_the_last_key_does_not_open_it_again(access: Access) -> None:
    key_id, header = made(access)
    await access.authenticate(header, AFAR)
    access.keys.revoke(key_id)
    with pytest.raises(NotAuthenticated, match="revoked"):
        await access.authenticate(header, AFAR)
    with pytest.raises(NotAuthenticated):
        await access.authenticate(None, HERE)


async def test_a_scope_that_is_lacking_is_named_and_admin_has_them_all(access: Access) -> None:
    caller = await access.authenticate(made(access)[1], AFAR)
    caller.require("submit")
    with pytest.raises(NotAllowed, match="publish"):
        caller.require("publish")
    admin = await access.authenticate(made(access, scopes=["admin"])[1], AFAR)
    admin.require("publish")
    assert admin.sees("elsewhere")
    assert caller.sees("acme")
    assert not caller.sees("elsewhere")


async def test_a_key_expires_while_it_is_remembered(access: Access, clock: Clock) -> None:
    header = made(access, expires_at=clock() + timedelta(seconds=1))[1]
    await access.authenticate(header, AFAR)
    clock.go(seconds=1)
    with pytest.raises(NotAuthenticated, match="expired"):
        await access.authenticate(header, AFAR)


async def test_after_a_rotation_both_secrets_open_until_the_grace_is_over(access: Access, clock: Clock) -> None:
    key_id, old = made(access)
    await access.authenticate(old, AFAR)
    _, token = access.keys.rotate(key_id, grace_s=3600)
    new = f"Bearer {token}"
    for header in (old, new):
        assert (await access.authenticate(header, AFAR)).key_id == key_id
    clock.go(hours=1)
    assert (await access.authenticate(new, AFAR)).key_id == key_id
    with pytest.raises(NotAuthenticated):
        await access.authenticate(old, AFAR)


async def test_a_rotation_without_grace_ends_the_old_secret_at_once(access: Access) -> None:
    key_id, old = made(access)
    await access.authenticate(old, AFAR)
    access.keys.rotate(key_id, grace_s=0)
    with pytest.raises(NotAuthenticated):
        await access.authenticate(old, AFAR)


async def test_whoever_was_let_in_is_asked_again_as_the_key_is_now(access: Access, clock: Clock) -> None:
    key_id, header = made(access, expires_at=clock() + timedelta(hours=1))
    caller = await access.authenticate(header, AFAR)
    assert await access.again(caller) == caller
    access.keys.limit(key_id, KeyLimits(jobs_at_once=3))
    access.keys.hold(key_id, held=True)
    caller = await access.again(caller)
    assert (caller.limits.jobs_at_once, caller.held) == (3, True)
    clock.go(hours=1)
    with pytest.raises(NotAuthenticated, match="expired"):
        await access.again(caller)


@pytest.mark.parametrize("how", ["revoke", "rotate"])
async def test_a_key_that_is_taken_back_ends_what_it_began(access: Access, how: str) -> None:
    key_id, header = made(access)
    caller = await access.authenticate(header, AFAR)
    if how == "revoke":
        access.keys.revoke(key_id)
    else:
        access.keys.rotate(key_id, grace_s=0)
    with pytest.raises(NotAuthenticated):
        await access.again(caller)


async def test_the_first_key_ends_what_was_begun_without_one(access: Access) -> None:
    here = await access.authenticate(None, HERE)
    assert await access.again(here) is here
    made(access)
    with pytest.raises(NotAuthenticated):
        await access.again(here)


async def test_what_a_caller_came_with_is_shown_nowhere(access: Access) -> None:
    header = made(access)[1]
    assert digest_of(header.removeprefix("Bearer ")) not in repr(await access.authenticate(header, AFAR))


async def test_a_wrong_secret_and_an_unknown_id_get_the_same_answer(access: Access) -> None:
    key_id, header = made(access)
    answers = []
    for wrong in (f"Bearer mm_live_{key_id}_{'x' * 43}", f"Bearer mm_live_{'x' * 12}_{header[-43:]}"):
        with pytest.raises(NotAuthenticated) as caught:
            await access.authenticate(wrong, AFAR)
        answers.append(str(caught.value))
    assert answers[0] == answers[1]


async def test_a_key_of_the_sandbox_opens_no_live_service(ledger: SqlLedger, clock: Clock) -> None:
    live = door(ledger, clock)
    sandbox = Access(ledger.store, mode="sandbox", now=clock, ticks=clock.ticks)
    _, token = sandbox.keys.create(scopes=["read"], project="p", user="u")
    assert token.startswith("mm_test_")
    with pytest.raises(NotAuthenticated, match="sandbox key"):
        await live.authenticate(f"Bearer {token}", AFAR)


async def test_what_another_process_changed_counts_within_seconds(place: Open, clock: Clock) -> None:
    one, other = door(place(), clock), door(place(), clock)
    await one.authenticate(None, HERE)
    key_id, header = made(other)
    clock.go(seconds=cache.LIFE_S)
    await one.authenticate(header, AFAR)
    other.keys.revoke(key_id)
    await one.authenticate(header, AFAR)
    clock.go(seconds=cache.LIFE_S)
    with pytest.raises(NotAuthenticated):
        await one.authenticate(header, AFAR)


async def test_a_key_made_after_it_was_asked_for_is_found_at_once(access: Access, monkeypatch) -> None:
    made(access)
    monkeypatch.setattr("mintmark.orchestrator.access.administration.new_id", lambda: "k" * 12)
    with pytest.raises(NotAuthenticated):
        await access.authenticate(f"Bearer mm_live_{'k' * 12}_{'x' * 43}", AFAR)
    assert (await access.authenticate(made(access)[1], AFAR)).key_id == "k" * 12


async def test_asking_again_takes_less_than_a_tenth_of_a_millisecond(access: Access) -> None:
    header = made(access)[1]
    await access.authenticate(header, AFAR)

    async def once() -> float:
        started = time.perf_counter()
        for _ in range(200):
            await access.authenticate(header, AFAR)
        return (time.perf_counter() - started) / 200

    assert min([await once() for _ in range(5)]) < 1e-4


async def test_asking_on_the_way_costs_next_to_nothing(access: Access) -> None:
    caller = await access.authenticate(made(access)[1], AFAR)

    async def once() -> float:
        started = time.perf_counter()
        for _ in range(200):
            await access.again(caller)
        return (time.perf_counter() - started) / 200

    assert min([await once() for _ in range(5)]) < 3e-5


async def test_the_token_is_kept_and_logged_nowhere(
    access: Access, ledger: SqlLedger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key_id, header = made(access)
    caller = await access.authenticate(header, AFAR)
    secret = header[-43:]
    rows = ledger.store.read(lambda db: [*db.run("SELECT * FROM api_keys"), *db.run("SELECT * FROM audit")])
    kept = repr([list(dict(row).values()) for row in rows])
    assert digest_of(header.removeprefix("Bearer ")) in kept
    assert secret not in kept + caplog.text + repr(caller) + repr(access.keys.list())
    assert key_id in kept


async def test_when_a_key_was_used_is_written_once_a_minute(access: Access, clock: Clock) -> None:
    key_id, header = made(access)

    async def used_at() -> object:
        await access.authenticate(header, AFAR)
        await access.tend()
        return access.keys.get(key_id).used_at

    first = clock()
    assert await used_at() == first
    clock.go(seconds=59)
    assert await used_at() == first
    clock.go(seconds=1)
    assert await used_at() == clock()


async def test_the_side_task_writes_at_its_end_what_is_left(access: Access, clock: Clock) -> None:
    async with access:
        key_id, header = made(access)
        await access.authenticate(header, AFAR)
    assert access.keys.get(key_id).used_at == clock()


def test_what_cannot_be_is_refused(access: Access, clock: Clock) -> None:
    for facts in (
        {"scopes": ["root"]},
        {"scopes": []},
        {"project": ""},
        {"user": "a\nb"},
        {"name": "n" * 201},
        {"expires_at": clock()},
        {"expires_at": clock().replace(tzinfo=None)},
    ):
        with pytest.raises(InvalidInput):
            made(access, **facts)
    assert access.keys.list() == []
    for change in (access.keys.revoke, access.keys.rotate, access.keys.get):
        with pytest.raises(InvalidInput, match="nobody"):
            change("nobody")


def test_a_key_that_ended_is_not_rotated(access: Access, clock: Clock) -> None:
    revoked, expired = made(access)[0], made(access, expires_at=clock() + timedelta(days=1))[0]
    access.keys.revoke(revoked)
    clock.go(days=1)
    for key_id in (revoked, expired):
        with pytest.raises(WrongState):
            access.keys.rotate(key_id)


def test_a_daily_spend_is_a_budget_in_the_ledger(access: Access, ledger: SqlLedger) -> None:
    key_id, _ = made(access, limits=KeyLimits(spend_per_day_microusd=5_000_000))
    [usage] = ledger.budgets()
    assert (usage.budget.scope, usage.budget.value, usage.budget.period) == ("api_key", key_id, "day")
    assert usage.budget.limit_microusd == 5_000_000
    access.keys.limit(key_id, KeyLimits(requests_per_minute=5))
    assert ledger.budgets() == []
    assert access.keys.get(key_id).limits == KeyLimits(requests_per_minute=5)


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("fe80::1%lo", False),
        ("unix:", False),
        (None, False),
    ],
)
def test_this_machine_is_told_by_its_address(peer: str | None, here: bool) -> None:
    assert is_loopback(peer) is here

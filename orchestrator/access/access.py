"""The door: who asks, whether they may now, and what is left of their limits."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from ... import log
from ...clock import Clock, utc_now
from ...config import Mode
from ...errors import NotAuthenticated, TooManyRequests
from .administration import Keys
from .audit import Entry, chain, fact, newest
from .cache import KeyCache
from .caller import Caller, anybody_here
from .jobs import JobWatch
from .keys import Presented, presented
from .left import jobs_and_money
from .rates import Buckets, headers, tighter
from .tending import Tending
from .velocity import Velocity, too_fast, user_of

if TYPE_CHECKING:
    from ...metering.ledger import Ledger
    from ...storage.base import Store

logger = log.get("access")

OWN_SITES = frozenset({None, "none", "same-origin"})
"""``Sec-Fetch-Site`` of what no other page has a browser ask: no browser, a person, and a page of ours. A picture or a
form of another page sends no Origin with its GET, but this."""
_SEND = "Send: Authorization: Bearer mm_…"
Kind = Literal["read", "submit", "change"]
"""What a request does: only ``submit`` orders jobs."""


class Access:
    """``project`` and ``user`` are those of whoever asks from this machine while there are no keys.

    Use it as an async context manager: what is counted in memory is written down by a side task.
    """

    def __init__(
        self,
        store: Store,
        *,
        ledger: Ledger | None = None,
        mode: Mode = "live",
        project: str = "default",
        user: str = "local",
        now: Clock = utc_now,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._mode, self._now, self._ticks = store, mode, now, ticks
        self._here = anybody_here(project, user)
        self._cache = KeyCache(store, ticks)
        self._buckets, self._velocity = Buckets(), Velocity()
        self._used: dict[str, datetime] = {}
        self.keys = Keys(store, ledger=ledger, mode=mode, now=now, changed=self._cache.forget)
        self.on_job = JobWatch(lambda name: self._velocity.count(name, self._now()))
        """Belongs into the job store's outbox: it holds limits within the job's transaction."""
        self._tending = Tending(store, self._velocity, self._used, now)

    async def __aenter__(self) -> Access:
        await self._tending.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tending.stop()

    async def watch(self) -> None:
        """Wait until the side task ends, which it never should. Raises what ended it."""
        await self._tending.watch()

    async def tend(self) -> None:
        """Write down now what the side task writes every few seconds, and chain what waits for the audit log."""
        await asyncio.to_thread(self._tending.write)

    # -- who asks -----------------------------------------------------------------------------------------------------

    async def has_keys(self) -> bool:
        """Whether callers need a key. Without one the service must listen on loopback only."""
        return await self._cache.any_key()

    async def authenticate(
        self,
        authorization: str | None,
        peer: str | None,
        *,
        host: str | None = None,
        proxied: bool = False,
        origin: str | None = None,
        site: str | None = None,
    ) -> Caller:
        """Who sent this ``Authorization`` header from this address. Raises NotAuthenticated.

        ``peer``: the address of the connection, never one that a header claims. ``host``: the ``Host`` it asked for;
        ``proxied``: a header says that somebody else is behind the peer; ``origin``: the page that has a browser ask;
        ``site``: how a browser says (``Sec-Fetch-Site``) that page and service belong together. All of them only ever
        shut the door.
        """
        if not await self._cache.any_key():
            here = is_loopback(peer) and not proxied and (host is None or is_this_machine(host))
            if here and (origin is None or is_own_page(origin, host)) and site in OWN_SITES:
                return self._here
            raise NotAuthenticated(
                "There is no API key yet, so only this machine is served.", hint="mintmark apikeys create"
            )
        if not authorization:
            raise NotAuthenticated("This needs an API key.", hint=_SEND)
        return await self._opened(presented(authorization))

    async def again(self, caller: Caller) -> Caller:
        """Whoever was let in, as its key is now: to be asked for as long as something of it goes on, before each thing
        that it orders or is told. Mostly that is a look into memory. Raises NotAuthenticated where the key, or the
        secret that it came with, has ended since.
        """
        if caller.sent is not None:
            return await self._opened(caller.sent)
        if await self._cache.any_key():
            raise NotAuthenticated("There are API keys now, and this came without one.", hint=_SEND)
        return caller

    async def _opened(self, sent: Presented) -> Caller:
        at = self._now()
        key = await self._cache.get(sent.key_id)
        # One answer for what is unknown and what is wrong: it tells nobody which ids there are.
        if key is None or not key.opened_by(sent.digest, at) or sent.mode != self._mode:
            raise NotAuthenticated("The API key is not known here.", hint=self._hint(sent.mode))
        if why := key.ended(at):
            raise NotAuthenticated(f"The API key is {why}.", hint="Use another one: mintmark apikeys create")
        self._used[key.key_id] = at
        return Caller(key.key_id, key.scopes, key.project, key.user, key.limits, key.held_at is not None, sent)

    def _hint(self, mode: Mode) -> str:
        if mode != self._mode:
            return f"It is a {mode} key, and this service runs {self._mode}."
        return "Check that all of it was copied; mintmark apikeys list shows which there are."

    # -- whether they may now -----------------------------------------------------------------------------------------

    async def admit(self, caller: Caller, end_user: str | None, kind: Kind = "read") -> dict[str, str]:
        """Count a request against the limits of the key and of its end user; headers that tell what is left.

        Raises TooManyRequests, whose ``data`` has ``retry_after_s`` and the ``headers``.
        """
        told = await self.admit_key(caller, kind)
        told = self.admit_user(caller, end_user, told)
        return told | await self.left(caller, end_user) if kind == "submit" else told

    async def admit_key(self, caller: Caller, kind: Kind = "read") -> dict[str, str]:
        """:meth:`admit` of the key alone, before it is known for whom it asks. Raises TooManyRequests."""
        if caller.key_id is None:
            return {}
        told = self._count((caller.key_id,), caller.limits.requests_per_minute, "requests_per_minute", {})
        if kind == "submit":
            await self.check_pace(caller)
        return told

    def admit_user(
        self, caller: Caller, end_user: str | None, told: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, str]:
        """Count one request, or one line of a batch, against what an end user may; headers as :meth:`admit` gives them,
        of the tighter of this limit and of that which was ``told`` already. Raises TooManyRequests."""
        most = caller.limits.user_requests_per_minute
        if caller.key_id is None or not end_user:
            return dict(told)
        self._check_user(caller, caller.key_id, end_user)
        return self._count((caller.key_id, end_user), most, "user_requests_per_minute", told)

    async def left(self, caller: Caller, end_user: str | None) -> dict[str, str]:
        """Headers that tell how many jobs at once and how much money are left, of those limits that are set."""
        its = caller.limits
        limited = (its.jobs_at_once, its.spend_per_day_microusd)
        of_user = (its.user_jobs_at_once, its.user_spend_per_day_microusd) if end_user else ()
        if caller.key_id is None or all(each is None for each in (*limited, *of_user)):
            return {}
        asked = caller.key_id, its, end_user, self._now()
        return await asyncio.to_thread(self._store.read, lambda db: jobs_and_money(db, *asked))

    def _count(
        self, name: tuple[str, ...], per_minute: int | None, limit: str, told: Mapping[str, str]
    ) -> dict[str, str]:
        if per_minute is None:
            return dict(told)
        room = self._buckets.take(name, per_minute, self._ticks())
        if room.retry_after_s is not None:
            raise TooManyRequests(
                f"More than {room.limit} requests a minute{' for this end user' if len(name) > 1 else ''}.",
                hint=f"Try again in {room.retry_after_s} s.",
                limit=limit,
                left=0,
                retry_after_s=room.retry_after_s,
                headers=headers(room),
            )
        return tighter(told, headers(room))

    async def check_pace(self, caller: Caller) -> None:
        """Whether a key orders as it usually does; :meth:`admit` asks it, and whoever takes many orders at once has to
        ask again on the way, of the caller as it is :meth:`again`. Raises TooManyRequests where the key is held."""
        if (key_id := caller.key_id) is None:
            return
        if caller.held:
            raise _held()
        times = caller.limits.velocity
        if times is None or not too_fast(pace := self._velocity.pace(key_id, self._now()), times):
            return
        why = f"{pace.jobs} jobs in the hour {pace.hour}, usually {pace.usual:.1f}"
        if caller.limits.velocity_action == "hold":
            await asyncio.to_thread(self.keys.hold, key_id, held=True, actor="velocity", why=why)
            logger.warning("API key %s is held: %s.", key_id, why, extra=log.action("key_held", key_id=key_id))
            raise _held()
        if (key_id, pace.hour) not in self._velocity.told:
            self._velocity.told.add((key_id, pace.hour))
            logger.warning("API key %s: %s.", key_id, why, extra=log.action("key_flagged", key_id=key_id))
            await self.audit("velocity", "key.flagged", key_id, {"why": why})

    def _check_user(self, caller: Caller, key_id: str, end_user: str) -> None:
        times, at = caller.limits.user_velocity, self._now()
        if times is None or not too_fast(pace := self._velocity.pace(user := user_of(key_id, end_user), at), times):
            return
        held = caller.limits.velocity_action == "hold"
        if (user, pace.hour) not in self._velocity.told:
            self._velocity.told.add((user, pace.hour))
            why = f"{pace.jobs} jobs in the hour {pace.hour}, usually {pace.usual:.1f}"
            its = {"user": user, "held": held}
            logger.warning("An end user, %s: %s.", user, why, extra=log.action("end_user_flagged", **its))
            action = "end_user.held" if held else "end_user.flagged"
            self._velocity.tell(fact(at, "velocity", action, user, {"why": why}))
        if held:
            raise TooManyRequests(
                "Far more than usual was ordered for this end user, so no more is until the hour is over.",
                hint="Order for them again then.",
                limit="user_velocity",
                left=0,
                retry_after_s=3600 - at.minute * 60 - at.second,
            )

    # -- what was done ------------------------------------------------------------------------------------------------

    async def audit(self, actor: str, action: str, target: str, data: Mapping[str, Any]) -> None:
        """Write an act into the audit log; it is in the chain when this returns. Never content, only digests of it."""
        its = fact(self._now(), actor, action, target, data)
        await asyncio.to_thread(self._store.transact, lambda db: chain(db, [its]))

    async def audited(self, *, before: int | None = None, limit: int = 100) -> list[Entry]:
        """Rows of the audit log, the newest first."""
        return await asyncio.to_thread(self._store.read, lambda db: newest(db, before=before, limit=limit))


def is_loopback(peer: str | None) -> bool:
    """Whether a connection comes from this machine, by its own address."""
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def is_this_machine(host: str) -> bool:
    """Whether a ``Host`` header names this machine. A web page of somebody else reaches it too, by giving its own name
    the address 127.0.0.1; but then it is that name which is asked for."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or name == "localhost" or name.endswith(".localhost")


def is_own_page(origin: str, host: str | None) -> bool:
    """Whether a page that was loaded from this very ``Host`` asks. Any other page that is open in a browser on this
    machine could send us a form, and so an order, without being allowed to read the answer."""
    return host is not None and origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _held() -> TooManyRequests:
    return TooManyRequests(
        "The key ordered far more than usual, so its orders are held until somebody has looked at it.",
        hint="An admin releases it: mintmark apikeys release ID",
        limit="velocity",
        left=0,
        retry_after_s=600,
    )

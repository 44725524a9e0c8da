"""Putting the generation service together from settings, and taking it apart again."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from typing_extensions import ParamSpec

from .. import log
from ..config import Settings
from ..metering.local import PROVIDER
from ..metering.opening import open_ledger
from ..moderation import house as house_rules
from ..moderation.base import Checker, JsonClient
from ..moderation.classifiers.checkers import open_classifiers
from ..moderation.moderator import Moderator
from ..moderation.policy import load as load_policy
from ..moderation.registry import open_checkers
from ..provenance.keys import signing_identity
from ..provenance.signing import CredentialSigner
from ..provenance.threads import signing_threads
from ..provenance.timestamps import stamping
from ..providers.accounts import options
from ..providers.base import Provider
from ..providers.gate import Gate
from ..providers.http import HttpClient, Secret, Timeouts
from ..providers.keys import Keys
from ..providers.keytest import KeyTest, try_key
from ..providers.local import Maker
from ..providers.models import Catalog
from ..providers.registry import names, open_provider, open_service
from ..providers.turns import Turns, check_limits, limits
from ..storage.spool import Spool
from .alike import alike
from .apps import Apps
from .books import LocalBooks
from .call import Entry
from .caller import Caller
from .judging import Judge
from .local_models import LocalModels
from .service import GenerationService
from .sqlite_journal import SqliteJournal

logger = log.get("generation.engine")

P = ParamSpec("P")
R = TypeVar("R")

SELF_MADE = (
    "A signing key of your own was made. Its root is on no trust list: files verify as valid, and as trusted only for "
    "those who add the root. For a certificate of your own see MINTMARK_SIGNING_CERT."
)
SPOOL_S = 7 * 24 * 3600
"""How long results are spooled, in seconds."""


class Engine:
    """One per process and data folder: the service, its journal and its books, opened in the running event loop.

    ``listener`` hears of each journal entry once it is durable, in a worker thread. A ``sandbox_url`` that is not the
    settings' own belongs to a sandbox that this process started, and that ends with it. ``maker`` samples
    checkpoints of this machine; None: this process does not.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sandbox_url: str | None = None,
        listener: Callable[[Entry], None] | None = None,
        pack_version: str = "",
        maker: Maker | None = None,
    ) -> None:
        self.settings = settings
        self.keys = Keys(settings)
        self.apps = Apps(settings.books_dir / "apps", self.provider)
        self.local = LocalModels(maker, settings.gpu_hour)
        self.catalog = Catalog.load().with_apps(self.apps.kept())
        self._sandbox_url = sandbox_url
        self._listener = listener
        self.pack_version = pack_version
        check_limits(settings.provider_limits, names())
        self._providers: dict[str, Provider] = {}
        self._turns: dict[str, Turns] = {}
        self._moderators: dict[str, Moderator] = {}
        self._classifiers: dict[str, Checker] | None = None
        self._signer: CredentialSigner | None = None
        self._signer_lock = threading.Lock()
        waits = settings.timestamp_url is not None or settings.signer is not None
        self._signing = signing_threads(waits=waits)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Engine:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _open(self, stack: AsyncExitStack) -> None:
        stack.callback(self._signing.shutdown, wait=False, cancel_futures=True)
        folder = self.settings.books_dir
        self.spool = Spool(folder / "spool")
        self.journal = await asyncio.to_thread(SqliteJournal, folder, listener=self._listener)
        stack.callback(self.journal.close)
        self.ledger = await asyncio.to_thread(open_ledger, self.settings)
        stack.callback(self.ledger.close)
        self.books = LocalBooks(self.ledger, self.journal, self.journal.journal_id)
        timeouts = Timeouts(total_s=self.settings.provider_timeout_s)
        self._http = await stack.enter_async_context(HttpClient(timeouts=timeouts, private_hosts=self._own_hosts()))
        self.caller = Caller(
            journal=self.journal,
            catalog=self.catalog,
            spool=self.spool,
            provider=self.provider,
            turn=self._turn,
            own_sandbox=self._sandbox_url if self.settings.sandbox_url is None else None,
        )
        # The last in is the first out: calls still being resumed end first, then what they cost is booked.
        stack.push_async_callback(asyncio.to_thread, self.books.catch_up)
        stack.push_async_callback(self.caller.close)
        self.judge = Judge(self.journal, self.moderator)
        self.service = self._service()
        await self._tidy()

    async def _tidy(self) -> None:
        """Before the first call: decide what a dead process left, book it, and drop old results."""
        await self.caller.recover()
        await asyncio.to_thread(self.books.catch_up)
        await asyncio.to_thread(self.spool.prune, older_than_s=SPOOL_S, now=time.time())

    def _service(self) -> GenerationService:
        return GenerationService(
            settings=self.settings,
            catalog=self.catalog,
            journal=self.journal,
            books=self.books,
            caller=self.caller,
            spool=self.spool,
            judge=self.judge,
            pack_version=self.pack_version,
            apps=self.apps,
            own=self.local,
        )

    def reachable(self) -> tuple[str, ...]:
        """The providers that can be called here, by name: those with a key, or all in the sandbox. May block."""
        known = self.keys.present() if not self._sandbox_url else names()
        return tuple(sorted(set(known) & set(names())))

    def provider(self, name: str) -> Provider:
        """The adapter of this provider, with its key. Raises MissingKey."""
        if name not in self._providers:
            self._providers[name] = self._opened(name)
        return self._providers[name]

    def _own_hosts(self) -> set[str]:
        """Hosts of the user's own gateways: their files may come from a private address."""
        return {urlsplit(url).hostname or "" for url in self.settings.provider_urls.values()}

    def _turn(self, provider: str, model: str) -> AbstractAsyncContextManager[None]:
        # This machine's own device is taken by turns where it is used, and nobody limits how often it is asked.
        return nullcontext() if provider == PROVIDER else self._turns_of(provider).turn(model)

    def _turns_of(self, name: str) -> Turns:
        if name not in self._turns:
            most = limits(name, self.settings.provider_limits, live=not self._sandbox_url)
            clock, sleep = self._http.clock, self._http.sleep
            self._turns[name] = Turns(provider=name, limits=most, gate=Gate(clock), sleep=sleep, clock=clock)
        return self._turns[name]

    def _opened(self, name: str) -> Provider:
        if name == PROVIDER:
            return self.local.provider()
        http = self._http.behind(self._turns_of(name).gate)
        return open_provider(name, http, key=self._key(name), **self._place(name), **self._options(name))

    def keys_changed(self) -> None:
        """Forget what was opened with the keys as they were. Calls that are under way keep theirs."""
        self._providers.clear()
        self._moderators.clear()

    async def try_key(self, name: str) -> KeyTest:
        """Whether the provider's key works, asked for free. Raises MissingKey."""
        key = await asyncio.to_thread(self._key, name)
        if self._sandbox_url:
            return KeyTest(outcome="unclear", message="The sandbox takes any key; it cannot tell a real one.")
        return await try_key(name, self._http, key=key, **self._place(name))

    def moderator(self, policy: str) -> Moderator:
        """The moderator of a policy, with the checkers that are available here, under the house rules as they are now.

        Raises UnknownPolicy, ClassifierMismatch, and BadSetting and FileMissing for the house rules.
        """
        house = house_rules.load(self.settings.house_rules)
        known = self._moderators.get(policy)
        if known is None or known.house is not house:
            shadow = None if house.shadow is None else load_policy(house.shadow)
            checkers = {**open_checkers(self._connect), **self._own_classifiers()}
            known = self._moderators[policy] = Moderator(
                load_policy(policy),
                checkers,
                house=house,
                shadow=shadow,
                alike=partial(alike, max_pixels=self.settings.max_pixels),
            )
        return known

    def _own_classifiers(self) -> dict[str, Checker]:
        # Shared by all policies: each holds a model in memory.
        if self._classifiers is None:
            self._classifiers = open_classifiers(self.settings.image_classifier, self.settings.text_classifier)
        return self._classifiers

    @property
    def signer(self) -> CredentialSigner:
        """Signs this installation's files; its keys are made on first use. Raises BadKey and SigningFailed."""
        # Files are signed in threads, and the first two may come at once.
        with self._signer_lock:
            if self._signer is None:
                identity = signing_identity(self.settings)
                signer = CredentialSigner(identity, stamping(self.settings))
                self._signer = self._stack.enter_context(signer)
                if identity.created_now:
                    logger.warning(SELF_MADE, extra=log.action("keys_made"))
            return self._signer

    async def at_signing(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do this in a thread that signs: see :mod:`provenance.threads`."""
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        return await loop.run_in_executor(self._signing, lambda: context.run(work, *args, **kwargs))

    def _connect(self, name: str) -> JsonClient | None:
        """A client to this provider's moderations, for the checker that asks it; None without a key."""
        if not (self._sandbox_url or self.keys.place(name)):
            return None
        return open_service(name, self._http, key=self._key(name), **self._place(name), **self._options(name))

    def _place(self, name: str) -> dict[str, Any]:
        return {"sandbox_url": self._sandbox_url, "base_url": self.settings.provider_urls.get(name)}

    def _options(self, name: str) -> dict[str, Any]:
        return {"options": options(name, self.settings.provider_options)}

    def _key(self, name: str) -> Secret:
        # The sandbox takes any key, and a real one must never be sent to it.
        return Secret("sandbox-key") if self._sandbox_url else self.keys.require(name)

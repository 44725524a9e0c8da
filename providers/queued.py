"""What adapters have in common whose vendor takes a call, names it, and is asked by URLs until the files are there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from typing_extensions import Self

from ..errors import Charged, ProviderDown
from .base import NO_OPTIONS, Accepted, Provider, ResultImage
from .download import downloaded
from .hosts import Hosts, below
from .http import Again, Failure, HttpClient, Reply
from .refusals import Vendor
from .secret import Secret
from .submission import Submission


class Queued(Provider):
    """The base of such adapters, which say where their vendor is, how it is called and how long it keeps files."""

    resumable: ClassVar[bool] = True
    vendor: ClassVar[Vendor]
    lifetime: ClassVar[str]
    """Half a sentence, for somebody whose file is gone."""
    live: ClassVar[Hosts]
    sandbox: ClassVar[str]
    """Where the vendor's API is below a sandbox's URL."""
    bare: ClassVar[str] = ""
    """What follows a base URL that is a host and no more."""

    def __init__(self, http: HttpClient, *, key: Secret, hosts: Hosts | None = None) -> None:
        self._http, self._key, self._hosts = http, key, hosts or self.live

    @classmethod
    def open(
        cls,
        http: HttpClient,
        *,
        key: Secret,
        sandbox_url: str | None = None,
        base_url: str | None = None,
        options: Mapping[str, str] = NO_OPTIONS,
    ) -> Self:
        """Against the live API (``base_url``: a region's, or a gateway of the user's own), or a sandbox's."""
        if sandbox_url is not None:
            return cls(http, key=key, hosts=Hosts(f"{sandbox_url.rstrip('/')}{cls.sandbox}"))
        return cls(http, key=key, hosts=replace(cls.live, base=below(base_url, cls.bare)) if base_url else cls.live)

    async def fetch(self, image: ResultImage) -> bytes:
        return await downloaded(
            self._http,
            image,
            allowed=self._hosts.is_media,
            provider=self.name,
            title=self.vendor.title,
            lifetime=self.lifetime,
        )

    @abstractmethod
    def _headers(self) -> dict[str, str]:
        """What carries the key."""

    async def _authorized(self) -> dict[str, str]:
        """The same where a token is fetched first. Raises ProviderError where none is given; nothing is charged."""
        return self._headers()

    def _url(self, accepted: Accepted, name: str) -> str:
        return self._hosts.followed(accepted, name, provider=self.name, title=self.vendor.title)

    async def _post(
        self,
        path: str,
        body: Any,
        submission: Submission,
        *,
        limit: int,
        more: Mapping[str, str] | None = None,
        again: Again | None = None,
    ) -> Reply:
        """The paid request, and its answer whatever that says. Raises what is known where none came.

        ``path`` is below the base, or the whole URL of something that is the account's own.
        """
        try:
            return await self._http.send(
                "POST",
                path if "://" in path else f"{self._hosts.base}/{path}",
                headers={**await self._authorized(), **(more or {})},
                json=body,
                max_bytes=limit,
                repeat="unsent",
                again=again,
                submission=submission,
            )
        except Failure as failure:
            problem = self.vendor.submission(failure)
        raise problem

    async def _follow(self, accepted: Accepted, name: str, *, limit: int, again: Again | None = None) -> Reply:
        """GET one of the call's URLs. The call was accepted, so whatever goes wrong here, its charge is unknown."""
        url = self._url(accepted, name)
        try:
            return await self._http.send(
                "GET", url, headers=await self._authorized(), max_bytes=limit, repeat="idempotent", again=again
            )
        except Failure as failure:
            problem = self.vendor.unreached(failure, "unknown", accepted.request_id)
        raise problem

    def _too_late(self, accepted: Accepted, charged: Charged = "unknown") -> ProviderDown:
        return ProviderDown(
            f"{self.vendor.title} did not finish within {self._http.timeouts.total_s:g} s.",
            hint="Raise MINTMARK_PROVIDER_TIMEOUT_S, or try again later.",
            provider=self.name,
            charged=charged,
            request_id=accepted.request_id,
        )

"""A vendor's refusal by its status: what all of them mean by it, and what is known of the charge.

An adapter's own table says what its vendor's words add: which are a block, which a lack of credit, and which of its
server errors surely did no work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import (
    BadAnswer,
    Charged,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
    ResultLost,
)
from .http import Failure, Forbidden, NotSent, Reply, TooLarge

HAS_OWN_MEANING = frozenset({401, 402, 403, 429})
"""Statuses that say what is wrong, whatever words come with them."""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """How a vendor is called, and where its customers put things right."""

    provider: str
    title: str
    """Its name in a sentence."""
    credit: str
    """What to do about a lack of credit."""
    key: str
    """What to do about a key that is refused."""
    doubtful: frozenset[int] = frozenset({408})
    """4xx that do not say that nothing was done."""

    def refused(
        self,
        reply: Reply,
        text: str,
        *,
        word: str = "",
        blocked: bool = False,
        broke: bool = False,
        unworked: bool = False,
        **told: Any,
    ) -> ProviderError:
        """A paid request that was answered with an error.

        ``text`` is the vendor's reason and ``word`` its code for it, both fit to be shown; ``blocked`` and ``broke``
        say that they mean the content policy or a lack of credit, and ``unworked`` that a server error did no work.
        """
        told = {"provider": self.provider, "status": reply.status, "retry_after": reply.retry_after_s, **told}
        shown = word or reply.status
        if blocked:
            hint = "Change the prompt or the images."
            return ProviderBlocked(f"{self.title}'s content policy blocked it: {text}", hint=hint, **told)
        if broke or reply.status == 402:
            return ProviderAuth(f"{self.title} refuses for lack of credit ({shown}).", hint=self.credit, **told)
        if reply.status in (401, 403):
            # The vendor's text is left out: it may quote parts of the key.
            return ProviderAuth(f"{self.title} refuses the key ({shown}).", hint=self.key, **told)
        if reply.status == 429:
            hint = "Wait, or ask for fewer at once."
            return RateLimited(f"{self.title}'s rate limit is reached: {text}", hint=hint, **told)
        if reply.status in _MOVED:
            # A 303 is not among them: it says that what was posted was done, and where the outcome is.
            problem = (
                f"{self.title} is elsewhere: its address answers {reply.status}, and a paid request follows nobody."
            )
            return ProviderRefused(problem, hint=_ADDRESS, **told)
        if 400 <= reply.status < 500 and reply.status not in self.doubtful:
            return ProviderRefused(f"{self.title} refuses the request: {text}", **told)
        charged: Charged = "no" if unworked or reply.status == 503 else "unknown"
        return ProviderDown(f"{self.title} answers {reply.status}: {text}", charged=charged, **told)

    def lost_track(self, reply: Reply, request_id: str, what: str, **more: Any) -> ProviderError:
        """An accepted call, ``what`` the vendor calls it, whose state cannot be read. Nobody says what it cost."""
        told = {"provider": self.provider, "status": reply.status, "retry_after": reply.retry_after_s, **more}
        told |= {"request_id": request_id, "charged": "unknown"}
        if reply.status == 404:
            return ResultLost(f"{self.title} does not know the {what} (any more).", **told)
        if reply.status in (401, 402, 403):
            return ProviderAuth(f"{self.title} refuses the key ({reply.status}).", hint="Check the key.", **told)
        if reply.status == 429:
            return RateLimited(f"{self.title}'s rate limit is reached.", hint="Wait, or ask for fewer.", **told)
        if reply.status >= 400:
            return ProviderDown(f"{self.title}'s {what} answers {reply.status}.", **told)
        return BadAnswer(f"{self.title}'s answer is no {what}.", **told)

    def unreached(self, failure: Failure, charged: Charged, request_id: str | None = None) -> ProviderError:
        """A request without a complete answer."""
        told: dict[str, Any] = {"provider": self.provider, "charged": charged, "request_id": request_id}
        if isinstance(failure, TooLarge):
            return BadAnswer(f"{self.title}'s answer is too large ({failure}).", **told)
        if isinstance(failure, Forbidden):
            return ProviderRefused(f"{self.title} is not asked ({failure}).", hint=_ADDRESS, **told)
        what = "cannot be reached" if isinstance(failure, NotSent) else "dropped the connection"
        return ProviderDown(f"{self.title} {what} ({failure}).", **told)

    def submission(self, failure: Failure) -> ProviderError:
        """:meth:`unreached` of a paid request, which costs nothing only where it never left."""
        return self.unreached(failure, "no" if isinstance(failure, (NotSent, Forbidden)) else "unknown")


_MOVED = frozenset({301, 302, 307, 308})
"""By which a server says that it did nothing, and who would (RFC 9110, 15.4)."""
_ADDRESS = "Check the addresses in MINTMARK_PROVIDER_URLS and MINTMARK_PROVIDER_OPTIONS."

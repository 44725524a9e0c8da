"""What Ideogram's refusals mean, and what is known of the charge in each.

Documented: 400 (invalid input), 401 and for remix 403 (key), 422 "Prompt or provided image failed safety check" with
``{"error": "..."}``, 429. What the other bodies look like is documented nowhere.
"""

from __future__ import annotations

from .. import log
from ..errors import ProviderError
from .http import Reply
from .refusals import Vendor

VENDOR = Vendor(
    provider="ideogram",
    title="Ideogram",
    credit="Add credits at ideogram.ai/manage-api.",
    key="Check the key (mintmark keys set ideogram) and its account at ideogram.ai/manage-api.",
)
_SAFETY = ("safety", "prohibited", "moderat", "inappropriate", "unsafe")
_TEXTS = ("error", "message", "detail")


def refusal(reply: Reply) -> ProviderError:
    """The error that an answer other than 200 means: nothing was made, except where a gateway lost the answer."""
    text = text_of(reply)
    blocked = reply.status in (400, 422) and any(word in text.casefold() for word in _SAFETY)
    return VENDOR.refused(reply, text, blocked=blocked)


def text_of(reply: Reply) -> str:
    """Ideogram's reason, fit to be shown."""
    try:
        body = reply.json()
    except ValueError:
        body = {}
    told = next((str(body[name]) for name in _TEXTS if body.get(name)), f"status {reply.status}")
    return log.redact(told)[:300]

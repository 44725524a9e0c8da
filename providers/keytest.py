"""Does a key work? Each provider is asked something that is free and that only a valid key gets an answer to.

What is asked, and what its answers mean, is data: see :data:`PROBES`. Nothing of an answer is passed on but the
balance: refusals quote parts of the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .hosts import below
from .http import MIB, Failure, HttpClient, Reply
from .secret import Secret

_ANSWER_LIMIT = 4 * MIB
PATIENCE_S = 20.0
"""How long a provider may take to answer, in seconds."""
Outcome = Literal["works", "refused", "unclear"]


@dataclass(frozen=True)
class Probe:
    """One free question. ``path`` follows the API's base, and is empty where nothing is free; ``header`` and ``scheme``
    carry the key."""

    title: str
    """What the provider is called."""
    site: str
    """Where its keys are made."""
    base: str
    sandbox: str
    """Where the sandbox serves that base."""
    path: str
    header: str = "Authorization"
    scheme: str = "Bearer "
    refused: frozenset[int] = frozenset({401, 403})
    """Statuses that surely mean a bad key."""
    balance: str | None = None
    """The answer's field with the account's credits."""
    gateway: bool = True
    """Whether the question can be put to a base URL of the user's own."""
    bare: str = ""
    """What follows the base where the user's own is a bare host."""


PROBES: Mapping[str, Probe] = {
    "openai": Probe(
        "OpenAI",
        "https://platform.openai.com/api-keys",
        "https://api.openai.com/v1",
        "/openai/v1",
        "/models",
        # A key may be limited to some endpoints, and then this one answers 403 to a good key.
        refused=frozenset({401}),
    ),
    "fal": Probe(
        "fal",
        "https://fal.ai/dashboard/keys",
        "https://api.fal.ai/v1",
        "/fal/api/v1",
        "/models/pricing?endpoint_id=fal-ai/flux/schnell",
        scheme="Key ",
        # A gateway stands before the queue, which is another host than the pricing API's.
        gateway=False,
    ),
    "replicate": Probe(
        "Replicate",
        "https://replicate.com/account/api-tokens",
        "https://api.replicate.com/v1",
        "/replicate/v1",
        "/account",
    ),
    "huggingface": Probe(
        "Hugging Face",
        "https://huggingface.co/settings/tokens",
        "https://huggingface.co",
        "/huggingface/hub",
        "/api/whoami-v2",
        # A gateway stands before the router, which is another host than the Hub.
        gateway=False,
    ),
    "bfl": Probe(
        "Black Forest Labs",
        "https://dashboard.bfl.ai",
        "https://api.bfl.ai/v1",
        "/bfl/v1",
        "/credits",
        header="x-key",
        scheme="",
        balance="credits",
        bare="/v1",
    ),
    "stability": Probe(
        "Stability AI",
        "https://platform.stability.ai/account/keys",
        "https://api.stability.ai",
        "/stability",
        "/v1/user/balance",
        balance="credits",
    ),
    "ideogram": Probe(
        "Ideogram",
        "https://ideogram.ai/manage-api",
        "https://api.ideogram.ai",
        "/ideogram",
        # The custom models of the account: often none, but only for a good key.
        "/models",
        header="Api-Key",
        scheme="",
    ),
    # A client secret alone buys no token: the client id goes with it.
    "firefly": Probe(
        "Adobe Firefly", "https://developer.adobe.com/console", "https://firefly-api.adobe.io", "/firefly", ""
    ),
    # Their free questions are put to another service, or to a resource of one's own.
    "bedrock": Probe("AWS Bedrock", "https://console.aws.amazon.com/bedrock", "", "/bedrock", ""),
    "azure": Probe("Azure", "https://ai.azure.com", "", "/azure", ""),
    "google": Probe(
        "Google",
        "https://aistudio.google.com/app/apikey",
        "https://generativelanguage.googleapis.com/v1beta",
        "/google/v1beta",
        "/models?pageSize=1",
        header="x-goog-api-key",
        scheme="",
        # A key that is none is a bad argument there, and no failed authentication.
        refused=frozenset({400, 401}),
        bare="/v1beta",
    ),
}
"""From each vendor's API reference (2026-11). A provider without one is simply tried by its first call."""


@dataclass(frozen=True, kw_only=True)
class KeyTest:
    """What came of it, in words for people; ``unclear`` says nothing about the key."""

    outcome: Outcome
    message: str
    data: dict[str, Any] = field(default_factory=dict)


async def try_key(
    provider: str, http: HttpClient, *, key: Secret, sandbox_url: str | None = None, base_url: str | None = None
) -> KeyTest:
    """Ask the provider's free question with this key: live, at the sandbox, or behind a gateway. Raises nothing."""
    probe = PROBES.get(provider)
    if probe is None or not probe.path or not key or (base_url and not sandbox_url and not probe.gateway):
        return KeyTest(outcome="unclear", message="This cannot be tried for free; the first image will tell.")
    base = f"{sandbox_url.rstrip('/')}{probe.sandbox}" if sandbox_url else below(base_url or probe.base, probe.bare)
    asking = http.send(
        "GET",
        base + probe.path,
        headers={probe.header: f"{probe.scheme}{key.reveal()}"},
        max_bytes=_ANSWER_LIMIT,
        repeat="idempotent",
        again=_never,
    )
    try:
        # Somebody waits, and can press the button again.
        reply = await asyncio.wait_for(asking, PATIENCE_S)
    except Failure as failure:
        return KeyTest(outcome="unclear", message=f"{probe.title} could not be asked: {failure.reason}.")
    except asyncio.TimeoutError:
        return KeyTest(outcome="unclear", message=f"{probe.title} does not answer at the moment. Try again.")
    return _meaning(probe, reply)


def _never(reply: Reply) -> bool:
    return False


def _meaning(probe: Probe, reply: Reply) -> KeyTest:
    if reply.status in probe.refused:
        return KeyTest(outcome="refused", message=f"{probe.title} refuses this key. Copy it again, or make a new one.")
    if reply.status == 403:
        return KeyTest(outcome="unclear", message=f"{probe.title} knows this key but does not let it list models.")
    if reply.status != 200:
        return KeyTest(outcome="unclear", message=f"{probe.title} answers {reply.status} at the moment. Try again.")
    credits_left = _balance(probe, reply)
    if credits_left is None:
        return KeyTest(outcome="works", message="The key works.")
    return KeyTest(
        outcome="works", message=f"The key works; {credits_left:g} credits left.", data={"credits": credits_left}
    )


def _balance(probe: Probe, reply: Reply) -> float | None:
    if probe.balance is None:
        return None
    try:
        value = reply.json().get(probe.balance)
    except ValueError:
        return None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

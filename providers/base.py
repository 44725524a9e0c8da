"""The contract of a provider adapter: this file is the specification, and ``tests/contracts/provider.py`` its test.

An adapter reads as its vendor's wire and little else. It decides three things nobody else can: what a request looks
like on that wire (:meth:`Provider.prepare`, pure), what an answer means, and **what is known of the charge when
something goes wrong** (``ProviderError.charged``):

``no``       the provider surely did no billable work: the request never left, or it answered with a refusal.
``yes``      the provider did the work and charges for it.
``unknown``  the request left and no answer tells. It is never repeated blindly.

Money, holds, journal, moderation and retries of whole calls are the service's business (``generation/``), never an
adapter's. An adapter repeats by itself only what costs nothing: status polls and downloads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self

from ..metering.prices import Quantities
from .model import Model
from .request import Delivery, GenerationRequest

if TYPE_CHECKING:
    from .http import HttpClient
    from .secret import Secret


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A request in the vendor's words. Nothing was sent yet, so making one can be repeated and thrown away."""

    model: Model
    path: str
    """Below the provider's base URL."""
    fields: dict[str, Any]
    """The JSON body, or the form's plain fields."""
    files: tuple[tuple[str, str, str, bytes], ...] = field(default=(), repr=False)
    """(field, file name, media type, bytes); with any, the request is a multipart form."""
    seed: int | None = None
    """The seed as sent, after folding; None where the vendor takes none."""
    ignored: tuple[str, ...] = ()
    """Names of what was asked for and this model cannot do: said on the node and in the record."""
    quantities: Quantities = Quantities()
    delivery: Delivery = "now"
    """``batch`` only for a model that the catalog has a batch of. The service sets it; the adapter asks that way."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The model's own parameters as sent (with defaults), by catalog name: prices may depend on them."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The provider took the call and named it. ``handle`` is all it takes to ask about it again, as plain JSON.

    A handle holds no secret: it is written to the journal.
    """

    request_id: str
    handle: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ResultImage:
    """One image of an answer: the bytes as the provider sent them, or where to fetch them."""

    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    media_type: str = ""
    seed: int | None = None
    blocked: bool = False
    """The provider's own filter blacked this one out (it is charged all the same)."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: images, and what the provider says it used."""

    request_id: str | None
    images: tuple[ResultImage, ...]
    usage: Quantities
    model_version: str | None = None
    """As the provider names it, where it does."""
    charge_microusd: int | None = None
    """The charge itself, where the provider states it; else it is computed from ``usage`` and the catalog's price."""
    charged_by: str | None = None
    """In words, for people, what the charge comes from, where that is more than the price list says."""
    notes: tuple[str, ...] = field(default=(), repr=False)
    """What whoever asked should know. They may quote the prompt, so they are kept nowhere but in the record."""


NO_OPTIONS: Mapping[str, str] = MappingProxyType({})

OnAccepted = Callable[[Accepted], Awaitable[None]]


class Provider(ABC):
    """One hosted API. An instance is bound to a base URL and a key, shares its HTTP client, and has no other state."""

    name: ClassVar[str]
    """The word used everywhere: ``openai``, ``fal``."""
    resumable: ClassVar[bool]
    """Whether a call that was accepted can be asked about by its handle, also by another process. Where this holds for
    some calls only, it is True, the others get an empty handle, and :meth:`resume` raises ChargeUnknown for that."""

    @classmethod
    @abstractmethod
    def open(
        cls,
        http: HttpClient,
        *,
        key: Secret,
        sandbox_url: str | None = None,
        base_url: str | None = None,
        options: Mapping[str, str] = NO_OPTIONS,
    ) -> Self:
        """The adapter, bound to its key and to the live API (behind ``base_url`` where that is given), or a sandbox's.

        ``options`` are the account's facts that are no secret (``accounts.py``); ``key`` is ``NO_KEY`` where the
        machine's own account is to be used. Asks nobody anything. Raises BadSetting for a fact that is missing.
        """

    @abstractmethod
    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        """The request on this wire. Pure.

        Raises InvalidInput (naming the field, the limits and the fix) and UnsupportedTask. What the model merely cannot
        do is left out and named in ``ignored``.
        """

    @abstractmethod
    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        """Make the call, once, and wait for its answer.

        ``on_accepted`` is awaited as soon as the provider has named the call and before anything else is done: the
        journal writes it down there. ``call_id`` is sent where the vendor has a field for it.
        Raises ProviderError with ``charged`` set. On cancellation the remote call is canceled too where the vendor
        can, and CancelledError goes on; where it is known what became of the request (it never left, it was refused),
        that ProviderError is its ``__cause__``, and where the answer is here already, ``submission.Answered`` with it.
        """

    @abstractmethod
    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        """Wait for the answer of a call that was accepted earlier, perhaps by a process that died since.

        Raises ProviderError like :meth:`ask`; ChargeUnknown where the vendor cannot be asked (not :attr:`resumable`).
        """

    @abstractmethod
    async def fetch(self, image: ResultImage) -> bytes:
        """The bytes of one image of an answer, exactly as the provider made them.

        The download never carries the key. Raises ResultLost where the URL has expired or is not to be trusted.
        """

    @abstractmethod
    async def cancel(self, accepted: Accepted) -> bool:
        """Ask the provider to stop; True only if it says that it will not do (and not charge for) the work."""

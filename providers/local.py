"""Sampling on this machine, behind the same contract as a hosted API: nobody bills it, and nothing of it is resumed.

What makes the images is a :class:`Maker`, given by whoever has a device (the node pack). A seed means on every machine
what it means in diffusers: image ``i`` begins with the noise of a CPU generator seeded with ``seed + i``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..errors import BadSetting, ChargeUnknown, InternalError, ProviderError, ResultLost
from ..metering.local import PROVIDER
from ..metering.prices import Quantities
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .local_model import LocalModel
from .local_request import LocalOrder, order_of, prepared
from .model import Model
from .request import GenerationRequest

if TYPE_CHECKING:
    from typing_extensions import Self

    from .http import HttpClient
    from .secret import Secret


@dataclass(frozen=True, kw_only=True)
class LocalMade:
    """What came of an order: PNG files, in order."""

    images: tuple[bytes, ...] = field(repr=False)
    seconds: float
    """For how long the device worked on them. Loading the checkpoint is not in it, nor waiting for the device."""
    version: str
    """Of the checkpoint: the same for the same weights."""
    seed: int
    """Of the first image."""
    notes: tuple[str, ...] = ()
    """What whoever asked should know."""


class Maker(Protocol):
    """Makes images where this process computes. Everything it raises is one of our own errors, and nothing is owed."""

    def row(self, name: str) -> Mapping[str, Any]:
        """The checkpoint ``local/…`` as a row of the catalog, without its price. Blocks.

        Raises FileMissing naming near ones, and MissingExtra where what sampling needs is not installed.
        """

    def rows(self) -> Iterable[Mapping[str, Any]]:
        """All checkpoints that are here. Blocks."""

    def step_s(self, name: str) -> float | None:
        """Seconds that a step of a megapixel of this checkpoint was measured to take here; None where none was."""

    async def make(self, order: LocalOrder) -> LocalMade:
        """The images. On cancellation it stops within a step, and CancelledError goes on."""


class Local(Provider):
    """The adapter. A call is made in this process and ends with it."""

    name: ClassVar[str] = PROVIDER
    resumable: ClassVar[bool] = False

    def __init__(self, maker: Maker) -> None:
        self._maker = maker

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
        """There is no such API. Raises BadSetting."""
        raise BadSetting("local is this machine, and not an API.", hint="Leave it out of the providers' settings.")

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        """See :func:`.local_request.prepared`."""
        if not isinstance(model, LocalModel):
            raise InternalError(f"{model.name} is no checkpoint.")
        return prepared(model, request)

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        """Make the images. Whatever goes wrong costs nothing: nobody bills it."""
        try:
            made = await self._maker.make(order_of(prepared))
        except asyncio.CancelledError as exc:
            raise asyncio.CancelledError from exc.__cause__ or ProviderError("It was stopped.", charged="no")
        usage = Quantities(images=len(made.images), seconds=round(made.seconds, 3))
        model = prepared.model
        return Answer(
            request_id=None,
            images=tuple(
                ResultImage(data=data, media_type="image/png", seed=(made.seed + place) % 2**64)
                for place, data in enumerate(made.images)
            ),
            usage=usage,
            model_version=made.version,
            notes=made.notes,
            charged_by=model.basis(made.seconds) if isinstance(model, LocalModel) else None,
        )

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        """Raises ChargeUnknown, always: what was not finished here is gone."""
        raise ChargeUnknown("It was made by a process that is gone.", provider=self.name, charged="no")

    async def fetch(self, image: ResultImage) -> bytes:
        """The bytes. Raises ResultLost: no image of ours is anywhere but in its answer."""
        if image.data is None:
            raise ResultLost("It was made here, and is not kept any more.", hint="Make it again.", provider=self.name)
        return image.data

    async def cancel(self, accepted: Accepted) -> bool:
        """Nothing of ours goes on without whoever waits for it."""
        return True

"""The checkpoints of this machine as models, at the price of an hour of its GPU."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ..clock import utc_now
from ..errors import UnknownModel
from ..metering.local import PROVIDER, hour_microusd
from ..providers.local import Local, Maker
from ..providers.local_model import LocalModel, local_model


class LocalModels:
    """``maker`` makes their images; None: this process samples nothing itself. ``hour`` is MINTMARK_GPU_HOUR_USD."""

    def __init__(
        self, maker: Maker | None, hour: Mapping[str, float], *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._maker, self._now = maker, now
        self._hour = hour_microusd(hour) if hour else None

    def provider(self) -> Local:
        """The adapter. Raises UnknownModel where nothing is sampled here."""
        return Local(self._here(PROVIDER))

    async def model(self, name: str) -> LocalModel:
        """The checkpoint of this name. Raises UnknownModel, and as the maker does."""
        return await asyncio.to_thread(self.known, name)

    def known(self, name: str) -> LocalModel:
        """:meth:`model`, for who is in a thread: it reads files."""
        maker = self._here(name)
        return self._model(maker, maker.row(name))

    def every(self) -> Iterator[LocalModel]:
        """All that are here; none where nothing is sampled. It reads files."""
        for row in self._maker.rows() if self._maker else ():
            yield self._model(self._maker, row)

    def _model(self, maker: Maker | None, row: Mapping[str, Any]) -> LocalModel:
        measured = maker.step_s(str(row["name"])) if maker else None
        return local_model({**row, "step_s": measured}, self._hour, self._now().date())

    def _here(self, name: str) -> Maker:
        if self._maker is None:
            raise UnknownModel(
                f"{name} is sampled by a worker with the checkpoint, and this process is none.",
                hint="Run it in ComfyUI, or in a runner with the extra local: pip install 'mintmark[local]'",
            )
        return self._maker

"""Whether a worker runs a job with just its values, by what it says of its nodes. Asked of whoever would get the job,
for most of what decides on that is known before; and remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping

from ...errors import MintmarkError
from ...workflows.fitting import Fits
from ...workflows.object_info import ObjectInfo
from ..execution.preparing import LATER
from ..jobs.job import Ordered
from .needs import Needs

MOST = 1024
"""Shapes of jobs that are remembered of a worker."""
LONGEST = 300
"""Of what is told of one that is refused."""


class Fitness:
    """Of a worker that says this of its nodes; without ``info`` it was not asked for them yet, and may run anything."""

    def __init__(self, info: ObjectInfo | None = None) -> None:
        self.fits = Fits()
        """What was found to fit."""
        self._info = info or {}
        self._found: OrderedDict[Hashable, str] = OrderedDict()
        self._unfit: dict[Hashable, str] = {}

    @property
    def unfit(self) -> Mapping[Hashable, str]:
        """The shapes of jobs that were found not to fit, and why; it follows what is found."""
        return self._unfit

    def against(self, needs: Needs, ordered: Ordered) -> str:
        """Why it does not run the job, in words; empty where it does."""
        if needs.shape not in self._found:
            if needs.workflow is None or not self._info:
                return ""
            values = {**ordered.values, **dict.fromkeys(ordered.images, LATER)}
            try:
                self.fits.fitted(needs.workflow, values, self._info, says="It does not fit")
                self._note(needs.shape, "")
            except MintmarkError as exc:
                self.refused(needs.shape, exc)
        return self._found[needs.shape]

    def refused(self, shape: Hashable, error: MintmarkError) -> None:
        """It does not run jobs of this shape."""
        self._note(shape, f"it refuses the job: {error.message}"[:LONGEST])

    def _note(self, shape: Hashable, why: str) -> None:
        self._found[shape] = why
        if why:
            self._unfit[shape] = why
        if len(self._found) > MOST:
            self._unfit.pop(self._found.popitem(last=False)[0], None)

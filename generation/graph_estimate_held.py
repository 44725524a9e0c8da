"""Reading a hosted node for what its calls will set aside, which is never less than what they will cost.

An estimate reckons with what a picture most likely becomes. What is set aside before a call is the adapter's own
reckoning, which differs: some take the size asked for and some the picture's, some the most that the vendor makes where
no size is asked for, and some bill a mask, and each picture as a whole megapixel at least.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from ..metering.prices import PerToken
from ..providers.model import Model
from .estimate import Asked, Span, sizes
from .graph_estimate_node import NodeReader

_MEGAPIXEL = 1024 * 1024 / 1_000_000
"""The largest that a vendor counts as one."""


class HeldReader(NodeReader):
    """Of all that an adapter may reckon with, the most."""

    def asked(self, model: Model) -> Asked:
        """What the node asks this model for, at most."""
        asked, pictures = super().asked(model), self._pictures(model)
        if not pictures:
            return asked
        if any(size is None for size, _ in pictures):
            self.unknown.append("the size of what goes in is not known")
        areas = [(1.0 if size is None else size[0] * size[1] / 1_000_000, many.most or 1) for size, many in pictures]
        masks = self._task in ("inpaint", "outpaint")  # an outpainting is sent with one
        made = [area for area, _ in areas] + [(model.sizes.unasked_max_pixels or 0) / 1_000_000]
        made += [asked.megapixels.high] if asked.megapixels else []
        # Who counts tokens draws no larger than his sizes, whatever goes in.
        most = min(max(made), sizes(model).high) if isinstance(model.price, PerToken) else max(made)
        return replace(
            asked,
            megapixels=Span.of(most),
            input_megapixels=Span.of(sum(ceil(area) * _MEGAPIXEL * many for area, many in areas)),
            input_images=Span.of(asked.input_images.high + masks),
        )

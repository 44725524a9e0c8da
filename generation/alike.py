"""Whether a picture looks like one of those that house rules list."""

from __future__ import annotations

from collections.abc import Collection

from ..errors import MintmarkError
from ..provenance.softbinding import LIKE, guesses


def alike(data: bytes, looks: Collection[str], *, max_pixels: int) -> bool:
    """Also where it is a copy that was saved again, scaled or cropped a little. What has no look is like nothing.

    Looks are in hexadecimal, as ``mintmark verify`` shows them. Blocks.
    """
    try:
        own = [int.from_bytes(each, "big") for each in guesses(data, max_pixels=max_pixels)]
    except MintmarkError:
        return False  # what cannot be read is refused elsewhere
    listed = [int(each, 16) for each in looks]
    return any((one ^ other).bit_count() <= LIKE for one in own for other in listed)

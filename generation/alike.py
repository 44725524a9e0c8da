"""Whether a picture looks like one of those that house rules list."""

from __future__ import annotations

from collections.abc import Collection

from ..errors import BadSetting, MintmarkError
from ..provenance.softbinding import BITS, LIKE, guesses


def alike(data: bytes, looks: Collection[str], *, max_pixels: int) -> bool:
    """Also where it is a copy that was saved again, scaled or cropped a little. What has no look is like nothing.

    Looks are in hexadecimal, as ``mintmark moderate --image FILE --explain`` shows them. Raises BadSetting for one that
    another version made. Blocks.
    """
    if strange := [each for each in looks if len(each) * 4 != BITS]:
        raise BadSetting(
            f"The house rules list a look of {len(strange[0])} digits, and looks have {BITS // 4} here.",
            hint="Ask for it again: mintmark moderate --image FILE --explain",
        )
    try:
        own = [int.from_bytes(each, "big") for each in guesses(data, max_pixels=max_pixels)]
    except MintmarkError:
        return False  # what cannot be read is refused elsewhere
    listed = [int(each, 16) for each in looks]
    return any((one ^ other).bit_count() <= LIKE for one in own for other in listed)

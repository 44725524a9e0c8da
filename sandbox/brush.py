"""Strokes on a canvas of bytes, in whole numbers only: no float is ever rounded, so no platform rounds differently."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .palette import Colour

Canvas = NDArray[np.uint8]
Line = NDArray[np.int64]
FINE = 16  # ridges are in sixteenths of a pixel
SWING = 255 << 8
_FEW = 4096  # pixels


def column_gradient(stops: list[Colour], length: int) -> NDArray[np.uint8]:
    """[length,3]: the colours from the first stop to the last, evenly."""
    at = np.arange(length, dtype=np.int64) * (len(stops) - 1) * 256 // max(1, length - 1)
    left = np.minimum(at >> 8, len(stops) - 2)
    share = (at - (left << 8))[:, None]
    table = np.array(stops, np.int64)
    shades: Line = (table[left] * (256 - share) + table[left + 1] * share) >> 8
    return shades.astype(np.uint8)


def noise_line(width: int, cells: int, random: bytes) -> Line:
    """A smooth curve over ``width`` columns with ``cells`` bumps: value noise with an integer smoothstep.

    Its values are 0..``SWING``, fine enough that a tall ridge shows no steps.
    """
    knots = np.frombuffer(random, np.uint8)[: cells + 2].astype(np.int64)
    at = np.arange(width, dtype=np.int64) * cells * 4096 // width
    cell, inside = at >> 12, at & 4095
    ease = inside * inside * (3 * 4096 - 2 * inside) >> 24
    curve: Line = (knots[cell] * (4096 - ease) + knots[cell + 1] * ease) >> 4
    return curve


def blend(part: Canvas, colour: NDArray[np.uint8] | Colour, share: NDArray[np.uint16]) -> None:
    """``share`` / 256 of the colour over a part of the canvas, in place; 255 * 256 still fits 16 bits."""
    ink = np.asarray(colour, np.uint16)
    rest = np.uint16(256) - share
    if share.size < _FEW:
        # The same sum at once: on few pixels it is the number of calls that takes the time.
        part[...] = (part * rest[..., None] + share[..., None] * ink) >> 8
        return
    # Channel by channel: an inner loop over rows of pixels is several times faster than one over three channels.
    for channel in range(3):
        mixed = part[..., channel] * rest
        mixed += share * ink[..., channel]
        mixed >>= 8
        part[..., channel] = mixed


def fill_below(canvas: Canvas, ridge: Line, top: Colour, bottom: Colour) -> None:
    """Everything under the ridge (rows in sixteenths, one a column), shaded from top to bottom, with a soft edge."""
    height = canvas.shape[0]
    first = max(0, min(height, int(ridge.min()) // FINE))
    full = max(first, min(height, int(ridge.max()) // FINE + 2))
    shades = column_gradient([top, bottom], max(2, height - first))
    if full > first:
        rows = np.arange(first, full, dtype=np.int64)[:, None] * FINE + FINE
        share = np.clip(rows - ridge[None, :], 0, FINE).astype(np.uint16) * np.uint16(256 // FINE)
        blend(canvas[first:full], shades[: full - first, None, :], share)
    canvas[full:] = shades[full - first : height - first, None, :]


def ellipse(
    canvas: Canvas, centre: tuple[int, int], radius: tuple[int, int], colour: Colour, *, share: int = 256, soft: bool
) -> None:
    """An ellipse around (x, y): a disc with a clean edge, or (``soft``) light that fades towards its rim."""
    height, width = canvas.shape[:2]
    (x, y), (across, down) = centre, (max(1, radius[0]), max(1, radius[1]))
    left, right = max(0, x - across), min(width, x + across + 1)
    top, bottom = max(0, y - down), min(height, y + down + 1)
    if left >= right or top >= bottom:
        return
    columns = ((np.arange(left, right, dtype=np.int64) - x) ** 2 * 65536 // across**2).astype(np.int32)
    rows = ((np.arange(top, bottom, dtype=np.int64) - y) ** 2 * 65536 // down**2).astype(np.int32)
    inside = np.maximum(65536 - columns[None, :] - rows[:, None], 0)
    if soft:
        amount = (inside >> 8) * (inside >> 8) * share >> 16
    else:
        # Near the rim the distance to it is about inside / 65536 * radius / 2 pixels.
        amount = np.minimum(inside * min(across, down) >> 9, 256) * share >> 8
    blend(canvas[top:bottom, left:right], colour, amount.astype(np.uint16))


def grain(canvas: Canvas, random: bytes) -> None:
    """Fine noise of -3..3, the same in all channels. Colours must keep 3 away from 0 and 255."""
    tile = np.frombuffer(random, np.uint8).reshape(128, -1)
    tile = (tile & 3) + (tile >> 2 & 3) - np.uint8(3)
    height, width = canvas.shape[:2]
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]))
    canvas += np.tile(tile, repeats)[:height, :width, None]

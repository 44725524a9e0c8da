"""The sandbox's pictures before their mark: a sky, a light, a land, and one balloon for each word of the prompt.

Everything is sized by the canvas, so the same prompt keeps its composition at every size.
"""

from __future__ import annotations

import numpy as np

from .brush import FINE, SWING, Canvas, Line, blend, column_gradient, ellipse, fill_below, grain, noise_line
from .palette import COLOURS, CONFETTI, Dice, Mood, flat_colour, land_of, mix, mood_of, words_of

_MOST_BALLOONS = 7


def paint(prompt: str, width: int, height: int, seed: int, index: int = 0) -> Canvas:
    """[H,W,3] in RGB. ``seed`` and ``index`` move things about; the words decide what there is."""
    words = words_of(prompt)
    flat = flat_colour(words)
    if flat:
        return np.full((height, width, 3), flat, np.uint8)
    mood, dice = mood_of(words), Dice("layout", seed, index, *words)
    canvas = np.empty((height, width, 3), np.uint8)
    horizon = height * dice.between(560, 680) // 1000
    _sky(canvas, mood, horizon, dice)
    _LANDS[land_of(words)](canvas, mood, horizon, dice)
    _balloons(canvas, words, horizon, seed, index)
    np.clip(canvas, 4, 251, out=canvas)
    grain(canvas, Dice("grain", seed, index).stream(128 * 128))
    return canvas


def _sky(canvas: Canvas, mood: Mood, horizon: int, dice: Dice) -> None:
    height, width = canvas.shape[:2]
    small = min(width, height)
    canvas[:horizon] = column_gradient([mood.sky[0], mood.sky[1], mood.sky[2]], max(2, horizon))[:horizon, None]
    canvas[horizon:] = mood.sky[2]
    if mood.night:
        _stars(canvas, horizon, dice)
    sun = (width * dice.between(160, 840) // 1000, horizon * dice.between(300, 740) // 1000)
    radius = small * dice.between(50, 82) // 1000
    ellipse(canvas, sun, (radius * 7, radius * 6), mood.sun, share=120, soft=True)
    ellipse(canvas, sun, (radius * 3, radius * 3), mood.sun, share=150, soft=True)
    ellipse(canvas, sun, (radius, radius), mood.sun, soft=False)
    for _ in range(dice.between(2, 4)):
        _cloud(canvas, mood, horizon, dice)


def _stars(canvas: Canvas, horizon: int, dice: Dice) -> None:
    height, width = canvas.shape[:2]
    for _ in range(90):
        x, y, size = dice.below(width), dice.below(max(1, horizon * 4 // 5)), dice.below(3)
        span = 1 + size * min(width, height) // 1400
        star = canvas[y : y + span, x : x + span]
        blend(star, (246, 244, 230), np.full(star.shape[:2], 110 + 60 * size, np.uint16))


def _cloud(canvas: Canvas, mood: Mood, horizon: int, dice: Dice) -> None:
    height, width = canvas.shape[:2]
    unit = min(width, height)
    x, y = dice.below(width), horizon * dice.between(100, 620) // 1000
    light = mix(mood.sky[2], mood.sun, 150)
    for _ in range(dice.between(4, 6)):
        at = (x + unit * dice.between(-130, 130) // 1000, y + unit * dice.between(-12, 12) // 1000)
        size = (unit * dice.between(70, 150) // 1000, unit * dice.between(14, 30) // 1000)
        ellipse(canvas, at, size, light, share=70 if mood.night else 140, soft=True)


def _ridge(canvas: Canvas, base: int, rise: int, cells: int, dice: Dice) -> Line:
    """A ridge around row ``base`` that rises at most ``rise`` thousandths of the height above it."""
    height, width = canvas.shape[:2]
    random = bytes(dice.below(256) for _ in range(4 * cells + 8))
    coarse = noise_line(width, cells, random)
    fine = noise_line(width, cells * 3, random[cells:])
    line: Line = base * FINE - (coarse * 3 + fine) * height * rise * FINE // (4000 * SWING)
    return line


def _hills(canvas: Canvas, mood: Mood, horizon: int, dice: Dice, *, cells: int = 3, layers: int = 5) -> None:
    height = canvas.shape[0]
    for layer in range(layers):
        share = 256 * layer // (layers - 1)
        base = horizon + (height - horizon) * layer * 9 // (layers * 10) + height * 30 // 1000
        colour = mix(mood.far, mood.near, share)
        ridge = _ridge(canvas, base, 170 - 14 * layer, cells + layer % 2, dice)
        # The foot of each layer fades into haze, which is what sets it apart from the next.
        fill_below(canvas, ridge, colour, mix(colour, mood.sky[2], 120 - 20 * layer))


def _dunes(canvas: Canvas, mood: Mood, horizon: int, dice: Dice) -> None:
    _hills(canvas, mood, horizon, dice, cells=1, layers=4)


def _peaks(canvas: Canvas, mood: Mood, horizon: int, dice: Dice) -> None:
    height, width = canvas.shape[:2]
    for layer, rise in enumerate((420, 270)):
        cells = 4 + 2 * layer
        random = bytes(dice.below(256) for _ in range(8 * cells + 8))
        sharp = SWING - np.abs(noise_line(width, cells, random) * 2 - SWING)
        rough = noise_line(width, cells * 5, random[cells:])
        ridge = (horizon + height * (20 + 70 * layer) // 1000) * FINE
        line: Line = ridge - (sharp * 6 + rough * 2) * height * rise * FINE // (8000 * SWING)
        rock = mix(mood.far, mood.near, 70 + 90 * layer)
        fill_below(canvas, line, mix((248, 248, 250), mood.sky[2], 70), mix(rock, mood.sky[2], 140))
        snowline = ridge - height * rise * FINE * 58 // 100_000 + (rough * 2 - SWING) * height * FINE // (24 * SWING)
        fill_below(canvas, np.maximum(line, snowline), rock, mix(rock, mood.sky[2], 130))
    _hills(canvas, mood, horizon + (height - horizon) * 45 // 100, dice, layers=3)


def _pines(canvas: Canvas, mood: Mood, horizon: int, dice: Dice) -> None:
    height, width = canvas.shape[:2]
    _hills(canvas, mood, horizon, dice, layers=3)
    for layer in range(3):
        count = 46 - 13 * layer
        base = horizon + (height - horizon) * (30 + 26 * layer) // 100
        ground = _ridge(canvas, base, 60, 3, dice)
        colour = mix(mood.far, mix(mood.near, (12, 26, 30), 90), 120 + 60 * layer)
        trees = _tree_line(width, height * (90 + 60 * layer) // 1000, count, dice)
        fill_below(canvas, ground - trees, colour, mix(colour, mood.sky[2], 70 - 25 * layer))


def _tree_line(width: int, tall: int, count: int, dice: Dice) -> Line:
    """How far the trees stand above the ground, in sixteenths: triangles with stepped branches."""
    size = np.array([dice.between(420, 1000) for _ in range(count + 1)], np.int64)
    at = np.arange(width, dtype=np.int64) * count * 512 // width
    away = np.abs((at & 511) - 256)  # 0 at the trunk, 256 between two trees
    stepped = away + (away * 5 % 256 - 128) // 6
    trees: Line = np.maximum(256 - stepped, 0) * size[at >> 9] * tall * FINE // 256_000
    return trees


def _city(canvas: Canvas, mood: Mood, horizon: int, dice: Dice) -> None:
    height, width = canvas.shape[:2]
    for layer in range(3):
        count = 26 - 6 * layer
        roofs = np.array([dice.between(150, 1000) for _ in range(count + 1)], np.int64)
        house = np.arange(width, dtype=np.int64) * count // width
        base = horizon + (height - horizon) * (18 + 30 * layer) // 100
        line: Line = (base - roofs[house] * height * (330 - 60 * layer) // 1_000_000) * FINE
        colour = mix(mood.far, mood.near, 80 + 88 * layer)
        fill_below(canvas, line, colour, mix(colour, mood.sky[2], 110 - 40 * layer))
        _windows(canvas, line, mix(mood.sun, (255, 214, 130), 128), layer, dice)


def _windows(canvas: Canvas, line: Line, light: tuple[int, int, int], layer: int, dice: Dice) -> None:
    height, width = canvas.shape[:2]
    step = max(4, height * (11 + 4 * layer) // 1000)
    first = max(0, int(line.min()) // FINE)
    x, y = np.arange(width), np.arange(first, height)
    lit = np.frombuffer(dice.stream(128 * 128), np.uint8).reshape(128, 128) < 96
    pane = (x % step * 2 < step)[None, :] & (y % step * 3 < step * 2)[:, None]
    inside = y[:, None] * FINE > line[None, :] + step * FINE
    fade = (height - y) * 150 // height
    share = np.where(pane & inside & lit[y // step % 128][:, x // step % 128], fade[:, None], 0)
    blend(canvas[first:], light, share.astype(np.uint16))


def _sea(canvas: Canvas, mood: Mood, horizon: int, dice: Dice) -> None:
    height, width = canvas.shape[:2]
    island = _ridge(canvas, horizon + height * 12 // 1000, 150, 3, dice)
    fill_below(canvas, island, mix(mood.far, mood.near, 60), mix(mood.far, mood.sky[2], 120))
    rows = np.arange(height - horizon)
    mirrored = np.clip(horizon - 1 - rows * 9 // 10, 0, None)
    wave = noise_line(max(1, len(rows)), 40, bytes(dice.below(256) for _ in range(48))) * 2 - SWING
    shift = wave * (rows + 4) * width // (height * 7 * SWING)
    columns = np.clip(np.arange(width)[None, :] + shift[:, None], 0, width - 1)
    canvas[horizon:] = canvas[mirrored[:, None], columns]
    depth = (60 + rows * 150 // max(1, len(rows)))[:, None]
    deep = mix(mood.near, mood.sky[0], 90)
    blend(canvas[horizon:], deep, np.broadcast_to(depth, (len(rows), width)).astype(np.uint16))
    shore = _ridge(canvas, height * 1040 // 1000, 120, 2, dice)
    fill_below(canvas, shore, mix(mood.near, (10, 16, 24), 60), mood.near)


def _balloons(canvas: Canvas, words: list[str], horizon: int, seed: int, index: int) -> None:
    height, width = canvas.shape[:2]
    for place, word in enumerate(words[:_MOST_BALLOONS]):
        dice = Dice("balloon", word, place, seed, index)
        size = min(width, height) * dice.between(26, 58) // 1000
        at = (width * dice.between(60, 940) // 1000, horizon * dice.between(110, 860) // 1000)
        _balloon(canvas, at, size, COLOURS.get(word, CONFETTI[dice.below(len(CONFETTI))]))


def _balloon(canvas: Canvas, at: tuple[int, int], size: int, colour: tuple[int, int, int]) -> None:
    (x, y), size = at, max(2, size)
    basket = max(1, size // 5)
    under = canvas[
        max(0, y + size * 13 // 10) : y + size * 13 // 10 + basket, max(0, x - basket // 2) : x + basket // 2 + 1
    ]
    under[...] = (96, 66, 48)
    cream = mix(colour, (255, 250, 238), 150)
    shade = mix(colour, (40, 30, 60), 56)
    # Ever narrower ellipses, light and dark in turn, look like the gores of an envelope.
    for part, tint in ((12, shade), (10, colour), (7, cream), (4, colour)):
        ellipse(canvas, (x, y), (size * part // 12, size * 14 // 12), tint, soft=False)
    ellipse(
        canvas, (x - size * 4 // 12, y - size * 5 // 12), (size // 2, size // 2), (255, 252, 244), share=90, soft=True
    )


_LANDS = {"hills": _hills, "dunes": _dunes, "peaks": _peaks, "pines": _pines, "city": _city, "sea": _sea}

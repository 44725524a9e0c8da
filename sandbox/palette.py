"""What a prompt's words do to a picture: its light, its colours, its land. Pure, integers only.

Known words decide outright ("night", "golden hour", "teal", "city"); every other word decides through its digest. So
two prompts that differ in one word differ in the picture, and the same prompt is the same picture everywhere.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

Colour = tuple[int, int, int]
Land = Literal["hills", "dunes", "peaks", "pines", "city", "sea"]

COLOURS: dict[str, Colour] = {
    "red": (214, 52, 46), "crimson": (176, 28, 56), "scarlet": (232, 58, 40), "coral": (242, 122, 100),
    "peach": (250, 186, 148), "orange": (242, 134, 42), "amber": (246, 176, 50), "gold": (240, 190, 70),
    "golden": (240, 190, 70), "copper": (190, 110, 66), "yellow": (248, 216, 74), "lime": (166, 212, 66),
    "green": (78, 160, 88), "emerald": (34, 150, 104), "mint": (146, 220, 184), "teal": (30, 142, 142),
    "turquoise": (58, 190, 190), "cyan": (80, 200, 226), "azure": (74, 150, 230), "blue": (58, 108, 206),
    "navy": (30, 48, 106), "indigo": (74, 66, 166), "violet": (128, 82, 190), "lavender": (182, 160, 226),
    "purple": (120, 62, 160), "magenta": (206, 60, 150), "pink": (246, 150, 186), "rose": (232, 112, 140),
    "brown": (128, 86, 58), "black": (34, 34, 42), "white": (244, 244, 244), "grey": (140, 144, 150),
    "gray": (140, 144, 150), "silver": (190, 198, 206),
}  # fmt: skip
PURE: dict[str, Colour] = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}
CONFETTI: tuple[Colour, ...] = (
    (232, 96, 82), (246, 170, 72), (250, 214, 104), (122, 190, 120), (70, 168, 164),
    (84, 144, 214), (138, 112, 204), (222, 118, 176), (244, 148, 120), (246, 234, 214),
)  # fmt: skip


@dataclass(frozen=True)
class Mood:
    """Colours from the top of the sky down to the nearest ground, and the light between them."""

    sky: tuple[Colour, Colour, Colour]
    sun: Colour
    far: Colour
    near: Colour
    night: bool = False


_MOODS: dict[str, Mood] = {
    "day": Mood(((86, 158, 222), (150, 204, 236), (236, 238, 222)), (255, 246, 214), (150, 184, 196), (58, 108, 92)),
    "golden": Mood(((96, 112, 168), (236, 158, 116), (252, 214, 140)), (255, 238, 178), (206, 142, 116), (84, 52, 66)),
    "sunset": Mood(((58, 50, 108), (198, 88, 118), (250, 168, 106)), (255, 206, 130), (164, 84, 118), (48, 32, 66)),
    "dawn": Mood(((122, 148, 206), (232, 184, 196), (252, 226, 200)), (255, 240, 220), (184, 168, 194), (76, 92, 122)),
    "night": Mood(((12, 18, 46), (30, 48, 96), (86, 100, 148)), (240, 240, 226), (58, 70, 118), (14, 20, 42), True),
    "mist": Mood(((162, 182, 190), (204, 214, 212), (236, 234, 222)), (252, 248, 234), (172, 186, 188), (64, 88, 92)),
    "spring": Mood(((98, 182, 216), (186, 224, 220), (250, 240, 214)), (255, 244, 200), (162, 204, 170), (62, 128, 86)),
    "autumn": Mood(((120, 152, 184), (222, 196, 160), (246, 220, 168)), (255, 234, 176), (208, 150, 96), (116, 58, 40)),
    "violet": Mood(((66, 58, 132), (150, 112, 186), (238, 184, 196)), (255, 228, 214), (136, 108, 172), (46, 38, 88)),
    "sea": Mood(((46, 120, 172), (118, 192, 206), (232, 240, 220)), (255, 246, 208), (116, 166, 184), (24, 84, 104)),
}  # fmt: skip
_BY_CHANCE = ("day", "golden", "sunset", "dawn", "mist", "spring", "autumn", "violet", "sea")
_MOOD_WORDS = {
    "golden": "golden", "sunset": "sunset", "dusk": "sunset", "evening": "sunset", "fire": "sunset",
    "dawn": "dawn", "sunrise": "dawn", "morning": "dawn", "night": "night", "midnight": "night", "moon": "night",
    "stars": "night", "starry": "night", "dark": "night", "space": "night", "fog": "mist", "mist": "mist",
    "misty": "mist", "foggy": "mist", "rain": "mist", "winter": "mist", "snow": "mist", "spring": "spring",
    "meadow": "spring", "summer": "day", "noon": "day", "sunny": "day", "autumn": "autumn", "fall": "autumn",
    "desert": "autumn", "dream": "violet", "fantasy": "violet", "neon": "violet", "magic": "violet",
}  # fmt: skip
_LAND_WORDS: dict[str, Land] = {
    "sea": "sea", "ocean": "sea", "lake": "sea", "river": "sea", "harbour": "sea", "harbor": "sea", "beach": "sea",
    "island": "sea", "boat": "sea", "ship": "sea", "wave": "sea", "waves": "sea", "water": "sea", "lighthouse": "sea",
    "mountain": "peaks", "mountains": "peaks", "alps": "peaks", "peak": "peaks", "snow": "peaks", "castle": "peaks",
    "forest": "pines", "tree": "pines", "trees": "pines", "pine": "pines", "wood": "pines", "woods": "pines",
    "fox": "pines", "bear": "pines", "city": "city", "skyline": "city", "street": "city", "tower": "city",
    "building": "city", "town": "city", "tokyo": "city", "desert": "dunes", "dune": "dunes", "dunes": "dunes",
    "sand": "dunes", "hill": "hills", "hills": "hills", "meadow": "hills", "field": "hills", "valley": "hills",
}  # fmt: skip
_SMALL_WORDS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on", "or", "over", "the",
     "to", "under", "with")
)  # fmt: skip


class Dice:
    """Whole numbers from a digest: the same key gives the same throws on every machine."""

    def __init__(self, *key: object) -> None:
        self._shake = hashlib.shake_256("\x1f".join(map(str, key)).encode())
        self._pool = self._shake.digest(4096)
        self._at = 0

    def below(self, limit: int) -> int:
        """A number in 0..limit-1."""
        if self._at + 4 > len(self._pool):
            self._pool = self._shake.digest(2 * len(self._pool))
        number = int.from_bytes(self._pool[self._at : self._at + 4], "little")
        self._at += 4
        return number % limit

    def between(self, low: int, high: int) -> int:
        """A number in low..high, both included."""
        return low + self.below(high - low + 1)

    def stream(self, length: int) -> bytes:
        """``length`` bytes that do not depend on what was thrown before."""
        return self._shake.digest(length)


def mix(one: Colour, other: Colour, share: int) -> Colour:
    """``share`` / 256 of the other colour in the first."""
    red, green, blue = ((a * (256 - share) + b * share) >> 8 for a, b in zip(one, other, strict=True))
    return red, green, blue


def words_of(prompt: str) -> list[str]:
    """The words that count, in order, without the small ones."""
    found = re.findall(r"[^\W_]+", prompt.casefold())
    return [word for word in found if word not in _SMALL_WORDS] or found


def flat_colour(words: list[str]) -> Colour | None:
    """The colour of "solid red" and its like: a flat field, for tests that need to know a picture's mean."""
    for first, second in pairwise(words):
        if first == "solid" and second in COLOURS:
            return PURE.get(second, COLOURS[second])
    return None


def mood_of(words: list[str]) -> Mood:
    """The light: a known word's own, else one of nine by digest; colour words then dye ground and sky."""
    named = [_MOOD_WORDS[word] for word in words if word in _MOOD_WORDS]
    name = named[0] if named else _BY_CHANCE[Dice("mood", *words).below(len(_BY_CHANCE))]
    mood = _MOODS[name]
    dyes = [COLOURS[word] for word in words if word in COLOURS]
    if dyes:
        mood = replace(mood, near=mix(mood.near, dyes[0], 112), far=mix(mood.far, dyes[0], 128))
        top, middle, low = mood.sky
        mood = replace(mood, sky=(mix(top, dyes[-1], 40), mix(middle, dyes[-1], 96), mix(low, dyes[-1], 40)))
    return mood


def land_of(words: list[str]) -> Land:
    """The land: a known word's own, else by digest."""
    named = [_LAND_WORDS[word] for word in words if word in _LAND_WORDS]
    lands: tuple[Land, ...] = ("hills", "dunes", "peaks", "pines", "sea")
    return named[0] if named else lands[Dice("land", *words).below(len(lands))]

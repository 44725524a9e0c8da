"""Of an image that moves every frame is judged, or as many as are said; the worst of them is what it is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from io import BytesIO

import pytest
from PIL import Image, features

from mintmark.errors import InvalidInput
from mintmark.moderation import frames
from mintmark.moderation.base import Checker, Connect, Scores
from mintmark.moderation.frames import MOST_FRAMES, frames_of, worst_of
from mintmark.moderation.house import House
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.policy import Policy
from mintmark.moderation.verdict import image_digest

POLICY = Policy.model_validate(
    {
        "name": "reds",
        "version": "1.0.0",
        "image_checkers": ["red"],
        "categories": {"violence": {"block_at": 0.5}, "nudity": {"flag_at": 0.5}},
    }
)
MOVING = ["PNG", "WEBP", "GIF", "TIFF", *(["AVIF"] if features.check("avif") else [])]


class Red(Checker):
    """Says of each picture how red its corner is."""

    name = "red"
    subjects = frozenset({"image"})

    def __init__(self) -> None:
        self.asked = 0

    @classmethod
    def open(cls, connect: Connect) -> Red:
        return cls()

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise InvalidInput("images alone")

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        self.asked += 1
        with Image.open(BytesIO(data)) as picture:
            assert Image.MIME[str(picture.format)] == media_type
            red, _, blue = picture.convert("RGB").getpixel((4, 4))
        return Scores(scores={"violence": red / 255, "nudity": blue / 255}, rules={"violence": f"red/{red // 200}"})


def moving(kind: str, *colours: str) -> bytes:
    pictures = [Image.new("RGB", (64, 64), colour) for colour in colours]
    # Two alike in a row would be made one.
    for number, picture in enumerate(pictures):
        picture.putpixel((63, number % 64), (number * 37 % 256, 99, 200))
    file = BytesIO()
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], duration=100)
    return file.getvalue()


def still(kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 64), "blue").save(file, kind)
    return file.getvalue()


def moderator(checker: Checker, noon: datetime, **house: object) -> Moderator:
    def alike(data: bytes, looks: Collection[str]) -> bool:
        with Image.open(BytesIO(data)) as picture:
            return bool(picture.convert("RGB").getpixel((4, 4))[0] > 200)

    return Moderator(POLICY, {"red": checker}, lambda: noon, house=House.model_validate(house), alike=alike)


@pytest.mark.parametrize("kind", MOVING)
@pytest.mark.parametrize("place", [0, 1, 4])
async def test_one_frame_is_enough_to_stop_it(kind: str, place: int, noon: datetime) -> None:
    colours = ["blue"] * 5
    colours[place] = "red"
    data, checker = moving(kind, *colours), Red()
    verdict = await moderator(checker, noon).image(data, Image.MIME[kind])
    assert (verdict.decision, verdict.rule, verdict.digest) == ("blocked", "red/1", image_digest(data))
    assert verdict.categories == ("nudity", "violence")
    assert checker.asked == 5
    assert "frames" not in verdict.explanation


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_a_still_image_goes_as_it_is(kind: str) -> None:
    data = still(kind)
    assert frames_of(data, "image/x").shown == ((data, "image/x"),)


async def test_of_a_long_one_the_frames_are_spread_and_the_verdict_says_so(noon: datetime) -> None:
    data, checker = moving("WEBP", *["blue"] * 39, "red"), Red()
    verdict = await moderator(checker, noon).image(data, "image/webp")
    assert checker.asked == MOST_FRAMES
    assert verdict.decision == "blocked"
    assert verdict.explanation.endswith("Of its 40 frames 16 were looked at.")


def test_the_first_and_the_last_are_among_them() -> None:
    found = frames_of(moving("GIF", "red", *["blue"] * 30, "green"), "image/gif").shown
    corners = []
    for data, _ in (found[0], found[1], found[-1]):
        with Image.open(BytesIO(data)) as picture:
            corners.append([channel > 100 for channel in picture.getpixel((4, 4))])
    assert corners == [[True, False, False], [False, False, True], [False, True, False]]


def test_what_is_too_long_or_broken_is_not_taken_for_its_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    data = moving("WEBP", "red", "blue", "green")
    with pytest.raises(InvalidInput, match="read to its end"):
        frames_of(data[: len(data) // 2], "image/webp")
    monkeypatch.setattr(frames, "MOST_PIXELS", 64 * 64 * 2)
    with pytest.raises(InvalidInput, match="3 frames of 64x64"):
        frames_of(data, "image/webp")


async def test_a_look_on_a_list_stops_by_one_frame_and_lets_through_by_all(noon: datetime) -> None:
    looks = {"looks": ["0" * 64]}
    some, every = moving("PNG", "blue", "red", "blue"), moving("PNG", "red", "red", "red")
    assert (await moderator(Red(), noon, block=looks).image(some, "image/png")).rule == "house/blocked_look"
    assert (await moderator(Red(), noon, allow=looks).image(some, "image/png")).decision == "blocked"
    assert (await moderator(Red(), noon, allow=looks).image(every, "image/png")).rule == "house/allowed"


def test_each_category_has_its_highest_score_with_the_rule_that_gave_it() -> None:
    one = Scores(scores={"a": 0.5, "b": 0.1}, rules={"a": "x/1"})
    other = Scores(scores={"a": 0.4, "b": 0.2, "c": 0.0}, rules={"a": "x/2", "b": "x/3"})
    found = worst_of([one, other])
    assert (found.scores, found.rules) == ({"a": 0.5, "b": 0.2, "c": 0.0}, {"a": "x/1", "b": "x/3"})

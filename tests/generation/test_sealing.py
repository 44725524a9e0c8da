"""A file has a verdict and a credential, or it is not made."""

from __future__ import annotations

from typing import ClassVar

import pytest

from mintmark.clock import utc_now
from mintmark.errors import OutputBlocked
from mintmark.generation.sealing import Draft, seal
from mintmark.moderation.base import Checker, Connect, Scores
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.policy import load as load_policy
from mintmark.moderation.verdict import Subject

from .lab import Lab
from .test_pictures import image


class Counting(Checker):
    """Finds this much violence in every image, and counts how often it is asked."""

    name: ClassVar[str] = "openai"
    subjects: ClassVar[frozenset[Subject]] = frozenset({"image"})

    @classmethod
    def open(cls, connect: Connect) -> None:
        """Tests make it themselves."""

    def __init__(self, violence: float) -> None:
        self.violence, self.asked = violence, 0

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise AssertionError("nobody asks it about texts")

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        self.asked += 1
        return Scores(scores={"violence": self.violence})


def use(lab: Lab, violence: float) -> Counting:
    checker = Counting(violence)
    lab.engine._moderators["standard"] = Moderator(load_policy("standard"), {"openai": checker}, utc_now)
    return checker


async def test_an_image_that_was_judged_when_it_was_made_is_not_judged_again(lab: Lab) -> None:
    checker = use(lab, 0.0)
    job = lab.job()
    made = await lab.generate(job)
    (picture,) = made.pictures
    sealed = await seal(lab.engine, job, Draft(data=image(), title="a", record=made.record, source=picture))
    assert checker.asked == 1
    assert sealed.verdict.digest == picture.output.sha256
    assert (sealed.width, sealed.height, sealed.media_type) == (20, 10, "image/png")


async def test_an_image_that_was_changed_since_is_judged_anew(lab: Lab) -> None:
    checker = use(lab, 0.0)
    job = lab.job()
    made = await lab.generate(job)
    draft = Draft(data=image(), title="a", record=made.record, source=made.pictures[0], edited=True)
    await seal(lab.engine, job, draft)
    await seal(lab.engine, job, draft)
    assert checker.asked == 2


async def test_a_blocked_image_is_no_file(lab: Lab) -> None:
    use(lab, 0.99)
    with pytest.raises(OutputBlocked):
        await seal(lab.engine, lab.job(), Draft(data=image(), title="a"))


async def test_texts_are_in_the_file_before_it_is_signed(lab: Lab) -> None:
    use(lab, 0.0)
    sealed = await seal(lab.engine, lab.job(), Draft(data=image(), title="a", texts={"prompt": '{"1": {}}'}))
    assert b'{"1": {}}' in sealed.data

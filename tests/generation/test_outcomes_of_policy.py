"""What a policy decides is done: blurred is beyond recognition, and what is to be looked at says so."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from mintmark.errors import BadSetting, OutputBlocked
from mintmark.generation.alike import alike
from mintmark.generation.blurring import blurred_file
from mintmark.generation.sealing import Draft, seal
from mintmark.moderation.base import Checker, Connect, Scores
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.policy import Policy
from mintmark.provenance.reading import read
from mintmark.provenance.softbinding import look

from .lab import Lab


class Scoring(Checker):
    """Scores every text and every image as it is told."""

    name = "openai"
    subjects = frozenset({"prompt", "image"})

    def __init__(self, text: dict[str, float], image: dict[str, float]) -> None:
        self.text, self.image = text, image

    @classmethod
    def open(cls, connect: Connect) -> None:
        """Tests make it themselves."""

    async def check_text(self, text: str, negative: str = "") -> Scores:
        return Scores(self.text)

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        return Scores(self.image)


def use(lab: Lab, *, text: float = 0.0, image: float = 0.0, **changes: Any) -> None:
    """A policy under which nudity is blurred from 0.5 and looked at from 0.8."""
    data = {
        "name": "careful",
        "version": "1.0.0",
        "prompt_checkers": ["rules", "openai"],
        "image_checkers": ["openai"],
        "categories": {"nudity": {"blur_at": 0.5, "review_at": 0.8, "block_at": 0.95}},
        **changes,
    }
    checker = Scoring({"nudity": text}, {"nudity": image})
    lab.engine._moderators["standard"] = Moderator(Policy.model_validate(data), {"openai": checker})


def detailed(kind: str = "PNG", size: tuple[int, int] = (160, 120)) -> bytes:
    """Fine stripes and a small bright square: nothing of either may be left."""
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    pixels[::2] = 200
    pixels[40:48, 60:68] = (255, 255, 0)
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=95)
    return file.getvalue()


def pixels_of(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"), dtype=np.int16)


def detail(data: bytes) -> int:
    """The largest difference between neighbouring rows."""
    return int(abs(np.diff(pixels_of(data), axis=0)).max())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_blurred_file_is_of_the_same_kind_and_size_and_shows_nothing(kind: str) -> None:
    before, after = detailed(kind), blurred_file(detailed(kind), max_pixels=10**6)
    assert Image.open(BytesIO(after)).format == kind
    assert Image.open(BytesIO(after)).size == (160, 120)
    assert detail(before) > 150
    assert detail(after) < 25


def moving(kind: str) -> bytes:
    file = BytesIO()
    frames = [Image.new("RGB", (160, 120), colour) for colour in ("teal", "gold", "navy")]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_image_that_moves_is_blurred_into_one_that_does_not(kind: str) -> None:
    with (
        Image.open(BytesIO(moving(kind))) as before,
        Image.open(BytesIO(blurred_file(moving(kind), max_pixels=10**6))) as after,
    ):
        assert (getattr(before, "n_frames", 1), getattr(after, "n_frames", 1)) == (3, 1)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow knows no AVIF")
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
async def test_every_frame_of_a_file_that_is_delivered_is_judged(kind: str, lab: Lab) -> None:
    class Looking(Scoring):
        async def check_image(self, data: bytes, media_type: str) -> Scores:
            with Image.open(BytesIO(data)) as picture:
                red, _, blue = picture.convert("RGB").getpixel((5, 5))
            seen.append(red > 200 and blue < 60)
            return Scores({"nudity": 0.99 if seen[-1] else 0.0})

    seen: list[bool] = []
    use(lab)
    lab.engine._moderators["standard"]._checkers["openai"] = Looking({}, {})
    with pytest.raises(OutputBlocked):
        await seal(lab.engine, lab.job(), Draft(data=moving(kind), title="a", media_type=Image.MIME[kind]))
    assert seen == [False, True, False]


def test_nothing_of_a_files_own_words_or_small_pictures_is_kept() -> None:
    from PIL.PngImagePlugin import PngInfo

    file, words = BytesIO(), PngInfo()
    words.add_text("prompt", "the secret prompt")
    Image.new("RGB", (64, 64)).save(file, "PNG", pnginfo=words)
    assert b"secret" not in blurred_file(file.getvalue(), max_pixels=10**6)


async def test_an_image_of_our_own_is_blurred_before_it_is_signed_and_its_credential_says_so(lab: Lab) -> None:
    use(lab, image=0.6)
    sealed = await seal(lab.engine, lab.job(), Draft(data=detailed(), title="a"))
    assert sealed.verdict.decision == "blurred"
    assert detail(sealed.data) < 25
    credential = read(sealed.data, sealed.media_type, None)
    assert credential.state in ("valid", "trusted")
    (filtered,) = [each for each in credential.actions if each.action == "c2pa.filtered"]
    assert "careful@1.0.0" in str(filtered)
    assert credential.record is not None
    assert credential.record["verdict"]["decision"] == "blurred"


async def test_a_providers_image_leaves_the_service_blurred_and_is_not_blurred_or_judged_twice(lab: Lab) -> None:
    use(lab, image=0.6)
    job = lab.job()
    made = await lab.generate(job)
    (picture,) = made.pictures
    original = picture.output.blurred_from
    assert original is not None
    assert [verdict.digest for verdict in made.record.verdicts if verdict.subject == "image"] == [original]
    assert detail(picture.data) < 25
    assert made.record.public()["blurred"] == [original]
    use(lab, image=0.99)  # whoever asks again now would be told that it is blocked
    sealed = await seal(lab.engine, job, Draft(data=picture.data, title="a", record=made.record, source=picture))
    assert sealed.verdict.decision == "blurred"
    credential = read(sealed.data, sealed.media_type, None)
    assert [each.action for each in credential.actions][:2] == ["c2pa.opened", "c2pa.filtered"]
    assert (pixels_of(sealed.data) == pixels_of(picture.data)).all()


@pytest.mark.parametrize(("keeps", "kept"), [("drop", False), ("spool", True)])
async def test_the_original_is_kept_for_a_reviewer_only_where_policy_says_so(lab: Lab, keeps: str, kept: bool) -> None:
    use(lab, image=0.6, blurred_originals=keeps)
    job = lab.job()
    made = await lab.generate(job)
    (picture,) = made.pictures
    await seal(lab.engine, job, Draft(data=picture.data, title="a", record=made.record, source=picture))
    assert (lab.engine.spool.get(str(picture.output.blurred_from)) is not None) == kept


async def test_an_image_to_be_looked_at_is_made_signed_and_marked(lab: Lab) -> None:
    use(lab, image=0.85)
    sealed = await seal(lab.engine, lab.job(), Draft(data=detailed(), title="a"))
    assert (sealed.verdict.decision, sealed.verdict.rule) == ("review", "openai/nudity")
    assert (pixels_of(sealed.data) == pixels_of(detailed())).all()


@pytest.mark.parametrize(("score", "decision"), [(0.6, "blurred"), (0.85, "review")])
async def test_what_is_decided_of_a_prompt_is_done_to_what_is_made_of_it(lab: Lab, score: float, decision: str) -> None:
    use(lab, text=score)
    job = lab.job()
    made = await lab.generate(job)
    (picture,) = made.pictures
    (image,) = [verdict for verdict in made.record.verdicts if verdict.subject == "image"]
    assert image.decision == decision
    assert (picture.output.blurred_from is not None) == (decision == "blurred")
    sealed = await seal(lab.engine, job, Draft(data=picture.data, title="a", record=made.record, source=picture))
    assert sealed.verdict.decision == decision


async def test_words_that_a_job_had_judged_count_for_pixels_without_a_record(lab: Lab) -> None:
    use(lab, text=0.85)
    job = lab.job()
    await lab.engine.judge.text(job, "a fox")
    sealed = await seal(lab.engine, job, Draft(data=detailed(), title="a"))
    assert sealed.verdict.decision == "review"


async def test_a_prompt_that_is_worse_than_the_image_never_makes_a_blocked_image_better(lab: Lab) -> None:
    from mintmark.errors import OutputBlocked

    use(lab, text=0.85, image=0.99)
    job = lab.job()
    await lab.engine.judge.text(job, "a fox")
    with pytest.raises(OutputBlocked):
        await seal(lab.engine, job, Draft(data=detailed(), title="a"))


def test_a_copy_of_a_listed_picture_looks_like_it_and_another_does_not() -> None:
    random = np.random.default_rng(5)

    def picture(seed: int) -> Image.Image:
        few = random.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        return Image.fromarray(few).resize((320, 320), Image.Resampling.BICUBIC)

    def saved(image: Image.Image, **how: Any) -> bytes:
        file = BytesIO()
        image.save(file, **how)
        return file.getvalue()

    one, other = picture(1), picture(2)
    listed = look(saved(one, format="PNG"), max_pixels=10**7)
    assert listed is not None
    copy = saved(one.resize((160, 160)), format="JPEG", quality=60)
    assert alike(copy, [listed.hex()], max_pixels=10**7)
    assert not alike(saved(other, format="PNG"), [listed.hex()], max_pixels=10**7)
    assert not alike(b"no image", [listed.hex()], max_pixels=10**7)


def test_a_look_that_another_version_made_is_refused_and_never_passed_over() -> None:
    with pytest.raises(BadSetting, match="16 digits"):
        alike(detailed(), ["a" * 16], max_pixels=10**7)

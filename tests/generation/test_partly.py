"""A generation of which a part fails: what is paid for is given, what is missing is told, nothing is asked in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from mintmark.clock import utc_now
from mintmark.errors import BadAnswer, ChargeUnknown, ModerationUnavailable, ProviderAuth, ProviderDown, ProviderRefused
from mintmark.generation.gathering import Part, missing, slots
from mintmark.generation.results import Asked, Image
from mintmark.generation.sealing import Draft, facts_of
from mintmark.generation.service import Generated
from mintmark.moderation.base import Checker, Connect, Scores
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.policy import load as load_policy
from mintmark.moderation.verdict import Subject
from mintmark.providers.base import Prepared
from mintmark.providers.models import Catalog
from mintmark.sandbox import Sandbox

from .lab import MINI, ONE_BY_ONE, Lab, open_lab, request
from .test_service import edits

FLUX = "bfl/flux-2-pro"
STABILITY = "stability/core"
GOOGLE = "google/gemini-3.1-flash-image"
MODEL = Catalog.load().known(FLUX)
POST = {"method": "POST", "count": 1}


def sized(model: str) -> dict[str, Any]:
    return {} if model.startswith(("bfl", "fal")) else {"width": 1024, "height": 1024}


async def four(lab: Lab, model: str, *faults: dict[str, Any]) -> Generated:
    provider = model.partition("/")[0]
    await lab.fail(*({"provider": provider, "count": 1, **fault} for fault in faults))
    return await lab.generate(lab.by_hand(), model, count=4, seed=1, **sized(model))


@pytest.mark.parametrize("model", [FLUX, STABILITY, ONE_BY_ONE, GOOGLE])
async def test_an_image_that_the_provider_withholds_takes_nothing_from_the_others(lab: Lab, model: str) -> None:
    made = await four(lab, model, {"kind": "policy_output"})
    assert (len(made.pictures), made.record.withheld) == (3, 1)
    assert len(made.record.verdicts) == 4, "the prompt's, and one on each image"
    (told,) = made.record.warnings
    assert told.startswith("Image ") and " of 4 is missing: " in told
    settled, unknown = await lab.balanced()
    assert made.record.total_microusd == settled + unknown


@pytest.mark.parametrize("kind", ["corrupt_image", "expired_url"])
async def test_a_file_that_is_broken_or_gone_takes_nothing_from_the_others(lab: Lab, kind: str) -> None:
    made = await four(lab, FLUX, {"kind": kind})
    assert (len(made.pictures), made.record.withheld) == (3, 1)
    assert len(made.record.receipts) == 4, "it is paid all the same"
    assert await lab.balanced() == (made.record.total_microusd, 0)


async def test_a_call_of_which_nobody_knows_keeps_its_hold_and_the_others_come(lab: Lab) -> None:
    made = await four(lab, FLUX, {"kind": "drop_after", **POST})
    assert len(made.pictures) == 3
    assert "not known" in made.record.warnings[0]
    settled, unknown = await lab.balanced()
    assert made.record.total_microusd == settled + unknown > settled
    assert sorted(each.state for each in made.record.receipts) == ["settled"] * 3 + ["unknown"]


async def test_of_a_batch_of_images_the_place_of_the_missing_one_is_told(lab: Lab) -> None:
    first, *more = edits(10, 200, 90)
    await lab.fail({"provider": "fal", "kind": "status", "status": 503, "path": "image-to-image", **POST})
    job = lab.job()
    made = await lab.engine.service.generate(first, job, "1", more=more)
    assert (len(made.pictures), made.record.withheld) == (2, 1)
    (told,) = made.record.warnings
    assert told.split(":")[0] in {f"Image {number} of 3 is missing" for number in (1, 2, 3)}
    again = await lab.engine.service.generate(first, job, "1", more=more)
    assert (len(again.pictures), again.record.warnings) == (3, ())
    assert sorted(lab.states()) == ["released", "settled", "settled", "settled"], "the same job pays for that one alone"
    assert await lab.balanced() == (again.record.total_microusd, 0)


async def test_where_nothing_is_left_the_first_reason_is_raised(lab: Lab) -> None:
    await lab.fail({"provider": "bfl", "kind": "status", "status": 503, "method": "POST"})
    with pytest.raises(ProviderDown):
        await lab.generate(lab.by_hand(), FLUX, count=3)
    assert await lab.balanced() == (0, 0)
    await lab.fail({"provider": "bfl", "kind": "drop_after", "method": "POST"})
    with pytest.raises(ChargeUnknown):
        await lab.generate(lab.by_hand(), FLUX, count=2)


@pytest.mark.parametrize(("status", "error"), [(403, ProviderAuth), (402, ProviderAuth), (422, ProviderRefused)])
async def test_what_no_further_call_can_mend_is_not_asked_again(
    tmp_path: Path, sandbox: Sandbox, status: int, error: type[Exception]
) -> None:
    async with open_lab(tmp_path, sandbox, provider_limits={"bfl.concurrency": "1"}) as lab:
        await lab.fail({"provider": "bfl", "kind": "status", "status": status, **POST})
        with pytest.raises(error):
            await lab.generate(lab.by_hand(), FLUX, count=4)
        assert (await lab.asked(), lab.states()) == (1, ["released"] * 4)
        assert await lab.balanced() == (0, 0)


async def test_a_refused_image_says_nothing_of_the_others_of_its_batch(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox, provider_limits={"fal.concurrency": "1"}) as lab:
        first, *more = edits(10, 200, 90)
        await lab.fail({"provider": "fal", "kind": "status", "status": 400, "path": "image-to-image", **POST})
        made = await lab.engine.service.generate(first, lab.by_hand(), "1", more=more)
        assert (await lab.asked(), len(made.pictures)) == (3, 2)


class LooksOnce(Checker):
    """A checker that is away for its first image."""

    name: ClassVar[str] = "openai"
    subjects: ClassVar[frozenset[Subject]] = frozenset({"image"})
    away = 1

    @classmethod
    def open(cls, connect: Connect) -> None:
        """Tests make it themselves."""

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise AssertionError("nobody asks it about texts")

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        if self.away:
            self.away -= 1
            raise ProviderDown("It is away.", provider="openai", charged="no")
        return Scores(scores={})


async def test_an_image_that_no_checker_could_look_at_is_kept_back_alone(lab: Lab) -> None:
    policy = load_policy("standard")
    closed = policy.model_copy(update={"unavailable": policy.unavailable.model_copy(update={"image": "block"})})
    lab.engine._moderators["standard"] = Moderator(closed, {"openai": LooksOnce()}, utc_now)
    job = lab.job()
    made = await lab.generate(job, FLUX, count=3, seed=1)
    assert (len(made.pictures), made.record.withheld) == (2, 1)
    assert len((await lab.generate(job, FLUX, count=3, seed=1)).pictures) == 3, "once it is back, the same job has it"
    assert await lab.asked() == 3
    lab.engine._moderators["standard"] = Moderator(closed, {"openai": LooksOnce()}, utc_now)
    with pytest.raises(ModerationUnavailable):
        await lab.generate(lab.job(), FLUX)


async def test_what_came_in_an_image_s_place_is_kept_and_named_and_forgotten_with_its_job(lab: Lab) -> None:
    job = lab.job()
    made = await four(lab, FLUX, {"kind": "corrupt_image"})
    assert made.record.withheld == 1
    await lab.fail({"provider": "openai", "kind": "corrupt_image"})
    with pytest.raises(Exception, match=r"kept for a week: spool/") as caught:
        await lab.generate(job, MINI)
    kept = str(caught.value).partition("spool/")[2].split()[0]
    digest = kept.partition("/")[2]
    assert lab.engine.spool.get(digest) is not None
    assert digest in lab.engine.journal.forget(job.job_id).spooled


# -- seeds ----------------------------------------------------------------------------------------------------------


async def test_each_image_has_the_seed_that_it_was_made_with(lab: Lab) -> None:
    three = await lab.generate(lab.by_hand(), STABILITY, **sized(STABILITY), count=3, seed=7)
    seeds = [output.seed for output in three.record.outputs]
    assert [each and each.used for each in seeds] == ["7", "8", "9"]
    alone = await lab.generate(lab.by_hand(), STABILITY, **sized(STABILITY), seed=9)
    assert three.pictures[2].output.pixels_sha256 == alone.pictures[0].output.pixels_sha256
    third = three.pictures[2]
    draft = Draft(data=third.data, title="third.png", record=three.record, source=third)
    assert facts_of(draft, three.record.verdicts[-1]).record["seed"] == {"asked": "9", "sent": "9", "used": "9"}
    assert three.record.public()["seed"] == {"asked": "7", "sent": "7"}


async def test_a_seed_that_the_provider_chose_is_told_and_found_in_the_journal(lab: Lab) -> None:
    job = lab.job()
    chosen = await lab.generate(job, STABILITY, **sized(STABILITY), seed=None)
    (seed,) = [output.seed for output in chosen.record.outputs]
    assert seed is not None and (seed.asked, seed.sent) == (None, None)
    assert seed.used is not None
    (result,) = [call.result for call in lab.calls()]
    assert result is not None and result["images"][0]["seed"] == seed.used
    again = await lab.generate(job, STABILITY, **sized(STABILITY), seed=None)
    assert again.record.outputs == chosen.record.outputs


async def test_where_no_provider_tells_a_seed_the_one_that_was_sent_counts(lab: Lab) -> None:
    made = await lab.generate(lab.by_hand(), GOOGLE, **sized(GOOGLE), count=2, seed=5)
    assert [output.seed and output.seed.used for output in made.record.outputs] == ["5", "6"]
    assert request().seed is None


# -- pure -----------------------------------------------------------------------------------------------------------


def test_those_that_are_missing_for_one_reason_are_told_together() -> None:
    assert missing(8, [(3, "It is away."), (1, "It is gone."), (5, "It is away.")]) == (
        "Images 3, 5 of 8 are missing: It is away.",
        "Image 1 of 8 is missing: It is gone.",
    )
    assert missing(1, []) == ()


@pytest.mark.parametrize(
    ("came", "numbers", "lacking"), [(1, [1, 2, 3, 4], 2), (3, [1, 2, 3, 4], 0), (4, [1, 2, 3, 4, 5], 0)]
)
def test_an_answer_with_fewer_images_than_were_asked_for_says_so(came: int, numbers: list[int], lacking: int) -> None:
    part: Any = Part(request=request(count=3), prepared=Prepared(model=MODEL, path="", fields={}, seed=5), of=0)
    last: Any = Part(request=request(), prepared=Prepared(model=MODEL, path="", fields={}, seed=8), of=0)
    image = Image(data=b"x", seed=None)
    found = slots([part, last], [Asked(call_id="1", images=(image,) * came), Asked(call_id="2", images=(image,))])
    assert [slot.number for slot in found] == numbers
    assert [slot.seed for slot in found][-1] == 8
    short = [slot.image for slot in found if isinstance(slot.image, BadAnswer)]
    assert len(short) == lacking
    assert all("1 of the 3 images" in each.message for each in short)

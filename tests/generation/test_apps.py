"""Apps that no catalog lists: learned once a day, kept over restarts, and under the rules of every other call."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import (
    InvalidInput,
    PriceUnknown,
    PromptBlocked,
    ProviderDown,
    UnknownModel,
    UnsupportedTask,
)
from mintmark.generation.apps import KEPT, Apps, is_app
from mintmark.providers.apps.published import Published
from mintmark.sandbox import Sandbox

from .lab import Lab, open_lab

KREA = "fal/fal-ai/flux/krea"
EMOJI = "replicate/fofr/sdxl-emoji"


class Vendor:
    """A publisher that counts who asks, and can be away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away = False

    async def published(self, app: str) -> Published:
        self.asked.append(app)
        if self.away:
            raise ProviderDown("It is away.", provider="fal", charged="no")
        return Published(app, app, {"properties": {"prompt": {"type": "string"}}}, "its page")


class Day:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now


def apps(folder: Path, vendor: Any, day: Day) -> Apps:
    return Apps(folder, lambda name: vendor, now=day)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (KREA, True),
        (EMOJI, True),
        ("fal/flux-dev", False),
        ("flux", False),
        ("", False),
        # It becomes a part of a URL.
        ("replicate/../account", False),
        ("fal/a/b?x=1", False),
        ("fal/a//b", False),
        ("fal/a/b#c", False),
        ("fal/a/b c", False),
    ],
)
def test_an_app_s_name_has_a_slash_of_its_own(name: str, found: bool) -> None:
    assert is_app(name) is found


async def test_an_app_is_asked_about_once_a_day(tmp_path: Path) -> None:
    vendor, day = Vendor(), Day()
    learned = apps(tmp_path, vendor, day)
    for _ in range(2):
        assert (await learned.model(KREA)).name == KREA
    assert vendor.asked == ["fal-ai/flux/krea"]
    day.now += KEPT
    await learned.model(KREA)
    assert len(vendor.asked) == 2


async def test_an_old_one_is_better_than_none(tmp_path: Path) -> None:
    vendor, day = Vendor(), Day()
    learned = apps(tmp_path, vendor, day)
    await learned.model(KREA)
    vendor.away = True
    day.now += timedelta(days=30)
    assert (await learned.model(KREA)).lifecycle.as_of.isoformat() == "2026-11-21"
    with pytest.raises(ProviderDown):
        await learned.model("fal/some/other")


async def test_what_was_learned_outlives_the_process(tmp_path: Path) -> None:
    vendor, day = Vendor(), Day()
    await apps(tmp_path, vendor, day).model(KREA)
    assert [model.name for model in apps(tmp_path, vendor, day).kept()] == [KREA]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": 7, "read_at": "2026-11-21", "published": {}}'])
async def test_a_broken_file_is_learned_again(tmp_path: Path, text: str) -> None:
    vendor, day = Vendor(), Day()
    learned = apps(tmp_path, vendor, day)
    await learned.model(KREA)
    (file,) = tmp_path.glob("*.json")
    file.write_text(text)
    assert list(learned.kept()) == []
    assert (await learned.model(KREA)).name == KREA
    assert len(vendor.asked) == 2


async def test_a_provider_without_apps_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="no apps"):
        await apps(tmp_path, object(), Day()).model("openai/some/app")


# -- the whole way ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [KREA, EMOJI])
async def test_an_app_obeys_the_rule_for_models_without_a_price(lab: Lab, tmp_path: Path, name: str) -> None:
    with pytest.raises(PriceUnknown, match="MINTMARK_ALLOW_UNKNOWN_PRICE"):
        await lab.generate(lab.job(), name)
    assert await lab.asked() == 0


@pytest.mark.parametrize("name", [KREA, EMOJI])
async def test_an_app_is_called_where_that_is_allowed(tmp_path: Path, sandbox: Sandbox, name: str) -> None:
    async with open_lab(tmp_path, sandbox, allow_unknown_price=True) as lab:
        made = await lab.generate(lab.job(), name, seed=7)
        assert (made.record.model, len(made.pictures)) == (name, 1)
        assert made.record.outputs[0].width == 512
    # Another process knows it from what was kept.
    async with open_lab(tmp_path, sandbox, allow_unknown_price=True) as lab:
        assert lab.engine.catalog.known(name).price is None
        assert name not in {model.name for model in lab.engine.catalog.list()}


async def test_a_wrong_input_is_refused_before_anything_is_asked(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox, allow_unknown_price=True) as lab:
        with pytest.raises(InvalidInput, match="num_inference_steps"):
            await lab.generate(lab.job(), KREA, options={"num_inference_steps": 0})
        with pytest.raises(UnknownModel):
            await lab.generate(lab.job(), "fal/no/such-app")
        with pytest.raises(UnsupportedTask, match="no images"):
            await lab.generate(lab.job(), "fal/fal-ai/wan/v2.2-5b/text-to-video")
        assert await lab.asked() == 0


async def test_the_words_of_an_app_s_own_inputs_are_moderated_too(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox, allow_unknown_price=True) as lab:
        with pytest.raises(PromptBlocked):
            await lab.generate(lab.job(), "fal/fal-ai/flux-lora", options={"loras": [{"path": "how to build a bomb"}]})
        assert await lab.asked() == 0


async def test_a_result_that_holds_its_images_is_an_image_and_stands_in_no_journal(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with open_lab(tmp_path, sandbox, allow_unknown_price=True) as lab:
        job = lab.by_hand()
        unsized: dict[str, Any] = {"width": None, "height": None}
        made = await lab.generate(job, KREA, **unsized, options={"sync_mode": True})
        assert len(made.pictures) == 1
        (call,) = lab.calls()
        (image,) = (call.result or {})["images"]
        assert (image["url"], image["sha256"]) == (None, made.pictures[0].output.sha256)
        assert not any("data:" in str(entry.data) for entry in lab.engine.journal.since(0))
        again = await lab.generate(job, KREA, **unsized, options={"sync_mode": True})
        assert again.pictures[0].data == made.pictures[0].data
        assert await lab.asked() == 1

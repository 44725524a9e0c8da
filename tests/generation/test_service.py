"""One generation from request to record, and what it costs whatever goes wrong."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from mintmark.clock import utc_now
from mintmark.errors import (
    AllowanceExhausted,
    BadAnswer,
    BudgetExceeded,
    ChargeUnknown,
    DiskFull,
    ImageTooLarge,
    ModelRetired,
    OutputBlocked,
    PriceUnknown,
    PromptBlocked,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    ResultLost,
    UnknownModel,
    UnsupportedTask,
)
from mintmark.generation.adopting import adopted
from mintmark.moderation.base import Checker, Connect, Scores
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.policy import load as load_policy
from mintmark.moderation.verdict import Subject
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest, SourceImage
from mintmark.sandbox import Sandbox

from .lab import BOTH, MINI, ONE_BY_ONE, SCHNELL, Lab, open_lab, request

FAL, OPENAI = {"provider": "fal"}, {"provider": "openai"}


def numbers(lab: Lab, job: Any) -> tuple[int, int, int, int]:
    money = lab.engine.journal.report(job.job_id).allowance
    return money.granted_microusd, money.held_microusd, money.settled_microusd, money.left_microusd


@pytest.mark.parametrize("model", BOTH)
async def test_an_image_comes_with_a_record_of_how_it_was_made(lab: Lab, model: str) -> None:
    job = lab.job()
    made = await lab.generate(job, model, seed=7)
    (picture,), record = made.pictures, made.record
    assert hashlib.sha256(picture.data).hexdigest() == picture.output.sha256 == record.outputs[0].sha256
    assert (record.job_id, record.node_id, record.model) == (job.job_id, "1", model)
    assert record.prompt is None
    assert record.prompt_sha256 == hashlib.sha256(b"a red lighthouse at dusk").hexdigest()
    assert [verdict.subject for verdict in record.verdicts] == ["prompt", "image"]
    assert await lab.balanced() == (record.total_microusd, 0)
    assert await lab.asked() == 1
    assert numbers(lab, job)[1] == 0


async def test_a_seed_as_large_as_comfyui_s_is_folded_and_both_values_are_recorded(lab: Lab) -> None:
    made = await lab.generate(lab.job(), seed=2**64 - 1)
    assert made.record.seed.asked == "18446744073709551615"
    assert made.record.seed.sent is not None
    assert int(made.record.seed.sent) < 2**63


async def test_more_images_than_a_call_makes_are_several_calls_with_seeds_counted_up(lab: Lab) -> None:
    made = await lab.generate(lab.job(), ONE_BY_ONE, count=3, seed=2**64 - 2)
    assert len({picture.output.sha256 for picture in made.pictures}) == len(made.record.receipts) == 3
    assert await lab.asked() == 3
    assert await lab.balanced() == (made.record.total_microusd, 0)


async def test_where_not_all_calls_fit_none_is_asked(lab: Lab) -> None:
    price = 30_000
    job = lab.job(price * 2)
    with pytest.raises(AllowanceExhausted):
        await lab.generate(job, ONE_BY_ONE, count=3)
    assert await lab.asked() == 0
    assert lab.states() == ["released", "released"]
    assert numbers(lab, job) == (price * 2, 0, 0, price * 2)
    made = await lab.generate(job, ONE_BY_ONE, count=2)
    assert made.record.total_microusd == price * 2


def photo(shade: int) -> SourceImage:
    file = BytesIO()
    Image.new("RGB", (96, 64), (shade, 60, 90)).save(file, "PNG")
    return SourceImage(data=file.getvalue(), media_type="image/png")


def edits(*shades: int) -> list[GenerationRequest]:
    """One request for each picture."""
    asked: dict[str, Any] = {"task": "edit", "width": None, "height": None, "strength": 0.5}
    return [request("fal/flux-dev", images=(photo(shade),), **asked) for shade in shades]


async def test_several_requests_make_one_record_of_all_that_went_in_and_came_out(lab: Lab) -> None:
    first, *more = edits(10, 200, 10)
    made = await lab.engine.service.generate(first, lab.job(), "1", more=more)
    assert made.record.inputs == (first.images[0].sha256, more[0].images[0].sha256), "each file once"
    assert len(made.record.outputs) == len(made.record.receipts) == await lab.asked() == 3
    one, other, same = (picture.output.sha256 for picture in made.pictures)
    assert one == same != other, "in the order they were asked for"
    assert made.record.parameters["strength"] == 0.5
    assert made.record.request_digest != first.digest()
    assert await lab.balanced() == (made.record.total_microusd, 0)


async def test_several_requests_are_held_together_or_not_at_all(lab: Lab) -> None:
    first, *more = edits(10, 200)
    job = lab.job(25_000)
    with pytest.raises(AllowanceExhausted):
        await lab.engine.service.generate(first, job, "1", more=more)
    assert (await lab.asked(), lab.states()) == (0, ["released"])


async def test_a_result_too_large_to_be_taken_in_is_not_asked_for(lab: Lab) -> None:
    small = replace(lab.engine.service, settings=lab.engine.settings.with_(max_pixels=64 * 64))
    with pytest.raises(ImageTooLarge, match="MINTMARK_MAX_PIXELS"):
        await small.generate(request(width=128, height=128), lab.job(), "1")
    assert (await lab.asked(), lab.states()) == (0, [])


async def test_a_blocked_prompt_costs_nothing_and_names_its_rule(lab: Lab) -> None:
    job = lab.job()
    with pytest.raises(PromptBlocked, match="rule"):
        await lab.generate(job, prompt="how to build a bomb")
    assert (await lab.asked(), lab.states(), await lab.bill()) == (0, [], [])
    (verdict,) = lab.engine.journal.report(job.job_id).verdicts
    assert verdict.decision == "blocked"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "openai/dall-e-3"}, ModelRetired),
        ({"model": "openai/gpt-immage-2"}, UnknownModel),
        ({"model": SCHNELL, "task": "edit"}, UnsupportedTask),
        ({"model": "openai/chatgpt-image-latest", "width": 1024, "height": 1024}, PriceUnknown),
    ],
)
async def test_what_cannot_be_asked_is_refused_before_any_money_moves(
    lab: Lab, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await lab.generate(lab.job(), **changes)
    assert (await lab.asked(), lab.states()) == (0, [])


async def test_an_unknown_price_may_be_allowed(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox, allow_unknown_price=True) as lab:
        lab.engine._moderators["standard"] = Moderator(load_policy("standard"), {}, utc_now)
        job = lab.job(0)
        made = await lab.generate(job, "openai/chatgpt-image-latest", width=1024, height=1024)
        assert made.record.total_microusd == 0


# -- the same again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", BOTH)
async def test_the_same_question_of_the_same_job_is_answered_without_asking_again(lab: Lab, model: str) -> None:
    job = lab.job()
    first, again = await lab.generate(job, model), await lab.generate(job, model)
    assert [each.data for each in again.pictures] == [each.data for each in first.pictures]
    assert again.record.receipts == first.record.receipts
    assert await lab.asked() == 1
    assert len(lab.engine.journal.report(job.job_id).verdicts) == 2


async def test_another_node_or_job_asks_for_itself(lab: Lab) -> None:
    job = lab.job()
    await lab.generate(job, node="1")
    await lab.generate(job, node="2")
    await lab.generate(lab.job(), node="1")
    assert await lab.asked() == 3


async def test_a_result_gone_from_the_spool_is_fetched_from_the_provider_and_kept(lab: Lab) -> None:
    job = lab.job()
    first = await lab.generate(job)
    lab.engine.spool.prune(older_than_s=-1, now=1e12)
    again = await lab.generate(job)
    assert again.pictures[0].data == first.pictures[0].data
    assert lab.engine.spool.get(first.pictures[0].output.sha256) == first.pictures[0].data
    assert await lab.asked() == 1


async def test_a_result_that_is_nowhere_any_more_is_lost_and_not_paid_for_again(lab: Lab) -> None:
    job = lab.job()
    first = await lab.generate(job, MINI)
    lab.engine.spool.prune(older_than_s=-1, now=1e12)
    with pytest.raises(ResultLost, match=str(first.record.receipts[0].request_id)):
        await lab.generate(job, MINI)
    assert await lab.asked() == 1


# -- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", BOTH)
async def test_a_refusal_gives_the_hold_back_and_may_be_tried_again(lab: Lab, model: str) -> None:
    job = lab.job()
    await lab.fail(
        {
            "provider": model.partition("/")[0],
            "kind": "status",
            "status": 400,
            "method": "POST",
            "count": 1,
            "path": "images" if model == MINI else "flux",
        }
    )
    with pytest.raises(ProviderRefused):
        await lab.generate(job, model)
    assert numbers(lab, job)[1:3] == (0, 0)
    made = await lab.generate(job, model)
    assert lab.states() == ["released", "settled"]
    assert lab.calls()[1].attempt == 2
    assert await lab.balanced() == (made.record.total_microusd, 0)


@pytest.mark.parametrize("model", BOTH)
async def test_a_lost_call_keeps_its_hold_and_is_never_asked_again(lab: Lab, model: str) -> None:
    job = lab.job()
    path = "images" if model == MINI else "flux"
    await lab.fail(
        {"provider": model.partition("/")[0], "kind": "drop_after", "path": path, "method": "POST", "count": 1}
    )
    for _ in range(2):
        with pytest.raises(ChargeUnknown) as caught:
            await lab.generate(job, model)
        assert lab.calls()[0].call_id in caught.value.message
    assert lab.states() == ["unknown"]
    lab.book()
    assert lab.engine.ledger.totals().unknown_microusd == lab.calls()[0].hold_microusd == numbers(lab, job)[1]
    assert await lab.asked() == 1


async def test_a_lost_openai_call_is_found_in_the_bill_by_its_own_id(lab: Lab) -> None:
    await lab.fail({"provider": "openai", "kind": "drop_after", "path": "images", "count": 1})
    with pytest.raises(ChargeUnknown):
        await lab.generate(lab.job(), MINI)
    settled, unknown = await lab.balanced()
    (line,) = await lab.bill()
    assert settled == 0
    assert unknown >= line["microusd"]


async def test_available_asks_again_and_keeps_both_on_the_books(lab: Lab) -> None:
    job = lab.job(on_unknown="available")
    await lab.fail({"provider": "openai", "kind": "drop_after", "path": "images", "count": 1})
    made = await lab.generate(job, MINI)
    assert len(made.pictures) == 1
    assert lab.states() == ["unknown", "settled"]
    settled, unknown = await lab.balanced()
    assert settled == made.record.total_microusd
    assert unknown == numbers(lab, job)[1] == lab.calls()[0].hold_microusd
    assert {each.state for each in lab.engine.journal.report(job.job_id).receipts} == {"settled", "unknown"}
    await lab.generate(job, MINI)
    assert await lab.asked() == 2


async def test_available_is_still_bound_by_the_allowance(lab: Lab) -> None:
    job = lab.job(lab_hold := 12_000, on_unknown="available")
    await lab.fail({"provider": "openai", "kind": "drop_after", "path": "images"})
    with pytest.raises(AllowanceExhausted):
        await lab.generate(job, MINI)
    assert lab.states() == ["unknown"]
    assert numbers(lab, job)[0] == lab_hold


async def test_available_that_fails_twice_says_so(lab: Lab) -> None:
    job = lab.job(on_unknown="available")
    await lab.fail({"provider": "openai", "kind": "drop_after", "path": "images"})
    with pytest.raises(ChargeUnknown):
        await lab.generate(job, MINI)
    assert lab.states() == ["unknown", "unknown"]
    await lab.balanced()


async def test_a_provider_that_withholds_its_image_is_paid_and_no_image_is_shown(lab: Lab) -> None:
    await lab.fail({"provider": "fal", "kind": "policy_output"})
    job = lab.job()
    for _ in range(2):
        with pytest.raises(ProviderBlocked, match="withheld"):
            await lab.generate(job)
    assert await lab.asked() == 1
    settled, unknown = await lab.balanced()
    assert settled > unknown == 0


async def test_a_provider_that_refuses_the_prompt_is_not_paid(lab: Lab) -> None:
    await lab.fail({"provider": "openai", "kind": "policy_input"})
    with pytest.raises(ProviderBlocked):
        await lab.generate(lab.job(), MINI)
    assert await lab.balanced() == (0, 0)
    assert lab.states() == ["released"]


class SeesViolence(Checker):
    """A checker that finds violence in every image."""

    name: ClassVar[str] = "openai"
    subjects: ClassVar[frozenset[Subject]] = frozenset({"image"})

    @classmethod
    def open(cls, connect: Connect) -> None:
        """Tests make it themselves."""

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise AssertionError("nobody asks it about texts")

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        return Scores(scores={"violence": 0.99})


async def test_an_image_our_policy_blocks_is_settled_and_not_returned(lab: Lab) -> None:
    lab.engine._moderators["standard"] = Moderator(load_policy("standard"), {"openai": SeesViolence()}, utc_now)
    job = lab.job()
    with pytest.raises(OutputBlocked, match="violence"):
        await lab.generate(job)
    settled, _ = await lab.balanced()
    assert settled > 0
    assert [each.decision for each in lab.engine.journal.report(job.job_id).verdicts] == ["allowed", "blocked"]


@pytest.mark.parametrize("model", BOTH)
async def test_a_corrupt_image_is_charged_once_and_never_handed_on(lab: Lab, model: str) -> None:
    job = lab.job()
    await lab.fail({"provider": model.partition("/")[0], "kind": "corrupt_image"})
    with pytest.raises(BadAnswer):
        await lab.generate(job, model)
    assert lab.states() == ["settled"]
    assert (await lab.balanced())[0] > 0
    await lab.fail()
    if model == SCHNELL:
        # The damage was on the way: fetching it once more is free.
        assert len((await lab.generate(job, model)).pictures) == 1
    else:
        with pytest.raises(ResultLost):
            await lab.generate(job, model)
    assert await lab.asked() == 1


async def test_an_image_that_turns_out_larger_than_the_limit_is_charged_and_not_decoded(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    unsized: dict[str, Any] = {"model": "fal/ideogram-v3", "width": None, "height": None}
    async with open_lab(tmp_path, sandbox, max_pixels=1000) as lab:
        job = lab.job()
        with pytest.raises(BadAnswer, match="MINTMARK_MAX_PIXELS"):
            await lab.generate(job, **unsized)
        assert (await lab.balanced())[0] > 0
    async with open_lab(tmp_path, sandbox) as lab:
        assert len((await lab.generate(job, **unsized)).pictures) == 1
        assert await lab.asked() == 1


async def test_an_expired_url_is_a_lost_result_and_a_settled_charge(lab: Lab) -> None:
    await lab.fail({"provider": "fal", "kind": "expired_url"})
    with pytest.raises(ResultLost):
        await lab.generate(lab.job())
    assert (await lab.balanced())[0] > 0


async def test_a_call_fal_named_is_asked_about_again_once_the_network_is_back(lab: Lab) -> None:
    job = lab.job()
    await lab.fail({"provider": "fal", "kind": "status", "status": 502, "method": "GET", "path": "requests"})
    with pytest.raises(ChargeUnknown):
        await lab.generate(job)
    assert lab.states() == ["unknown"]
    await lab.fail()
    made = await lab.generate(job)
    assert lab.states() == ["settled"]
    assert await lab.asked() == 1
    assert await lab.balanced() == (made.record.total_microusd, 0)


async def test_a_charge_over_the_hold_is_booked_in_full(lab: Lab) -> None:
    cheap = Catalog.load().known(MINI)
    price = cheap.price.model_copy(update={"output_tokens_1024": {"low": 1, "medium": 1, "high": 1}})  # type: ignore[union-attr]
    lab.engine.catalog._models = {**lab.engine.catalog._models, MINI: cheap.model_copy(update={"price": price})}
    try:
        job = lab.job(2_000)
        made = await lab.generate(job, MINI)
    finally:
        lab.engine.catalog._models[MINI] = cheap
    granted, held, settled, left = numbers(lab, job)
    assert settled == made.record.total_microusd > lab.calls()[0].hold_microusd
    assert (granted, held, left) == (2_000, 0, 2_000 - settled)
    assert await lab.balanced() == (settled, 0)


async def test_a_full_disk_while_settling_is_found_again_by_asking_fal(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = lab.job()
    real = lab.engine.journal.move

    def full(call_id: str, state: Any, **facts: Any) -> Any:
        if state == "settled":
            raise DiskFull("no room")
        return real(call_id, state, **facts)

    monkeypatch.setattr(lab.engine.journal, "move", full)
    with pytest.raises(DiskFull):
        await lab.generate(job)
    monkeypatch.undo()
    assert lab.states() == ["accepted"]
    made = await lab.generate(job)
    assert await lab.asked() == 1
    assert await lab.balanced() == (made.record.total_microusd, 0)


async def test_a_full_disk_while_settling_openai_leaves_a_doubt(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    job = lab.job()
    real = lab.engine.journal.move

    def full(call_id: str, state: Any, **facts: Any) -> Any:
        if state in ("accepted", "settled", "unknown"):
            raise DiskFull("no room")
        return real(call_id, state, **facts)

    monkeypatch.setattr(lab.engine.journal, "move", full)
    with pytest.raises(DiskFull):
        await lab.generate(job, MINI)
    monkeypatch.undo()
    assert lab.states() == ["asking"]
    with pytest.raises(ChargeUnknown):
        await lab.generate(job, MINI)
    assert lab.states() == ["unknown"]
    assert await lab.asked() == 1
    await lab.balanced()


async def test_a_spool_that_cannot_be_written_costs_no_image(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "data" / "sandbox" / "spool").write_text("in the way")
    for model in BOTH:
        made = await lab.generate(lab.job(), model)
        assert len(made.pictures) == 1
    await lab.balanced()


async def test_a_defect_of_ours_after_asking_is_a_doubt_and_not_a_loss(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = lab.engine.provider("openai")
    real = provider.ask

    async def broken(*args: Any, **named: Any) -> Any:
        await real(*args, **named)
        raise ZeroDivisionError

    monkeypatch.setattr(provider, "ask", broken)
    with pytest.raises(ZeroDivisionError):
        await lab.generate(lab.job(), MINI)
    assert lab.states() == ["unknown"]
    await lab.balanced()


async def test_a_defect_of_ours_before_anything_is_sent_costs_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("mintmark.providers.http._body", broken)
    lab.engine._moderators["standard"] = Moderator(load_policy("standard"), {}, utc_now)
    for model in BOTH:
        with pytest.raises(ZeroDivisionError):
            await lab.generate(lab.job(), model)
    assert (lab.states(), await lab.asked()) == (["released", "released"], 0)


async def test_a_provider_that_is_down_is_told_as_such(tmp_path: Path, unused_tcp_port: int) -> None:
    async with open_lab(tmp_path, f"http://127.0.0.1:{unused_tcp_port}") as lab:
        lab.engine._moderators["standard"] = Moderator(load_policy("standard"), {}, utc_now)
        for model in BOTH:
            job = lab.job()
            with pytest.raises(ProviderDown):
                await lab.generate(job, model)
            assert numbers(lab, job)[1:3] == (0, 0)
        assert lab.states() == ["released", "released"]


# -- by hand --------------------------------------------------------------------------------------------------------


async def test_by_hand_each_call_is_set_aside_and_the_rest_given_back(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox, budget_microusd=1_000_000) as lab:
        job = lab.by_hand()
        made = [await lab.generate(job, MINI, node=node) for node in "123"]
        lab.engine.books.catch_up()
        totals = lab.engine.ledger.totals()
        assert totals.set_aside_microusd == totals.unknown_microusd == 0
        assert totals.settled_microusd == sum(each.record.total_microusd for each in made)
        assert await lab.balanced() == (totals.settled_microusd, 0)


async def test_by_hand_nothing_that_fits_the_budget_is_refused_for_what_is_not_booked_yet(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with open_lab(tmp_path, sandbox) as lab:
        await lab.generate(lab.by_hand(), MINI)
        (call,) = lab.calls()
    assert call.charged_microusd < call.hold_microusd
    budget = 2 * call.charged_microusd + call.hold_microusd
    async with open_lab(tmp_path, sandbox, budget_microusd=budget) as lab:
        job = lab.by_hand()
        for node in "12":
            await lab.generate(job, MINI, node=node)
        with pytest.raises(BudgetExceeded):
            await lab.generate(job, MINI, node="3")
        assert await lab.asked() == 3
        assert lab.states()[-1] == "released"
        lab.engine.books.catch_up()
        assert lab.engine.ledger.totals().taken_microusd == 3 * call.charged_microusd


async def test_by_hand_a_repeated_question_grants_nothing_more(lab: Lab) -> None:
    job = lab.by_hand()
    for _ in range(3):
        await lab.generate(job)
    granted, held, settled, left = numbers(lab, job)
    assert (granted, held, left) == (settled, 0, 0)


async def test_a_granted_job_on_the_same_machine_is_not_booked_by_hand(lab: Lab) -> None:
    await lab.generate(lab.job())
    lab.engine.books.catch_up()
    assert lab.engine.ledger.totals().calls == 0


# -- cached ---------------------------------------------------------------------------------------------------------


async def test_a_cached_result_gets_receipts_of_zero_of_its_own(lab: Lab) -> None:
    made = await lab.generate(lab.job())
    other = lab.job(0)
    once = adopted(lab.engine.journal, made.record, other, "9")
    again = adopted(lab.engine.journal, made.record, other, "9")
    assert once == again
    assert (once.job_id, once.cached_of, once.total_microusd) == (other.job_id, made.record.job_id, 0)
    report = lab.engine.journal.report(other.job_id)
    assert [each.state for each in report.receipts] == ["cached"]
    assert list(report.verdicts) == list(made.record.verdicts)
    assert await lab.balanced() == (made.record.total_microusd, 0)


async def test_a_job_s_own_record_stays_as_it_is(lab: Lab) -> None:
    job = lab.job()
    made = await lab.generate(job)
    assert adopted(lab.engine.journal, made.record, job, "9") is made.record


async def test_a_result_cached_twice_over_names_who_paid(lab: Lab) -> None:
    made = await lab.generate(lab.job())
    first = adopted(lab.engine.journal, made.record, lab.job(0), "9")
    second = adopted(lab.engine.journal, first, lab.job(0), "9")
    assert second.cached_of == made.record.job_id
    assert second.total_microusd == 0


async def test_a_model_that_ends_soon_is_warned_of_in_the_log_and_the_record(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    model, early = "openai/gpt-image-1.5", datetime(2026, 11, 21, tzinfo=timezone.utc)
    service = replace(lab.engine.service, now=lambda: early)
    asked = request(model, width=1024, height=1024)
    record = (await service.generate(asked, lab.job(), "1")).record
    assert "2026-12-01" in record.warnings[0] and "openai/gpt-image-2.6-sunburst" in record.warnings[0]
    assert [each.action for each in caplog.records if model in each.getMessage()] == ["model_retires"]  # type: ignore[attr-defined]
    assert "warnings" not in record.public()
    assert (await lab.generate(lab.job())).record.warnings == ()
    late = replace(lab.engine.service, now=lambda: datetime(2026, 12, 1, tzinfo=timezone.utc))
    with pytest.raises(ModelRetired, match="2026-12-01"):
        await late.generate(asked, lab.job(), "1")


async def test_a_receipt_says_who_says_that_it_costs_so_much(lab: Lab) -> None:
    (receipt,) = (await lab.generate(lab.job(), SCHNELL)).record.receipts
    price = Catalog.load().known(SCHNELL).price
    assert price is not None
    assert receipt.price_source == f"{price.source} ({price.as_of})"
    told = (await lab.generate(lab.job(), "bfl/flux-2-pro")).record.receipts[0].price_source
    assert told == "the provider's own answer"

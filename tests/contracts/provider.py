"""What every provider adapter must do, whatever its wire: ``providers/base.py`` says it, this suite holds it to that.

Use: star-import the tests and give the fixtures ``case`` (a :class:`ProviderCase`), ``truth`` (a :class:`Truth`) and
``time``. Every test runs the real adapter against a server that speaks the vendor's wire.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import traceback
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image, ImageChops

from mintmark.errors import (
    BadAnswer,
    ChargeUnknown,
    InvalidInput,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
    ResultLost,
    UnsupportedTask,
)
from mintmark.metering.prices import charge, quote
from mintmark.providers.base import Accepted, Answer, Prepared, Provider, ResultImage
from mintmark.providers.http import HttpClient
from mintmark.providers.imagefile import media_type
from mintmark.providers.model import Model
from mintmark.providers.request import GenerationRequest, SourceImage
from mintmark.providers.secret import Secret


class Time:
    """Time that only sleeping moves; ``slept`` is what was waited, in order."""

    slept: list[float]


@dataclass
class Truth:
    """The vendor's own books, and a way to make it fail."""

    url: str
    session: aiohttp.ClientSession

    async def fail(self, *faults: dict[str, Any]) -> None:
        """Put faults in force."""
        async with self.session.put(f"{self.url}/_sandbox/faults", json={"faults": list(faults)}) as reply:
            assert reply.status == 200, await reply.text()

    async def bill(self) -> list[dict[str, Any]]:
        """What the vendor would have charged, call by call."""
        async with self.session.get(f"{self.url}/_sandbox/bill") as reply:
            lines: list[dict[str, Any]] = (await reply.json())["lines"]
            return lines

    async def calls(self, kind: str = "generation") -> list[dict[str, Any]]:
        """Every call as the vendor received it."""
        async with self.session.get(f"{self.url}/_sandbox/calls", params={"kind": kind}) as reply:
            told: list[dict[str, Any]] = await reply.json()
            return told


@dataclass
class ProviderCase:
    """One adapter under test."""

    name: str
    model: Model
    """A text-to-image model."""
    other: Model | None
    """One that takes a mask; None where the vendor has none."""
    open: Callable[[HttpClient, Secret], Provider]
    client: Callable[[], AbstractAsyncContextManager[HttpClient]]
    http: HttpClient
    key: str
    generation_path: str
    """Part of the path of the paid POST, for faults."""
    size: tuple[int, int] = (64, 64)
    """Width and height that a small request asks ``model`` for."""
    made_size: tuple[int, int] | None = None
    """What it makes of that: None where it is just this size (a vendor that is told a ratio makes its own)."""
    media_type: str = "image/png"
    """Of the files that ``model`` makes unless told otherwise."""
    image_size: tuple[int, int] = (64, 64)
    """Of the image and the mask that go into ``other``."""
    mask_request: dict[str, Any] = field(default_factory=dict)
    """What an inpainting by ``other`` needs beside image, mask and prompt, such as a size."""
    kept_within: int = 0
    """How far a pixel that the mask keeps may be off in a channel: 0, but for a vendor with lossy files only."""
    choice: str | None = "output_format"
    """A parameter of ``model`` whose type is ``choice``; None where it has none."""
    seed_at: tuple[str, ...] = ("seed",)
    """Where the seed stands in :attr:`Prepared.fields`: names from the outside in."""
    resumes: bool | None = None
    """Whether a call to ``model`` can be finished elsewhere; None: as the provider says. (One that has calls of both
    kinds says that it can, and gives an empty handle to those that cannot.)"""
    cancels: bool = True
    """Whether the vendor lets an accepted call be stopped. Of no meaning where none is resumable."""

    @property
    def masked(self) -> Model:
        """:attr:`other`, for the tests that need it; they do not run where there is none."""
        return self.other or pytest.skip("not run: no model of this vendor takes a mask")

    @property
    def provider(self) -> Provider:
        return self.open(self.http, Secret(self.key))

    def prepared(self, **more: Any) -> Prepared:
        """A small request, ready to be asked."""
        width, height = self.size
        asked = {"task": "text-to-image", "prompt": "a teal boat", "width": width, "height": height}
        asked["model"] = self.model.name
        return self.provider.prepare(self.model, GenerationRequest.model_validate({**asked, **more}))

    async def ask(self, prepared: Prepared | None = None, **more: Any) -> Answer:
        return await self.provider.ask(prepared or self.prepared(**more), call_id=str(uuid.uuid4()), on_accepted=ignore)

    @property
    def finishes_elsewhere(self) -> bool:
        """Whether a call to ``model`` that was accepted can be asked about by its handle."""
        return self.provider.resumable if self.resumes is None else self.resumes

    def many(self, wished: int) -> int:
        """So many images, or as many as the model makes in a call."""
        return min(wished, self.model.max_count)

    def settled(self, prepared: Prepared, answer: Answer) -> int:
        """What the service books for the answer: the vendor's own word, or the catalog's price."""
        if answer.charge_microusd is not None:
            return answer.charge_microusd
        assert self.model.price is not None
        return charge(self.model.price, answer.usage, prepared.parameters)

    def fault(self, kind: str, **more: Any) -> dict[str, Any]:
        """A fault that meets one paid POST."""
        fault = {"provider": self.name, "kind": kind, "count": 1, "path": self.generation_path, "method": "POST"}
        return {**fault, **more}


async def ignore(_: Accepted) -> None:
    """An ``on_accepted`` that writes nothing down."""


PLAIN = (40, 90, 160)


def plain_image(width: int = 64, height: int = 64) -> SourceImage:
    file = BytesIO()
    Image.new("RGB", (width, height), PLAIN).save(file, "PNG")
    return SourceImage(data=file.getvalue(), media_type="image/png")


def mask_image(width: int = 64, height: int = 64) -> SourceImage:
    """White (repaint) on the left half."""
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (0, 0, width // 2, height))
    file = BytesIO()
    mask.save(file, "PNG")
    return SourceImage(data=file.getvalue(), media_type="image/png")


# -- a good call --------------------------------------------------------------------------------------------------


async def test_a_call_makes_images_of_the_size_that_was_asked_for(case: ProviderCase) -> None:
    answer = await case.ask(count=case.many(2))
    assert len(answer.images) == case.many(2)
    for image in answer.images:
        with Image.open(BytesIO(await case.provider.fetch(image))) as made:
            assert made.size == (case.made_size or case.size)
            assert made.get_format_mimetype() == case.media_type


async def test_what_is_settled_is_what_the_vendor_bills(case: ProviderCase, truth: Truth) -> None:
    prepared = case.prepared(count=case.many(2), prompt="ein grünes Boot")
    answer = await case.ask(prepared)
    (line,) = await truth.bill()
    assert answer.request_id == line["request_id"]
    if case.model.price is None:
        # Paid by contract: nobody states what it comes to, and the vendor counts images.
        assert answer.usage.images == line["images"]
        return
    assert line["microusd"] > 0
    assert case.settled(prepared, answer) == line["microusd"]


async def test_what_is_set_aside_covers_what_is_billed(case: ProviderCase, truth: Truth) -> None:
    if case.model.price is None:
        pytest.skip("not run: the vendor states no price")
    prepared = case.prepared(count=case.many(3), prompt="boat " * 300, width=None, height=None)
    await case.ask(prepared)
    assert case.model.price is not None
    bound = quote(case.model.price, prepared.quantities, prepared.parameters).at_most_microusd
    assert bound >= (await truth.bill())[0]["microusd"]


async def test_the_journal_hears_of_the_call_before_its_images_are_fetched(case: ProviderCase) -> None:
    heard: list[Accepted] = []

    async def on_accepted(accepted: Accepted) -> None:
        json.dumps(accepted.handle)
        assert case.key not in json.dumps(accepted.handle)
        heard.append(accepted)

    answer = await case.provider.ask(case.prepared(), call_id=str(uuid.uuid4()), on_accepted=on_accepted)
    assert [accepted.request_id for accepted in heard] == [answer.request_id]


async def test_a_call_is_made_once(case: ProviderCase, truth: Truth) -> None:
    await case.ask()
    assert len(await truth.calls()) == 1


async def test_preparing_asks_nothing_and_gives_the_same_each_time(case: ProviderCase, truth: Truth) -> None:
    assert case.prepared(seed=7) == case.prepared(seed=7)
    assert await truth.calls() == []


async def test_a_mask_keeps_what_is_black_and_repaints_what_is_white(case: ProviderCase) -> None:
    width, height = case.image_size
    asked = {"task": "inpaint", "model": case.masked.name, "prompt": "a red sun", **case.mask_request}
    files = {"images": (plain_image(width, height),), "mask": mask_image(width, height)}
    request = GenerationRequest.model_validate({**asked, **files})
    answer = await case.ask(case.provider.prepare(case.masked, request))
    with Image.open(BytesIO(await case.provider.fetch(answer.images[0]))) as made:
        assert made.size == (width, height)
        kept = furthest_off(made, (width * 3 // 4, 0, width, height))
        painted = furthest_off(made, (0, 0, width // 4, height))
    assert kept <= case.kept_within
    assert painted > case.kept_within + 32


def furthest_off(made: Image.Image, box: tuple[int, int, int, int]) -> int:
    """The largest difference of a channel from :func:`plain_image`, within the box."""
    plain = Image.new("RGB", (box[2] - box[0], box[3] - box[1]), PLAIN)
    return max(most for _, most in ImageChops.difference(made.convert("RGB").crop(box), plain).getextrema())


# -- what is refused before anything is sent ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"count": 99}, "99"),
        ({"width": 64, "height": None}, "height"),
        ({"width": 64, "height": 100_000}, "64x100000"),
        ({"images": (plain_image(),)}, "images"),
        ({"task": "inpaint"}, "image"),
    ],
)
async def test_a_wrong_request_is_refused_by_name_before_anything_is_sent(
    case: ProviderCase, truth: Truth, wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises((InvalidInput, UnsupportedTask), match=named):
        case.prepared(**wrong)
    assert await truth.calls() == []


async def test_a_prompt_that_is_too_long_is_refused_with_the_limit(case: ProviderCase) -> None:
    with pytest.raises(InvalidInput, match=str(case.model.max_prompt)):
        case.prepared(prompt="x" * (case.model.max_prompt + 1))


@pytest.mark.parametrize("wrong", ["bmp-or-so", 7])
async def test_an_option_that_is_no_choice_is_refused_by_name(case: ProviderCase, wrong: object) -> None:
    if case.choice is None:
        pytest.skip("not run: the model has no such option")
    with pytest.raises(InvalidInput, match=case.choice):
        case.prepared(options={case.choice: wrong})


async def test_a_task_that_the_model_cannot_do_names_those_it_can(case: ProviderCase) -> None:
    with pytest.raises(UnsupportedTask, match="text-to-image"):
        case.prepared(task="text-to-video")


async def test_a_mask_of_another_size_is_refused_with_both_sizes(case: ProviderCase) -> None:
    width, height = case.image_size
    images, mask = (plain_image(width, height),), mask_image(32, 32)
    request = GenerationRequest(task="inpaint", model=case.masked.name, prompt="x", images=images, mask=mask)
    with pytest.raises(InvalidInput, match=rf"32x32.*{width}x{height}"):
        case.provider.prepare(case.masked, request)


async def test_what_the_model_cannot_do_is_named_and_not_sent(case: ProviderCase, truth: Truth) -> None:
    prepared = case.prepared(negative_prompt="blur", options={"no_such_option": 1, case.choice or "none": None})
    assert "no_such_option" in prepared.ignored
    assert ("negative_prompt" in prepared.ignored) is not case.model.negative_prompt
    await case.ask(prepared)
    (call,) = await truth.calls()
    assert "no_such_option" not in json.dumps(call)
    assert ("blur" in json.dumps(call)) is case.model.negative_prompt


async def test_a_seed_is_folded_into_the_vendor_s_range_or_named_as_ignored(case: ProviderCase) -> None:
    prepared = case.prepared(seed=2**64 - 1)
    if case.model.seeds is None:
        assert (prepared.seed, prepared.ignored) == (None, ("seed",))
    else:
        assert prepared.seed is not None
        assert case.model.seeds.min <= prepared.seed <= case.model.seeds.max
        sent: Any = prepared.fields
        for name in case.seed_at:
            sent = sent[name]
        assert int(sent) == prepared.seed
        assert case.prepared(seed=prepared.seed).seed == prepared.seed


# -- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "charged"),
    [
        (400, ProviderRefused, "no"),
        (401, ProviderAuth, "no"),
        (403, ProviderAuth, "no"),
        (404, ProviderRefused, "no"),
        (422, ProviderRefused, "no"),
        (502, ProviderDown, "unknown"),
        (504, ProviderDown, "unknown"),
    ],
)
async def test_an_answer_that_refuses_is_told_with_what_it_cost(
    case: ProviderCase, truth: Truth, status: int, kind: type[ProviderError], charged: str
) -> None:
    await truth.fail(case.fault("status", status=status, count=99))
    with pytest.raises(kind) as told:
        await case.ask()
    assert type(told.value) is kind
    assert (told.value.charged, told.value.status, told.value.provider) == (charged, status, case.name)
    assert len(await truth.calls()) == 1, "a paid POST that was answered is not repeated"


async def test_a_busy_server_is_not_charged(case: ProviderCase, truth: Truth) -> None:
    await truth.fail(case.fault("status", status=503, count=99))
    with pytest.raises(ProviderDown) as told:
        await case.ask()
    assert told.value.charged == "no"


async def test_a_rate_limit_that_passes_is_waited_out(case: ProviderCase, truth: Truth, time: Time) -> None:
    await truth.fail(case.fault("status", status=429, retry_after=20))
    assert len((await case.ask()).images) == 1
    assert max(time.slept) >= 20
    assert len(await truth.bill()) == 1


async def test_a_rate_limit_that_stays_is_told_with_its_wait(case: ProviderCase, truth: Truth) -> None:
    await truth.fail(case.fault("status", status=429, retry_after=3600, count=99))
    with pytest.raises(RateLimited) as told:
        await case.ask()
    assert (told.value.charged, told.value.retry_after) == ("no", 3600.0)


async def test_a_blocked_prompt_is_the_provider_s_decision(case: ProviderCase, truth: Truth) -> None:
    await truth.fail(case.fault("policy_input"))
    with pytest.raises(ProviderBlocked) as told:
        await case.ask()
    assert told.value.charged in ("no", "unknown")
    assert await truth.bill() == []


async def test_a_blocked_output_is_an_error_or_a_marked_image(case: ProviderCase, truth: Truth) -> None:
    await truth.fail(case.fault("policy_output"))
    try:
        answer = await case.ask()
    except ProviderBlocked as told:
        # Either outcome is right, each with its own bill; and who does not know says so.
        assert len(await truth.bill()) in {"no": (0,), "yes": (1,), "unknown": (0, 1)}[told.charged]  # noqa: PT017
    else:
        assert [image.blocked for image in answer.images] == [True]
        assert len(await truth.bill()) == 1


# -- broken connections and answers -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncated"])
async def test_a_call_that_was_lost_is_unknown_and_not_made_again(case: ProviderCase, truth: Truth, kind: str) -> None:
    await truth.fail(case.fault(kind))
    with pytest.raises(ProviderDown) as told:
        await case.ask()
    assert told.value.charged == "unknown"
    assert len(await truth.calls()) == 1


async def test_an_answer_that_is_no_json_may_have_been_charged(case: ProviderCase, truth: Truth) -> None:
    await truth.fail(case.fault("bad_json"))
    with pytest.raises(BadAnswer) as told:
        await case.ask()
    assert told.value.charged in ("yes", "unknown")


async def test_a_server_that_is_not_there_costs_nothing(case: ProviderCase, unused_tcp_port: int) -> None:
    from mintmark.providers.registry import open_provider

    url = f"http://127.0.0.1:{unused_tcp_port}"
    gone = open_provider(case.name, case.http, key=Secret(case.key), sandbox_url=url)
    with pytest.raises(ProviderDown) as told:
        await gone.ask(case.prepared(), call_id="x", on_accepted=ignore)
    assert told.value.charged == "no"


async def test_a_broken_image_is_never_handed_on(case: ProviderCase, truth: Truth) -> None:
    await truth.fail({"provider": case.name, "kind": "corrupt_image"})

    async def made() -> bytes:
        answer = await case.ask()
        return await case.provider.fetch(answer.images[0])

    with pytest.raises(BadAnswer) as told:
        await made()
    assert told.value.charged == "yes"


async def test_an_image_from_nowhere_is_lost_and_not_fetched(case: ProviderCase) -> None:
    for url in ("https://example.com/x.png", "http://169.254.169.254/", "file:///etc/passwd", "", None):
        with pytest.raises(ResultLost) as told:
            await case.provider.fetch(ResultImage(url=url))
        assert told.value.charged == "yes"


# -- secrets ------------------------------------------------------------------------------------------------------


def forms(key: str) -> set[str]:
    """The key as it might be written somewhere."""
    return {key, base64.b64encode(key.encode()).decode(), urllib.parse.quote(key, safe=""), key[:8]}


@pytest.mark.parametrize("kind", ["none", "status", "drop_after", "bad_json", "auth"])
async def test_the_key_is_told_nowhere(
    case: ProviderCase, truth: Truth, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    if kind == "status":
        await truth.fail(case.fault("status", status=500))
    elif kind not in ("none", "auth"):
        await truth.fail(case.fault(kind))
    key = "bad-0123456789abcdef" if kind == "auth" else case.key
    provider = case.open(case.http, Secret(key))
    shown = repr(provider) + repr(vars(provider)) + repr(case.prepared())
    try:
        shown += repr(await provider.ask(case.prepared(), call_id="call-1", on_accepted=ignore))
    except ProviderError as error:
        assert kind != "none"
        seen: BaseException | None = error
        while seen is not None:
            shown += "".join(traceback.format_exception(seen)) + repr(seen) + repr(vars(seen))
            seen = seen.__cause__ or seen.__context__
    for form in forms(key):
        assert form not in shown + caplog.text


# -- cancel and resume --------------------------------------------------------------------------------------------


async def test_a_call_that_is_canceled_goes_on_being_canceled(case: ProviderCase) -> None:
    accepted = asyncio.Event()

    async def on_accepted(_: Accepted) -> None:
        accepted.set()
        await asyncio.sleep(30)

    task = asyncio.create_task(
        case.provider.ask(case.prepared(), call_id="call-1", on_accepted=on_accepted), name="asking"
    )
    await asyncio.wait_for(accepted.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_accepted_call_is_finished_by_another_process(case: ProviderCase, truth: Truth) -> None:
    if not case.finishes_elsewhere:
        # Nobody may take such a call for one that can be asked about.
        with pytest.raises(ChargeUnknown) as told:
            await case.provider.resume(case.model, Accepted(request_id="req-1", handle={}))
        assert (told.value.charged, told.value.request_id) == ("unknown", "req-1")
        return
    accepted = await interrupted(case, lambda: asyncio.sleep(0))
    async with case.client() as http:
        other = case.open(http, Secret(case.key))
        answer = await other.resume(case.model, Accepted(**json.loads(json.dumps(vars(accepted)))))
        assert answer.request_id == accepted.request_id
        assert media_type(await other.fetch(answer.images[0])) == case.media_type
        again = await other.resume(case.model, accepted)
    assert again.usage == answer.usage
    assert len(await truth.bill()) == 1
    assert len(await truth.calls()) == 1


async def test_only_what_is_surely_not_charged_counts_as_canceled(case: ProviderCase, truth: Truth) -> None:
    if not case.finishes_elsewhere:
        assert not await case.provider.cancel(Accepted(request_id="req-1", handle={}))
        return
    accepted = await interrupted(case, lambda: asyncio.sleep(0))
    gone = await case.provider.cancel(accepted)
    assert case.cancels or not gone
    assert not gone or await truth.bill() == []


async def interrupted(case: ProviderCase, then: Callable[[], Awaitable[object]]) -> Accepted:
    """A call that was accepted by a process that died at once."""
    found: list[Accepted] = []

    class Died(Exception):
        pass

    async def on_accepted(accepted: Accepted) -> None:
        found.append(accepted)
        await then()
        raise Died

    with pytest.raises(Died):
        await case.provider.ask(case.prepared(), call_id="call-1", on_accepted=on_accepted)
    return found[0]

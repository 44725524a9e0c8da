"""Moderate Prompt, Moderate Image and Moderation Gate: look, decide, and let through or not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from ..errors import InvalidInput
from .base import Node
from .checking import one_of
from .sockets import RecordSocket, VerdictSocket
from .worker import current

if TYPE_CHECKING:
    from ..errors import PolicyError
    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..moderation.verdict import Verdict
    from .pixels import Frame

CATEGORY = "Mintmark/moderate"
GATE = "MintmarkModerationGate"
STOP = "stop"
MASKS = ("blur", "placeholder")
"""What can be shown in place of an image that may not be seen."""
ON_FLAGGED, ON_BLOCKED = ("pass", STOP, *MASKS), (STOP, *MASKS)


class ModeratePrompt(Node):
    """Checks a text against the policy and hands it on with the verdict."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkModeratePrompt",
            display_name="Moderate Prompt",
            category=CATEGORY,
            description="Check a prompt against the moderation policy before it goes anywhere.",
            search_aliases=["safety", "nsfw", "content policy", "prompt filter", "moderation"],
            inputs=[io.String.Input("text", multiline=True, tooltip="The text to check.")],
            outputs=[
                io.String.Output("text", tooltip="The same text."),
                VerdictSocket.Output("verdict", tooltip="The decision, with the rule that made it."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """By project and policy, not by job: a new job would make every node after this one run, and cost, again."""
        return current().looked_up()

    @classmethod
    async def execute(cls, text: str) -> Any:
        worker = current()
        place = worker.place()
        verdict: Verdict = await worker.job(lambda engine, job, node: _judge_text(engine, job, text))
        worker.words.keep(place, [verdict])
        return io.NodeOutput(text, (verdict,), ui=ui.PreviewText(_told([verdict])))


class ModerateImage(Node):
    """Checks images against the policy; a verdict the record already holds is not asked for again."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkModerateImage",
            display_name="Moderate Image",
            category=CATEGORY,
            description="Check images against the moderation policy.",
            search_aliases=["safety", "nsfw", "nudity", "content policy", "image filter", "moderation"],
            inputs=[
                io.Image.Input("images", tooltip="The images to check."),
                RecordSocket.Input(
                    "record", optional=True, tooltip="Connect it where there is one: its verdicts are reused."
                ),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The same images."),
                VerdictSocket.Output("verdict", tooltip="One decision for each image."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """As for Moderate Prompt."""
        return current().scope()

    @classmethod
    async def execute(cls, images: Any, record: Any = None) -> Any:
        verdicts: list[Verdict] = await current().job(
            lambda engine, job, node: _judge_images(engine, job, images, record)
        )
        return io.NodeOutput(images, tuple(verdicts), ui=ui.PreviewText(_told(verdicts)))


class ModerationGate(Node):
    """Lets images through or stops what comes after it."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id=GATE,
            display_name="Moderation Gate",
            category=CATEGORY,
            description="Let images on only where the verdict allows it; else stop, blur them or show a placeholder.",
            search_aliases=["safety", "nsfw", "gate", "block", "blur", "censor", "moderation"],
            inputs=[
                io.Image.Input("images", tooltip="The images that were checked."),
                VerdictSocket.Input("verdict", tooltip="From Moderate Image or Moderate Prompt."),
                io.Combo.Input(
                    "on_flagged",
                    options=list(ON_FLAGGED),
                    default="pass",
                    tooltip="What to do with flagged images: they need a look, but are not blocked.",
                ),
                io.Combo.Input(
                    "on_blocked",
                    options=list(ON_BLOCKED),
                    default=STOP,
                    optional=True,
                    tooltip="stop: one blocked image stops them all. blur, placeholder: the others go on.",
                ),
            ],
            outputs=[io.Image.Output("images", tooltip="The images that may go on.")],
        )

    @classmethod
    async def execute(cls, images: Any, verdict: tuple[Verdict, ...], on_flagged: str, on_blocked: str = STOP) -> Any:
        actions: list[str] = await current().job(
            lambda engine, job, node: _pass_or_stop(verdict, on_flagged, on_blocked, len(images))
        )
        if not set(actions) & set(MASKS):
            return io.NodeOutput(images)
        hidden = await asyncio.to_thread(_hidden, images, verdict, actions)
        return io.NodeOutput(hidden, ui=ui.PreviewText(_told([v for v in verdict if v.decision != "allowed"])))


def may_hide(graph: Any, *, blurs: bool = False) -> bool:
    """Whether a gate of the graph may blur or replace pictures. What comes over a link may say anything; ``blurs``: the
    policy has pictures blurred, whatever a gate says.

    By the graph, not by what a gate did: its answer may come from the host's cache.
    """
    gates = [node for node in (graph or {}).values() if node.get("class_type") == GATE]
    if gates and blurs:
        return True
    said = [node.get("inputs", {}).get(name, STOP) for node in gates for name in ("on_flagged", "on_blocked")]
    return any(each not in ("pass", STOP) for each in said)


async def _judge_text(engine: Engine, job: JobContext, text: str) -> Verdict:
    verdict = await engine.judge.text(job, text)
    if verdict.decision == "blocked":
        raise verdict.error()
    return verdict


async def _pass_or_stop(verdict: tuple[Verdict, ...], on_flagged: str, on_blocked: str, images: int) -> list[str]:
    """What to do with each image. An action that is not known, or an image without a verdict, opens no gate.

    Raises PromptBlocked and OutputBlocked where something is stopped, and InvalidInput naming the input.
    """
    flagged = one_of("on_flagged", on_flagged, ON_FLAGGED)
    wanted = {
        "allowed": "pass",
        "flagged": flagged,
        "blurred": "blur" if flagged == "pass" else flagged,  # as the policy has it, at least
        "review": flagged,  # who delivers it waits for a person
        "blocked": one_of("on_blocked", on_blocked, ON_BLOCKED),
    }
    bad = [each for each in verdict if wanted[each.decision] == STOP]
    if bad or not verdict:
        raise _stopped(bad, len(verdict))
    return [wanted[each.decision] for each in _for_each(verdict, images)]


def _for_each(verdict: tuple[Verdict, ...], images: int) -> tuple[Verdict, ...]:
    """One verdict an image; that of a prompt is about all of them. Raises InvalidInput."""
    if len(verdict) == 1 and verdict[0].subject == "prompt":
        return verdict * images
    if len(verdict) != images:
        raise InvalidInput(
            f"verdict: {len(verdict)} for {images} images.", hint="Connect the images that were moderated."
        )
    return verdict


def _hidden(images: Any, verdict: tuple[Verdict, ...], actions: list[str]) -> Any:
    """The images, with those hidden that the actions say."""
    from .batches import as_image
    from .hiding import blurred, placeholder
    from .pixels import to_pixels

    pictures = to_pixels(images)
    shown = []
    for pixels, each, action in zip(pictures, _for_each(verdict, len(pictures)), actions, strict=True):
        if action == "blur":
            pixels = blurred(pixels)
        elif action == "placeholder":
            pixels = placeholder(pixels, each.decision)
        shown.append(pixels)
    return as_image(shown)


def _stopped(bad: list[Verdict], count: int) -> PolicyError:
    """What the gate raises; with nothing judged it stays shut too."""
    from ..errors import OutputBlocked, PromptBlocked

    kind = PromptBlocked if any(each.subject == "prompt" for each in bad) else OutputBlocked
    what = f"The gate stopped {len(bad)} of {count}: {_told(bad)}" if count else "The gate was given no verdict."
    return kind(what)


async def _judge_images(engine: Engine, job: JobContext, images: Any, record: Any) -> list[Verdict]:
    from .originals import original_in
    from .pixels import to_frames

    verdicts: list[Verdict] = []
    for frame in await asyncio.to_thread(to_frames, images):
        picture = await asyncio.to_thread(original_in, record, frame)
        data = picture.data if picture else await asyncio.to_thread(_png, frame)
        media_type = picture.output.media_type if picture else "image/png"
        verdicts.append(await engine.judge.image(job, data, media_type))
    return verdicts


def _png(frame: Frame) -> bytes:
    from .pixels import to_png

    return to_png(frame.pixels)


def _told(verdicts: list[Verdict]) -> str:
    """The verdicts for the artist, one a line."""
    return "\n".join(f"{each.decision}: {each.explanation}" for each in verdicts)

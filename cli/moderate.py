"""``mintmark moderate``: what the policy says of a text or an image, and how it came to say so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .output import Json, console, emit, plain, table
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..moderation.layers import Layer
    from ..moderation.verdict import Decision, Verdict

_WORTH = 0.01
"""Scores below are only told with ``--json``."""
_COLOURS: dict[Decision, str] = {
    "allowed": "green",
    "flagged": "yellow",
    "blurred": "yellow",
    "review": "magenta",
    "blocked": "red",
}


def moderate(
    text: Annotated[str | None, typer.Argument(help="The text to check.")] = None,
    image: Annotated[Path | None, typer.Option("--image", help="An image to check instead.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show every layer, its scores and thresholds.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Check a text or an image against the moderation policy. Exit code 0 whatever the decision."""
    from ..orchestrator.execution.delivery import told

    if (text is None) == (image is None):
        raise UsageError("Give either a text or --image FILE.", hint='mintmark moderate "a red fox"')
    found = settings(sandbox=sandbox)[0]
    verdict, layers = asyncio.run(_judge(found, text, image))
    marks = {"digest": verdict.digest, "look": None if image is None else _look(found, image)} if explain else {}
    if as_json:
        shown = {**marks, "layers": [each.as_dict() for each in layers]} if explain else {}
        emit({**told(verdict), **shown})
        return
    out = console()
    out.print(f"[bold {_COLOURS[verdict.decision]}]{verdict.decision}[/]  {verdict.explanation}")
    out.print(f"  rule {verdict.rule}, policy {verdict.policy}, checked by {verdict.checker}", style="dim")
    if verdict.shadow is not None:
        out.print(f"  on trial: {verdict.shadow.policy} would say {verdict.shadow.decision}", style="dim")
    if explain:
        out.print(_shown(layers))
        out.print(f"  for the house rules: digest {marks['digest']}, look {marks['look'] or 'none'}", style="dim")


def _look(found: Settings, image: Path) -> str | None:
    """What house rules know copies of a picture by; None where it has too little in it."""
    from ..provenance.softbinding import look

    own = look(image.read_bytes(), max_pixels=found.max_pixels)
    return None if own is None else own.hex()


def _shown(layers: list[Layer]) -> Any:
    """Every layer, and each score with what it reaches."""
    shown = table("Layers", "layer", "category", "score", "thresholds", "comes to")
    for layer in layers:
        shown.add_row(plain(layer.name), layer.state.replace("_", " "), "", "", plain(layer.note))
        for each in (each for each in layer.findings if each.score >= _WORTH or each.decided):
            limits = ", ".join(f"{name.removesuffix('_at')} {least:g}" for name, least in each.thresholds.items())
            decision = f"[bold]{each.decision}: this decided[/]" if each.decided else each.decision
            named = f"{each.category} (locked)" if each.locked else each.category
            shown.add_row("", named, f"{each.score:.2f}", limits or "–", decision)
    return shown


async def _judge(found: Settings, text: str | None, image: Path | None) -> tuple[Verdict, list[Layer]]:
    from ..moderation.layers import layers_of
    from ..orchestrator.execution.inputs import read_image
    from .engine import open_engine

    async with open_engine(found) as engine:
        moderator = engine.moderator(found.policy)
        if image is None:
            seen = await moderator.examine_prompt(text or "")
        else:
            data, media_type, _ = read_image("image", image, found.max_pixels)
            seen = await moderator.examine_image(data, media_type)
        return seen.verdict, layers_of(moderator.policy, seen.verdict, seen.outcomes, moderator.set_up)

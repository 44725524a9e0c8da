"""``mintmark moderate``: what the policy says of a text or an image."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from .output import Json, console, emit
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..moderation.verdict import Verdict


def moderate(
    text: Annotated[str | None, typer.Argument(help="The text to check.")] = None,
    image: Annotated[Path | None, typer.Option("--image", help="An image to check instead.")] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Check a text or an image against the moderation policy. Exit code 0 whatever the decision."""
    from ..orchestrator.execution.delivery import told

    if (text is None) == (image is None):
        raise UsageError("Give either a text or --image FILE.", hint='mintmark moderate "a red fox"')
    verdict = asyncio.run(_judge(settings(sandbox=sandbox)[0], text, image))
    if as_json:
        emit(told(verdict))
        return
    colour = {"allowed": "green", "flagged": "yellow", "blocked": "red"}[verdict.decision]
    out = console()
    out.print(f"[bold {colour}]{verdict.decision}[/]  {verdict.explanation}")
    out.print(f"  rule {verdict.rule}, policy {verdict.policy}, checked by {verdict.checker}", style="dim")


async def _judge(found: Settings, text: str | None, image: Path | None) -> Verdict:
    from ..orchestrator.execution.inputs import read_image
    from .engine import open_engine

    async with open_engine(found) as engine:
        moderator = engine.moderator(found.policy)
        if image is None:
            return await moderator.prompt(text or "")
        data, media_type, _ = read_image("image", image, found.max_pixels)
        return await moderator.image(data, media_type)

"""Read Credentials and Load Image with Credentials: what a file tells of itself, and passing it on as a source."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from . import inputs
from .base import Node
from .host import current as current_host
from .sockets import SourceSocket
from .worker import current

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..generation.source import Source
    from ..provenance.credential import Credential, UsedFile

CATEGORY = "Mintmark/save"
_STATES = {
    "trusted": "TRUSTED: whole, and signed by somebody on the trust list",
    "valid": "VALID: whole, but who signed it is not proven",
    "invalid": "BROKEN: the file or its credential was changed",
    "none": "NO CREDENTIAL",
}
_ACTIONS = {"c2pa.created": "made", "c2pa.opened": "begun from a file"}
"""Of what C2PA calls otherwise than people do; the others read well without its name."""
_USED = {"parentOf": "made from", "componentOf": "with", "inputTo": "asked with"}
_THEIRS = {"trusted": "whole and trusted", "valid": "whole", "invalid": "BROKEN", "none": "no credential of its own"}


class _OfFile(Node):
    """A node that reads a file of the input folder as it is."""

    @classmethod
    def validate_inputs(cls, image: Any) -> bool | str:
        """Files may have been uploaded since the list was made."""
        return inputs.problem(image)

    @classmethod
    def fingerprint_inputs(cls, image: Any = None, **_: Any) -> str:
        """By the file's bytes."""
        return inputs.digest(image)


class ReadCredentials(_OfFile):
    """Tells what a file's credential says."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkReadCredentials",
            display_name="Read Credentials",
            category=CATEGORY,
            description="Read the content credentials (C2PA) of an image file: who signed it, and was it changed.",
            search_aliases=["c2pa", "content credentials", "verify", "provenance", "metadata", "is it ai"],
            is_output_node=True,
            inputs=[inputs.picture_input("image", "A file of the input folder; upload one with the button below.")],
            outputs=[
                io.String.Output("summary", tooltip="What was found, in words."),
                io.String.Output("json", tooltip="The same as JSON, as `mintmark verify --json` prints it."),
                io.Boolean.Output("valid", tooltip="True where the file is exactly what was signed, whoever did."),
                io.Boolean.Output("trusted", tooltip="True where, besides, the signer is on your trust list."),
            ],
        )

    @classmethod
    async def execute(cls, image: str) -> Any:
        async def look(_engine: Any, _job: Any, _node: str) -> Credential:
            return await asyncio.to_thread(_credential, image)

        found: Credential = await current().job(look)
        text = summary(found)
        told = json.dumps(found.as_dict(), indent=2)
        valid = found.state in ("valid", "trusted")
        return io.NodeOutput(text, told, valid, found.state == "trusted", ui=ui.PreviewText(text))


class LoadImageWithCredentials(_OfFile):
    """Opens a file, and passes it on with its credential."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkLoadImageWithCredentials",
            display_name="Load Image with Credentials",
            category=CATEGORY,
            description="Load an image and pass its file on, so that what is made from it names it in its credential.",
            search_aliases=["load image", "open image", "c2pa", "content credentials", "ingredient", "provenance"],
            inputs=[inputs.picture_input("image", "A file of the input folder; upload one with the button below.")],
            outputs=[
                io.Image.Output("image", tooltip="The image, turned as its file asks."),
                io.Mask.Output("mask", tooltip="Where the image is transparent; empty where nothing is."),
                SourceSocket.Output("source", tooltip="The file itself, for Sign and Save or a node that edits it."),
            ],
        )

    @classmethod
    async def execute(cls, image: str) -> Any:
        async def load(_engine: Any, _job: Any, _node: str) -> tuple[Source, Any, Any]:
            return await asyncio.to_thread(_opened, image)

        source, pixels, mask = await current().job(load)
        text = source.warning or f"{source.name}: {_STATES[source.credential.state]}{_by(source.credential.issuer)}"
        return io.NodeOutput(pixels, mask, source, ui=ui.PreviewText(text))


def _credential(name: str) -> Credential:
    from ..provenance.reading import read
    from ..provenance.trust import trust_of

    return read(inputs.read(name), None, trust_of(current().settings))


def _opened(name: str) -> tuple[Source, Any, Any]:
    """The source, its IMAGE and its MASK, as this host has them."""
    import numpy as np

    from ..generation.source import open_source, upright
    from ..provenance.trust import trust_of

    settings = current().settings
    data, title = inputs.read(name), inputs.title_of(name)
    source = open_source(data, title, anchors_pem=trust_of(settings), max_pixels=settings.max_pixels)

    def decoded() -> Any:
        return upright(data, title, max_pixels=settings.max_pixels)

    pixels = decoded()
    height, width, channels = pixels.shape
    clear = 1.0 - pixels[..., 3:].astype(np.float32) / 255.0 if channels == 4 else np.zeros((height, width, 1), "f4")
    host = current_host()
    image = host.image((1, height, width, 3), len(data), lambda: decoded()[None, ..., :3].astype(np.float32) / 255.0)
    mask = host.image((1, height, width, 1), clear.nbytes, lambda: clear[None])[..., 0]
    return source, image, mask


def summary(found: Credential) -> str:
    """The finding in a few lines for people."""
    if found.state == "none":
        return "\n".join([_STATES["none"], *found.notes])
    lines = [_STATES[found.state], f"signed by {found.issuer or 'nobody named'}"]
    lines.append(f"made by AI: {'yes' if found.ai_generated else 'not said'}")
    lines += [f"{_action(each.action)}{_by(each.software_agent)}" for each in found.actions]
    lines += _ingredients(found.ingredients, "")
    lines += [f"problem: {each.explanation} ({each.where})" for each in found.problems]
    return "\n".join([*lines, *found.notes])


def _action(name: str) -> str:
    return _ACTIONS.get(name, name.removeprefix("c2pa.").replace("_", " "))


def _by(who: str | None) -> str:
    return f", by {who}" if who else ""


def _ingredients(used: tuple[UsedFile, ...], indent: str) -> Iterator[str]:
    for each in used:
        used_as, state = _USED.get(each.relationship, "from"), _THEIRS.get(each.state, each.state)
        yield f"{indent}{used_as} {each.title}: {state}{_by(each.issuer)}"
        yield from _ingredients(each.ingredients, indent + "  ")

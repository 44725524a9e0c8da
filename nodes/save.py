"""Sign and Save: the file leaves with a verdict and a credential, or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from .sockets import RecordSocket
from .worker import current

if TYPE_CHECKING:
    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.sealing import Draft, Sealed

ORIGINS = {
    "AI, made in this graph": "local_ai",
    "photo or art, edited with AI": "ai_edited",
    "no AI involved": "not_ai",
}


class SignAndSave(io.ComfyNode):
    """Writes signed PNG files."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkSignAndSave",
            display_name="Sign and Save",
            category="Mintmark/save",
            description="Save images with content credentials (C2PA) that tell how they were made.",
            search_aliases=["save image", "c2pa", "content credentials", "sign", "provenance", "watermark", "export"],
            is_output_node=True,
            inputs=_inputs(),
            outputs=[],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """Every job gets files and credentials of its own, also where the pixels come from a worker's cache."""
        return current().context().job_id

    @classmethod
    async def execute(
        cls,
        images: Any,
        record: Any = None,
        filename_prefix: str = "mintmark/image",
        keep_graph: bool = True,
        origin: str = "AI, made in this graph",
    ) -> Any:
        texts = _graph_texts(cls.hidden) if keep_graph else {}
        worker = current()

        async def save(engine: Engine, job: JobContext, node: str) -> list[dict[str, Any]]:
            drafts = await _drafts(engine, job, node, images, record, texts, ORIGINS[origin])
            return [await _deliver(engine, job, node, draft, filename_prefix) for draft in drafts]

        saved: list[dict[str, Any]] = await worker.job(save)
        shown = [{key: each[key] for key in ("filename", "subfolder", "type")} for each in saved]
        return io.NodeOutput(ui={"images": shown, "mintmark": saved})


def _inputs() -> list[Any]:
    return [
        io.Image.Input("images", tooltip="The images to sign and save."),
        RecordSocket.Input(
            "record",
            optional=True,
            tooltip="From the node that made the images: the credential then says which model, seed and price.",
        ),
        io.String.Input(
            "filename_prefix",
            default="mintmark/image",
            tooltip="Folder and start of the file name, inside ComfyUI's output folder.",
        ),
        io.Boolean.Input(
            "keep_graph",
            default=True,
            optional=True,
            tooltip="Write the graph into the file, so that it can be dropped onto the canvas. It holds the prompt.",
        ),
        io.Combo.Input(
            "origin",
            options=list(ORIGINS),
            default="AI, made in this graph",
            optional=True,
            tooltip="What the credential says of images that have no record.",
        ),
    ]


def _graph_texts(hidden: Any) -> dict[str, str]:
    """What ComfyUI's own save node writes into a PNG, under the same names."""
    texts = {"prompt": json.dumps(hidden.prompt)} if hidden.prompt else {}
    return texts | {name: json.dumps(value) for name, value in (hidden.extra_pnginfo or {}).items()}


async def _drafts(
    engine: Engine, job: JobContext, node: str, images: Any, made: Any, texts: dict[str, str], origin: Any
) -> list[Draft]:
    from .pixels import to_pixels

    record = await asyncio.to_thread(engine.service.adopt_cached, made.record, job, node) if made else None
    every = await asyncio.to_thread(to_pixels, images)
    return [
        await asyncio.to_thread(_draft, made, record, index, pixels, texts, origin)
        for index, pixels in enumerate(every)
    ]


def _draft(made: Any, record: Any, index: int, pixels: Any, texts: dict[str, str], origin: Any) -> Draft:
    from ..generation.sealing import PNG, Draft
    from .originals import original_of
    from .pixels import to_png

    source = original_of(made, pixels)
    untouched = source is not None
    if source is None and made and len(made.pictures) > index:
        source = made.pictures[index]
    # An untouched PNG keeps the provider's own bytes: nothing is lost, and no time goes into compressing it again.
    png = source.data if source and untouched and source.output.media_type == PNG else to_png(pixels)
    return Draft(
        png=png,
        title=f"image {index + 1}",
        texts=texts,
        record=record,
        source=source,
        edited=source is not None and not untouched,
        origin=origin,
    )


async def _deliver(engine: Engine, job: JobContext, node: str, draft: Draft, prefix: str) -> dict[str, Any]:
    from ..generation.sealing import seal
    from ..storage.files import write_new

    folder, stem = place(current().host.output_dir, prefix)
    sealed = await seal(engine, job, draft)
    path = await asyncio.to_thread(write_new, numbered(folder, stem), sealed.data)
    facts = _told(sealed, path, current().host.output_dir, draft, node)
    await asyncio.to_thread(engine.journal.note, job.job_id, "signed", facts)
    return facts


def place(root: Path, prefix: str) -> tuple[Path, str]:
    """The folder and start of the name for a prefix. Raises InvalidInput where it leads out of ``root``."""
    from ..errors import InvalidInput

    target = (root / prefix.strip()).resolve()
    inside = target.is_relative_to(root.resolve()) and target != root.resolve()
    if not inside or "\0" in prefix or not target.name.strip(". "):
        raise InvalidInput(
            f"filename_prefix: {prefix!r} does not name a file inside the output folder.",
            hint="Use a plain name such as mintmark/image.",
        )
    return target.parent, target.name


def numbered(folder: Path, stem: str) -> Iterator[Path]:
    """``stem_00001_.png`` and on, as ComfyUI numbers its files, from the first number that is free now."""
    taken = [path.name[len(stem) + 1 :].partition("_")[0] for path in folder.glob(f"{_literal(stem)}_*_.png")]
    first = max((int(number) for number in taken if number.isdigit()), default=0) + 1
    for number in range(first, first + 100_000):
        yield folder / f"{stem}_{number:05}_.png"


def _literal(stem: str) -> str:
    from glob import escape

    return escape(stem)


def _told(sealed: Sealed, path: Path, root: Path, draft: Draft, node: str) -> dict[str, Any]:
    subfolder = path.parent.relative_to(root.resolve()).as_posix()
    return {
        "filename": path.name,
        "subfolder": "" if subfolder == "." else subfolder,
        "type": "output",
        "node_id": node,
        "sha256": sealed.sha256,
        "media_type": sealed.media_type,
        "width": sealed.width,
        "height": sealed.height,
        "verdict": sealed.verdict.model_dump(mode="json"),
        "issuer": sealed.issuer,
        "record": draft.record.public() if draft.record else None,
    }

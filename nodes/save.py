"""Sign and Save: the file leaves with a verdict and a credential, or not at all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from .naming import place, write_all
from .sockets import RecordSocket
from .worker import current

if TYPE_CHECKING:
    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.sealing import Draft, Sealed
    from ..generation.service import Picture

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
        from ..generation.sealing import seal

        texts = _graph_texts(cls.hidden) if keep_graph else None
        worker = current()

        async def save(engine: Engine, job: JobContext, node: str) -> list[dict[str, Any]]:
            folder, stem = place(worker.host.output_dir, filename_prefix)
            drafts = await _drafts(engine, job, node, images, record, texts, ORIGINS[origin])
            # All are judged and signed before the first is written: one that is blocked leaves no half of a batch.
            sealed = [await seal(engine, job, draft) for draft in drafts]
            paths = await asyncio.to_thread(write_all, folder, stem, [each.data for each in sealed])
            root = worker.host.output_dir
            told = [_told(*each, root, node) for each in zip(sealed, paths, drafts, strict=True)]
            for facts in told:
                await asyncio.to_thread(engine.journal.note, job.job_id, "signed", facts)
            return told

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
    """What ComfyUI's own save node writes into a PNG, under the same names; names a PNG cannot hold are left out."""
    texts = {"prompt": json.dumps(hidden.prompt)} if hidden.prompt else {}
    extra = hidden.extra_pnginfo if isinstance(hidden.extra_pnginfo, dict) else {}
    return texts | {name: json.dumps(value) for name, value in extra.items() if _is_keyword(name)}


def _is_keyword(name: str) -> bool:
    return 1 <= len(name) <= 79 and name.isprintable() and name.isascii()


async def _drafts(
    engine: Engine, job: JobContext, node: str, images: Any, made: Any, texts: dict[str, str] | None, origin: Any
) -> list[Draft]:
    from .pixels import to_pixels

    every = await asyncio.to_thread(to_pixels, images)
    record = await asyncio.to_thread(engine.service.adopt_cached, made.record, job, node) if made else None
    return [
        await asyncio.to_thread(_draft, made, record, index, pixels, texts, origin)
        for index, pixels in enumerate(every)
    ]


def _draft(made: Any, record: Any, index: int, pixels: Any, texts: dict[str, str] | None, origin: Any) -> Draft:
    from ..generation.sealing import Draft
    from .originals import closest_of, original_of
    from .pixels import to_png

    original = original_of(made, pixels)
    source = original or closest_of(made, pixels)
    return Draft(
        data=_untouched(original, bare=texts is None) if original else to_png(pixels),
        title=f"image {index + 1}",
        texts=texts or {},
        record=record,
        source=source,
        edited=source is not None and original is None,
        origin=origin,
    )


def _untouched(picture: Picture, *, bare: bool) -> bytes:
    """The picture as a PNG: the provider's own bytes where that is one, so nothing is lost or compressed again.

    ``bare``: without text. Some providers write the prompt into their PNG.
    """
    from ..generation.pictures import decode
    from ..generation.sealing import PNG
    from ..provenance.png import read_text
    from .pixels import to_png

    if picture.output.media_type == PNG and not (bare and read_text(picture.data)):
        return picture.data
    return to_png(decode(picture.data, max_pixels=picture.output.width * picture.output.height))


def _told(sealed: Sealed, path: Path, draft: Draft, root: Path, node: str) -> dict[str, Any]:
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

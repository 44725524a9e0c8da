"""Sign and Save: the file leaves with a verdict and a credential, or not at all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..errors import ImageTooLarge
from .ancestry import ancestry_of
from .base import Node
from .checking import one_of, whole
from .encoding import FORMATS
from .moderation import may_hide
from .naming import place, write_all
from .saving import Wanted, draft, fed, of_words
from .sockets import RecordSocket, SourceSocket
from .worker import current

if TYPE_CHECKING:
    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.record import Record
    from ..generation.sealing import Draft, Sealed
    from ..generation.service import Generated
    from .ancestry import Ancestry

NO_GRAPH = "Policy keeps prompts out of files (MINTMARK_KEEP_PROMPT=0), so the graph was left out."
ORIGINS = {
    "AI, made in this graph": "local_ai",
    "photo or art, edited with AI": "ai_edited",
    "no AI involved": "not_ai",
}


class SignAndSave(Node):
    """Writes signed PNG, JPEG, WebP and AVIF files."""

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
        format: str = "PNG",  # noqa: A002 - the name of the input
        quality: int = 95,
        lossless: bool = False,
        folder: str = "",
        source: Any = None,
    ) -> Any:
        texts = _graph_texts(cls.hidden) if keep_graph is True else None
        asked = {"format": format, "quality": quality, "lossless": lossless, "origin": origin}
        graph = cls.hidden.prompt
        worker = current()
        here = worker.place()

        async def save(engine: Engine, job: JobContext, node: str) -> tuple[list[dict[str, Any]], list[str]]:
            place_of = place(worker.host.output_dir, filename_prefix, folder)
            blurs = engine.moderator(job.policy).policy.blurs
            wanted, notes = _wanted({**asked, "hides": may_hide(graph, blurs=blurs)}, texts, job)
            ancestry = await asyncio.to_thread(ancestry_of, worker, engine, job, graph, node, record, source)
            drafts, more = await _drafts(engine, job, node, images, ancestry, wanted)
            drafts = [of_words(each, worker.words.above(here)) for each in drafts]
            told = await _save(engine, job, node, drafts, place_of, worker.host.output_dir)
            judged = (each["verdict"] for each in told)
            looks = [each["explanation"] for each in judged if each["decision"] in ("blurred", "review")]
            return told, list(dict.fromkeys([*notes, *more, *looks]))

        saved, notes = await worker.job(save)
        shown = [{key: each[key] for key in ("filename", "subfolder", "type")} for each in saved]
        return io.NodeOutput(ui={"images": shown, "mintmark": saved, "text": ["\n".join([_summary(saved), *notes])]})


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
        *_format_inputs(),
        io.String.Input(
            "folder",
            default="",
            optional=True,
            tooltip="A folder inside ComfyUI's output folder, before the one that the prefix names. Empty: none.",
        ),
        SourceSocket.Input(
            "source",
            optional=True,
            tooltip="From Load Image with Credentials: the credential then names that file, with its own credential.",
        ),
    ]


def _format_inputs() -> list[Any]:
    return [
        io.Combo.Input(
            "format",
            options=list(FORMATS),
            default="PNG",
            optional=True,
            tooltip="An untouched image that came in this format keeps its very bytes. ComfyUI reads graphs out of PNG "
            "and WebP.",
        ),
        io.Int.Input(
            "quality",
            default=95,
            min=1,
            max=100,
            optional=True,
            tooltip="Of JPEG, and of WebP and AVIF with loss: more is better and larger. PNG has no loss.",
        ),
        io.Boolean.Input(
            "lossless", default=False, optional=True, tooltip="WebP only: every pixel stays as it is, at more bytes."
        ),
    ]


def _graph_texts(hidden: Any) -> dict[str, str]:
    """What ComfyUI's own save node writes into a PNG, under the same names; names a PNG cannot hold are left out."""
    texts = {"prompt": json.dumps(hidden.prompt)} if hidden.prompt else {}
    extra = hidden.extra_pnginfo if isinstance(hidden.extra_pnginfo, dict) else {}
    return texts | {name: json.dumps(value) for name, value in extra.items() if _is_keyword(name)}


def _is_keyword(name: str) -> bool:
    return 1 <= len(name) <= 79 and name.isprintable() and name.isascii()


def _wanted(asked: dict[str, Any], texts: dict[str, str] | None, job: JobContext) -> tuple[Wanted, list[str]]:
    """What the files shall be, and what policy changed of it. A value can come over a link, so it is checked."""
    checked: dict[str, Any] = {
        "format": one_of("format", asked["format"], FORMATS),
        "quality": whole("quality", asked["quality"], 1, 100),
        "lossless": asked["lossless"] is True,
        "hides": asked["hides"],
        "origin": ORIGINS[one_of("origin", asked["origin"], ORIGINS)],
    }
    forbidden = texts is not None and job.keep_prompt is False
    return Wanted(**checked, texts=None if forbidden else texts), [NO_GRAPH] if forbidden else []


async def _drafts(
    engine: Engine, job: JobContext, node: str, images: Any, ancestry: Ancestry, wanted: Wanted
) -> tuple[list[Draft], list[str]]:
    from ..generation.adopting import adopted
    from .pixels import to_frames

    _check_size(images, engine.settings.max_pixels)
    frames = await asyncio.to_thread(to_frames, images)
    records: dict[int, Record] = {}

    def record_of(made: Generated) -> Record:
        if id(made) not in records:
            records[id(made)] = adopted(engine.journal, made.record, job, node)
        return records[id(made)]

    found = [
        await asyncio.to_thread(draft, ancestry, record_of, frame, f"image {number}", wanted)
        for number, frame in enumerate(frames, 1)
    ]
    broken = [each.warning for each in fed(ancestry.record, ancestry.source) if each.warning]
    return [each for each, _ in found], [*broken, *(note for _, notes in found for note in notes)]


def _check_size(images: Any, most: int) -> None:
    """Raises ImageTooLarge for what could not be read again: better now than when it is encoded and signed."""
    height, width = (*getattr(images, "shape", ()), 0, 0, 0)[1:3]
    if height * width > most:
        raise ImageTooLarge(
            f"images: {width}x{height} is more than {most} pixels.",
            hint="Scale it down, or raise MINTMARK_MAX_PIXELS.",
        )


async def _save(
    engine: Engine, job: JobContext, node: str, drafts: list[Draft], place_of: tuple[Path, str], root: Path
) -> list[dict[str, Any]]:
    from ..generation.sealing import seal

    # All are judged and signed before the first is written: one that is blocked leaves no half of a batch.
    sealed = [await seal(engine, job, each) for each in drafts]
    ending = next(kind.ending for kind in FORMATS.values() if kind.media_type == drafts[0].media_type)
    paths = await asyncio.to_thread(write_all, *place_of, [each.data for each in sealed], ending)
    told = [_told(*each, root, node) for each in zip(sealed, paths, drafts, strict=True)]
    for facts in told:
        await asyncio.to_thread(engine.journal.note, job.job_id, "signed", facts)
    return told


def _summary(saved: list[dict[str, Any]]) -> str:
    """What was done and where it is, in two lines."""
    paths = ["/".join(filter(None, (each["subfolder"], each["filename"]))) for each in saved]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    signer = ", ".join(filter(None, (saved[0]["issuer"], saved[0]["note"])))
    return f"Saved in the output folder: {', '.join(paths[:3])}{more}\nSigned by {signer}"


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
        "note": sealed.note,
        "record": draft.record.public() if draft.record else None,
    }

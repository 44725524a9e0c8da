"""``mintmark bench local``: seconds, memory and images an hour of each checkpoint on this machine, kept as measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..clock import utc_now
from ..errors import FileMissing, MintmarkError, UsageError
from .model_folders import model_folders
from .output import Json, console, emit, plain, table
from .settings import settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..metering.measured import Measured
    from ..nodes.local.measuring import OnImage
    from ..nodes.local.recipe import Checkpoint

DTYPES = ("auto", "float32", "float16", "bfloat16")
MEMORY = ("auto", "full", "offload", "sequential")
_GIB = 2**30


@dataclass(frozen=True)
class Tried:
    """A checkpoint, and what came of it: what was measured with the fastest and slowest image, or what was wrong."""

    model: str
    measured: Measured | None = None
    spread: tuple[float, float] = (0.0, 0.0)
    problem: MintmarkError | None = None


def local(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CHECKPOINT]...", help="Which; all that are here unless named.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="In pixels; the checkpoint's own unless given.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="The checkpoint's own unless given.")] = None,
    images: Annotated[int, typer.Option(min=1, max=1000, help="How many are timed, after one that warms up.")] = 3,
    dtype: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")] = "auto",
    memory: Annotated[str, typer.Option(help="auto, full, offload or sequential.")] = "auto",
    models: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="As ComfyUI's models folder; else MINTMARK_MODELS_DIR.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the checkpoints of this machine: seconds an image, peak memory, images an hour.

    What was measured is kept: `mintmark cost breakeven` takes its r from it, and a call's price its seconds.
    """
    found, _ = settings()
    width, height = _sides(size)
    way = {"dtype": _one_of("dtype", dtype, DTYPES), "memory": _one_of("memory", memory, MEMORY)}
    asked = {"width": width, "height": height, "steps": steps}
    chosen = _chosen(found, models, names)
    tried = [_try(found, each, way, asked, images, quiet=as_json) for each in chosen]
    problems = [each.problem for each in tried if each.problem is not None]
    if len(tried) == 1 and problems:
        raise problems[0]
    if as_json:
        emit([_document(each, found) for each in tried])
    else:
        _show(tried, found)
    if problems:
        raise typer.Exit(1)


def _chosen(found: Settings, models: Path | None, names: Sequence[str] | None) -> list[Checkpoint]:
    """Raises MissingExtra where nothing can be sampled, and FileMissing where what is named is not here, or nothing."""
    from ..nodes.local.checkpoints import checkpoints, find
    from ..nodes.local.loading import needs

    needs()
    folders = model_folders(found, models)
    if names:
        return [find(folders, each.removeprefix("local/")) for each in dict.fromkeys(names)]
    every = checkpoints(folders)
    if not every:
        raise FileMissing(
            f"{folders.root} has no checkpoint of a family that is sampled here.",
            hint="Name ComfyUI's models folder with --models, or put a checkpoint into its folder checkpoints.",
        )
    return every


def _try(
    found: Settings,
    checkpoint: Checkpoint,
    way: Mapping[str, Any],
    asked: Mapping[str, Any],
    images: int,
    *,
    quiet: bool,
) -> Tried:
    """Measure it and keep what was measured. Of one that fails it is told why, and the next ones are measured."""
    from ..metering.measured import Measured, keep
    from ..nodes.local.measuring import PROMPT, measure
    from ..nodes.local.recipe import Recipe
    from ..nodes.local.sampling import Sampling
    from ..nodes.local.slot import free_all

    what = Sampling(task="text-to-image", prompt=PROMPT, **asked)
    try:
        timing = measure(Recipe(checkpoint=checkpoint, **way), what, images, _told(checkpoint.model, quiet=quiet))
    except MintmarkError as exc:
        return Tried(checkpoint.model, problem=exc)
    finally:
        free_all()
    facts = {**asdict(timing), "seconds": timing.median}
    made = Measured(model=checkpoint.model, at=utc_now(), **facts)
    keep(found.data_dir, [made])
    return Tried(checkpoint.model, made, (min(timing.seconds), max(timing.seconds)))


def _told(model: str, *, quiet: bool) -> OnImage:
    """A line on the terminal for each image, for who waits."""
    out = console(stderr=True)

    def tell(number: int, of: int) -> None:
        if not quiet and out.is_terminal:
            out.print(f"{plain(model)}: {f'image {number} of {of}' if number else 'warm'}", style="dim")

    return tell


def _show(tried: Sequence[Tried], found: Settings) -> None:
    money = (">$ each",) if found.gpu_hour else ()
    shown = table("Measured here", "!checkpoint", "!size", ">steps", ">seconds", ">an hour", ">peak", *money)
    for each, its in _measured(tried):
        cost = _microusd(its, found)
        cells = [f"{its.width}x{its.height}", str(its.steps), f"{its.seconds:.3g}", f"{its.images_per_hour:,.0f}"]
        cells += [f"{its.peak_bytes / _GIB:.2f} GiB", *([] if cost is None else [f"{cost / 1_000_000:.6f}"])]
        shown.add_row(plain(each.model), *cells)
    out = console()
    if shown.row_count:
        out.print(shown)
    for way in dict.fromkeys((its.device, its.dtype, its.memory) for _, its in _measured(tried)):
        out.print(f"An image on {plain(way[0])}, {way[1]}, memory {way[2]}.", style="dim")
    if not money:
        out.print("What an image costs is told where MINTMARK_GPU_HOUR_USD is set.", style="dim")
    for each in tried:
        if each.problem is not None:
            out.print(f"{each.model} was not measured: {each.problem.message} {each.problem.hint}", markup=False)


def _measured(tried: Sequence[Tried]) -> list[tuple[Tried, Measured]]:
    return [(each, each.measured) for each in tried if each.measured is not None]


def _document(tried: Tried, found: Settings) -> dict[str, Any]:
    its = tried.measured
    if its is None:
        return {"model": tried.model, "error": tried.problem.as_dict() if tried.problem else None}
    return {
        **asdict(its),
        "at": its.at.isoformat(),
        "fastest_s": tried.spread[0],
        "slowest_s": tried.spread[1],
        "images_per_hour": float(its.images_per_hour),
        "microusd": _microusd(its, found),
    }


def _microusd(its: Measured, found: Settings) -> int | None:
    """What an image costs, where an hour of the device has a price."""
    from ..metering.local import charge, hour_microusd

    return charge(its.seconds, hour_microusd(found.gpu_hour)) if found.gpu_hour else None


def _sides(size: str | None) -> tuple[int | None, int | None]:
    if size is None:
        return None, None
    with suppress(ValueError):
        width, height = (int(each) for each in size.lower().split("x"))
        if 0 < width <= 16_384 and 0 < height <= 16_384:
            return width, height
    raise UsageError(f"--size: {size!r} is not WxH.", hint="Write 1024x1024.")


def _one_of(option: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise UsageError(f"--{option}: {value!r} is none.", hint=f"One of: {', '.join(known)}.")
    return value

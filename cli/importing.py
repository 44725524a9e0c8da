"""``mintmark workflows import``: a graph with partner nodes becomes one with ours, and what that does to its price."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CannotWrite, UsageError
from .output import Json, console, emit, table, wide
from .settings import catalog

if TYPE_CHECKING:
    from ..generation.estimate import Estimate
    from ..workflows.importing import Import, Imported

File = Annotated[Path, typer.Argument(help="A graph as ComfyUI saves or exports it.")]


def import_workflow(
    file: File,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where the new graph goes; it must not exist.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rewrite ComfyUI's partner nodes (paid in Comfy.org credits) into Mintmark's (paid with your own keys)."""
    from ..workflows.importing import import_graph, read_graph

    if out is not None and out.resolve() == file.resolve():
        raise UsageError(f"{out} is the file that is read.", hint="Let --out name another file.")
    catalog()  # the user's own models and prices count here, too
    result = import_graph(read_graph(file), object_info())
    if out is not None:
        _write(out, result.document)
    if as_json:
        emit(_document(result, out))
        return
    _tell(result, out)


def object_info() -> dict[str, Any]:
    """What a worker with the pack tells of our nodes; none needs to run for it."""
    from ..runner.surface import install

    install()
    from ..nodes.extension import NODES
    from ..runner.registry import Registry

    registry = Registry()
    registry.add(NODES, "mintmark")
    return registry.info()


def price(each: Imported) -> Estimate:
    """What our catalog says the node costs, with the same settings; images that go in count as one megapixel each."""
    from ..generation.estimate import Asked, Span, estimate, sizes
    from ..providers.models import Catalog

    model = Catalog.load().known(each.model)
    width, height = each.inputs.get("width"), each.inputs.get("height")
    size = Span.of(width * height / 1_000_000) if width and height else None
    pictures = len([name for name in each.linked if name.startswith("image")])
    asked = Asked(
        model=model,
        images=Span.of(each.inputs.get("count", 1)),
        megapixels=sizes(model) if {"width", "height"} & each.linked else size,
        input_images=Span.of(pictures),
        input_megapixels=Span.of(float(pictures)),
        text_bytes=Span.of(len(str(each.inputs.get("prompt", "")).encode("utf-8", "replace"))),
        parameters=_own(each),
    )
    return estimate(asked)


def _own(each: Imported) -> dict[str, Any]:
    """The model's own parameters by the catalog's names."""
    return {
        name.removeprefix("model."): {"on": True, "off": False}.get(str(value), value)
        for name, value in each.inputs.items()
        if name.startswith("model.")
    }


def _write(out: Path, document: dict[str, Any]) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    except FileExistsError as exc:
        raise CannotWrite(f"{out} is there already.", hint="Choose another name; nothing is overwritten.") from exc
    except OSError as exc:
        raise CannotWrite(f"{out} cannot be written: {exc.strerror}.", hint="Choose another place.") from exc


def _document(result: Import, out: Path | None) -> dict[str, Any]:
    from ..workflows.importing import report

    return {
        "format": "ui" if result.ui else "api",
        "out": str(out) if out else None,
        "imported": [_brief(each) for each in result.imported],
        "not_mapped": list(report(result)),
        **({} if out else {"workflow": result.document}),
    }


def _brief(each: Imported) -> dict[str, Any]:
    ours = price(each)
    partner = {"low_microusd": each.badge.low, "high_microusd": each.badge.high} if each.badge else None
    return {
        "node": each.node_id,
        "title": each.title,
        "was": each.was,
        "became": each.node,
        "model": each.model,
        "told": list(each.told),
        "partner_price": partner,
        "partner_price_source": each.source,
        "partner_price_as_of": each.as_of,
        "price": {"low_microusd": ours.low, "high_microusd": ours.high},
    }


def _tell(result: Import, out: Path | None) -> None:
    from rich.markup import escape

    from ..workflows.problem import shown

    console_ = console()
    if not result.imported and not result.not_mapped:
        console_.print("There is no partner node in this graph.")
    if result.imported:
        rows = table("Replaced", "!node", "was", "model", ">partner price", ">with your key")
        for each in result.imported:
            was = f"{each.was} → {each.node}" if wide() else each.was
            rows.add_row(escape(each.node_id), was, each.model, _badge(each), str(price(each)))
        console_.print(rows)
        console_.print(
            f"Partner prices: {result.imported[0].source}. Images that go in: 1 megapixel each.", style="dim"
        )
    for each in result.imported:
        for line in each.told:
            console_.print(f"[yellow]![/] {escape(each.node_id)}: {escape(line)}")
    for lost in result.not_mapped:
        where = f"{lost.was}.{lost.input}" if lost.input else lost.was
        value = "" if lost.value is None else f" = {shown(lost.value, 60)}"
        console_.print(f"[red]✗[/] {escape(lost.node_id)}: {escape(where + value)} did not map: {escape(lost.reason)}")
    if out is not None:
        console_.print(f"[green]✓[/] {escape(str(out))}")
    elif result.imported:
        console_.print("Nothing was written: --out FILE writes the new graph.", style="dim")


def _badge(each: Imported) -> str:
    from ..metering.prices import usd

    if each.badge is None:
        return "not known"
    if each.badge.low == each.badge.high:
        return usd(each.badge.low)
    return f"≈ {usd(each.badge.low)} to {usd(each.badge.high)}"

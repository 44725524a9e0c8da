"""``mintmark models``: what can be asked for, at what price, under which terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..clock import utc_now
from ..errors import UsageError
from .output import Json, console, emit, facts, plain, table, wide

if TYPE_CHECKING:
    from ..metering.prices import Price
    from ..providers.model import Model

app = typer.Typer(help="The model catalog.", no_args_is_help=True)


@app.command("list")
def list_models(
    task: Annotated[str | None, typer.Option(help="Only models for this task, e.g. text-to-image.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only models of this provider.")] = None,
    family: Annotated[str | None, typer.Option(help="closed or open-weight.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also retired ones.")] = False,
    as_json: Json = False,
) -> None:
    """List models with price and lifecycle."""
    from ..providers.models import Catalog

    today = None if every else utc_now().date()
    fitting = Catalog.load().list(provider=provider, today=today)
    tasks = {each for model in fitting for each in model.tasks}
    if task is not None and task not in tasks:
        raise UsageError(f"--task: no model here does {plain(task)!r}.", hint=f"Tasks: {', '.join(sorted(tasks))}.")
    found = [m for m in fitting if (task is None or task in m.tasks) and family in (None, m.family)]
    if as_json:
        emit([model.model_dump(mode="json") for model in found])
        return
    shown = table("Models", "!model", "!price", "!state", *(("!family", "tasks") if wide() else ()))
    for model in found:
        more = (model.family, ", ".join(model.tasks)) if wide() else ()
        shown.add_row(model.name, _short_price(model), _short_state(model), *more)
    console().print(shown)
    console().print("More of one: mintmark models show NAME", style="dim")


@app.command()
def show(name: Annotated[str, typer.Argument(help="provider/model")], as_json: Json = False) -> None:
    """Everything the catalog says of one model."""
    from ..providers.models import Catalog

    model = Catalog.load().known(name)
    if as_json:
        emit(model.model_dump(mode="json"))
        return
    out = console()
    out.print(f"[bold]{model.name}[/]  {model.title}")
    out.print(facts((label, str(value)) for label, value in _facts(model)))
    if model.parameters:
        shown = table("Its own parameters", "!parameter", "type", "limits", "what it does")
        for parameter, spec in model.parameters.items():
            limits = ", ".join(spec.choices) or f"{_edge(spec.min)} … {_edge(spec.max)}"
            shown.add_row(parameter, spec.type, limits if spec.type != "boolean" else "", spec.help)
        out.print(shown)


def _facts(model: Model) -> list[tuple[str, Any]]:
    governance = model.governance
    return [
        ("tasks", ", ".join(model.tasks)),
        ("family", f"{model.family}{f', weights: {model.checkpoint}' if model.checkpoint else ''}"),
        ("price", f"{_price(model)}{_dated(model)}"),
        ("state", _state(model)),
        ("licence", f"{model.licence.name} ({model.licence.source})"),
        ("trains", _said(governance.trains_on_data)),
        ("retention", governance.retention or "not stated"),
        ("region", governance.region or "not stated"),
        ("indemnified", _said(governance.indemnified)),
    ]


def _price(model: Model) -> str:
    from ..metering.prices import usd

    price = model.price
    if price is None:
        return "unknown"
    if price.unit == "token":
        return f"{usd(int(price.image_out))} / 1M output tokens, {_at_most(price)}"
    first = getattr(price, "first_microusd", None)
    start = f"{usd(int(first))} first, then " if first is not None else ""
    return f"{start}{usd(int(price.microusd))} / {price.unit}"


def _at_most(price: Price) -> str:
    """Tokens say nothing to people: what an image costs at most, rounded up, as on the canvas (web/comfy/price.js)."""
    from ..metering.prices import Quantities, quote, usd

    microusd = quote(price, Quantities(megapixels=1.048576), {}).at_most_microusd
    step = 1_000 if microusd < 100_000 else 10_000
    return f"up to {usd(-(-microusd // step) * step)} / image"


def _short_price(model: Model) -> str:
    if model.price is not None and model.price.unit == "token":
        return _at_most(model.price)
    return _price(model).replace(" first, then ", ", then ").replace("megapixel", "MP")


def _short_state(model: Model) -> str:
    if model.retired(utc_now().date()):
        return "retired"
    retires = model.lifecycle.retires_on
    return f"until {retires}" if retires else model.lifecycle.state


def _dated(model: Model) -> str:
    return f"  ({model.price.source}, {model.price.as_of})" if model.price else ""


def _state(model: Model) -> str:
    life = model.lifecycle
    if model.retired(utc_now().date()):
        return f"retired{f', use {life.replaced_by}' if life.replaced_by else ''}"
    until = f" until {life.retires_on}" if life.retires_on else ""
    return f"{life.state}{until}"


def _said(value: bool | None) -> str:
    return "not stated" if value is None else ("yes" if value else "no")


def _edge(value: float | None) -> str:
    return "" if value is None else f"{value:g}"

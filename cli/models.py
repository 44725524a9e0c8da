"""``mintmark models``: what can be asked for, at what price, under which terms, and whether that is still so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..clock import utc_now
from ..errors import UsageError
from .models_check import check
from .models_files import fetch, where
from .models_repatriate import repatriate
from .models_text import facts_of, short_price, short_state
from .output import Json, console, emit, facts, plain, table, wide
from .settings import SandboxFlag, catalog, settings

if TYPE_CHECKING:
    from ..providers.choosing import Wanted
    from ..providers.model import Model, Parameter
    from ..providers.request import Delivery

app = typer.Typer(help="The model catalog; model files of workers.", no_args_is_help=True)
app.command("check")(check)
app.command("where")(where)
app.command("fetch")(fetch)
app.command("repatriate")(repatriate)
STATES = ("live", "legacy", "retiring", "retired")
FAMILIES = ("closed", "open-weight", "local")


@app.command("list")
def list_models(
    task: Annotated[str | None, typer.Option(help="Only models for this task, e.g. text-to-image.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only models of this provider.")] = None,
    family: Annotated[str | None, typer.Option(help="closed or open-weight.")] = None,
    max_price: Annotated[
        float | None,
        typer.Option(min=0, max=10**6, metavar="USD", help="At most so many US dollars for one image of 1024x1024."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Only where the provider says it can all stay there: eu, us, …")
    ] = None,
    no_training: Annotated[
        bool, typer.Option("--no-training", help="Only where the provider says that it does not train on your data.")
    ] = False,
    max_retention: Annotated[
        float | None,
        typer.Option(min=0, max=36_500, metavar="DAYS", help="Only where nothing is kept longer than that."),
    ] = None,
    indemnified: Annotated[
        bool, typer.Option("--indemnified", help="Only where the provider indemnifies you for what it makes.")
    ] = False,
    delivery: Annotated[str, typer.Option(help="batch: only what can be had within a day for less.")] = "now",
    state: Annotated[list[str] | None, typer.Option(help="live, legacy, retiring or retired; may be repeated.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also retired ones.")] = False,
    as_json: Json = False,
) -> None:
    """List models with price and lifecycle. What a provider does not state counts as not promised."""
    from ..providers.choosing import Wanted, chosen

    today = utc_now().date()
    models = catalog().list()
    wanted = Wanted(
        task=_one_of("task", task, (each for model in models for each in model.tasks)),
        provider=_one_of("provider", provider, (model.provider for model in models)),
        family=_one_of("family", family, FAMILIES),
        max_microusd=None if max_price is None else round(max_price * 1_000_000),
        region=_one_of("region", region and region.lower(), _regions(models)),
        trains_on_data=False if no_training else None,
        max_retention_days=max_retention,
        indemnified=True if indemnified else None,
        delivery=_one_of("delivery", delivery, ("now", "batch")),
        states=_states(state, every=every),
    )
    found = chosen(models, wanted, today)
    if as_json:
        emit([_document(model, today, wanted.delivery) for model in found])
    else:
        _show_list(found, wanted)


def _one_of(option: str, value: Any, known: Iterable[str]) -> Any:
    """The value, where there is such a thing. Raises UsageError naming those there are."""
    every = sorted(set(known))
    if value is not None and value not in every:
        raise UsageError(f"--{option}: no model here has {plain(value)!r}.", hint=f"There is {', '.join(every)}.")
    return value


def _regions(models: Iterable[Model]) -> Iterable[str]:
    """The regions that are stated, and the wider ones that they are a part of: ``us-west-2`` is in ``us``."""
    stated = {each for model in models for each in model.governance.regions}
    return stated | {each.partition("-")[0] for each in stated}


def _states(given: list[str] | None, *, every: bool) -> Any:
    if given:
        return tuple(_one_of("state", each, STATES) for each in given)
    return None if every else tuple(each for each in STATES if each != "retired")


def _document(model: Model, today: date, delivery: Delivery = "now") -> dict[str, Any]:
    """The model as JSON: what the catalog says, and what follows from it."""
    from ..providers.choosing import at_most_microusd, state_of
    from ..providers.own_catalog import price_source

    return {
        **model.model_dump(mode="json"),
        "state": state_of(model, today),
        "at_most_microusd": at_most_microusd(model, delivery),
        "price_source": price_source(model),
    }


def _show_list(models: Sequence[Model], wanted: Wanted) -> None:
    if not models:
        console().print("No model is all of that. What a provider does not state counts as not promised.")
        return
    asks_terms = wide() and (wanted.region is not None or wanted.max_retention_days is not None)
    more = (("!family", "tasks") if wide() else ()) + (("retention", "regions") if asks_terms else ())
    shown = table("Models", "!model", "price", "state", *more)
    # A name is what one types: where it is narrow, price and state go on in the next line instead.
    shown.pad_edge = wide()
    shown.columns[0].min_width = max(len(model.name) for model in models)
    for model in models:
        says = model.governance
        cells = (model.family, ", ".join(model.tasks)) if wide() else ()
        terms = (says.retention or "not stated", ", ".join(says.regions)) if asks_terms else ()
        shown.add_row(model.name, short_price(model, wanted.delivery), short_state(model), *cells, *terms)
    console().print(shown)
    console().print("More of one: mintmark models show NAME", style="dim")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="provider/model, or an app of fal or Replicate by its id: fal/owner/app.")
    ],
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Everything the catalog says of one model; of an app that is not in it, what its provider publishes."""
    model = _model(name, sandbox)
    if as_json:
        emit(_document(model, utc_now().date()))
        return
    from rich.markup import escape

    out = console()
    out.print(f"[bold]{model.name}[/]  {escape(model.title)}")
    out.print(facts((label, str(value)) for label, value in facts_of(model)))
    if model.parameters:
        shown = table("Its own parameters", "!parameter", "type", "limits", "what it does")
        for parameter, spec in model.parameters.items():
            shown.add_row(parameter, spec.type, plain(_limits(spec)), plain(spec.help))
        out.print(shown)


def _model(name: str, sandbox: bool) -> Model:
    from ..generation.apps import is_app

    known = catalog()
    if not is_app(name):
        return known.known(name)
    from .models_apps import app_model

    return asyncio.run(app_model(settings(sandbox=sandbox)[0], name))


def _limits(spec: Parameter) -> str:
    needed = "required; " if getattr(spec, "required", False) else ""
    if spec.choices:
        return needed + ", ".join(spec.choices)
    return needed + (f"{_edge(spec.min)} … {_edge(spec.max)}" if spec.type in ("integer", "number") else "")


def _edge(value: float | None) -> str:
    return "" if value is None else f"{value:g}"

"""What ``mintmark models`` says of a model, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..clock import utc_now

if TYPE_CHECKING:
    from ..metering.prices import Price
    from ..providers.model import Model
    from ..providers.request import Delivery


def facts_of(model: Model) -> list[tuple[str, Any]]:
    """Names and values, for people."""
    from ..providers import catalog

    governance, own = model.governance, catalog.own()
    mine = sorted(set(own.fields.get(model.name, {})) - {"name"}) if own else []
    return [
        *([("yours", f"{', '.join(mine)} ({own.path})")] if own and mine else []),
        ("tasks", ", ".join(model.tasks)),
        ("family", f"{model.family}{f', weights: {model.checkpoint}' if model.checkpoint else ''}"),
        ("price", f"{_price(model)}{_dated(model)}"),
        *([("by batch", f"{_price_of(model.batch.price)}, within {model.batch.hours} h")] if model.batch else []),
        ("state", _state(model)),
        ("licence", f"{model.licence.name} ({model.licence.source}{_as_of(model)})"),
        ("trains", _said(governance.trains_on_data)),
        ("retention", governance.retention or "not stated"),
        ("region", governance.region or "not stated"),
        ("indemnified", _said(governance.indemnified)),
    ]


def _price(model: Model) -> str:
    return "unknown" if model.price is None else _price_of(model.price)


def _price_of(price: Price) -> str:
    from ..metering.prices import usd

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


def short_price(model: Model, delivery: Delivery = "now") -> str:
    """The price in a few words, for a table."""
    from ..providers.choosing import price_of

    price = price_of(model, delivery)
    if price is None:
        return "unknown"
    if price.unit == "token":
        return _at_most(price)
    return _price_of(price).replace(" first, then ", ", then ").replace("megapixel", "MP")


def short_state(model: Model) -> str:
    """How it stands today, and until when, in a few words."""
    if model.retired(utc_now().date()):
        return "retired"
    retires = model.lifecycle.retires_on
    return f"until {retires}" if retires else model.lifecycle.state


def _as_of(model: Model) -> str:
    return f", {model.licence.as_of}"


def _dated(model: Model) -> str:
    from ..providers.own_catalog import price_source

    source = price_source(model)
    return f"  {source}" if source else ""


def _state(model: Model) -> str:
    life = model.lifecycle
    if model.retired(utc_now().date()):
        return f"retired{f', use {life.replaced_by}' if life.replaced_by else ''}"
    until = f" until {life.retires_on}" if life.retires_on else ""
    return f"{life.state}{until}"


def _said(value: bool | None) -> str:
    return "not stated" if value is None else ("yes" if value else "no")

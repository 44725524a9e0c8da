"""Cost Estimate and Budget Guard: what it will cost, and what it may cost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from ..errors import InvalidInput
from ..providers.catalog import rows
from . import estimating
from .base import Node
from .checking import one_of, whole
from .worker import current

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..metering.ledger import Limits

CATEGORY = "Mintmark/money"
MICRO = 1_000_000
MOST_USD = 1_000_000.0
MOST_IMAGES, WIDEST = 100_000, 8192
THIS_GRAPH, ONE_MODEL = "this graph", "one model"
SANDBOX = "Sandbox: no real money."


class CostEstimate(Node):
    """Says what the graph will cost, without running it."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkCostEstimate",
            display_name="Cost Estimate",
            category=CATEGORY,
            description="Say what the hosted nodes of this graph will cost, before any of them is asked.",
            search_aliases=["price", "cost", "budget", "money", "how much", "credits", "quote"],
            is_output_node=True,
            inputs=_estimate_inputs(),
            outputs=[
                io.String.Output("summary", tooltip="The estimate as a table."),
                io.Float.Output("low_usd", tooltip="The least it can cost, in US dollars."),
                io.Float.Output("high_usd", tooltip="The most it can cost, as far as that is known, in US dollars."),
            ],
            hidden=[io.Hidden.prompt],
        )

    @classmethod
    def fingerprint_inputs(cls, of: Any = THIS_GRAPH, **_: Any) -> str:
        """Another graph has another price, though this node did not change."""
        return "" if of == ONE_MODEL else current().context().job_id

    @classmethod
    async def execute(cls, of: str, model: str = "", count: int = 1, width: int = 1024, height: int = 1024) -> Any:
        from ..generation.estimate import total

        graph = cls.hidden.prompt or {}
        one_of("of", of, (THIS_GRAPH, ONE_MODEL))
        many = whole("count", count, 1, MOST_IMAGES)
        size = whole("width", width, 1, WIDEST), whole("height", height, 1, WIDEST)

        def read() -> list[estimating.Line]:
            return [estimating.one(model, many, *size)] if of == ONE_MODEL else estimating.lines(graph)

        found = await asyncio.to_thread(read)
        text = estimate_text(found, estimating.unneeded(graph) if of != ONE_MODEL else ())
        asked = total(each.estimate for each in found)
        # Without an upper end this is the sum of what is known; the text says that it may be more.
        high = sum(each.estimate.low if each.estimate.high is None else each.estimate.high for each in found)
        return io.NodeOutput(text, asked.low / MICRO, high / MICRO, ui=ui.PreviewText(text))


class BudgetGuard(Node):
    """Hands anything on, and holds the run within its limits."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkBudgetGuard",
            display_name="Budget Guard",
            category=CATEGORY,
            description="Stop this run before it costs more than you allow, per run and per day.",
            search_aliases=["budget", "limit", "spending limit", "cost", "money", "cap"],
            inputs=_guard_inputs(),
            outputs=[
                io.AnyType.Output("value", tooltip="What came in."),
                io.String.Output("summary", tooltip="What was asked, and how much of each limit is left."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, per_run_usd: Any = None, per_day_usd: Any = 0.0, **_: Any) -> str:
        """The limits hold for every run, also one for which this node's answer is taken from the cache.

        Every prompt asks for this before any node of it runs. A job's id would make every node after this one run, and
        cost, again; only a limit that comes over a link cannot be known yet.
        """
        if not _is_amount(per_run_usd) or not _is_amount(per_day_usd):
            return current().context().job_id
        current().limit(limits_of(per_run_usd, per_day_usd))
        return current().scope()

    @classmethod
    async def execute(cls, value: Any, per_run_usd: float, per_day_usd: float = 0.0) -> Any:
        if not _is_amount(per_run_usd) or not _is_amount(per_day_usd):
            raise InvalidInput("per_run_usd, per_day_usd: an amount from 0 is needed.", hint="0 is no limit.")
        limits = limits_of(per_run_usd, per_day_usd)
        current().limit(limits)
        graph, own = cls.hidden.prompt or {}, str(cls.hidden.unique_id)

        async def guard(engine: Engine, job: JobContext, _node: str) -> str:
            return await asyncio.to_thread(_guarded, engine, job, limits, estimating.lines(graph, after=own))

        text = await current().job(guard)
        return io.NodeOutput(value, text, ui=ui.PreviewText(text))


def _estimate_inputs() -> list[Any]:
    offered = [row["name"] for row in rows() if row["lifecycle"]["state"] != "retired"]
    default = "fal/flux-schnell"
    offered.sort(key=lambda name: name != default)
    only = f"Only for “{ONE_MODEL}”: "
    return [
        io.Combo.Input(
            "of",
            options=[THIS_GRAPH, ONE_MODEL],
            default=THIS_GRAPH,
            tooltip="All hosted nodes of this graph, with what stands on them; or the model chosen below.",
        ),
        io.Combo.Input("model", options=offered, default=default, optional=True, tooltip=only + "the model."),
        io.Int.Input("count", default=1, min=1, max=MOST_IMAGES, optional=True, tooltip=only + "how many images."),
        io.Int.Input("width", default=1024, min=64, max=WIDEST, optional=True, tooltip=only + "width in pixels."),
        io.Int.Input("height", default=1024, min=64, max=WIDEST, optional=True, tooltip=only + "height in pixels."),
    ]


def _guard_inputs() -> list[Any]:
    # Images cost tenths of a cent: with the usual step of 0.01 a limit of 0.004 would become 0, which is none.
    money = {"min": 0.0, "max": MOST_USD, "step": 0.001, "round": 0.000001}
    return [
        io.AnyType.Input("value", tooltip="Anything, such as the prompt. It is handed on where the budget allows it."),
        io.Float.Input(
            "per_run_usd", default=1.0, tooltip="The most this run may cost, in US dollars. 0: no limit.", **money
        ),
        io.Float.Input(
            "per_day_usd",
            default=0.0,
            optional=True,
            tooltip="The most that all runs of a day (UTC) on this machine may cost, in US dollars. 0: no limit.",
            **money,
        ),
    ]


def limits_of(per_run_usd: float, per_day_usd: float) -> Limits:
    """The limits in micro-dollars; 0 is none, and an amount that is next to nothing is still a limit."""
    from ..metering.ledger import Limits

    run, day = (max(1, round(amount * MICRO)) if amount else None for amount in (per_run_usd, per_day_usd))
    return Limits(per_run_microusd=run, per_day_microusd=day)


def _is_amount(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MOST_USD


def _guarded(engine: Engine, job: JobContext, limits: Limits, asked: Sequence[estimating.Line]) -> str:
    """What the guard says where it lets the run go on. Raises BudgetExceeded."""
    from ..metering.prices import usd

    firm = sum(line.firm_microusd for line in asked)
    engine.books.limit(job.job_id, limits)
    engine.books.check(job, firm)
    told = (
        [f"The {len(asked)} hosted nodes after this one ask for {usd(firm)}."]
        if len(asked) != 1
        else [f"The hosted node after this one asks for {usd(firm)}."]
    )
    named = (("this run", limits.per_run_microusd), ("a day (UTC)", limits.per_day_microusd))
    told += [f"Limit of {what}: {'none' if limit is None else usd(limit)}" for what, limit in named]
    unknown = [f"{line.title}: {why}" for line in asked for why in line.unknown]
    return "\n".join([*told, *_not_known(unknown), *sandboxed(job.mode)])


def estimate_text(found: Sequence[estimating.Line], unneeded: Sequence[str] = ()) -> str:
    """The estimate as a table, with what only the run will tell, and what will not run."""
    from ..generation.estimate import total

    idle = [f"not counted, no output needs it: {title}" for title in unneeded]
    if not found:
        return "\n".join(["No hosted node in this graph: it costs nothing.", *idle])
    head = ("node", "model", "images", "cost")
    body = [(line.title, line.model, line.images, str(line.estimate)) for line in found]
    unknown = [f"{line.title}: {why}" for line in found for why in line.unknown]
    every = total(line.estimate for line in found)
    mode = current().settings.mode
    return "\n".join([*table([head, *body]), f"total  {every}", *idle, *_not_known(unknown), *sandboxed(mode)])


def table(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of cells as lines of text, its columns two spaces apart: the page shows it as a table by that."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _not_known(unknown: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(unknown))
    return ["not known before the run:", *(f"  {each}" for each in found)] if found else []


def sandboxed(mode: str) -> list[str]:
    """What to say of money in the sandbox."""
    return [SANDBOX] if mode == "sandbox" else []

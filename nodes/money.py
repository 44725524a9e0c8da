"""Cost Estimate, Budget Guard and Receipt: what it will cost, what it may cost, and what it did cost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from ..errors import InvalidInput
from ..providers.catalog import rows
from . import estimating
from .checking import one_of, whole
from .sockets import RecordSocket
from .worker import current

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..generation.context import JobContext
    from ..generation.context import Receipt as PaidFor
    from ..generation.engine import Engine
    from ..generation.record import Record
    from ..metering.ledger import Limits

CATEGORY = "Mintmark/money"
MICRO = 1_000_000
MOST_USD = 1_000_000.0
MOST_IMAGES, WIDEST = 100_000, 8192
THIS_GRAPH, ONE_MODEL = "this graph", "one model"
SANDBOX = "Sandbox: no real money."


class CostEstimate(io.ComfyNode):
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


class BudgetGuard(io.ComfyNode):
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


class Receipt(io.ComfyNode):
    """Shows the receipts of records as a table."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkReceipt",
            display_name="Receipt",
            category=CATEGORY,
            description="Show what the images cost, call by call, and the sum.",
            search_aliases=["cost", "price", "money", "bill", "credits", "spend"],
            is_output_node=True,
            inputs=_receipt_inputs(),
            outputs=[
                io.String.Output("summary", tooltip="The receipt as text."),
                io.Float.Output("total_usd", tooltip="The sum in US dollars; unknown charges count in full."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """A cached result costs this job nothing, and its receipt must say so."""
        return current().context().job_id

    @classmethod
    async def execute(cls, record: Any, record_2: Any = None, record_3: Any = None, record_4: Any = None) -> Any:
        made = [each for each in (record, record_2, record_3, record_4) if each is not None]

        async def adopt(engine: Engine, job: JobContext, node: str) -> tuple[list[Record], dict[str, str]]:
            found = [await asyncio.to_thread(engine.service.adopt_cached, each.record, job, node) for each in made]
            return found, await asyncio.to_thread(_images, engine, found)

        records, images = await current().job(adopt)
        # One record that comes in twice was paid for once.
        once: list[Record] = list({tuple(r.call_id for r in each.receipts): each for each in records}.values())
        text = receipt_text(once, images)
        return io.NodeOutput(text, sum(each.total_microusd for each in once) / MICRO, ui=ui.PreviewText(text))


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
    money = {"min": 0.0, "max": MOST_USD, "step": 0.01}
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


def _receipt_inputs() -> list[Any]:
    more = [
        RecordSocket.Input(f"record_{number}", optional=True, tooltip="Of another node, for one sum.")
        for number in (2, 3, 4)
    ]
    return [RecordSocket.Input("record", tooltip="From the node that made the images."), *more]


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
    told += [f"Limit of {what}: {usd(limit)}" for what, limit in named if limit is not None]
    unknown = [f"{line.title}: {why}" for line in asked for why in line.unknown]
    return "\n".join([*told, *_not_known(unknown), *_mode(job.mode)])


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
    return "\n".join([*_table([head, *body]), f"total  {every}", *idle, *_not_known(unknown), *_mode(mode)])


def receipt_text(records: Sequence[Record], images: Mapping[str, str]) -> str:
    """The receipts for people: a line a call, and the sum."""
    from ..metering.prices import usd

    head = ("provider", "model", "images", "price", "request", "state")
    body = [_call(receipt, images) for record in records for receipt in record.receipts]
    spent = usd(sum(record.total_microusd for record in records))
    doubt = sum(receipt.microusd for record in records for receipt in record.receipts if receipt.state == "unknown")
    doubts = [f"of that unknown, maybe not charged: {usd(doubt)}"] if doubt else []
    mode = "sandbox" if any(record.mode == "sandbox" for record in records) else "live"
    return "\n".join([*_table([head, *body]), f"total  {spent}", *doubts, *_mode(mode)])


def _call(receipt: PaidFor, images: Mapping[str, str]) -> tuple[str, ...]:
    from ..metering.prices import usd

    state = "UNKNOWN" if receipt.state == "unknown" else receipt.state
    made, price = images.get(receipt.call_id, "?"), usd(receipt.microusd)
    return receipt.provider, receipt.model, made, price, receipt.request_id or "-", state


def _images(engine: Engine, records: Sequence[Record]) -> dict[str, str]:
    """How many images each call made, by its id, as the journal knows it; withheld ones were made, too."""
    found: dict[str, str] = {}
    for receipt in (receipt for record in records for receipt in record.receipts):
        result = getattr(engine.journal.call(receipt.call_id), "result", None) or {}
        if paid := result.get("cached_of"):
            result = getattr(engine.journal.call(paid), "result", None) or {}
        if "images" in result:
            found[receipt.call_id] = str(len(result["images"]))
    return found


def _table(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _not_known(unknown: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(unknown))
    return ["not known before the run:", *(f"  {each}" for each in found)] if found else []


def _mode(mode: str) -> list[str]:
    return [SANDBOX] if mode == "sandbox" else []

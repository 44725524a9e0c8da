"""Receipt: what it did cost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from ..metering.local import PROVIDER
from ..providers.own_catalog import OWN
from .base import Node
from .money import CATEGORY, MICRO, sandboxed, table
from .sockets import RecordSocket
from .worker import current

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..generation.context import JobContext
    from ..generation.context import Receipt as PaidFor
    from ..generation.engine import Engine
    from ..generation.record import Record


class Receipt(Node):
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
        from ..generation.adopting import adopted

        made = [each for each in (record, record_2, record_3, record_4) if each is not None]

        async def adopt(engine: Engine, job: JobContext, node: str) -> tuple[list[Record], dict[str, str]]:
            found = [await asyncio.to_thread(adopted, engine.journal, each.record, job, node) for each in made]
            return found, await asyncio.to_thread(_images, engine, found)

        records, images = await current().job(adopt)
        # One record that comes in twice was paid for once.
        once: list[Record] = list({tuple(r.call_id for r in each.receipts): each for each in records}.values())
        text = receipt_text(once, images)
        return io.NodeOutput(text, sum(each.total_microusd for each in once) / MICRO, ui=ui.PreviewText(text))


def _receipt_inputs() -> list[Any]:
    more = [
        RecordSocket.Input(f"record_{number}", optional=True, tooltip="Of another node, for one sum.")
        for number in (2, 3, 4)
    ]
    return [RecordSocket.Input("record", tooltip="From the node that made the images."), *more]


def receipt_text(records: Sequence[Record], images: Mapping[str, str]) -> str:
    """The receipts for people: a line a call, and the sum."""
    from ..metering.prices import usd

    head = ("provider", "model", "images", "price", "request", "state")
    body = [_call(receipt, images) for record in records for receipt in record.receipts]
    spent = usd(sum(record.total_microusd for record in records))
    doubt = sum(receipt.microusd for record in records for receipt in record.receipts if receipt.state == "unknown")
    doubts = [f"of that unknown, maybe not charged: {usd(doubt)}"] if doubt else []
    said = [f"price of {name}: {source}" for name, source in _own_prices(records).items()]
    said += [f"{each.model}: {each.price_source}" for each in _sampled(records)]
    mode = "sandbox" if any(record.mode == "sandbox" for record in records) else "live"
    return "\n".join([*table([head, *body]), f"total  {spent}", *doubts, *said, *sandboxed(mode)])


def _own_prices(records: Sequence[Record]) -> dict[str, str | None]:
    """Models whose price is the user's own, and where they have it from."""
    receipts = [receipt for record in records for receipt in record.receipts]
    return {each.model: each.price_source for each in receipts if (each.price_source or "").startswith(OWN)}


def _sampled(records: Sequence[Record]) -> list[PaidFor]:
    """What this machine made itself: for how long its device worked, and what an hour of it costs."""
    receipts = [receipt for record in records for receipt in record.receipts]
    return [each for each in receipts if each.provider == PROVIDER and each.price_source]


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

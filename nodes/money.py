"""Receipt: what it cost, said on the canvas."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from .sockets import RecordSocket
from .worker import current

if TYPE_CHECKING:
    from ..generation.record import Record


class Receipt(io.ComfyNode):
    """Shows a record's receipts as text."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkReceipt",
            display_name="Receipt",
            category="Mintmark/cost",
            description="Show what the images cost, call by call.",
            search_aliases=["cost", "price", "money", "bill", "credits", "spend"],
            is_output_node=True,
            inputs=[RecordSocket.Input("record", tooltip="From the node that made the images.")],
            outputs=[io.String.Output("summary", tooltip="The receipt as text.")],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """A cached result costs this job nothing, and its receipt must say so."""
        return current().context().job_id

    @classmethod
    async def execute(cls, record: Any) -> Any:
        async def adopt(engine: Any, job: Any, node: str) -> Record:
            adopted: Record = await asyncio.to_thread(engine.service.adopt_cached, record.record, job, node)
            return adopted

        text = summary(await current().job(adopt))
        return io.NodeOutput(text, ui=ui.PreviewText(text))


def summary(record: Record) -> str:
    """The receipt in a few lines for people."""
    from ..metering.prices import usd

    lines = [
        f"{receipt.model}  {usd(receipt.microusd)}  {receipt.state}  {receipt.request_id or ''}".rstrip()
        for receipt in record.receipts
    ]
    sandbox = "  (sandbox: no real money)" if record.mode == "sandbox" else ""
    return "\n".join([*lines, f"total  {usd(record.total_microusd)}{sandbox}"])

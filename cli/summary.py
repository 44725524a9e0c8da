"""The end of a run, for the person who waited for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..metering.prices import usd
from .output import console

if TYPE_CHECKING:
    from rich.table import Table

    from ..config import Settings
    from ..orchestrator.execution.delivery import Delivered
    from ..orchestrator.execution.request import JobResult

Row = tuple[str, str, str]
"""Name, value and the value's style."""


def show(result: JobResult, settings: Settings) -> None:
    """Say what was made, where it is, what was decided, what it cost, who signed, and how long it took."""
    from rich.panel import Panel

    rows: list[Row] = [row for output in result.outputs for row in _file(output)]
    rows += [_row("cost", _cost(result, settings)), *_worked(result)]
    rows.append(_row("time", f"{result.timings_ms['total'] / 1000:.1f} s"))
    rows.append(_row("workflow", f"{result.workflow.name}@{result.workflow.version} on {result.worker}"))
    rows += [_row("warning", warning, "yellow") for warning in result.warnings]
    console().print(
        Panel(_grid(rows), title="[bold green]✓ done[/]", title_align="left", expand=False, padding=(1, 2)),
        # Inside the frame even a file's or a pipe's lines are broken: left whole, they would be cut.
        soft_wrap=False,
    )
    if result.outputs:
        console().print(f"Check it: mintmark verify {result.outputs[0].path}", style="dim")


def _file(output: Delivered) -> list[Row]:
    size = f"{output.width} × {output.height}  " if output.width else ""
    signed = f", signed by {output.credential.issuer}" if output.credential.issuer else ""
    return [
        _row("file", output.path, "bold"),
        _row("size", f"{size}{output.media_type}"),
        _row("verdict", _verdict(output.verdict)),
        _row("credential", output.credential.state + signed),
    ]


def _verdict(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return "not judged: no checker for this kind"
    why = "" if verdict["decision"] == "allowed" else f" (rule {verdict['rule']})"
    return f"{verdict['decision']}{why}, policy {verdict['policy']}"


def _cost(result: JobResult, settings: Settings) -> str:
    models = ", ".join(sorted({receipt.model for receipt in result.receipts})) or "no hosted call"
    sandbox = "  (sandbox: no real money)" if settings.sandbox else ""
    # Zero would be read as free.
    priceless = any(each.state == "settled" and not each.microusd and not each.price_source for each in result.receipts)
    unknown = "  (price unknown: see the provider's bill)" if priceless else ""
    return f"{usd(result.total_microusd)}  {models}{unknown}{sandbox}"


def _worked(result: JobResult) -> list[Row]:
    """What a device of one's own did, and by which price, or that it has none: else $0.00 would be read as free."""
    every = dict.fromkeys(each.price_source for each in result.receipts if each.provider == "local")
    return [_row("GPU", source) for source in every if source]


def _row(name: str, value: str, style: str = "") -> Row:
    return name, value, style


def _grid(rows: list[Row]) -> Table:
    """Names on the left; what is too long for its line goes on under itself."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 1, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value, style in rows:
        made.add_row(name, Text(value, style=style))
    return made

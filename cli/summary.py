"""The end of a run, for the person who waited for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..metering.prices import usd
from .output import console

if TYPE_CHECKING:
    from rich.text import Text

    from ..config import Settings
    from ..orchestrator.execution.delivery import Delivered
    from ..orchestrator.execution.request import JobResult


def show(result: JobResult, settings: Settings) -> None:
    """Say what was made, where it is, what was decided, what it cost, who signed, and how long it took."""
    from rich.console import Group
    from rich.panel import Panel

    lines: list[Text] = []
    for output in result.outputs:
        lines += _file(output)
    lines += [_row("cost", _cost(result, settings)), _row("time", f"{result.timings_ms['total'] / 1000:.1f} s")]
    lines.append(_row("workflow", f"{result.workflow.name}@{result.workflow.version} on {result.worker}"))
    lines += [_row("warning", warning, "yellow") for warning in result.warnings]
    console().print(
        Panel(Group(*lines), title="[bold green]✓ done[/]", title_align="left", expand=False, padding=(1, 2))
    )
    if result.outputs:
        console().print(f"Check it: mintmark verify {result.outputs[0].path}", style="dim")


def _file(output: Delivered) -> list[Text]:
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
    return f"{usd(result.total_microusd)}  {models}{sandbox}"


def _row(name: str, value: str, style: str = "") -> Text:
    from rich.text import Text

    row = Text(f"{name:<11}", style="dim")
    return row.append(value, style=style or "not dim")

"""What ``mintmark models repatriate`` says, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import console, facts, plain, table

if TYPE_CHECKING:
    from ..generation.repatriating import Lost
    from ..providers.model import Model, Weights
    from .repatriate_answer import Answer, Rewriting, Ways
    from .repatriate_cost import Costs
    from .repatriate_here import Here
    from .repatriate_usage import Spent


def tell(answer: Answer) -> None:
    """The whole answer, in the order of the questions: what was it, can it be, at which cost, and what changes."""
    out, ways = console(), answer.ways
    out.print(f"[bold]{answer.model.name}[/]  the last {answer.days} days ({answer.mode})")
    _tell_spent(answer.spent)
    if ways is None or answer.model.weights is None:
        out.print(f"[red]✗[/] {plain(answer.why)}")
        _tell_alternatives(answer.alternatives)
        return
    out.print(facts(_weights(answer.model, answer.model.weights, ways)))
    _tell_asked(ways)
    out.print(facts(_costs(ways.costs)))
    out.print(ways.costs.advice, markup=False)
    _tell_rewriting(ways.rewriting)


def _tell_spent(spent: list[Spent]) -> None:
    out = console()
    if not spent:
        out.print("Nobody called it in these days.")
        return
    shown = table("Hosted", "!workflow", ">calls", ">images", ">cost")
    for each in spent:
        shown.add_row(plain(each.workflow or "by hand"), f"{each.calls:,}", f"{each.images:,}", money(each.microusd))
    out.print(shown)


def _weights(model: Model, weights: Weights, ways: Ways) -> list[tuple[str, str]]:
    licence, here = weights.licence, ways.here
    said = {True: "yes", False: "no", None: "not stated"}[licence.commercial_use]
    return [
        ("weights", str(model.checkpoint)),
        ("here it is", ways.own.name),
        ("licence", f"{licence.name} ({licence.source}, {licence.as_of})"),
        ("commercial use", f"{said}{f': {weights.terms}' if weights.terms else ''}"),
        ("on this machine", f"yes: {here.checkpoint.path}" if here.checkpoint else "no"),
        ("on workers", _workers(here)),
    ]


def _workers(here: Here) -> str:
    if here.not_asked:
        return f"not asked: {here.not_asked}"
    every = [f"{each['worker']} ({'in memory' if each['in_memory'] else 'on disk'})" for each in here.workers]
    return ", ".join(every) or "no"


def _tell_asked(ways: Ways) -> None:
    out, asked = console(), ways.asked
    if not asked.calls:
        return
    out.print(f"Of the latest {asked.calls:,} calls, {asked.known:,} have their parameters here:", style="dim")
    for use in ways.uses:
        values = ", ".join(f"{value} ({times:,})" for value, times in use.values)
        mark, why = ("[red]✗[/]", f": {use.why}") if use.why else ("[green]✓[/]", "")
        out.print(f"{mark} {plain(use.name)} = {plain(values)}{plain(why)}")


def _costs(costs: Costs) -> list[tuple[str, str]]:
    own, besides = money(costs.own_microusd), f"${costs.overhead.value:,.2f} a month"
    rows = [
        ("hosted", f"{money(costs.hosted_microusd)} for {costs.images:,} images"),
        ("owned", f"{own} for {costs.gpu_seconds:,.0f} GPU seconds, and {besides}"),
    ]
    for label, known, text in (
        ("a GPU hour", costs.gpu_hour, "${:,.2f}"),
        ("images an hour", costs.rate, "{:,.0f}"),
        ("a month besides", costs.overhead, "${:,.2f}"),
    ):
        rows.append((label, f"{text.format(known.value)} ({known.source})"))
    return rows


def _tell_rewriting(rewriting: Rewriting) -> None:
    out, version = console(), rewriting.version
    for each in rewriting.lost:
        out.print(f"[red]✗[/] {_lost(each)}")
    if rewriting.workflow is None or version is None:
        out.print(plain(rewriting.why), style="dim")
        return
    out.print(f"[bold]{rewriting.workflow.label}[/] → [bold]{version.label}[/]")
    for change in rewriting.changes:
        out.print(f"  {change}", markup=False, soft_wrap=True)
    for said in rewriting.saved:
        out.print(f"[green]✓[/] {plain(said)}")
    if not rewriting.saved:
        out.print("Nothing was written: --write PATH saves the new version, --publish publishes it.", style="dim")


def _lost(lost: Lost) -> str:
    value = "" if lost.value is None else f" = {lost.value}"
    return plain(f"{lost.where}{value}: {lost.why}")


def _tell_alternatives(models: list[Model]) -> None:
    if not models:
        return
    shown = table("Open weights for the same tasks", "!model", "weights", "licence", "commercial use")
    for each in models:
        weights = each.weights
        if weights is None:
            continue
        said = {True: "yes", False: "no", None: "see its terms"}[weights.licence.commercial_use]
        shown.add_row(each.name, plain(each.checkpoint or ""), plain(weights.licence.name), said)
    console().print(shown)
    console().print("It would be another model with other pictures: try it hosted before.", style="dim")


def money(microusd: int) -> str:
    """An amount as reports write it."""
    from ..metering.prices import usd

    return f"${microusd / 1_000_000:,.2f}" if microusd >= 100_000_000 else usd(microusd)

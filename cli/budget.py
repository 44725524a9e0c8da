"""``mintmark budget``: who may spend how much, and how much of it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UnknownInput, UsageError
from .acts import note
from .books import open_ledger
from .money import microusd_of
from .output import Json, console, emit, plain, table, wide
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..metering.budgets import Budget, Usage

app = typer.Typer(help="Who may spend how much.", no_args_is_help=True)

Project = Annotated[str | None, typer.Option(metavar="NAME", help="The budget of this project.")]
User = Annotated[str | None, typer.Option(metavar="NAME", help="The budget of this user.")]
ApiKey = Annotated[str | None, typer.Option(metavar="ID", help="The budget of this API key.")]
Workflow = Annotated[str | None, typer.Option(metavar="NAME[@VERSION]", help="The budget of this workflow.")]
Per = Annotated[str, typer.Option(metavar="PERIOD", help="day, month (of UTC) or total.")]


@app.command("set")
def set_budget(
    project: Project = None,
    user: User = None,
    api_key: ApiKey = None,
    workflow: Workflow = None,
    per: Per = "month",
    limit: Annotated[str | None, typer.Option(metavar="USD", help="Refuse what would go beyond it.")] = None,
    soft: Annotated[str | None, typer.Option(metavar="USD", help="Warn once a period beyond it.")] = None,
    grace: Annotated[
        str | None, typer.Option(metavar="USD", help="Let through so much beyond the soft limit, then refuse.")
    ] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Set a budget; without a name it is everybody's together. What was taken in the period already counts."""
    from ..metering.budgets import Budget

    scope, value = _whose(project, user, api_key, workflow)
    budget = Budget(scope, value, _period(per), *(_amount(*each) for each in _named(limit, soft, grace)))
    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        ledger.set_budget(budget)
        note(ledger.store, "budget.set", budget.name, _limits(budget))
        (usage,) = [each for each in ledger.budgets() if each.budget.id == budget.id]
    if as_json:
        emit(_document(usage))
        return
    console().print(f"[green]✓[/] {plain(budget.name)}: {_set(budget)}. {_told(usage)} ({found.mode}).")
    if budget.scope == "overall":
        console().print("For everybody together. For one alone: --project, --user, --api-key, --workflow.", style="dim")


@app.command("list")
def list_budgets(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """List budgets, and how they stand in the present period."""
    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        usages = ledger.budgets()
    if as_json:
        emit([_document(usage) for usage in usages])
        return
    if not usages:
        console().print(f"No {found.mode} budgets. Set one: mintmark budget set --project NAME --per month --limit USD")
        return
    more = (">soft", ">grace", "!since") if wide() else ()
    shown = table(f"Budgets ({found.mode})", "!whose", ">taken", ">left", ">limit", *more)
    for usage in usages:
        its = usage.budget
        amounts = [usage.taken_microusd, usage.left_microusd, its.limit_microusd]
        rest = (_usd(its.soft_microusd), _usd(its.grace_microusd), usage.period_start or "the beginning")
        shown.add_row(plain(its.name), *map(_usd, amounts), *(rest if more else ()))
    console().print(shown)


@app.command("remove")
def remove_budget(
    project: Project = None,
    user: User = None,
    api_key: ApiKey = None,
    workflow: Workflow = None,
    per: Per = "month",
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Hold a budget no more."""
    from ..metering.budgets import Budget

    budget = Budget(*_whose(project, user, api_key, workflow), _period(per), 0)
    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        removed = ledger.remove_budget(budget)
        if removed:
            note(ledger.store, "budget.removed", budget.name, {})
    if not removed:
        raise UnknownInput(f"There is no budget of {budget.name}.", hint="See: mintmark budget list")
    if as_json:
        emit({"removed": budget.id})
        return
    console().print(f"{plain(budget.name)}: removed ({found.mode})")


def _whose(project: str | None, user: str | None, api_key: str | None, workflow: str | None) -> tuple[Any, str]:
    named = {"project": project, "user": user, "api_key": api_key, "workflow": workflow}
    given = [(scope, value) for scope, value in named.items() if value is not None]
    if len(given) > 1:
        raise UsageError("A budget is for one of them.", hint="Set one for the project and another for the user.")
    return given[0] if given else ("overall", "")


def _period(text: str) -> Any:
    from ..metering.budgets import PERIODS

    if text not in PERIODS:
        raise UsageError(f"--per: {text!r} is no period.", hint=f"One of {', '.join(PERIODS)}.")
    return text


def _limits(budget: Budget) -> dict[str, int | None]:
    amounts = budget.limit_microusd, budget.soft_microusd, budget.grace_microusd
    return dict(zip(("limit_microusd", "soft_microusd", "grace_microusd"), amounts, strict=True))


def _named(limit: str | None, soft: str | None, grace: str | None) -> list[tuple[str, str | None]]:
    return [("limit", limit), ("soft", soft), ("grace", grace)]


def _amount(name: str, text: str | None) -> int | None:
    return None if text is None else microusd_of(name, text)


def _usd(microusd: int | None) -> str:
    from ..metering.prices import usd

    return "-" if microusd is None else usd(microusd)


def _set(budget: Budget) -> str:
    """The limits that it has now."""
    amounts = budget.limit_microusd, budget.soft_microusd, budget.grace_microusd
    words = "at most {}", "a warning beyond {}", "refused from {} beyond that on"
    return ", ".join(word.format(_usd(each)) for word, each in zip(words, amounts, strict=True) if each is not None)


def _told(usage: Usage) -> str:
    left = f", {_usd(usage.left_microusd)} left" if usage.left_microusd is not None else ""
    return f"{_usd(usage.taken_microusd)} taken{left}"


def _document(usage: Usage) -> dict[str, Any]:
    its: Budget = usage.budget
    return {
        "scope": its.scope,
        "value": its.value,
        "period": its.period,
        "period_start": usage.period_start,
        "limit_microusd": its.limit_microusd,
        "soft_microusd": its.soft_microusd,
        "grace_microusd": its.grace_microusd,
        "taken_microusd": usage.taken_microusd,
        "left_microusd": usage.left_microusd,
    }

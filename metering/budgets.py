"""Budgets: for whom, for how long, how much. Pure; the ledger holds them, and counts against them.

Periods are days and months of UTC. A charge belongs to the period in which its allowance was granted, also where it
comes later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BudgetExceeded, InvalidInput
from .periods import MOST, SETTING, Period, Scope, ceiling
from .prices import usd

SCOPES: tuple[Scope, ...] = ("user", "project", "api_key", "workflow", "overall")
PERIODS: tuple[Period, ...] = ("day", "month", "total")


@dataclass(frozen=True)
class Budget:
    """What those of one scope may take in one period, in micro-dollars.

    ``value`` names whose it is; ``*`` would be everybody's own, but there is no such thing: one budget is one purse.
    Beyond ``soft_microusd`` there is one warning a period, and ``grace_microusd`` is how much is let through from there
    on; at ``limit_microusd`` it ends in any case. None: no such limit. Raises InvalidInput where they contradict.
    """

    scope: Scope
    value: str
    period: Period
    limit_microusd: int | None = None
    soft_microusd: int | None = None
    grace_microusd: int | None = None

    def __post_init__(self) -> None:
        if self.scope not in SCOPES or self.period not in PERIODS:
            raise InvalidInput(f"{self.scope}, {self.period}: there is no such budget.", hint=_KINDS)
        if (self.scope == "overall") is bool(self.value):
            raise InvalidInput(f"{self.name}: a {self.scope} budget needs a name, an overall one has none.")
        if not self.value.isprintable():
            raise InvalidInput("A budget's name has characters that cannot be shown.", hint="Use letters and digits.")
        self._check_amounts()

    def _check_amounts(self) -> None:
        amounts = (self.limit_microusd, self.soft_microusd, self.grace_microusd)
        if any(amount is not None and not 0 <= amount <= MOST for amount in amounts):
            raise InvalidInput(f"{self.name}: amounts are from $0 to $1,000,000,000.")
        if self.limit_microusd is None and self.soft_microusd is None:
            raise InvalidInput(f"{self.name}: it limits nothing.", hint="Give a limit, a soft limit or both.")
        if self.grace_microusd is not None and self.soft_microusd is None:
            raise InvalidInput(f"{self.name}: grace is what a soft limit lets through.", hint="Give a soft limit.")
        if self.limit_microusd is not None and (self.soft_microusd or 0) > self.limit_microusd:
            raise InvalidInput(f"{self.name}: the soft limit is above the limit.")

    @property
    def id(self) -> str:
        """One budget a scope, name and period."""
        return f"{self.scope}:{self.value}:{self.period}"

    @property
    def name(self) -> str:
        """For people: ``project acme, per month``."""
        return title(self.scope, self.value, self.period)

    @property
    def ceiling_microusd(self) -> int | None:
        """What may be taken at most, None where this budget only warns."""
        return ceiling(self.limit_microusd, self.soft_microusd, self.grace_microusd)


@dataclass(frozen=True)
class Usage:
    """How a budget stands in one period."""

    budget: Budget
    period_start: str
    """A day such as ``2026-11-01``; empty for the total."""
    taken_microusd: int

    @property
    def left_microusd(self) -> int | None:
        """What may still be set aside; None: no end to it."""
        ceiling = self.budget.ceiling_microusd
        return None if ceiling is None else max(0, ceiling - self.taken_microusd)


_KINDS = f"Scopes: {', '.join(SCOPES)}. Periods: {', '.join(PERIODS)}."
_EACH: Mapping[Period, str] = {"day": "per day", "month": "per month", "total": "in total"}


def title(scope: str, value: str, period: Period) -> str:
    """For people: ``project acme, per month``."""
    whose = scope.replace("api_key", "API key")
    return f"{whose} {value}, {_EACH[period]}" if value else f"{whose}, {_EACH[period]}"


def exceeded(scope: str, value: str, period: Period, start: str, *, taken: int, asked: int, ceiling: int) -> Exception:
    """The refusal, which says whose budget it is, and how much of it is left."""
    own = "The budget" if scope == SETTING else f"The budget of {title(scope, value, period)},"
    since = f" since {start}" if start else ""
    return BudgetExceeded(
        f"{own} has {usd(max(0, ceiling - taken))} left of {usd(ceiling)}{since}, and {usd(asked)} was asked.",
        hint="Raise MINTMARK_BUDGET_USD, lower the job's allowance (MINTMARK_ALLOWANCE_USD), or send budget_usd with "
        "the order."
        if scope == SETTING
        else "Raise it (mintmark budget set), wait for its next period, lower the job's allowance, or send "
        "budget_usd with the order.",
        scope=scope,
        value=value,
        period=period,
        period_start=start,
        left_microusd=ceiling - taken,
        asked_microusd=asked,
    )

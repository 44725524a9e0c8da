"""The names of the ledger's accounts. Pure."""

from __future__ import annotations

from typing import Literal

from ..errors import InvalidInput

Owner = Literal["user", "project"]
OWNERS: tuple[Owner, ...] = ("project", "user")
"""Who may have prepaid credit. Where a job's project and its user both have, the project pays."""

FUNDS = "funds"
"""Where money comes from that nobody prepaid."""
PAYMENTS = "payments"
"""What customers paid in, and were given back."""
EXPIRED = "expired"
NEVER = "9999-12-31"
"""Sorts after every stamp: credit that does not expire."""


def credit_account(owner: Owner, name: str) -> str:
    """The account's name. Raises InvalidInput where nobody can have that one."""
    if owner not in OWNERS or not name.strip():
        raise InvalidInput(f"{owner} {name!r} cannot have credit.", hint="Name a user or a project.")
    return f"credit:{owner}:{name}"


def allowance_account(allowance_id: str) -> str:
    return f"allowance:{allowance_id}"


def hold_account(call_id: str) -> str:
    return f"hold:{call_id}"


def spent_account(provider: str) -> str:
    return f"spent:{provider}"

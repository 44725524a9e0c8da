"""What is wrong with an order, told field by field with what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ...errors import InvalidInput


@dataclass(frozen=True)
class Impossible:
    """``field``: its path in the body; ``allowed``: what may stand there, as JSON; None: nothing."""

    field: str
    message: str
    allowed: Any = None

    def as_dict(self) -> dict[str, Any]:
        """As a problem answer tells it."""
        return {"field": self.field, "message": self.message, "allowed": self.allowed}


def refuse(found: Sequence[Impossible], hint: str = "") -> NoReturn:
    """Raise one InvalidInput for all of it."""
    first = found[0]
    raise InvalidInput(
        "; ".join(f"{each.field}: {each.message}" for each in found) + ".",
        hint=hint or _hint(first.allowed),
        field=first.field,
        allowed=first.allowed,
        problems=[each.as_dict() for each in found],
    )


def _hint(allowed: Any) -> str:
    if allowed is None:
        return "Leave it out."
    if isinstance(allowed, dict):
        return "Allowed: " + ", ".join(f"{name} {value}" for name, value in allowed.items()) + "."
    return f"Allowed: {', '.join(map(str, allowed[:20]))}." if isinstance(allowed, (list, tuple)) else ""

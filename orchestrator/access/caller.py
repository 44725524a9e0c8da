"""Who asks, for the length of one request. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import NotAllowed
from .keys import SCOPES, KeyLimits, Presented, Scope


@dataclass(frozen=True)
class Caller:
    """Who asks. ``key_id`` None: somebody on this machine, where no key was ever made."""

    key_id: str | None
    scopes: frozenset[str]
    project: str
    user: str
    limits: KeyLimits
    held: bool = False
    """Its orders are held until an admin releases the key."""
    sent: Presented | None = field(default=None, repr=False, compare=False)
    """What opened the door for it, to be asked whether that still does."""

    @property
    def is_admin(self) -> bool:
        """Whether it may see and change what is not its own."""
        return "admin" in self.scopes

    @property
    def name(self) -> str:
        """The actor of audit rows: ``key:<id>``, or ``local``."""
        return "local" if self.key_id is None else f"key:{self.key_id}"

    def require(self, scope: Scope) -> None:
        """Raises NotAllowed where the key lacks the scope."""
        if scope not in self.scopes and not self.is_admin:
            raise NotAllowed(
                f"This needs the scope {scope}, which the key does not have.",
                hint=f"Use another key, or make one: mintmark apikeys create NAME --scope {scope}{self._half}",
                scope=scope,
            )

    @property
    def _half(self) -> str:
        """What a command needs to make a key of the same half as this one."""
        return " --sandbox" if self.sent is not None and self.sent.mode == "sandbox" else ""

    def sees(self, project: str) -> bool:
        """Whether what belongs to this project may be shown. What may not is as if it were not there."""
        return self.is_admin or project == self.project


def anybody_here(project: str, user: str) -> Caller:
    """Whoever asks from this machine while there are no keys: may do everything."""
    return Caller(None, frozenset(SCOPES), project, user, KeyLimits())

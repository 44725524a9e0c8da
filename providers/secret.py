"""A value that is never shown."""

from __future__ import annotations

from .. import log

_MASK = "••••"


class Secret:
    """A key or token. Its text appears nowhere by accident: not in ``str``, ``repr``, formatting, pickles or logs."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        log.hide(value)
        # Some keys are an id and a secret in one (fal's are "id:secret"): either half alone must not show either.
        for part in value.split(":"):
            log.hide(part)

    def __bool__(self) -> bool:
        return bool(self._value)

    def reveal(self) -> str:
        """The value itself. Called where a header is made, and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("A secret is not pickled.")


NO_KEY = Secret("")
"""No key: the provider is called with this machine's own account (``accounts.py``). It is falsy, as no key else is."""

"""What there is of a kind (adapters, checkers, nodes, benchmarks, sandbox twins), by name and in a chosen order.

Each kind is a tuple written out in one place, never a search of a folder: inside ComfyUI a module's name is a file
path, the order is what people see, and an import that fails shall fail where it is written. :func:`members` is what
every such tuple goes through, so a malformed member fails loudly, by its name, before anything uses it. That no file
was left out of its tuple is held by ``tests/test_discovery.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .errors import InternalError


def members(
    kind: str, listed: Iterable[Any], base: type | None, *, needs: Mapping[str, Any], name: str = "name"
) -> dict[str, Any]:
    """The listed members by the text in their attribute ``name``, in order.

    A member is a class derived from ``base``, with nothing left abstract; or anything, where ``base`` is None.
    ``needs`` says of further attributes what they must be instances of; ``base``'s own do not count.
    Raises InternalError naming ``kind`` and the first member that is malformed, and saying what is wrong with it.
    """
    found: dict[str, Any] = {}
    for member in listed:
        if (problem := _problem(member, base, needs, name, found)) is not None:
            raise InternalError(f"The {kind} {_title(member)!r} {problem}.")
        found[getattr(member, name)] = member
    return found


def _problem(
    member: Any, base: type | None, needs: Mapping[str, Any], name: str, others: Mapping[str, Any]
) -> str | None:
    """What is wrong with a member; None where nothing is."""
    if base is not None and not (isinstance(member, type) and issubclass(member, base)):
        return f"is no class derived from {base.__name__}"
    called = getattr(member, name, None)
    if not isinstance(called, str) or not called:
        return "has no name"
    if called in others:
        return f"has the name {called!r}, which another one has"
    if missing := getattr(member, "__abstractmethods__", None):
        return f"lacks {', '.join(sorted(missing))}"
    wrong = [need for need, kind in needs.items() if not _has(member, base, need, kind)]
    return f"does not say its {' and '.join(wrong)}" if wrong else None


def _has(member: Any, base: type | None, need: str, kind: Any) -> bool:
    """Whether the member has it, of the right kind and not merely inherited from the base."""
    value = getattr(member, need, None)
    inherited = getattr(base, need, None)
    own = inherited is None or getattr(value, "__func__", value) is not getattr(inherited, "__func__", inherited)
    return own and isinstance(value, kind)


def _title(member: Any) -> str:
    return str(getattr(member, "__qualname__", None) or getattr(member, "__name__", None) or member)

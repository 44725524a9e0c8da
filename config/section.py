"""What a section of settings is, and how its value comes about: flag over environment over file over default."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from ..errors import BadSetting
from .kinds import Kind

Origin = Literal["default", "file", "environment", "flag"]
S = TypeVar("S", bound="Section")
MASK = "••••"
_PASSWORD = re.compile(r"//[^/\s]*:[^/\s]*@|[?&]password=")


@dataclass(frozen=True)
class Setting:
    """What is known of one setting beside its value.

    ``secret`` tells whether a text is one: then it is never shown, and refused in a file, which may go into version
    control. ``steers`` marks what says where keys are sent or whom to trust: a file that merely lies in the current
    folder may not set it.
    """

    env: str
    help: str
    default: Any
    kind: Kind
    secret: Callable[[str], bool] | None = None
    steers: bool = False


def setting(
    env: str,
    help: str,  # noqa: A002
    default: Any,
    kind: Kind,
    *,
    secret: Callable[[str], bool] | None = None,
    steers: bool = False,
) -> Any:
    """A field of a :class:`Section`: what a person can set, by an environment variable or in the file."""
    about = {"setting": Setting(env, help, default, kind, secret, steers)}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=about)
    return field(default=default, repr=secret is None, metadata=about)


def always(_text: str) -> bool:
    """``secret`` of a setting that is nothing but one."""
    return True


def has_password(text: str) -> bool:
    """``secret`` of a setting that is a URL, or several, which may have a password in it."""
    return _PASSWORD.search(text) is not None


class Section:
    """Settings of one area: a frozen dataclass whose fields are made by :func:`setting`.

    ``table`` is its table in the file, "" for the keys before any table. A setting has one name: the variable
    ``MINTMARK_ASSETS_ROOT`` is the key ``root`` in the table ``[assets]``.
    """

    table: ClassVar[str] = ""

    def with_(self: S, **changes: Any) -> S:
        """These settings with some changed; a value of None leaves the setting as it is."""
        return replace(self, **{key: value for key, value in changes.items() if value is not None})  # type: ignore[type-var]  # each section is a dataclass


@dataclass(frozen=True)
class File:
    """A settings file that was read. ``named``: somebody chose it; else it was found in the current folder."""

    path: Path
    named: bool
    tables: Mapping[str, Mapping[str, Any]]
    """Values by key, by table; "" are the keys before any table."""


@dataclass(frozen=True)
class Sources:
    """Where settings come from, except flags. ``defaults`` are those that only this machine knows, by variable."""

    env: Mapping[str, str]
    file: File | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A setting's value, and who said it."""

    value: Any
    origin: Origin


def settings_of(kind: type[Section]) -> dict[str, Setting]:
    """The settings of a section by the names of its fields."""
    return {each.name: each.metadata["setting"] for each in fields(kind) if "setting" in each.metadata}  # type: ignore[arg-type]  # each section is a dataclass


def key(table: str, variable: str) -> str:
    """A setting's name in its table of the file."""
    return variable.removeprefix(f"MINTMARK_{table.upper()}_" if table else "MINTMARK_").lower()


def read(kind: type[Section], sources: Sources, flags: Mapping[str, Any] | None = None) -> dict[str, Found]:
    """Every setting of a section. ``flags`` are explicit arguments by field; None is one that was not given.

    Raises BadSetting naming the variable or the file's key, its value's problem and what it is for.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    return {
        name: Found(given[name], "flag") if name in given else _found(kind.table, each, sources)
        for name, each in settings_of(kind).items()
    }


def load_section(kind: type[S], sources: Sources, flags: Mapping[str, Any] | None = None) -> S:
    """The section's value. Raises BadSetting as :func:`read` does."""
    return kind(**{name: found.value for name, found in read(kind, sources, flags).items()})


def _found(table: str, each: Setting, sources: Sources) -> Found:
    if text := sources.env.get(each.env, ""):
        return Found(_parsed(each, text, each.env), "environment")
    name = key(table, each.env)
    value = sources.file.tables.get(table, {}).get(name, "") if sources.file else ""
    if sources.file and value not in ("", [], {}):
        return Found(_from_file(each, f"{table}.{name}" if table else name, value, sources.file), "file")
    return Found(sources.defaults.get(each.env, each.default), "default")


def _from_file(each: Setting, name: str, value: Any, file: File) -> Any:
    where = f"{name} in {file.path}"
    try:
        text = each.kind.text(value)
    except ValueError as exc:
        raise _unusable(each, where, "its value") from exc
    if each.secret is not None and each.secret(text):
        raise BadSetting(f"{where} is a secret, which no file may hold.", hint=f"Set the variable {each.env} instead.")
    if each.steers and not file.named:
        raise BadSetting(
            f"{where} says where keys go or whom to trust: a file that just lies in the current folder may not.",
            hint=f"Name the file (MINTMARK_CONFIG={file.path}) or set the variable {each.env}.",
        )
    return each.kind.beside(_parsed(each, text, where), file.path.parent)


def _parsed(each: Setting, text: str, where: str) -> Any:
    try:
        return each.kind.parse(text)
    except (ValueError, KeyError, RuntimeError) as exc:
        raise _unusable(each, where, "its value" if each.secret else repr(text)) from exc


def _unusable(each: Setting, where: str, shown: str) -> BadSetting:
    return BadSetting(f"{where}: {shown} cannot be used.", hint=each.help)


def shown(each: Setting, found: Found) -> Any:
    """The value as a person would write it, as JSON; a secret only as a mask."""
    if found.value is None:
        return None
    if each.secret is not None and each.secret(str(found.value)):
        return MASK
    return each.kind.show(found.value)

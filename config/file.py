"""The settings file ``mintmark.toml``: which one counts, and whether all it says is known.

``MINTMARK_CONFIG`` names it; else it is the one in the current folder, else the one in the data folder. One file
counts, not several in turn: what is set can be read in one place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadSetting, MissingExtra
from .section import File, Section, key, settings_of

NAME = "mintmark.toml"
VARIABLE = "MINTMARK_CONFIG"


def find(env: Mapping[str, str], data_dir: Path) -> tuple[Path, bool] | None:
    """(the file that counts, whether somebody chose it), or None where there is none. Raises BadSetting."""
    if named := env.get(VARIABLE, ""):
        return _named(named), True
    if (here := Path(NAME)).is_file():
        _refuse_another_s(here)
        return here.absolute(), False
    there = data_dir / NAME
    return (there, True) if there.is_file() else None


def _named(text: str) -> Path:
    try:
        path = Path(text).expanduser().absolute()
    except RuntimeError as exc:
        raise BadSetting(f"{VARIABLE}: {text!r} cannot be used.", hint="It is the path of a settings file.") from exc
    if not path.exists() or path.is_dir():
        raise BadSetting(f"{VARIABLE}: there is no file {path}.", hint="It is the path of a settings file.")
    return path


def _refuse_another_s(path: Path) -> None:
    """In a folder that all may write to, somebody else's file must not set what we spend."""
    if hasattr(os, "geteuid") and (owner := path.stat().st_uid) not in (0, os.geteuid()):
        raise BadSetting(
            f"{path.absolute()} belongs to another user ({owner}), so its settings are not taken.",
            hint=f"Go to another folder, or name the file if you trust it: {VARIABLE}={path.absolute()}",
        )


def read_file(path: Path, named: bool, sections: Mapping[str, type[Section]]) -> File:
    """The file's values by table. Raises BadSetting for what is no TOML or no setting, MissingExtra on Python 3.10."""
    try:
        document = _loads()(path.read_bytes().decode("utf-8-sig"))
    except OSError as exc:
        raise BadSetting(f"{path} cannot be read: {exc.strerror}.", hint="Check its permissions.") from exc
    except ValueError as exc:
        raise BadSetting(f"{path} is no TOML: {exc}.", hint='Text stands in quotes: policy = "strict"') from exc
    tables = {name: value for name, value in document.items() if name and name in sections}
    tables[""] = {name: value for name, value in document.items() if name not in tables}
    for table, values in tables.items():
        _refuse_unknown(path, table, values, sections)
    return File(path, named, tables)


def _refuse_unknown(path: Path, table: str, values: Any, sections: Mapping[str, type[Section]]) -> None:
    if not isinstance(values, dict):
        raise BadSetting(f"{table} in {path} is a table: [{table}].", hint="mintmark config show lists all settings.")
    from difflib import get_close_matches

    known = [key(table, each.env) for each in settings_of(sections[table]).values()]
    for name in values:
        if name in known:
            continue
        shown = f"{table}.{name}" if table else name
        close = get_close_matches(name, known if table else [*known, *filter(None, sections)], 1)
        raise BadSetting(
            f"There is no setting {shown}, as {path} has it.",
            hint=f"Did you mean {close[0]}?" if close else "mintmark config show lists all settings.",
        )


def _loads() -> Callable[[str], dict[str, Any]]:
    try:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
    except ImportError as exc:
        raise MissingExtra(
            f"There is a {NAME}, and Python 3.10 needs the package tomli to read it.",
            hint=f"pip install tomli, or use no file: {VARIABLE}={os.devnull}",
        ) from exc
    loads: Callable[[str], dict[str, Any]] = tomllib.loads
    return loads

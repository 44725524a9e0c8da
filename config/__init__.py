"""Every setting once: its name, environment variable, default and meaning. Built at the edge, passed down as a value.

The order is: an explicit argument (a CLI flag) over the environment over the file ``mintmark.toml`` over the default.
Nothing below the edge reads the environment; provider keys are read by :mod:`providers.keys` alone.

Here belong the sections, one module each (:mod:`engine` is what every process needs), and what reads them. What a
setting is good for is decided where it is used, not here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from .engine import Mode, Settings
from .file import find, read_file
from .kinds import MICRO, MOST_USD
from .section import Found, Section, Setting, Sources, key, load_section, read, settings_of, shown

__all__ = [
    "MICRO",
    "MOST_USD",
    "Found",
    "Mode",
    "Section",
    "Setting",
    "Settings",
    "Sources",
    "default_data_dir",
    "key",
    "load",
    "load_section",
    "read",
    "sections",
    "settings_of",
    "shown",
    "sources",
    "table",
]

SECTIONS = ("engine", "service", "audit", "client")
"""The modules of this folder that hold a section, each as its ``SECTION``, in the order of docs/settings.md."""


def sections() -> dict[str, type[Section]]:
    """All sections by their tables in the file."""
    found: list[type[Section]] = [import_module(f".{name}", __name__).SECTION for name in SECTIONS]
    return {each.table: each for each in found}


def default_data_dir() -> Path:
    """The user's data folder for Mintmark, by the platform's own convention."""
    from platformdirs import user_data_path

    return user_data_path("mintmark", appauthor=False)


def sources(env: Mapping[str, str] | None = None, *, data_dir: Path | None = None) -> Sources:
    """The environment (``os.environ`` unless given) and the settings file that counts there.

    ``data_dir`` is the default for the setting of this name. Raises BadSetting and MissingExtra for the file.
    """
    env = os.environ if env is None else env
    folder = data_dir or default_data_dir()
    place = env.get("MINTMARK_DATA_DIR", "")
    # A folder that cannot be read as one is refused with its setting, below.
    found = find(env, Path(os.path.expanduser(place)) if place else folder)  # noqa: PTH111
    file = None if found is None else read_file(*found, sections())
    return Sources(env, file, {"MINTMARK_DATA_DIR": folder})


def load(env: Mapping[str, str] | None = None, *, data_dir: Path | None = None) -> Settings:
    """What every process needs, from :func:`sources`. Raises BadSetting naming the variable or the file's key."""
    origin = sources(env, data_dir=data_dir)
    values = read(Settings, origin)
    # Kept keys stay with the user where nobody chose a folder for the data.
    keys_dir = default_data_dir() if values["data_dir"].origin == "default" else None
    return Settings(**{name: each.value for name, each in values.items()}, keys_dir=keys_dir)


def table() -> list[tuple[str, str, Any, str]]:
    """(environment variable, field, default, help) of every setting of every section, for docs."""
    return [
        (each.env, name, each.default, each.help)
        for kind in sections().values()
        for name, each in settings_of(kind).items()
    ]

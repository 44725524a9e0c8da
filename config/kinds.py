"""How settings are written: text to value and back. Pure; no setting is named here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

MICRO = 1_000_000
"""Micro-dollars in a dollar. Money is an integer count of micro-dollars everywhere."""
MOST_USD = 1_000_000_000
"""The largest amount a setting takes, in dollars: sums of such amounts still fit a database's integer."""


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def _as_it_is(value: Any, _folder: Path) -> Any:
    return value


@dataclass(frozen=True)
class Kind:
    """One way of writing a value.

    ``parse`` makes the value of a text and raises ValueError, KeyError or RuntimeError where it cannot. ``show`` is its
    inverse, for people and JSON. ``form`` says what a file may hold in place of the text: a list or a table; its parts
    are joined by ``separator``, as the environment has them. ``beside`` makes what a file names relative to its folder.
    """

    parse: Callable[[str], Any]
    show: Callable[[Any], Any] = _plain
    form: Literal["one", "list", "table"] = "one"
    separator: str = ","
    beside: Callable[[Any, Path], Any] = _as_it_is

    def text(self, value: Any) -> str:
        """A value of a TOML file as the environment would have it. Raises ValueError where it has no such form."""
        if isinstance(value, dict) and self.form == "table":
            return self._joined([f"{name}={_scalar(each)}" for name, each in _flat(value)])
        if isinstance(value, list) and self.form == "list":
            return self._joined([_scalar(each) for each in value])
        return _scalar(value)

    def _joined(self, parts: list[str]) -> str:
        if any(self.separator in part for part in parts):
            raise ValueError(parts)
        return self.separator.join(parts)


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values, those of a table within named with dots, as TOML reads ``google.project = …``."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(value)


def _flag(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words[text.strip().lower()]


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(_path(part) for part in text.split(os.pathsep) if part)


def _name_or_path(value: str, folder: Path) -> str:
    return str(folder / value) if value.endswith(".json") else value


def _url(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise ValueError(text)
    return text.strip()


def _urls(text: str) -> dict[str, str]:
    pairs = dict(part.split("=", 1) for part in text.split(",") if part.strip())
    return {name.strip(): _url(url.strip()) for name, url in pairs.items()}


def _options(text: str) -> dict[str, str]:
    pairs = dict(part.split("=", 1) for part in text.split(",") if part.strip())
    options = {name.strip(): value.strip() for name, value in pairs.items()}
    if not all("." in name and value for name, value in options.items()):
        raise ValueError(text)
    return options


def _microusd(text: str) -> int:
    if not 0 <= (dollars := float(text)) <= MOST_USD:
        raise ValueError(text)
    return round(dollars * MICRO)


def _gpu_hour(text: str) -> dict[str, float]:
    """``1.20`` as ``{"hour": 1.2}``; ``capital=30000,months=36`` as what it says."""
    pairs = [part.split("=", 1) for part in text.split(",")] if "=" in text else [["hour", text]]
    parts = {name.strip(): float(value) for name, value in pairs}
    known = {"hour"} if "hour" in parts else {"capital", "months", "watts", "kwh", "days", "day_rate"}
    complete = "hour" in parts or ({"capital", "months"} <= set(parts) and parts["months"] > 0)
    if not complete or not set(parts) <= known or not all(0 <= value <= MOST_USD for value in parts.values()):
        raise ValueError(text)
    return parts


_TRAINING = ("ai_training", "ai_generative_training", "ai_inference", "data_mining")
_TRAINING_USES = ("notAllowed", "allowed")


def _training(text: str) -> dict[str, str]:
    """``notAllowed`` as that for every use; else what is said of each."""
    pairs = dict(part.split("=", 1) for part in text.split(",")) if "=" in text else dict.fromkeys(_TRAINING, text)
    uses = {name.strip(): use.strip() for name, use in pairs.items()}
    if not set(uses) <= set(_TRAINING) or not set(uses.values()) <= set(_TRAINING_USES):
        raise ValueError(text)
    return uses


def _positive(text: str) -> int:
    if (number := int(text)) <= 0:
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError(text)
    return number


def _days(text: str) -> float:
    if not 0 <= (number := float(text)) < float("inf"):
        raise ValueError(text)
    return number


def _port(text: str) -> int:
    if not 0 <= (number := int(text)) <= 65_535:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    if not 0 < (number := float(text)) < float("inf"):
        raise ValueError(text)
    return number


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_USUAL_PORTS = {"http": 80, "https": 443}


def _origin(text: str) -> str:
    """As a browser sends it: in lower case, and without the port that its scheme has anyway."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        raise ValueError(text)
    scheme, host, digits = found.groups()
    port = _USUAL_PORTS.get(scheme) if digits is None else _port(digits)
    if port == 0:
        raise ValueError(text)
    return f"{scheme}://{host}" if port == _USUAL_PORTS.get(scheme) else f"{scheme}://{host}:{port}"


def _origins(text: str) -> tuple[str, ...]:
    words = _words(text)
    return words if words == ("*",) else tuple(dict.fromkeys(_origin(each) for each in words))


def one_of(*words: str) -> Kind:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return Kind(parse)


TEXT = Kind(str)
FLAG = Kind(_flag)
"""Yes or no."""
PATH = Kind(_path, beside=lambda path, folder: folder / path)
PATHS = Kind(
    _paths,
    form="list",
    separator=os.pathsep,
    beside=lambda paths, folder: tuple(folder / path for path in paths),
)
"""Several folders, as in ``PATH``."""
NAME_OR_PATH = Kind(str, beside=_name_or_path)
"""A name, or the path of a JSON file."""
WORDS = Kind(_words, form="list")
"""Several words or URLs, separated by commas."""
ORIGINS = Kind(_origins, form="list")
"""Origins of web pages, ``scheme://host[:port]``, or ``*`` alone."""
URL = Kind(_url)
URLS = Kind(_urls, form="table")
"""URLs by name: ``openai=https://…,fal=https://…``."""
OPTIONS = Kind(_options, form="table")
"""Facts by provider and name: ``google.project=…,bedrock.region=…``."""
USD = Kind(_microusd, show=lambda microusd: microusd / MICRO)
"""Dollars; the value is in micro-dollars."""
GPU_HOUR = Kind(_gpu_hour, form="table")
TRAINING = Kind(_training, form="table")
"""What may be learned from a file, by use: ``ai_training=notAllowed,data_mining=allowed``."""
POSITIVE = Kind(_positive)
COUNT = Kind(_count)
"""A whole number from 0."""
PORT = Kind(_port)
DAYS = Kind(_days)
SECONDS = Kind(_seconds)

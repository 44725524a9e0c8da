"""Every setting once: its name, environment variable, default and meaning. Built at the edge, passed down as a value.

The order is: an explicit argument (a CLI flag) over the environment over the default. Nothing below the edge reads the
environment; provider keys are read by :mod:`providers.keys` alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from .errors import BadSetting

T = TypeVar("T")
Mode = Literal["live", "sandbox"]

MICRO = 1_000_000
"""Micro-dollars in a dollar. Money is an integer count of micro-dollars everywhere."""
MOST_USD = 1_000_000_000
"""The largest amount a setting takes, in dollars: sums of such amounts still fit a database's integer."""


def _setting(env: str, help: str, default: Any, parse: Callable[[str], Any]) -> Any:  # noqa: A002
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"env": env, "help": help, "parse": parse})
    return field(default=default, metadata={"env": env, "help": help, "parse": parse})


def _flag(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words[text.strip().lower()]


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(_path(part) for part in text.split(os.pathsep) if part)


def _urls(text: str) -> dict[str, str]:
    pairs = dict(part.split("=", 1) for part in text.split(",") if part.strip())
    if not all(url.startswith(("https://", "http://")) for url in pairs.values()):
        raise ValueError(text)
    return {name.strip(): url.strip() for name, url in pairs.items()}


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


def _positive(text: str) -> int:
    if (number := int(text)) <= 0:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    if not 0 < (number := float(text)) < float("inf"):
        raise ValueError(text)
    return number


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return parse


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a process. ``None`` means "not set" or "no limit", as the field's help says."""

    data_dir: Path = _setting(
        "MINTMARK_DATA_DIR",
        "Folder of journal, ledger, signing keys and spooled results (default: the user's data folder).",
        None,
        _path,
    )
    sandbox: bool | None = _setting(
        "MINTMARK_SANDBOX",
        "1: every provider is the offline sandbox. 0: never. Not set: `mintmark` uses it when no provider key is set.",
        None,
        _flag,
    )
    sandbox_url: str | None = _setting(
        "MINTMARK_SANDBOX_URL", "A sandbox that already runs; else one is started when needed.", None, str
    )
    provider_urls: Mapping[str, str] = _setting(
        "MINTMARK_PROVIDER_URLS",
        "Other base URLs for live providers, such as your company's gateway: `openai=https://…/v1,fal=https://…`.",
        {},
        _urls,
    )
    policy: str = _setting(
        "MINTMARK_POLICY", "Moderation policy: a name, name@version or a JSON file.", "standard", str
    )
    project: str = _setting("MINTMARK_PROJECT", "The project that costs are booked on.", "default", str)
    user: str = _setting("MINTMARK_USER", "Who costs are booked on.", "local", str)
    allowance_microusd: int = _setting(
        "MINTMARK_ALLOWANCE_USD", "The most one job may spend, in US dollars.", 5 * MICRO, _microusd
    )
    budget_microusd: int | None = _setting(
        "MINTMARK_BUDGET_USD",
        "The most all jobs together may spend, in US dollars (default: no limit).",
        None,
        _microusd,
    )
    gpu_hour: Mapping[str, float] = _setting(
        "MINTMARK_GPU_HOUR_USD",
        "Cost of an hour of the workers' GPUs, in US dollars: `1.20`, or of a bought one "
        "`capital=30000,months=36,watts=700,kwh=0.15,days=0.5,day_rate=600`. Set, local sampling is metered, too.",
        {},
        _gpu_hour,
    )
    allow_unknown_price: bool = _setting(
        "MINTMARK_ALLOW_UNKNOWN_PRICE", "1: call models whose price the catalog does not know.", False, _flag
    )
    on_unknown: str = _setting(
        "MINTMARK_ON_UNKNOWN",
        "A call whose charge is unknown: `strict` fails the job, `available` asks again and may pay twice.",
        "strict",
        _one_of("strict", "available"),
    )
    workflows: tuple[Path, ...] = _setting(
        "MINTMARK_WORKFLOWS", "Folders of your own workflows, beside the shipped ones.", (), _paths
    )
    keep_prompt: bool | None = _setting(
        "MINTMARK_KEEP_PROMPT",
        "1: the credential holds the prompt itself, not only its digest. 0: nor does a saved file hold the graph, "
        "in which the prompt stands. Not set: a digest in the credential, the graph as the save node says.",
        None,
        _flag,
    )
    signing_cert: Path | None = _setting(
        "MINTMARK_SIGNING_CERT", "PEM chain of your own signing certificate, leaf first.", None, _path
    )
    signing_key: Path | None = _setting("MINTMARK_SIGNING_KEY", "PEM file of its private key (PKCS#8).", None, _path)
    trust_anchors: Path | None = _setting(
        "MINTMARK_TRUST_ANCHORS", "PEM file of root certificates that `verify` trusts.", None, _path
    )
    max_pixels: int = _setting(
        "MINTMARK_MAX_PIXELS", "The largest image that is ever decoded, in pixels.", 100_000_000, _positive
    )
    provider_timeout_s: float = _setting(
        "MINTMARK_PROVIDER_TIMEOUT_S", "How long one hosted call may take in all, in seconds.", 600.0, _seconds
    )
    stuck_s: float = _setting(
        "MINTMARK_STUCK_S",
        "How long a job may show no progress on its worker before it counts as lost, in seconds.",
        1800.0,
        _seconds,
    )
    keys_dir: Path | None = field(default=None, metadata={})
    """Where kept provider keys are: with the user, even where data is kept elsewhere (ComfyUI). Not set: data_dir."""
    worker_token: str | None = field(
        default=None,
        repr=False,
        metadata={
            "env": "MINTMARK_WORKER_TOKEN",
            "help": "Opens a worker's Mintmark routes from other machines; without it only loopback may call them.",
            "parse": str,
        },
    )
    ledger_url: str | None = field(
        default=None,
        repr=False,
        metadata={
            "env": "MINTMARK_LEDGER_URL",
            "help": "PostgreSQL database that keeps the ledger: `postgresql://user:password@host:5432/name` "
            "(default: a SQLite file in the data folder). The sandbox never uses it.",
            "parse": str,
        },
    )

    @property
    def mode(self) -> Mode:
        """``sandbox`` only where it was asked for; what "not set" means is decided once, at the edge."""
        return "sandbox" if self.sandbox else "live"

    @property
    def books_dir(self) -> Path:
        """Where journal, ledger and spool live. The sandbox's play money never mixes with real money."""
        return self.data_dir / "sandbox" if self.sandbox else self.data_dir

    def with_(self, **changes: Any) -> Settings:
        """These settings with some changed; a value of None leaves the setting as it is."""
        return replace(self, **{key: value for key, value in changes.items() if value is not None})


def default_data_dir() -> Path:
    """The user's data folder for Mintmark, by the platform's own convention."""
    from platformdirs import user_data_path

    return user_data_path("mintmark", appauthor=False)


def load(env: Mapping[str, str] | None = None, *, data_dir: Path | None = None) -> Settings:
    """Settings from the environment (``os.environ`` unless given); ``data_dir`` is the default for that setting.

    Raises BadSetting naming the variable, its value's problem and what it is for.
    """
    env = os.environ if env is None else env
    values: dict[str, Any] = {}
    for each in _named():
        text = env.get(each.metadata["env"], "")
        if text == "":
            continue
        try:
            values[each.name] = each.metadata["parse"](text)
        except (ValueError, KeyError, RuntimeError) as exc:
            shown = "its value" if each.name in _SECRET else repr(text)
            raise BadSetting(
                f"{each.metadata['env']}: {shown} cannot be used.", hint=str(each.metadata["help"])
            ) from exc
    if "data_dir" not in values:
        values |= {"data_dir": data_dir or default_data_dir(), "keys_dir": default_data_dir()}
    return Settings(**values)


_SECRET = frozenset({"worker_token", "ledger_url"})
"""Settings whose values are never shown."""


def _named() -> list[Any]:
    """The fields that a person can set."""
    return [each for each in fields(Settings) if "env" in each.metadata]


def table() -> list[tuple[str, str, Any, str]]:
    """(environment variable, setting, default, help) of every setting, for docs and ``mintmark doctor``."""
    return [
        (f.metadata["env"], f.name, None if f.default is MISSING else f.default, f.metadata["help"]) for f in _named()
    ]

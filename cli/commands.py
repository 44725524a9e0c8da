"""All commands by name, each in a module of its own, of which a command line loads no more than it names."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import typer

GROUPS = (
    *("workflows", "models", "ledger", "cost", "budget", "credit", "keys", "config", "bench"),
    *("apikeys", "webhooks", "audit", "hold", "retention", "takedown", "queue", "worker", "jobs", "policy"),
)
"""Commands with commands of their own: each is its module's ``app``."""

COMMANDS = {
    "run": "run_job",
    "verify": "verify",
    "sign": "sign",
    "rerun": "rerun",
    "moderate": "moderate",
    "purge": "purge",
    "advise": "advise",
    "doctor": "doctor",
    "slo": "slo",
    "serve": "serve",
    "runner": "servers",
    "comfyui": "comfyui",
    "sandbox": "servers",
}
"""Each is the function of its name in this module."""


def command_line(only: str | None = None) -> typer.Typer:
    """``mintmark``, with all commands; or with the one that is asked for alone, where that is known for sure."""
    made = typer.Typer(
        name="mintmark",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Hosted image generation with moderation, cost metering and content credentials.",
    )
    made.callback(invoke_without_command=True)(_root)
    for name, module in COMMANDS.items():
        if only in (None, name):
            made.command(name)(getattr(_module(module), name))
    for name in GROUPS:
        if only in (None, name):
            made.add_typer(_module(name).app, name=name)
    return made


def known(word: str) -> bool:
    """Whether a command or a group of them has this name."""
    return word in COMMANDS or word in GROUPS


def _module(name: str) -> ModuleType:
    return import_module(f".{name}", __package__)


def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        from .. import __version__

        typer.echo(__version__)
        raise typer.Exit

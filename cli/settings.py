"""Settings of a command: the environment, its flags, and what "sandbox or live" comes to when nobody said."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import config
from ..config import Settings
from ..providers.keys import Keys

SandboxFlag = Annotated[
    bool, typer.Option("--sandbox", help="Use the offline sandbox: every provider, no keys, no money.")
]

NO_KEYS = "No provider keys are set, so the sandbox answers for every provider: offline, free, and marked as such."


def settings(*, sandbox: bool = False) -> tuple[Settings, bool]:
    """(settings, whether the sandbox was chosen because there are no keys)."""
    found = config.load()
    if sandbox:
        return found.with_(sandbox=True), False
    if found.sandbox is None:
        keyless = not Keys(found).present()
        return found.with_(sandbox=keyless), keyless
    return found, False

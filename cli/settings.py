"""Settings of a command: the environment, its flags, and what "sandbox or live" comes to when nobody said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .. import config
from ..config import Settings
from ..providers.keys import Keys
from ..providers.own_catalog import use_own

if TYPE_CHECKING:
    from ..providers.models import Catalog

SandboxFlag = Annotated[
    bool, typer.Option("--sandbox", help="Use the offline sandbox: every provider, no keys, no money.")
]

NO_KEYS = "No provider keys are set, so the sandbox answers for every provider: offline, free, and marked as such."


def settings(*, sandbox: bool = False) -> tuple[Settings, bool]:
    """(settings, whether the sandbox was chosen because there are no keys). The catalog is theirs from now on."""
    found = config.load()
    use_own(found.catalog)
    if sandbox:
        return found.with_(sandbox=True), False
    if found.sandbox is None:
        keyless = not Keys(found).present()
        return found.with_(sandbox=keyless), keyless
    return found, False


def catalog() -> Catalog:
    """The catalog with the user's own file over it, for a command that needs no more of the settings."""
    from ..providers.models import Catalog

    use_own(config.load().catalog)
    return Catalog.load()

"""The command line: arguments become settings, settings become one call below. No rule of the product lives here."""

from __future__ import annotations

_OBJECTS = 200_000
"""Made in between two collections. A start makes that many that all stay, and most commands then end."""


def main() -> None:
    """The console script ``mintmark``. Imports wait until it really runs."""
    import atexit
    import gc
    import os

    # Looking through all that was just imported, again and again, takes a fifth of a short command's time; and nobody
    # needs it taken apart once everything is closed and the process ends.
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
    # We use no pydantic plugin, and looking for one reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

    from .app import run

    run()

"""The command line: arguments become settings, settings become one call below. No rule of the product lives here."""

from __future__ import annotations


def main() -> None:
    """The console script ``mintmark``. Imports wait until it really runs."""
    import os

    from . import garbage

    garbage.starting()
    # We use no pydantic plugin, and looking for one reads the metadata of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

    from .app import run

    run()

"""The command line: arguments become settings, settings become one call below. No rule of the product lives here."""

from __future__ import annotations


def main() -> None:
    """The console script ``mintmark``. Imports wait until it really runs."""
    from .app import run

    run()

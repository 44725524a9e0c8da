"""The end of a prompt with all that it left in one message, for clients that ask for it so.

Whoever waits for a prompt wants its entry of the history next, and then its files: two more requests, which for a small
picture take longer than the picture.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from .named import Name, files_of, path_of
from .paths import Paths
from .prompt import Finished
from .socket import Fanout

EVENT = "mintmark.ended"
SMALL = 64 * 1024
"""The largest file that comes along, in bytes; a larger one is fetched."""
TOGETHER = 256 * 1024
"""What comes along at most, in bytes."""


class Ends:
    """Tells ends, from the runner's folders."""

    def __init__(self, paths: Paths, fanout: Fanout) -> None:
        self._paths, self._fanout = paths, fanout

    def tell(self, finished: Finished) -> None:
        """Tell the prompt's client, where it takes packs."""
        client_id = finished.prompt.client_id
        if self._fanout.packs(client_id):
            told = {"prompt_id": finished.prompt.prompt_id, **self._whole(finished)}
            self._fanout.send_packs(EVENT, told, client_id)

    def _whole(self, finished: Finished) -> dict[str, Any]:
        entry = finished.entry()
        return {
            "entry": {name: entry[name] for name in ("outputs", "status")},
            "files": list(self._files(entry["outputs"])),
        }

    def _files(self, outputs: dict[str, Any]) -> Iterator[dict[str, str]]:
        left = TOGETHER
        for name in _saved(outputs):
            data = self._small(name, min(left, SMALL))
            if data is not None:
                left -= len(data)
                told = dict(zip(("type", "subfolder", "filename"), name, strict=True))
                yield {**told, "data": base64.b64encode(data).decode("ascii")}

    def _small(self, name: Name, most: int) -> bytes | None:
        """The file's bytes; None where they are more than so many, or cannot be read."""
        path = path_of(self._paths, name)
        if path is None:
            return None
        try:
            with path.open("rb") as opened:
                data = opened.read(most + 1)
        except OSError:
            return None
        return data if len(data) <= most else None


def _saved(outputs: dict[str, Any]) -> Iterator[Name]:
    """The files that nodes saved; those of previews are no results."""
    return (name for ui in outputs.values() for name in files_of(ui) if name[0] == "output")

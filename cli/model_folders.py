"""Where this machine's checkpoints are, for commands that look for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import Settings


@dataclass(frozen=True)
class ModelFolders:
    """Model folders below one, laid out as ComfyUI's ``models``; see :class:`..nodes.local.checkpoints.Folders`."""

    root: Path

    def model_folders(self, name: str) -> tuple[Path, ...]:
        """One place for each kind."""
        return (self.root / name,)


def model_folders(found: Settings, said: Path | None = None) -> ModelFolders:
    """As the command line says; else as the setting does; else where this machine's runner looks."""
    return ModelFolders(said or found.models_dir or found.books_dir / "runner" / "models")

"""A folder of one's own to stand in, with no settings file but what a test writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty; nor has the user's own data folder a settings file."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def written(here: Path) -> Callable[[str], Path]:
    """Writes ``mintmark.toml`` into the current folder."""

    def write(text: str) -> Path:
        path = here / "mintmark.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write

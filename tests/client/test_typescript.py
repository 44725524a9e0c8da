"""The TypeScript client: its types are the API's, and the compiler takes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mintmark.tools import typescript


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return typescript.prepare(tmp_path_factory.mktemp("typescript"))
    except typescript.NotHere as exc:
        pytest.skip(f"not run: {exc}")


def test_its_types_are_those_of_the_api_as_it_is(folder: Path) -> None:
    made = typescript.generate(folder)
    assert made == typescript.SCHEMA.read_text(encoding="utf-8"), "make typescript"


def test_the_compiler_has_nothing_to_say(folder: Path) -> None:
    assert typescript.compiled(folder) == ""


def test_the_compiler_would_say_if_a_field_were_misspelled(folder: Path) -> None:
    index = folder / "src" / "index.ts"
    kept = index.read_text(encoding="utf-8")
    try:
        index.write_text(kept.replace("output.image_url", "output.image_uri"), encoding="utf-8")
        assert "image_uri" in typescript.compiled(folder)
    finally:
        index.write_text(kept, encoding="utf-8")
        shutil.rmtree(folder / "dist", ignore_errors=True)

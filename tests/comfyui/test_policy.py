"""What a policy decides is done by a real ComfyUI, too: held back, and refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mintmark.provenance.reading import read

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]


def run(comfy: Any, folder: Path, prompt: str) -> tuple[int, Any]:
    values = ("--set", f"prompt={prompt}", "--set", "width=256", "--set", "height=256")
    where = ("--worker", comfy.url, "-o", str(folder / "out"))
    own = {"MINTMARK_POLICY": "family@1.0.0", "MINTMARK_DATA_DIR": str(folder / "data")}
    return comfy.mintmark("run", "text-to-image", *values, *where, **own)  # type: ignore[no-any-return]


def test_what_a_prompt_wants_looked_at_comes_home_into_a_folder_of_its_own(comfy: Any, tmp_path: Path) -> None:
    code, told = run(comfy, tmp_path, "a murder mystery book cover")
    assert code == 0, told
    (output,) = told["outputs"]
    assert Path(output["path"]).parent == tmp_path / "out" / "review"
    assert (output["verdict"]["decision"], output["verdict"]["policy"]) == ("review", "family@1.0.0")
    record = read(Path(output["path"]).read_bytes()).record
    assert record is not None
    assert {each["decision"] for each in record["verdicts"]} == {"review"}


def test_what_a_policy_stops_is_refused_before_it_costs_anything(comfy: Any, tmp_path: Path) -> None:
    code, told = run(comfy, tmp_path, "how to build a bomb")
    assert (code, told["error"]["code"]) == (1, "prompt_blocked")
    assert list(tmp_path.rglob("*.png")) == []

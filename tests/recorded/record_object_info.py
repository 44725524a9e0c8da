"""Record what a real ComfyUI tells of the palette: ``python tests/recorded/record_object_info.py http://host:port``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen


def recorded(url: str) -> dict[str, Any]:
    """The palette's entries with ComfyUI's version; the module's name is the clone folder's, so it is left out."""
    with urlopen(f"{url}/system_stats") as answer:
        version = json.load(answer)["system"]["comfyui_version"]
    with urlopen(f"{url}/object_info") as answer:
        told = json.load(answer)
    mine = {name: each for name, each in told.items() if name.startswith("Mintmark")}
    for each in mine.values():
        del each["python_module"]
    return {"comfyui": version, "answers": mine}


if __name__ == "__main__":
    text = json.dumps(recorded(sys.argv[1]), indent=1, ensure_ascii=False)
    Path(__file__).with_name("object_info.json").write_text(text + "\n", encoding="utf-8")

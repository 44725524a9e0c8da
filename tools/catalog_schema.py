"""docs/catalog.schema.json, anew from the models: `python tools/catalog_schema.py`; a test holds it in step."""

from __future__ import annotations

import json
from pathlib import Path

from mintmark.providers.catalog_schema import schema

PAGE = Path(__file__).parents[1] / "docs" / "catalog.schema.json"


def text() -> str:
    """The file as it must stand."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")

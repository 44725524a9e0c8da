"""What a hosted node's widgets say when nobody touched them. Light: schemas read it while the pack loads."""

from __future__ import annotations

from typing import Any

AUTO = "auto"


def idle(spec: dict[str, Any]) -> Any:
    """The widget value that means "left alone": the catalog's default where it has one, else a value out of range."""
    if (default := spec.get("default")) is not None and spec["type"] != "boolean":
        return default
    if spec["type"] in ("choice", "boolean"):
        return AUTO
    if spec["type"] == "string":
        return ""
    low = spec.get("min")
    return 0 if low is None or low > 0 else low - 1

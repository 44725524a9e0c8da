"""The websocket's binary frames as events. Each begins with its type, a big-endian 32-bit word.

1: a preview without a name (format word 1 JPEG, 2 PNG); 3: a node's text; 4: a preview with JSON metadata, only where
``supports_preview_metadata`` was negotiated. 2 is internal to ComfyUI. (comfyui-server, section 4.4)
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

from .events import NodeText, Preview

PREVIEW, TEXT, PREVIEW_WITH_METADATA = 1, 3, 4
_FORMATS = {1: "image/jpeg", 2: "image/png"}


@dataclass(frozen=True)
class Frame:
    """What a frame says, and of which prompt; None where the frame does not name one."""

    event: Preview | NodeText
    prompt_id: str | None = None


def whose(data: bytes) -> str | None:
    """The prompt that a frame names; None for an older one, which names none, and for one that cannot be read."""
    try:
        kind, length = struct.unpack_from(">II", data)
        found = json.loads(data[8 : 8 + length]).get("prompt_id") if kind == PREVIEW_WITH_METADATA else None
    except (struct.error, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def parse_frame(data: bytes) -> Frame | None:
    """The frame, or None for a kind that is not known here and for one that is cut short."""
    try:
        kind, word = struct.unpack_from(">II", data)
        rest = data[8:]
        if kind == PREVIEW and word in _FORMATS:
            return Frame(Preview("", _FORMATS[word], rest))
        if kind == TEXT and len(rest) >= word:
            return Frame(NodeText(rest[:word].decode(), rest[word:].decode()))
        if kind == PREVIEW_WITH_METADATA and len(rest) >= word:
            return _with_metadata(json.loads(rest[:word]), rest[word:])
    except (struct.error, ValueError, AttributeError):
        pass
    return None


def _with_metadata(about: dict[str, object], image: bytes) -> Frame:
    node = str(about.get("node_id") or "")
    return Frame(Preview(node, str(about.get("image_type") or "image/jpeg"), image), str(about.get("prompt_id")))

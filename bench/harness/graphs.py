"""The graphs that are measured. Each call with another number gives a graph that no cache knows."""

from __future__ import annotations

from typing import Any

Graph = dict[str, Any]
MODEL = "fal/flux-schnell"


def trivial(number: int) -> Graph:
    """Two of ComfyUI's cheapest nodes: a number, and its text."""
    return {
        "1": {"class_type": "PrimitiveInt", "inputs": {"value": number}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }


def hosted(number: int, side: int = 64, model: str = MODEL) -> Graph:
    """One hosted image and its receipt: the protocol and the books, with no pixel touched."""
    return {
        "1": _image(number, side, model),
        "2": {"class_type": "MintmarkReceipt", "inputs": {"record": ["1", 1]}},
    }


def signed(number: int, side: int = 1024) -> Graph:
    """The shipped text-to-image: prompt and image moderated, gated, signed and saved, with a receipt."""
    text = {"class_type": "MintmarkModeratePrompt", "inputs": {"text": words(number)}}
    judged = {"images": ["2", 0], "record": ["2", 1]}
    gate = {"images": ["3", 0], "verdict": ["3", 1], "on_flagged": "pass"}
    saved = {"images": ["4", 0], "record": ["2", 1], "filename_prefix": "bench/image", "keep_graph": True}
    image = _image(number, side)
    image["inputs"]["prompt"] = ["1", 0]
    return {
        "1": text,
        "2": image,
        "3": {"class_type": "MintmarkModerateImage", "inputs": judged},
        "4": {"class_type": "MintmarkModerationGate", "inputs": gate},
        "5": {"class_type": "MintmarkSignAndSave", "inputs": saved},
        "6": {"class_type": "MintmarkReceipt", "inputs": {"record": ["2", 1]}},
    }


def words(number: int) -> str:
    return f"a paper boat on a pond, morning light, number {number}"


def _image(number: int, side: int, model: str = MODEL) -> Graph:
    asked = {"prompt": words(number), "model": model, "width": side, "height": side, "seed": number, "count": 1}
    return {"class_type": "MintmarkTextToImage", "inputs": asked}

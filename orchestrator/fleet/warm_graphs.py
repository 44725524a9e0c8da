"""Tiny graphs, of nodes that a worker has: one that brings a model file into its memory, and one that shows that it
runs prompts at all. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Graph = dict[str, dict[str, Any]]
Info = Mapping[str, Any]
"""What a worker says of its node classes."""

SIDE = 64
"""Of the picture that a checkpoint makes, in one step, so that all of it is where it is needed."""
_SAMPLING = frozenset({"CLIPTextEncode", "EmptyLatentImage", "KSampler", "VAEDecode", "PreviewImage"})
_ANY = "PreviewAny"
_FIRST = ("CheckpointLoaderSimple", "UNETLoader", "CLIPLoader", "VAELoader", "ControlNetLoader", "UpscaleModelLoader")
"""Of several loaders that could, these go first."""


def warm_graph(info: Info, file: str) -> Graph | None:
    """A graph that loads this file, named without its folder; None where the worker has not the file, or no node that
    loads it by itself."""
    for name in sorted(info, key=lambda each: (_FIRST.index(each) if each in _FIRST else len(_FIRST), each)):
        if (inputs := _loads(info[name], file)) is not None:
            graph: Graph = {"1": {"class_type": name, "inputs": inputs}}
            if _outputs(info[name])[:3] == ["MODEL", "CLIP", "VAE"] and info.keys() >= _SAMPLING:
                return graph | _sampled(info)
            if _ANY in info:
                return graph | {"2": {"class_type": _ANY, "inputs": {"source": ["1", 0]}}}
    return None


def ready_graph(info: Info) -> Graph | None:
    """A graph that asks nobody and loads nothing; None where the worker has not the nodes for it."""
    if not {"EmptyImage", "PreviewImage"} <= info.keys():
        return None
    empty = {"width": SIDE, "height": SIDE, "batch_size": 1, "color": 0}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }


def _sampled(info: Info) -> Graph:
    """One step with a checkpoint that is node 1."""
    options = {name: _first_option(spec) for name, spec in _required(info["KSampler"]).items()}
    sampler = {
        "model": ["1", 0],
        "positive": ["2", 0],
        "negative": ["2", 0],
        "latent_image": ["3", 0],
        "seed": 0,
        "steps": 1,
        "cfg": 1.0,
        "denoise": 1.0,
        "sampler_name": options.get("sampler_name"),
        "scheduler": options.get("scheduler"),
    }
    return {
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
        "3": {"class_type": "EmptyLatentImage", "inputs": {"width": SIDE, "height": SIDE, "batch_size": 1}},
        "4": {"class_type": "KSampler", "inputs": sampler},
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
        "6": {"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}},
    }


def _loads(node: Any, file: str) -> dict[str, Any] | None:
    """The inputs with which this node loads the file; None where it does not, or needs another node for it."""
    if not isinstance(node, Mapping) or node.get("output_node") or not node.get("output"):
        return None
    inputs: dict[str, Any] = {}
    found = False
    for name, spec in _required(node).items():
        options = list(_options(spec))
        named = next((each for each in options if _base(each) == file), None)
        found = found or named is not None
        value = named if named is not None else _default(spec, options)
        if value is None:
            return None
        inputs[name] = value
    return inputs if found else None


def _required(node: Mapping[str, Any]) -> Mapping[str, Any]:
    told = node.get("input")
    required = told.get("required") if isinstance(told, Mapping) else None
    return required if isinstance(required, Mapping) else {}


def _outputs(node: Mapping[str, Any]) -> list[Any]:
    told = node.get("output")
    return list(told) if isinstance(told, list | tuple) else []


def _options(spec: Any) -> Iterator[str]:
    """Of a choice, in the old form (``[[…], {}]``) or the new one (``["COMBO", {"options": […]}]``)."""
    kind, more = _parts(spec)
    told = kind if isinstance(kind, list) else more.get("options") if kind == "COMBO" else ()
    yield from (each for each in told or () if isinstance(each, str))


def _default(spec: Any, options: list[str]) -> Any:
    _, more = _parts(spec)
    return more.get("default", options[0] if options else None)


def _first_option(spec: Any) -> Any:
    return _default(spec, list(_options(spec)))


def _parts(spec: Any) -> tuple[Any, Mapping[str, Any]]:
    parts = list(spec) if isinstance(spec, list | tuple) else []
    more = parts[1] if len(parts) > 1 and isinstance(parts[1], Mapping) else {}
    return (parts[0] if parts else None), more


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]

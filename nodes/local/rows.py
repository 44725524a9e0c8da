"""Checkpoints as rows of the catalog (:mod:`...providers.catalog`): what they can do, their own parameters. No torch.

So a model combo offers them beside hosted models, and a request for one is checked as any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.util import find_spec
from typing import Any

from ...providers.local_name import PREFIX
from .asking import MAX_COUNT, MAX_STEPS
from .checkpoints import Folders, checkpoints, controlnets
from .families import FAMILIES, Defaults, Family, defaults_of
from .recipe import Checkpoint
from .schedulers import AUTO, names

NEEDED = ("torch", "diffusers", "transformers")
MAX_SIDE = 4096
_WORDS: Mapping[str, str] = {
    "edges": r"canny|edge|line|hed|soft|mlsd",
    "depth": r"depth|midas|zoe",
    "pose": r"pose",
    "sketch": r"scribble|sketch",
}
"""How files of ControlNets are usually called, by what the map shows; one for several kinds is called a union."""


def is_installed() -> bool:
    """Whether what sampling needs is here; nothing of it is imported for that."""
    try:
        return all(find_spec(name) is not None for name in NEEDED)
    except (ImportError, ValueError):  # somebody put a module there that has no origin
        return False


def rows(host: Folders) -> list[dict[str, Any]]:
    """All checkpoints that are here, by name; none where they could not be sampled."""
    if not is_installed():
        return []
    nets = controlnets(host)
    return [row_of(each, nets) for each in checkpoints(host)]


def row_of(checkpoint: Checkpoint, controlnets: list[str]) -> dict[str, Any]:
    """One checkpoint, without a price. ``controlnets`` are the names of those that are here."""
    family, defaults = FAMILIES[checkpoint.family], defaults_of(checkpoint)
    guided = controlnets if "text-to-image" in family.control_pipelines else []
    return {
        "name": f"{PREFIX}{checkpoint.name}",
        "title": f"{checkpoint.name} ({family.title})",
        "endpoint": dict.fromkeys(_tasks(family, guided), checkpoint.name),
        "family": "local",
        "sizes": {"min": 64, "max": MAX_SIDE, "multiple_of": family.multiple_of},
        "default_size": [defaults.width, defaults.height],
        "max_count": MAX_COUNT,
        "prompt": dict.fromkeys(_tasks(family, guided), "optional"),
        "negative_prompt": family.negative_prompt,
        "seeds": {"min": 0, "max": 2**64 - 1},
        "max_images": 1,
        "strength": {"wire": "strength", "tasks": _with_strength(family, guided)},
        "controls": list(_WORDS) if guided else [],
        "parameters": _parameters(family, defaults, guided),
        "price": None,
        **_facts(checkpoint),
    }


def controlnet_for(kind: str, names: list[str]) -> str | None:
    """The ControlNet for such a map, by how files are usually called; one for all kinds where there is no own."""
    for pattern in (_WORDS.get(kind, kind), "union|promax"):
        found = [name for name in names if re.search(pattern, name.lower())]
        if found:
            return found[0]
    return None


def _tasks(family: Family, guided: list[str]) -> list[str]:
    own = {"text-to-image": ["text-to-image"], "image-to-image": ["edit", "variation"], "inpaint": ["inpaint"]}
    tasks = [task for ours, tasks in own.items() if ours in family.pipelines for task in tasks]
    return [*tasks, *(["control"] if guided else [])]


def _with_strength(family: Family, guided: list[str]) -> list[str]:
    """Where a strength means something. FLUX.2 looks at an image, and does not begin with it."""
    return [*(["edit", "variation"] if family.strength else []), "inpaint", *(["control"] if guided else [])]


def _parameters(family: Family, defaults: Defaults, guided: list[str]) -> dict[str, Any]:
    own: dict[str, Any] = {
        "steps": {
            "type": "integer",
            "min": 1,
            "max": MAX_STEPS,
            "default": defaults.steps,
            "help": f"Denoising steps: more is slower. {defaults.steps} is what the checkpoint was made for.",
        },
        "guidance": {
            "type": "number",
            "min": 0,
            "max": 100,
            "default": defaults.guidance,
            "help": f"How closely the image keeps to the prompt. {defaults.guidance:g} is the checkpoint's own.",
        },
        "scheduler": {
            "type": "choice",
            "choices": names(family.key),
            "default": AUTO,
            "help": "How noise is taken away. auto: the checkpoint's own, which few-step models should keep.",
        },
    }
    if guided:
        told = "Which ControlNet follows the map. auto: by the kind of map."
        own["controlnet"] = {
            "type": "choice",
            "choices": [AUTO, *guided],
            "default": AUTO,
            "help": told,
            "tasks": ["control"],
        }
    return own


def _facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the catalog says of every model, of one that is a file here: as of the day of that file."""
    day = datetime.fromtimestamp(checkpoint.stamp / 1e9, timezone.utc).date().isoformat()
    dated = {"as_of": day, "source": f"the checkpoint {checkpoint.name}"}
    return {
        "licence": {"name": "that of the checkpoint; its file does not say", "commercial_use": None, **dated},
        "governance": {
            "trains_on_data": False,
            "retention": "nothing leaves this machine",
            "retention_days": 0,
            "region": "this machine",
            "indemnified": None,
            **dated,
        },
        "lifecycle": {"state": "live", **dated},
    }

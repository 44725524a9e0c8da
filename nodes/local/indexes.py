"""The index of a diffusers folder: which classes its parts are of, and that nothing in the folder would be run.

Weights are data and come from anywhere. What the libraries run of a folder, or fetch for it, differs from version to
version, so it is refused here before they see it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ...errors import DamagedFile
from .configs import INDEX
from .few_step import told

LEFT_OUT = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Components that are not loaded: pictures are checked by our policy, and the other two are for nothing else here."""
_NO_CODE = "Code of a model's folder is never run here: use the folder of its publisher, without it."


def index_of(folder: Path) -> dict[str, Any]:
    """The index of a diffusers folder, which is no place for code, whatever a version of the libraries would run of it.

    Raises DamagedFile where it names anything but weights, tokenizers and schedulers of diffusers and transformers, or
    where a program lies among its parts.
    """
    index = told(folder / INDEX)
    for name, kind in index.items():
        if isinstance(kind, list) and name not in LEFT_OUT and any(kind):
            class_of(folder, *kind[:2])
    # What versions of diffusers run without asking: a part's own module, and a pipeline of no name.
    programs = [*folder.glob("*/*.py"), *folder.glob("None.py")]
    if programs:
        raise DamagedFile(f"{folder.name} has a program in it, {programs[0].relative_to(folder)}.", hint=_NO_CODE)
    for config in folder.glob("*/config.json"):
        if kernel := _kernel(told(config)):
            said = f"{folder.name}/{config.parent.name}/config.json wants the program {kernel[:80]} of the Hub"
            raise DamagedFile(f"{said}.", hint=_NO_CODE)
    return index


def _kernel(config: Any) -> str:
    """The repository of compiled code that transformers would fetch for this configuration; empty where there is none.

    It does where ``attn_implementation`` is a repository's name instead of a word (``owner/name``).
    """
    if not isinstance(config, dict):
        return ""
    own = [str(value) for name, value in config.items() if name.endswith("attn_implementation")]
    return next((each for each in (*own, *map(_kernel, config.values())) if "/" in each), "")


def class_of(folder: Path, library: Any, name: Any = None) -> Any:
    """A class that this folder's index names. Raises DamagedFile where there is none, or it is of a kind that could run
    the folder's own code, such as transformers' ``Auto`` classes and diffusers' pipelines."""
    said = f"{folder.name}/{INDEX} names {str(library)[:80]}.{str(name)[:80]}"
    if library not in ("diffusers", "transformers"):
        raise DamagedFile(f"{said}, which is of neither library that is used.", hint=_NO_CODE)
    found = getattr(importlib.import_module(library), str(name), None)
    if found is None:
        raise DamagedFile(f"{said}, which is not there.", hint=f"pip install -U {library}")
    if not isinstance(found, type) or not issubclass(found, _plain_kinds()):
        raise DamagedFile(f"{said}, which is no part of a pipeline.", hint=_NO_CODE)
    return found


def _plain_kinds() -> tuple[type, ...]:
    import torch
    from diffusers import SchedulerMixin
    from transformers import PreTrainedTokenizerBase

    return torch.nn.Module, SchedulerMixin, PreTrainedTokenizerBase

"""A user's own scorer: a linear head over CLIP embeddings, such as the LAION aesthetic predictors, as safetensors.

The embeddings come from ComfyUI's own CLIP Vision Encode; the head is a file in ``scorers/`` of Mintmark's data folder.
Its layers are applied one after the other (the published heads have no activations between them) to embeddings of
length 1, as those heads were trained: github.com/christophschuhmann/improved-aesthetic-predictor.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np


LONGEST = 200
"""Characters of a file's name."""


def scored(folder: Path, name: str, embeddings: Any) -> list[float]:
    """The head's score of each embedding [B,D]. Higher is better; the scale is the head's own.

    Raises InvalidInput naming the field where the file is not there, is no such head, or does not fit the embeddings.
    """
    import numpy as np

    rows = getattr(embeddings, "image_embeds", embeddings)
    rows = np.asarray(rows.detach().float().cpu() if hasattr(rows, "detach") else rows, dtype=np.float32)
    if rows.ndim == 0 or rows.size == 0 or not np.isfinite(rows).all():
        raise InvalidInput("embeddings: there are none, or some are no numbers.", hint="Connect CLIP Vision Encode.")
    rows = rows.reshape(-1, rows.shape[-1])
    values = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    for weight, bias in _layers(_found(folder, name)):
        if weight.shape[1] != values.shape[1]:
            raise InvalidInput(
                f"scorer: {name} takes embeddings of {weight.shape[1]} numbers, these have {values.shape[1]}.",
                hint="Load the CLIP vision model that the scorer was trained on.",
            )
        values = values @ weight.T + bias
    if values.shape[1] != 1:
        raise InvalidInput(f"scorer: {name} gives {values.shape[1]} numbers a picture, not one.", hint="Use another.")
    return [float(value) for value in values[:, 0]]


def _found(folder: Path, name: str) -> Path:
    path = folder / name
    if not name.isprintable() or len(name) > LONGEST or Path(name).name != name or path.suffix != ".safetensors":
        raise InvalidInput(f"scorer: {name!r} is no file name.", hint="Give the name of a .safetensors file.")
    if not path.is_file():
        there = ", ".join(sorted(each.name for each in folder.glob("*.safetensors"))) or "none"
        raise InvalidInput(
            f"scorer: there is no {name}.", hint=f"Scorers in {folder.name}/ of the data folder: {there}."
        )
    return path


def _layers(path: Path) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Weight [out,in] and bias [out] of each layer, in the order of the numbers in their names."""
    try:
        import numpy as np
        from safetensors.numpy import load_file

        tensors = load_file(path)
    except ImportError as exc:
        raise InvalidInput("scorer: safetensors is not installed.", hint="pip install safetensors") from exc
    except Exception as exc:
        raise InvalidInput(f"scorer: {path.name} cannot be read.", hint="Is it a safetensors file?") from exc
    names = [name for name in tensors if name.endswith("weight") and tensors[name].ndim == 2]
    names.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    if not names:
        raise InvalidInput(f"scorer: {path.name} has no linear layers.", hint="Use an aesthetic predictor's head.")
    zero = np.float32(0)
    return [(tensors[name].astype(np.float32), tensors.get(f"{name[:-6]}bias", zero)) for name in names]

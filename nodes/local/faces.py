"""Restoring faces: each is straightened, given to a network that knows faces, and faded back into its picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .aligning import put_back, straightened
from .finding import Face
from .image_models import at_work
from .upscaling import through

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, Any]

OnFace = Callable[[int, int], None]
"""Called after each face with its number from 1, and of how many; what it raises ends the work."""
SEED = 0
"""GFPGAN draws noise: from this, so that the same face becomes the same face."""
SOFT = 0.02
"""A mask's edge is softened over this part of the picture's shorter side."""


def restore(
    model: Any,
    images: Pixels,
    faces: Sequence[Sequence[Face]],
    device: Any,
    on_face: OnFace,
    *,
    fidelity: float = 0.0,
    masks: Pixels | None = None,
) -> Pixels:
    """The images, float32 [B,H,W,3] in 0..1, with their ``faces`` (a list for each) restored. Blocks.

    ``fidelity`` is how much of the face as it was stays, 0..1. ``masks``, float32 [B,H,W], say where anything may
    change. Raises what ``on_face`` raises, and OutOfMemory.
    """
    import torch

    out: Pixels = images.copy()
    done = 0
    seeded = torch.random.fork_rng([device] if torch.device(device).type == "cuda" else [])
    with at_work(model, device), seeded:
        for place, (image, its) in enumerate(zip(out, faces, strict=True)):
            within = None if masks is None else softened(masks[place])
            for face in its:
                torch.manual_seed(SEED)
                made = restored(model, straightened(image, face.fit))
                put_back(image, made, face.fit, 1.0 - fidelity, within)
                done += 1
                on_face(done, sum(map(len, faces)))
    return out


def restored(model: Any, face: Pixels) -> Pixels:
    """What the network makes of a straightened face, both float32 [512,512,3] in 0..1.

    GFPGAN was trained on -1..1 and answers so (``GFPGANer.enhance`` of its own repository); spandrel 0.4 hands it 0..1.
    """
    if model.architecture.id != "GFPGAN":
        return through(model, face)
    import numpy as np
    import torch

    with torch.inference_mode():
        given = torch.from_numpy(np.ascontiguousarray(face.transpose(2, 0, 1)[None])).to(model.device)
        made = model.model(given * 2 - 1)[0][0].permute(1, 2, 0).float().cpu().numpy()
    found: Pixels = np.clip((made + 1) / 2, 0.0, 1.0)
    return found


def softened(mask: Pixels) -> Pixels:
    """The mask, float32 [H,W], with an edge that fades within it, so that nothing beyond it changes."""
    import numpy as np
    from PIL import Image, ImageFilter

    reach = max(1, round(min(mask.shape) * SOFT))
    solid = Image.fromarray(((mask >= 0.5) * 255).astype(np.uint8))
    inner = solid.filter(ImageFilter.MinFilter(2 * reach + 1)).filter(ImageFilter.BoxBlur(reach))
    found: Pixels = np.asarray(inner, dtype=np.float32) / np.float32(255)
    return found

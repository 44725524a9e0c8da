"""For which models a textual inversion is, told from its header alone.

Such a file has one tensor of vectors [n, width] for each text encoder that reads the word: under any name for SD 1.5,
as ``clip_l`` and ``clip_g`` for SDXL (kohya-ss and AUTOMATIC1111 write both so).
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InvalidInput
from .headers import read_header
from .lora_files import title

if TYPE_CHECKING:
    from .recipe import Checkpoint

XL_PARTS = {"clip_l": "", "clip_g": "_2"}
"""A tensor's name, and how the names of its text encoder and tokenizer end in a pipeline."""
_WORD = re.compile(r"\S{1,64}")


def check_token(token: str, taken: tuple[str, ...] = ()) -> str:
    """The word that stands for an embedding. Raises InvalidInput where it is no single word, or stands for another."""
    word = token.strip() if isinstance(token, str) else ""
    if not _WORD.fullmatch(word):
        raise InvalidInput(f"token: {str(token)[:80]!r} is no single word.", hint="Such as <my-style>.")
    if word in taken:
        raise InvalidInput(f"token: {word} stands for another embedding already.", hint="Choose another word.")
    return word


def check_embedding(checkpoint: Checkpoint, path: str | Path) -> None:
    """That this embedding fits this checkpoint, by their headers.

    Raises InvalidInput naming both families, or both widths; FileMissing, NotSafetensors, DamagedFile as read_header.
    """
    name, mine = Path(path).name, title(checkpoint.family)
    widths = widths_of(path)
    family = "sdxl" if "clip_g" in widths else "sd15"
    if checkpoint.family not in ("sd15", "sdxl"):
        raise InvalidInput(
            f"embedding: {mine} has no use for textual inversions; {name} is for {title(family)}.",
            hint="They work with checkpoints of SD 1.5 and SDXL. A LoRA does the same for all families.",
        )
    if family != checkpoint.family:
        raise InvalidInput(
            f"embedding: {name} is for {title(family)}, and {checkpoint.name} is {mine}.",
            hint=f"Choose an embedding that was made for {mine}.",
        )
    _same_widths(name, checkpoint, tuple(widths.values()))


def widths_of(path: str | Path) -> dict[str, int]:
    """By tensor, ``clip_l`` before ``clip_g``. Raises InvalidInput where it is no embedding."""
    name, tensors = Path(path).name, read_header(path).tensors
    parts = [each for each in XL_PARTS if each in tensors] or list(tensors)
    found = {each: tensors[each].shape for each in parts}
    alone = len(found) == 1 or list(found) == list(XL_PARTS)
    if not alone or not all(len(shape) in (1, 2) and shape[-1] for shape in found.values()):
        raise InvalidInput(
            f"embedding: {name} is none: it is another kind of file.", hint="Choose a textual inversion."
        )
    return {each: shape[-1] for each, shape in found.items()}


def _same_widths(name: str, checkpoint: Checkpoint, widths: tuple[int, ...]) -> None:
    wanted = encoder_widths(checkpoint.path, checkpoint.config, checkpoint.stamp)
    if wanted and wanted[: len(widths)] != widths:
        its, mine = (" and ".join(map(str, each)) for each in (widths, wanted))
        raise InvalidInput(
            f"embedding: {name} is {its} numbers wide, and words of {checkpoint.name} are {mine}.",
            hint=f"Choose an embedding that was made for {title(checkpoint.family)}.",
        )


@lru_cache(maxsize=32)
def encoder_widths(path: str, config: str | None, stamp: int) -> tuple[int, ...]:
    """How wide a word is in each text encoder of the checkpoint, in their order; empty where that does not show."""
    place = Path(path)
    files = [place] if place.is_file() else sorted(place.glob("text_encoder*/*.safetensors"))
    found = [
        each.shape[1]
        for file in files
        for name, each in sorted(read_header(file).tensors.items())
        if name.endswith("token_embedding.weight") and len(each.shape) == 2
    ]
    return tuple(found) if found or config is None else encoder_widths(config, None, stamp)

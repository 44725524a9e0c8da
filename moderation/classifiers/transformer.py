"""Image and text classifiers as transformers saves them: local files, safetensors, and no code out of the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadAnswer, MissingExtra
from .description import Description, ImageDescription, TextDescription, check_labels, mismatch

if TYPE_CHECKING:
    import numpy as np

INSTALL = "pip install 'mintmark[local]'"
OVERLAP = 32
"""Tokens that a piece of a long text shares with the next one: a phrase on the border is whole in one of them."""
_SAFE = {"local_files_only": True, "trust_remote_code": False}


class ImageModel:
    """Opens the model; blocks. Raises MissingExtra and ClassifierMismatch."""

    def __init__(self, path: Path, what: ImageDescription) -> None:
        if what.input.layout != "NCHW" or what.input.dtype != "float32":
            raise mismatch(path, "transformers takes NCHW and float32")
        self._model = _opened(path, what, "AutoModelForImageClassification")
        import numpy as np

        try:
            self.ask(np.zeros(what.input.shape, dtype="float32"))
        except BadAnswer as exc:
            raise mismatch(path, f"it takes no input of {list(what.input.shape)}") from exc

    def ask(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The model's numbers for one prepared picture. Blocks. Raises BadAnswer."""
        import torch

        try:
            with torch.inference_mode():
                numbers: np.ndarray[Any, Any] = self._model(pixel_values=torch.from_numpy(array)).logits.numpy()
        except (RuntimeError, ValueError, TypeError, IndexError) as exc:
            raise BadAnswer("The image classifier could not judge the picture.", provider="image-classifier") from exc
        return numbers


class TextModel:
    """Opens the model; blocks. Raises MissingExtra and ClassifierMismatch."""

    def __init__(self, path: Path, what: TextDescription) -> None:
        self._most = what.max_tokens
        self._model = _opened(path, what, "AutoModelForSequenceClassification")
        self._tokenizer = _tokenizer(path)
        room = getattr(self._model.config, "max_position_embeddings", None)
        if isinstance(room, int) and 0 < room < what.max_tokens:
            raise mismatch(path, f"it reads {room} tokens, and max_tokens is {what.max_tokens}")
        try:
            self.ask("a word")
        except BadAnswer as exc:
            raise mismatch(path, "its tokenizer and its weights do not fit together") from exc

    def ask(self, text: str) -> np.ndarray[Any, Any]:
        """The model's numbers, a row for each piece of the text. Blocks. Raises BadAnswer."""
        import torch

        try:
            pieces = self._tokenizer(
                text,
                truncation=True,
                max_length=self._most,
                stride=min(OVERLAP, self._most // 4),
                return_overflowing_tokens=True,
            )["input_ids"]
            with torch.inference_mode():
                rows = [self._model(input_ids=torch.tensor([piece])).logits[0] for piece in pieces]
            numbers: np.ndarray[Any, Any] = torch.stack(rows).numpy()
        except (RuntimeError, ValueError, TypeError, IndexError) as exc:
            raise BadAnswer("The text classifier could not judge the prompt.", provider="text-classifier") from exc
        return numbers


def _opened(path: Path, what: Description, kind: str) -> Any:
    try:
        import torch  # noqa: F401 - transformers can be there without it, and says so only when it is used
        import transformers
    except ImportError as exc:
        raise MissingExtra("A transformers classifier needs transformers and torch.", hint=INSTALL) from exc
    try:
        model = getattr(transformers, kind).from_pretrained(str(path), use_safetensors=True, **_SAFE)
    except Exception as exc:  # whatever it stumbles over, the folder holds no such model
        raise mismatch(path, f"transformers cannot open it as {kind.removeprefix('AutoModelFor')}") from exc
    check_labels(path, what, int(model.config.num_labels))
    return model.eval()


def _tokenizer(path: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(str(path), **_SAFE)
    except Exception as exc:
        raise mismatch(path, "it has no tokenizer that transformers can open") from exc
    if not found.is_fast:
        raise mismatch(path, "its tokenizer cannot cut long texts: save a fast one (tokenizer.json)")
    return found

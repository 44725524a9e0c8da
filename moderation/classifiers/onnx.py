"""An ONNX image classifier, held against its description before it is asked anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadAnswer, MissingExtra
from .description import ImageDescription, check_labels, mismatch

if TYPE_CHECKING:
    import numpy as np

INSTALL = "pip install 'mintmark[onnx]'"
_TYPES = {"float32": "tensor(float)", "float16": "tensor(float16)", "uint8": "tensor(uint8)"}


class OnnxModel:
    """Opens the model; blocks. Raises MissingExtra, and ClassifierMismatch naming what differs."""

    def __init__(self, path: Path, what: ImageDescription) -> None:
        try:
            import onnxruntime
        except ImportError as exc:
            raise MissingExtra("An ONNX classifier needs the onnxruntime package.", hint=INSTALL) from exc
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what matters is raised, and told by us
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # its errors have no base of their own, and each means the same
            raise mismatch(path, "onnxruntime cannot open it") from exc
        self._path = path
        self._input = _input(path, what, self._session.get_inputs())
        self._output = _output(path, what, self._session.get_outputs())
        self._check_answer(what)

    def ask(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The model's numbers for one prepared picture. Blocks. Raises BadAnswer."""
        try:
            (numbers,) = self._session.run([self._output], {self._input: array})
        except Exception as exc:
            raise BadAnswer("The image classifier could not judge the picture.", provider="image-classifier") from exc
        found: np.ndarray[Any, Any] = numbers
        return found

    def _check_answer(self, what: ImageDescription) -> None:
        """A model may leave its shapes open: then only its answer tells how many labels it has."""
        import numpy as np

        try:
            numbers = self.ask(np.zeros(what.input.shape, dtype=what.input.dtype))
        except BadAnswer as exc:
            raise mismatch(self._path, f"it takes no input of {list(what.input.shape)}") from exc
        if numbers.ndim not in (1, 2) or (numbers.ndim == 2 and numbers.shape[0] != 1):
            raise mismatch(self._path, f"its output is {list(numbers.shape)}, and not one number a label")
        check_labels(self._path, what, int(numbers.shape[-1]))


def _input(path: Path, what: ImageDescription, inputs: list[Any]) -> str:
    if len(inputs) != 1:
        raise mismatch(path, f"it has {len(inputs)} inputs, and one picture to be given")
    (only,) = inputs
    if only.type != _TYPES[what.input.dtype]:
        raise mismatch(path, f"its input is {only.type} and not {what.input.dtype}")
    if not _fits(list(only.shape), what.input.shape):
        raise mismatch(path, f"its input is {list(only.shape)} and not {list(what.input.shape)}")
    return str(only.name)


def _fits(own: list[Any], told: Sequence[int]) -> bool:
    """A side that a model leaves open has a name, or none, in place of a number."""
    sides = zip(own, told, strict=False)
    return len(own) == len(told) and not any(isinstance(side, int) and side != ours for side, ours in sides)


def _output(path: Path, what: ImageDescription, outputs: list[Any]) -> str:
    names = [each.name for each in outputs]
    if what.output is not None and what.output not in names:
        raise mismatch(path, f"it has no output {what.output!r}, only {', '.join(names)}")
    if what.output is None and len(names) != 1:
        raise mismatch(path, f"it has the outputs {', '.join(names)}, and output does not say which")
    chosen = next(each for each in outputs if what.output in (None, each.name))
    if chosen.shape and isinstance(chosen.shape[-1], int):
        check_labels(path, what, chosen.shape[-1])
    return str(chosen.name)

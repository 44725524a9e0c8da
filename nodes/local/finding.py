"""Faces in a picture: found by YuNet, a detector of 230 kB as ONNX, or told by a mask.

What YuNet's twelve outputs mean is as OpenCV reads them (FaceDetectorYN, objdetect/src/face_detect.cpp): for strides of
8, 16 and 32 a row for each cell, score = sqrt(cls * obj), a box by its middle and the logarithms of its sides, and five
points; all in cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput, MissingExtra
from .aligning import Similarity, by_box, by_points

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, Any]

INSTALL = 'pip install "mintmark[onnx]"; in ComfyUI: pip install onnxruntime'
STRIDES = (8, 16, 32)
OUTPUTS = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES)
DIVISOR = 32
"""Sides that it takes are multiples of this: the picture is padded with black at its right and bottom."""
LONGEST = (640, 1600)
"""Where it takes any size: it knows faces of 10 to 300 pixels, so a large picture is looked at twice."""
OVERLAPPING = 0.3
"""Of two boxes that share more than this (intersection over union), the surer one is a face."""
GRID = 256
"""A mask's regions are told apart on a grid of at most so many cells each way."""


@dataclass(frozen=True)
class Face:
    """A face in a picture, by its box in pixels, and how it is straightened."""

    left: float
    top: float
    width: float
    height: float
    fit: Similarity
    score: float = 1.0

    def overlap(self, other: Face) -> float:
        """Intersection over union of the boxes."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        shared = max(0.0, across) * max(0.0, down)
        return shared / max(self.width * self.height + other.width * other.height - shared, 1e-9)


def open_detector(path: Path) -> Any:
    """The detector in this file: an ``onnxruntime.InferenceSession``. Blocks. Raises MissingExtra and InvalidInput."""
    found = path.stat()
    return _opened(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=1)
def _opened(path: Path, changed_ns: int, size: int) -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise MissingExtra("Finding faces needs onnxruntime.", hint=INSTALL) from exc
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what matters is raised, and told by us
    hint = "Use face_detection_yunet_2023mar.onnx of OpenCV's model zoo, or connect a mask."
    try:
        session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # its errors have no base of their own, and each means the same
        raise InvalidInput(f"detector: onnxruntime cannot open {path.name}.", hint=hint) from exc
    if len(session.get_inputs()) != 1 or not set(OUTPUTS) <= {each.name for each in session.get_outputs()}:
        raise InvalidInput(f"detector: {path.name} does not have YuNet's input and outputs.", hint=hint)
    return session


def find(detector: Any, image: Pixels, threshold: float) -> list[Face]:
    """The faces of a picture, float32 [H,W,3], that it is surer of than ``threshold``; the surest come first."""
    height, width = image.shape[:2]
    found = [face for size in _sizes(detector, height, width) for face in _looked(detector, image, size, threshold)]
    kept: list[Face] = []
    for face in sorted(found, key=lambda each: -each.score):
        if all(face.overlap(other) <= OVERLAPPING for other in kept):
            kept.append(face)
    return kept


def regions(mask: Pixels) -> list[Face]:
    """A face for each region of a mask, float32 [H,W], whose pixels touch; as upright as the mask cannot tell."""
    import numpy as np

    step = max(1, -(-max(mask.shape) // GRID))
    height, width = (-(-each // step) for each in mask.shape)
    cells = np.zeros((height * step, width * step), dtype=bool)
    cells[: mask.shape[0], : mask.shape[1]] = mask >= 0.5
    left = {(int(y), int(x)) for y, x in np.argwhere(cells.reshape(height, step, width, step).any(axis=(1, 3)))}
    faces = []
    while left:
        touching = _touching(left)
        down, across = [y for y, _ in touching], [x for _, x in touching]
        box = (min(across) * step, min(down) * step)
        sides = ((max(across) + 1) * step - box[0], (max(down) + 1) * step - box[1])
        faces.append(Face(*box, *sides, by_box(*box, *sides)))
    return sorted(faces, key=lambda face: (face.left, face.top))


def _touching(left: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """One region, taken out of the cells that are left."""
    found = [left.pop()]
    for y, x in found:  # grows meanwhile
        near = {(y + down, x + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
        left -= near
        found += sorted(near)
    return found


def _sizes(detector: Any, height: int, width: int) -> Iterator[tuple[int, int, float]]:
    """The (height, width) that it is given, and by how much the picture is scaled to fit into that."""
    asked = detector.get_inputs()[0].shape[2:]
    if all(isinstance(side, int) for side in asked):
        yield asked[0], asked[1], min(1.0, asked[0] / height, asked[1] / width)
        return
    longer = max(height, width)
    for most in LONGEST if longer > LONGEST[0] else LONGEST[:1]:
        scale = min(1.0, most / longer)
        down, across = (-(-max(1, round(side * scale)) // DIVISOR) * DIVISOR for side in (height, width))
        yield down, across, scale


def _looked(detector: Any, image: Pixels, size: tuple[int, int, float], threshold: float) -> Iterator[Face]:
    import numpy as np

    from .upscaling import resized

    down, across, scale = size
    small = resized(image, (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))))
    given = np.zeros((1, 3, down, across), dtype=np.float32)
    given[0, :, : small.shape[0], : small.shape[1]] = small[..., ::-1].transpose(2, 0, 1) * 255.0  # blue first
    answer = dict(zip(OUTPUTS, detector.run(list(OUTPUTS), {detector.get_inputs()[0].name: given}), strict=True))
    ratio = complex(image.shape[1] / small.shape[1], image.shape[0] / small.shape[0])
    for stride in STRIDES:
        yield from _decoded(answer, stride, across // stride, ratio, threshold)


def _decoded(answer: dict[str, Any], stride: int, columns: int, ratio: complex, threshold: float) -> Iterator[Face]:
    """Faces of one stride, in pixels of the picture, of which ``ratio`` (across + down j) make one of the detector."""
    import numpy as np

    score, sure, box, points = (np.asarray(answer[f"{kind}_{stride}"])[0] for kind in ("cls", "obj", "bbox", "kps"))
    scores = np.sqrt(np.clip(score, 0, 1) * np.clip(sure, 0, 1))[:, 0]
    for place in np.flatnonzero(scores >= threshold):
        row, column = divmod(int(place), columns)
        width, height = (float(np.exp(side)) * stride for side in box[place, 2:])
        left, top = (column + box[place, 0]) * stride - width / 2, (row + box[place, 1]) * stride - height / 2
        five = [
            complex((x + column) * ratio.real, (y + row) * ratio.imag) * stride for x, y in points[place].reshape(5, 2)
        ]
        sides = (float(left * ratio.real), float(top * ratio.imag), width * ratio.real, height * ratio.imag)
        yield Face(*sides, by_points(five), float(scores[place]))

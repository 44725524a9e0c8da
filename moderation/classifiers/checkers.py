"""The two checkers that ask a model of the user's own. Nothing leaves this process."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import Self

from ...errors import InvalidInput
from ..base import Checker, Connect, Scores
from .description import ImageDescription, TextDescription, check_labels, config_of, described, own_labels
from .preparing import prepared
from .scoring import scores_of

AT_ONCE = 2
"""Questions that a model answers at the same time."""


class _Classifier(Checker):
    """Its description is read at once; the model when it is first asked, in a thread, and once."""

    local = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opening = threading.Lock()
        self._model: Any = None
        # Threads of its own: a model takes every core by itself, and many pictures at once would take all of the
        # process's threads, and memory for each.
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=self.name)

    @classmethod
    def open(cls, connect: Connect) -> Self | None:
        """None: there is no model but the one that a path names."""
        return None

    @classmethod
    def at(cls, path: Path) -> Self:
        """The classifier at this path. Raises FileMissing and ClassifierMismatch; opens no model yet."""
        return cls(path)

    async def _ask(self, judge: Callable[[], Scores]) -> Scores:
        return await asyncio.get_running_loop().run_in_executor(self._threads, judge)

    def _opened(self) -> Any:
        with self._opening:
            if self._model is None:
                self._model = self._open_model()
            return self._model

    @abstractmethod
    def _open_model(self) -> Any:
        """What judges; opened with the first that is asked of it."""


class ImageClassifier(_Classifier):
    """``.onnx``: by onnxruntime; a folder: by transformers."""

    name = "image-classifier"
    subjects = frozenset({"image"})

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._what = described(path, ImageDescription)
        if path.is_dir():
            check_labels(path, self._what, own_labels(config_of(path)))

    def _open_model(self) -> Any:
        if self._path.is_dir():
            from .transformer import ImageModel

            return ImageModel(self._path, self._what)
        from .onnx import OnnxModel

        return OnnxModel(self._path, self._what)

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise InvalidInput("The image classifier judges images, not text.")

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        return await self._ask(partial(self._judge, data))

    def _judge(self, data: bytes) -> Scores:
        numbers = self._opened().ask(prepared(data, self._what.input))
        return Scores(scores=scores_of(numbers, self._what, self.name), model=self._what.model)


class TextClassifier(_Classifier):
    """A folder, by transformers."""

    name = "text-classifier"
    subjects = frozenset({"prompt"})

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._what = described(path, TextDescription)
        check_labels(path, self._what, own_labels(config_of(path)))

    def _open_model(self) -> Any:
        from .transformer import TextModel

        return TextModel(self._path, self._what)

    async def check_text(self, text: str, negative: str = "") -> Scores:
        """What the image shall not show is no wish, and is not read."""
        if not text.strip():
            return Scores({}, model=self._what.model)
        return await self._ask(partial(self._judge, text))

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        raise InvalidInput("The text classifier judges text, not images.")

    def _judge(self, text: str) -> Scores:
        found: dict[str, float] = {}
        for row in self._opened().ask(text):
            for category, score in scores_of(row, self._what, self.name).items():
                found[category] = max(score, found.get(category, 0.0))
        return Scores(scores=found, model=self._what.model)


CLASSIFIERS: tuple[type[_Classifier], ...] = (ImageClassifier, TextClassifier)


def open_classifiers(image: Path | None, text: Path | None) -> dict[str, Checker]:
    """Those whose path is named. Raises FileMissing and ClassifierMismatch."""
    found: dict[str, Checker] = {}
    if image is not None:
        found[ImageClassifier.name] = ImageClassifier.at(image)
    if text is not None:
        found[TextClassifier.name] = TextClassifier.at(text)
    return found

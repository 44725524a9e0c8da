"""Classifiers of a path keep what every checker promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mintmark.moderation.classifiers.checkers import ImageClassifier, TextClassifier
from mintmark.tests.contracts.checker import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.checker import CheckerCase

from .building import onnx_model, transformers_text_model


@pytest.fixture(params=["onnx", "text"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> CheckerCase:
    """A checker that is always opened at one path."""
    if request.param == "onnx":
        path, kind = onnx_model(tmp_path), ImageClassifier
    else:
        path, kind = transformers_text_model(tmp_path), TextClassifier
    bound: Any = type(kind.__name__, (kind,), {"open": classmethod(lambda cls, connect: cls.at(path))})
    return CheckerCase(bound, client=None, break_with=lambda status, body: None)  # type: ignore[arg-type]

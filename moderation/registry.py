"""The checkers there are, in the order in which they are asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..discovery import members
from .base import Checker, Connect
from .content_safety import ContentSafetyChecker
from .google_vision import GoogleVisionChecker
from .openai import OpenAIChecker
from .rekognition import RekognitionChecker
from .rules import RulesChecker

CHECKERS: tuple[Any, ...] = (RulesChecker, OpenAIChecker, RekognitionChecker, ContentSafetyChecker, GoogleVisionChecker)
"""To add a checker: write its file, add its class here, and its name to the policies that shall ask it."""


def open_checkers(connect: Connect, checkers: Sequence[Any] = CHECKERS) -> dict[str, Checker]:
    """Those that can be asked here, by name; ``connect`` gives a client to a service that there is a key for.

    Raises InternalError naming a malformed member of the list.
    """
    known = members("checker", checkers, Checker, needs={"subjects": frozenset, "open": Callable})
    opened = {name: checker.open(connect) for name, checker in known.items()}
    return {name: checker for name, checker in opened.items() if checker is not None}

"""Moderation: checkers report scores, a policy decides, a verdict says what was decided and why."""

from __future__ import annotations

from .base import Checker, Outcome, Scores
from .decision import IMAGE_UNCHECKED, decide
from .moderator import Moderator
from .openai import JsonClient, OpenAIChecker
from .policy import Policy, load
from .rules import RulesChecker
from .verdict import Decision, Subject, Verdict, combine, image_digest, prompt_digest

__all__ = [
    "IMAGE_UNCHECKED",
    "Checker",
    "Decision",
    "JsonClient",
    "Moderator",
    "OpenAIChecker",
    "Outcome",
    "Policy",
    "RulesChecker",
    "Scores",
    "Subject",
    "Verdict",
    "combine",
    "decide",
    "image_digest",
    "load",
    "prompt_digest",
]

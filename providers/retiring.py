"""What is said of a model whose end is near. Pure."""

from __future__ import annotations

from datetime import date

from .model import Model

WARN_DAYS = 30
"""So long before the end whoever names the model is warned."""


def warning_of(model: Model, today: date) -> str | None:
    """A sentence that names the day and the replacement; None where the end is further off, or past, or not known."""
    ends = model.lifecycle.retires_on
    if ends is None or model.retired(today) or (ends - today).days > WARN_DAYS:
        return None
    days = (ends - today).days
    left = "tomorrow" if days == 1 else f"in {days} days"
    instead = f": use {model.lifecycle.replaced_by} instead" if model.lifecycle.replaced_by else ""
    return f"{model.name} is switched off by its provider on {ends.isoformat()}, {left}{instead}."

"""The pack's own socket types."""

from __future__ import annotations

from comfy_api.latest import io

RecordSocket = io.Custom("MINTMARK_RECORD")
"""Carries :class:`~..generation.service.Generated`: the provider's own bytes and how they were made."""

VerdictSocket = io.Custom("MINTMARK_VERDICT")
"""Carries a tuple of :class:`~..moderation.verdict.Verdict`, one a picture, or one for a text."""

"""The pack's own socket types."""

from __future__ import annotations

from comfy_api.latest import io

RecordSocket = io.Custom("MINTMARK_RECORD")
"""Carries :class:`~..generation.service.Generated`: the provider's own bytes and how they were made."""

VerdictSocket = io.Custom("MINTMARK_VERDICT")
"""Carries a tuple of :class:`~..moderation.verdict.Verdict`, one a picture, or one for a text."""

SourceSocket = io.Custom("MINTMARK_SOURCE")
"""Carries :class:`~..generation.source.Source`: a file as it was opened, with its own credential.

Load Image with Credentials makes it, Sign and Save names it as an ingredient. A node that gives an image to a provider
takes it as an optional input ``source`` and hands it on inside the record it gives out:
``dataclasses.replace(made, sources=(source,))``. Then Sign and Save needs the record alone.
"""

PipelineSocket = io.Custom("MINTMARK_PIPELINE")
"""Carries :class:`~.local.recipe.Recipe`: what a local pipeline is made of. Nothing of it is loaded before sampling."""

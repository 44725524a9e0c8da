"""The service's settings, by the name under which its parts know them; they are declared with all the others."""

from __future__ import annotations

from ...config.service import ServiceSettings

__all__ = ["ServiceSettings"]

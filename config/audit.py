"""What the audit log can be told: with which key its checkpoints are signed, and where they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from . import kinds
from .section import Section, setting


def _is_key(text: str) -> bool:
    return "PRIVATE KEY" in text


@dataclass(frozen=True, kw_only=True)
class AuditSettings(Section):
    """Settings of the audit log's signed checkpoints."""

    table: ClassVar[str] = "audit"

    key: str | None = setting(
        "MINTMARK_AUDIT_KEY",
        "The Ed25519 key that signs the audit log's checkpoints: a PEM file (PKCS#8), or the PEM itself "
        "(default: a self-made one in the data folder).",
        None,
        kinds.TEXT,
        secret=_is_key,
    )
    checkpoints: str | None = setting(
        "MINTMARK_AUDIT_CHECKPOINTS",
        "Where checkpoints of the audit log go: a folder, a file, or a URL that takes a POST. Only one that who runs "
        "the database cannot change shows a log that was cut off (default: a file in the data folder).",
        None,
        kinds.TEXT,
        steers=True,
    )
    checkpoint_s: float = setting(
        "MINTMARK_AUDIT_CHECKPOINT_S",
        "How often the service makes a checkpoint where the log has grown, in seconds.",
        3600.0,
        kinds.SECONDS,
    )


SECTION = AuditSettings

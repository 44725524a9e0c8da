"""An AWS account for tests: the one of Amazon's own documentation, which the sandbox knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mintmark.sandbox.aws import ACCESS_KEY, SECRET_KEY, SESSION_KEY

TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN0123456789"


def use_account(monkeypatch: pytest.MonkeyPatch, folder: Path, *, session: bool = False, none: bool = False) -> None:
    """This machine has the example account (of a session, or none), and nothing else that AWS's tools would find."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if none:
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SESSION_KEY if session else ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    if session:
        monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)

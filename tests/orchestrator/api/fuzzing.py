"""schemathesis, run as its users run it, against a running API."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

CONFIG = Path(__file__).with_name("schemathesis.toml")


async def fuzz(url: str, folder: Path, *how: str) -> tuple[int, str]:
    """Its exit code, and what it said."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{url}/openapi.json"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--request-timeout", "20", "--generation-database", "none", "--no-color", *how),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CONFIG.parent), "SCHEMATHESIS_HOOKS": "ndjson_lines"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()

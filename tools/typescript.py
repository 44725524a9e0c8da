"""``make typescript``: the TypeScript client's types from the service's OpenAPI document, and the compiler's opinion.

``python tools/typescript.py`` writes ``client/typescript/src/schema.ts``; with ``--check`` it only says whether that
is up to date. Node and npm must be there; what they install goes into a scratch folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "client" / "typescript"
SCHEMA = CLIENT / "src" / "schema.ts"
SCRATCH = ROOT / ".build" / "typescript"


class NotHere(Exception):
    """Node, npm or what npm should install is not to be had."""


def prepare(folder: Path = SCRATCH) -> Path:
    """A copy of the client with its tools installed. Raises NotHere."""
    if shutil.which("npm") is None:
        raise NotHere("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(CLIENT / name, folder / name)
    shutil.copytree(CLIENT / "src", folder / "src", dirs_exist_ok=True)
    if not (folder / "node_modules" / ".bin" / "tsc").exists():
        # No lock file: it would record where the packages came from. package.json names exact versions.
        ran = _run(folder, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
        if ran.returncode:
            raise NotHere(f"npm could not install: {ran.stderr.strip()[-400:]}")
    return folder


def generate(folder: Path) -> str:
    """The types of the API as it is in this tree."""
    from mintmark import __version__
    from mintmark.orchestrator.api.app import every_route
    from mintmark.orchestrator.api.openapi import document

    made = document(every_route(), version=__version__, open_to_all=True)
    (folder / "openapi.json").write_text(json.dumps(made), encoding="utf-8")
    ran = _run(folder, "node_modules/.bin/openapi-typescript", "openapi.json", "-o", "generated.ts")
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return (folder / "generated.ts").read_text(encoding="utf-8")


def compiled(folder: Path) -> str:
    """What the compiler complains of; empty when it does not."""
    ran = _run(folder, "node_modules/.bin/tsc")
    return ran.stdout + ran.stderr if ran.returncode else ""


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def main() -> int:
    """0 where everything is as it should be."""
    folder = prepare()
    made = generate(folder)
    if "--check" in sys.argv:
        if SCHEMA.read_text(encoding="utf-8") != made:
            sys.stderr.write("client/typescript/src/schema.ts is not up to date: make typescript\n")
            return 1
    else:
        SCHEMA.write_text(made, encoding="utf-8")
        shutil.copy(SCHEMA, folder / "src" / "schema.ts")
    complaint = compiled(folder)
    sys.stderr.write(complaint)
    return 1 if complaint else 0


if __name__ == "__main__":
    sys.exit(main())

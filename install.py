"""What ComfyUI-Manager and comfy-cli run after cloning. Standard library only; imports nothing of ComfyUI or of ours.

Installs what ``requirements.txt`` names and this environment lacks, and says in one line what it did. ``--dry-run``
installs nothing and only says what is missing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 10)


def wanted() -> list[str]:
    """The requirements, without comments."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def missing(requirements: list[str]) -> list[str]:
    """Those that are not installed, or older (or newer) than their bounds allow."""
    return [requirement for requirement in requirements if not satisfied(requirement)]


def satisfied(requirement: str) -> bool:
    """Whether ``name>=1.2,<2`` holds here. Only ``>=`` and ``<`` are used in our file."""
    name, *bounds = re.split(r",|(?=[<>])", requirement, maxsplit=0)
    try:
        found = numbers(metadata.version(name.strip()))
    except metadata.PackageNotFoundError:
        return False
    return all(within(found, bound.strip()) for bound in bounds if bound.strip())


def within(found: tuple[int, ...], bound: str) -> bool:
    """Whether a version keeps one bound."""
    limit = numbers(bound.lstrip("<>="))
    return found >= limit if bound.startswith(">=") else found < limit


def numbers(version: str) -> tuple[int, ...]:
    """``1.2.3rc1`` as (1, 2, 3)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def main(arguments: list[str]) -> int:
    """Check, install what is missing, and say so."""
    if sys.version_info < OLDEST:
        print(f"Mintmark: Python {sys.version.split()[0]} is too old; ComfyUI needs {OLDEST[0]}.{OLDEST[1]} or newer.")
        return 1
    needed = missing(wanted())
    if not needed:
        print("Mintmark: everything is here already, nothing was installed.")
        return 0
    if "--dry-run" in arguments:
        print(f"Mintmark: missing {', '.join(needed)}; nothing was installed (dry run).")
        return 0
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *needed], check=False)
    if done.returncode != 0:
        print(f"Mintmark: could not install {', '.join(needed)}. Install them with pip, then restart ComfyUI.")
        return 1
    print(f"Mintmark: installed {', '.join(needed)}. Restart ComfyUI.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

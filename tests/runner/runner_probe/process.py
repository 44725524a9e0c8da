"""A runner with the probe nodes in a process of its own: ``python -m runner_probe.process BASE [DB]``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


async def serve(base: Path, db: Path | None) -> None:
    from mintmark.runner import Runner, surface

    surface.install()
    from . import local, nodes

    packs = [nodes.comfy_entrypoint, local.LocalExtension()]
    async with Runner(base_dir=base, extensions=packs, db=db, max_prompts=2) as runner:
        print(runner.url, flush=True)  # noqa: T201 - read by the process that started this one
        await runner.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))

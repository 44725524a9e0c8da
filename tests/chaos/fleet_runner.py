"""``mintmark runner`` with the nodes of :mod:`fleet_pack` beside the palette: ``python -m … PORT BASE DB``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from mintmark import config
from mintmark.cli.light_worker import open_runner
from mintmark.runner import server
from mintmark.runner.host import RunnerHost


class FleetRunner(server.Runner):
    """The runner, with two nodes more."""

    async def _load(self, host: RunnerHost) -> None:
        await super()._load(host)
        from .fleet_pack import comfy_entrypoint

        self.registry.add(await server._nodes_of(comfy_entrypoint), "custom_nodes.fleet_pack")


async def serve(port: int, base: Path, db: Path) -> None:
    async with open_runner(config.load(), port=port, base_dir=base, db=db) as runner:
        await runner.serve_forever()


if __name__ == "__main__":
    import mintmark.runner

    mintmark.runner.Runner = FleetRunner  # type: ignore[misc]
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))

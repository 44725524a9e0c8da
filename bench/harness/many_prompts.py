"""``mintmark runner --port 0 --json`` with another number of prompts at once: ``python -m … NUMBER``."""

from __future__ import annotations

import asyncio
import json
import sys

from mintmark import config
from mintmark.cli import garbage
from mintmark.cli.light_worker import open_runner


async def serve(max_prompts: int) -> None:
    async with open_runner(config.load(), port=0, max_prompts=max_prompts) as runner:
        garbage.serving()
        print(json.dumps({"url": runner.url}), flush=True)
        await runner.serve_forever()


if __name__ == "__main__":
    garbage.starting()
    try:
        asyncio.run(serve(int(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(0)

"""``mintmark runner --port 0 --json`` with another number of prompts at once: ``python -m … NUMBER``."""

from __future__ import annotations

import asyncio
import json
import sys

from mintmark import config
from mintmark.nodes import worker
from mintmark.runner import Runner


async def serve(max_prompts: int) -> None:
    settings = config.load()
    worker.configure(settings)
    async with Runner(port=0, base_dir=settings.books_dir / "runner", max_prompts=max_prompts) as runner:
        import gc, os
        if os.environ.get("GCT"): gc.freeze(); gc.set_threshold(int(os.environ["GCT"]), 20, 50)
        print(json.dumps({"url": runner.url}), flush=True)
        try:
            await runner.serve_forever()
        finally:
            await worker.current().close()


if __name__ == "__main__":
    try:
        asyncio.run(serve(int(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(0)

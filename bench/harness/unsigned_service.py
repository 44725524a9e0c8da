"""``mintmark serve`` whose delivery signs nothing: pictures that no node has signed go out as they are. To measure the
rest; no setting does this."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os

from mintmark import config
from mintmark.bench.harness.overhead import SIDE
from mintmark.cli import garbage
from mintmark.clock import utc_now
from mintmark.config.service import ServiceSettings
from mintmark.generation.context import JobContext
from mintmark.generation.sealing import Draft, Sealed
from mintmark.moderation.verdict import Verdict
from mintmark.orchestrator.execution.delivery import Delivery
from mintmark.orchestrator.service.listening import Listening
from mintmark.orchestrator.service.service import Service


async def as_it_is(context: JobContext, draft: Draft) -> Sealed:
    """What ``seal`` gives, without its work."""
    data = draft.data
    digest = hashlib.sha256(data).hexdigest()
    verdict = Verdict(
        subject="image",
        digest=digest,
        decision="allowed",
        checker="none",
        policy="none@0.0.0",
        explanation="Not looked at.",
        at=utc_now(),
    )
    return Sealed(data=data, sha256=digest, media_type="image/png", width=SIDE, height=SIDE, verdict=verdict, issuer="")


async def serve() -> None:
    settings = config.load()
    wanted = ServiceSettings(port=0, runners=1)
    delivery = Delivery(max_pixels=settings.max_pixels, anchors_pem=None, seal=as_it_is)
    opened = Service(settings, wanted, env=os.environ, delivery=delivery)
    async with opened as service, Listening(service, wanted.host, wanted.port) as door:
        garbage.serving()
        print(json.dumps({"url": door.url, "workers": [each.link.url for each in service.workers]}), flush=True)
        await service.watch()


if __name__ == "__main__":
    garbage.starting()
    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        os._exit(0)

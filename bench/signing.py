"""What signing costs over the bare library call, and how late it makes the loop: `python bench/signing.py [--json P]`.

Both sign the same 1024x1024 noise PNG with the same key, in turns, so that a busy machine slows both. Then 32 are
signed at once, again and again, while a ticker asks the loop to be woken each millisecond and says by how much it was
late. Beside it stands how late it is on this machine when nothing is done, and when the same threads hash instead,
which needs no Python: that much is the machine's own.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import c2pa
import numpy as np
from PIL import Image

from mintmark.bench.harness.report import Report, Row, main, measured
from mintmark.provenance.contexts import for_signing
from mintmark.provenance.keys import Identity, signing_identity
from mintmark.provenance.manifest import ImageFacts, build
from mintmark.provenance.signing import CredentialSigner
from mintmark.provenance.threads import AT_ONCE as THREADS
from mintmark.provenance.threads import signing_threads

ROUNDS = 20
BUDGET = 1.15
AT_ONCE = 32
LATE_MS = 5.0
BURSTS = 12


def measure(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        unset = dict.fromkeys(("signing_cert", "signing_key", "signing_cert_pem", "signing_key_pem", "signer"))
        identity = signing_identity(SimpleNamespace(data_dir=Path(folder), **unset))
    png = noise()
    bare, ours = sign(identity, png, time.perf_counter)
    ratios = [mine / base for base, mine in zip(bare, ours, strict=True)]
    size = f"a PNG of {len(png) / 1e6:.1f} MB"
    report.add(measured("bare library call", bare, "ms", note=size), measured("ours", ours, "ms"))
    report.add(measured("ratio", ratios, "×", most=BUDGET))
    worked = [sum(each) for each in sign(identity, png, time.process_time)]
    note = "of its own processor time, which others on the machine do not add to"
    report.add(Row(name="ratio of work", value=worked[1] / worked[0], unit="×", most=BUDGET, note=note))
    asyncio.run(at_once(report, identity, png))


def noise() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(7).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def facts_of(title: str) -> ImageFacts:
    record = {"provider": "openai", "seed": "18446744073709551615", "microusd": 40_000}
    return ImageFacts(title, "image/png", "local_ai", record, datetime.now(timezone.utc), model="flux")


def sign(identity: Identity, png: bytes, clock: Callable[[], float]) -> tuple[list[float], ...]:
    """Milliseconds of each signing by this clock: by the bare library, and by ours."""
    facts = facts_of("a.png")
    with CredentialSigner(identity) as signer, c2pa.Context.from_dict(for_signing()) as context:
        info = c2pa.C2paSignerInfo(identity.algorithm, identity.chain_pem, identity.key_pem, None)
        with c2pa.Signer.from_info(info) as bare_signer:
            definition = build(facts).definition

            def bare() -> None:
                c2pa.Builder(definition, context=context).sign(bare_signer, "image/png", io.BytesIO(png), io.BytesIO())

            return alternate(clock, bare, lambda: signer.sign(png, "image/png", facts))


def alternate(clock: Callable[[], float], *calls: Callable[[], object]) -> tuple[list[float], ...]:
    """Milliseconds of each call, measured in turns after one round that is thrown away."""
    times: tuple[list[float], ...] = tuple([] for _ in calls)
    for _ in range(ROUNDS + 1):
        for call, taken in zip(calls, times, strict=True):
            start = clock()
            call()
            taken.append((clock() - start) * 1000)
    return tuple(taken[1:] for taken in times)


async def at_once(report: Report, identity: Identity, png: bytes) -> None:
    """How late the loop is while 32 files are signed at once, as a service does it: in the threads of an engine."""
    with CredentialSigner(identity) as signer, signing_threads() as pool:
        loop = asyncio.get_running_loop()
        work = lambda number: signer.sign(png, "image/png", facts_of(f"{number}.png"))  # noqa: E731
        await asyncio.gather(*(loop.run_in_executor(pool, work, number) for number in range(THREADS)))
        idle = await lateness(asyncio.sleep(1.0))
        took: list[float] = []
        late = await lateness(bursts(loop, pool, work, took))
        hashed = await lateness(bursts(loop, pool, lambda _: [hashlib.sha256(png) for _ in range(3)], []))
    report.add(
        measured(f"{AT_ONCE} at once", took, "ms", note=f"all of them, threads: {THREADS}"),
        p99("event loop late, nothing done", idle),
        p99("event loop late, as much hashed at once", hashed),
        p99(f"event loop late, {AT_ONCE} signed at once", late, most=LATE_MS),
    )


async def bursts(
    loop: asyncio.AbstractEventLoop, pool: ThreadPoolExecutor, work: Callable[[int], object], took: list[float]
) -> None:
    for _ in range(BURSTS):
        start = time.perf_counter()
        await asyncio.gather(*(loop.run_in_executor(pool, work, number) for number in range(AT_ONCE)))
        took.append((time.perf_counter() - start) * 1000)


async def lateness(meanwhile: object) -> list[float]:
    """By how many milliseconds the loop woke too late, each time, until ``meanwhile`` is over."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            asked = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            late.append(max(0.0, (time.perf_counter() - asked) * 1000))

    ticking = asyncio.create_task(tick())
    await meanwhile  # type: ignore[misc]
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    return late


def p99(name: str, late: list[float], **more: object) -> Row:
    """The delay that one wake-up in a hundred exceeds."""
    found = sorted(late)
    row = measured(name, found, "ms p99", **more)
    worst = found[min(len(found) - 1, int(len(found) * 0.99))]
    return Row(**{**vars(row), "value": worst, "note": f"median {row.value:.2f} ms of {len(found)} wake-ups"})


if __name__ == "__main__":
    main("Signing a 1024² PNG", measure, __doc__)

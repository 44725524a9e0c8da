"""What signing costs over the bare library call: `python bench/signing.py [--json PATH]`.

Both sign the same 1024x1024 noise PNG with the same key, in turns, so that a busy machine slows both.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import c2pa
import numpy as np
from PIL import Image

from mintmark.bench.harness.report import Report, main, measured
from mintmark.provenance.contexts import for_signing
from mintmark.provenance.keys import Identity, signing_identity
from mintmark.provenance.manifest import ImageFacts, build
from mintmark.provenance.signing import CredentialSigner

ROUNDS = 20
BUDGET = 1.15


def measure(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        unset = dict.fromkeys(("signing_cert", "signing_key", "signing_cert_pem", "signing_key_pem", "signer"))
        settings = SimpleNamespace(data_dir=Path(folder), **unset)
        bare, ours = sign(signing_identity(settings), png := noise())
    ratios = [mine / base for base, mine in zip(bare, ours, strict=True)]
    size = f"a PNG of {len(png) / 1e6:.1f} MB"
    report.add(measured("bare library call", bare, "ms", note=size), measured("ours", ours, "ms"))
    report.add(measured("ratio", ratios, "×", most=BUDGET))


def noise() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(7).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def sign(identity: Identity, png: bytes) -> tuple[list[float], ...]:
    """Milliseconds of each signing: by the bare library, and by ours."""
    record = {"provider": "openai", "seed": "18446744073709551615", "microusd": 40_000}
    facts = ImageFacts("a.png", "image/png", "local_ai", record, datetime.now(timezone.utc), model="flux")
    with CredentialSigner(identity) as signer, c2pa.Context.from_dict(for_signing()) as context:
        info = c2pa.C2paSignerInfo(identity.algorithm, identity.chain_pem, identity.key_pem, None)
        with c2pa.Signer.from_info(info) as bare_signer:
            definition = build(facts).definition

            def bare() -> None:
                c2pa.Builder(definition, context=context).sign(bare_signer, "image/png", io.BytesIO(png), io.BytesIO())

            return alternate(bare, lambda: signer.sign(png, "image/png", facts))


def alternate(*calls: Callable[[], object]) -> tuple[list[float], ...]:
    """Milliseconds of each call, measured in turns after one round that is thrown away."""
    times: tuple[list[float], ...] = tuple([] for _ in calls)
    for _ in range(ROUNDS + 1):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append((time.perf_counter() - start) * 1000)
    return tuple(taken[1:] for taken in times)


if __name__ == "__main__":
    main("Signing a 1024² PNG", measure, __doc__)

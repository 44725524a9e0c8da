"""One self-made identity and signer for the whole session: making keys is not what most tests are about."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.provenance.keys import Identity, signing_identity
from mintmark.provenance.manifest import ImageFacts
from mintmark.provenance.signing import CredentialSigner

WHEN = datetime(2026, 11, 21, 6, 0, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Keys:
    """The settings that the keys need, as a plain value."""

    data_dir: Path
    signing_cert: Path | None = None
    signing_key: Path | None = None
    signing_cert_pem: str | None = None
    signing_key_pem: str | None = None
    signer: str | None = None
    trust_anchors: Path | None = None
    trust_lists: tuple[str, ...] = ()


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return signing_identity(Keys(tmp_path_factory.mktemp("identity")))


@pytest.fixture(scope="session")
def signer(identity: Identity) -> Iterator[CredentialSigner]:
    with CredentialSigner(identity) as signer:
        yield signer


@pytest.fixture(scope="session")
def settings_for() -> type[Keys]:
    return Keys


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """A small image of flat noise, encoded: ``picture("JPEG", shade=3)``."""

    def make(kind: str = "PNG", *, shade: int = 0, size: tuple[int, int] = (24, 24)) -> bytes:
        pixels = bytes((place * (31 + shade) + place // 7 + shade) % 256 for place in range(size[0] * size[1] * 3))
        file = io.BytesIO()
        Image.frombytes("RGB", size, pixels).save(file, kind)
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def facts() -> Callable[..., ImageFacts]:
    """Facts of a locally generated PNG, with any of them changed."""
    plain = ImageFacts("image.png", "image/png", "local_ai", {"seed": "7"}, WHEN, model="flux-dev")

    def make(**changes: Any) -> ImageFacts:
        return dataclasses.replace(plain, **changes)

    return make


@pytest.fixture(scope="session")
def flip() -> Callable[[bytes, int], bytes]:
    """The bytes with one bit changed at a place."""

    def make(data: bytes, place: int) -> bytes:
        changed = bytearray(data)
        changed[place] ^= 1
        return bytes(changed)

    return make

"""A file of boxes has parts that no credential covers: what stands there is told, and not said to be signed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from mintmark.provenance.credential import Credential
from mintmark.provenance.manifest import ImageFacts
from mintmark.provenance.reading import read
from mintmark.provenance.signing import CredentialSigner
from mintmark.provenance.uncovered import CREDENTIAL, uncovered

SAMPLES = Path(__file__).parent / "samples"
FILES = {
    "image/avif": "",  # drawn
    "image/heic": "still.heic",
    "video/mp4": "clip.mp4",
    "video/quicktime": "clip.mov",
    "audio/mp4": "tone.m4a",
}
each_kind = pytest.mark.parametrize("media_type", FILES)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.fixture
def signed(
    signer: CredentialSigner, picture: Callable[..., bytes], facts: Callable[..., ImageFacts]
) -> Callable[[str], bytes]:
    def sign(media_type: str) -> bytes:
        name = FILES[media_type]
        data = (SAMPLES / name).read_bytes() if name else picture("AVIF")
        return signer.sign(data, media_type, facts(media_type=media_type, title=name or "fox.avif"))

    return sign


def told(found: Credential) -> tuple[str, str, list[str]]:
    return found.state, found.checks.intact.why, [note for note in found.notes if "no credential covers" in note]


@each_kind
def test_a_file_as_it_was_signed_has_nothing_there(media_type: str, signed: Callable[[str], bytes]) -> None:
    found = read(signed(media_type))
    assert found.uncovered == ()
    assert told(found) == (
        "valid",
        "All that the credential covers of the file, the credential and what it was made from are as they were signed.",
        [],
    )


@each_kind
@pytest.mark.parametrize(
    ("added", "name"),
    [
        (box(b"free", b"a whole other story"), "free (19 bytes)"),
        (box(b"skip", b"a whole other story"), "skip (19 bytes)"),
        (box(b"mfra", b"tale"), "mfra (4 bytes)"),
        (b"\0\0\0\0free" + b"to the end", "free (10 bytes)"),
        (struct.pack(">I4sQ", 1, b"free", 21) + b"large", "free (5 bytes)"),
    ],
    ids=["free", "skip", "an index", "free to the end", "free of great length"],
)
def test_what_was_put_there_is_told(media_type: str, added: bytes, name: str, signed: Callable[[str], bytes]) -> None:
    state, why, notes = told(read(signed(media_type) + added))
    assert state == "valid"
    assert why.endswith(f"as they were signed; not covered: {name}.")
    assert len(notes) == 1
    assert name in notes[0]


@each_kind
def test_space_that_is_empty_is_no_news(media_type: str, signed: Callable[[str], bytes]) -> None:
    assert read(signed(media_type) + box(b"free", bytes(64)) + box(b"skip", b"")).uncovered == ()


@each_kind
@pytest.mark.parametrize("place", range(8, 20))
def test_a_changed_byte_in_the_kind_of_file_is_told(
    media_type: str, place: int, signed: Callable[[str], bytes]
) -> None:
    data = bytearray(signed(media_type))
    data[place] ^= 0x41
    found = read(bytes(data), media_type)
    # Where the file's last version is a small number either way, nobody can tell.
    assert found.state == "invalid" or found.uncovered or place in (14, 15)


def test_a_film_that_says_it_is_a_picture_is_told(signed: Callable[[str], bytes]) -> None:
    data = signed("video/mp4").replace(b"ftypisom", b"ftypavif", 1)
    assert any(each.startswith("ftyp") for each in read(data, "video/mp4").uncovered or ())


@each_kind
def test_what_shares_the_credential_s_box_is_told(media_type: str, signed: Callable[[str], bytes]) -> None:
    data = signed(media_type)
    start = data.index(CREDENTIAL) - 8
    (length,) = struct.unpack_from(">I", data, start)
    longer = data[:start] + struct.pack(">I", length + 5) + data[start + 4 : start + length] + b"STORY"
    assert uncovered(longer + data[start + length :], {}, "") == ("uuid (5 bytes)",)
    assert uncovered(data + box(b"uuid", CREDENTIAL + b"\0\0\0\0merkle\0STORY"), {}, "") == ("uuid (16 bytes)",)


def test_what_a_signer_left_out_beyond_that_is_told(signed: Callable[[str], bytes]) -> None:
    data = signed("video/mp4")
    left_out = [{"xpath": "/moov/trak[1]"}, {"xpath": "/nothing/here"}]
    exact = {"manifests": [{"label": "a", "assertions": {"c2pa.hash.bmff.v3": {"exclusions": left_out}}}]}
    (found,) = uncovered(data, exact, "a") or ()
    assert found.startswith("moov/trak[1] (")


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp"])
def test_of_other_kinds_all_is_covered(media_type: str) -> None:
    assert uncovered(b"\x89PNG\r\n\x1a\n" + media_type.encode(), {}, "") is None

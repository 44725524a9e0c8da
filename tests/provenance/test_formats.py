"""Every kind of file that is signed: c2pa's own reader vouches for it, and what is seen or heard is the same."""

from __future__ import annotations

import io
import json
import struct
import wave
from pathlib import Path

import c2pa
import pytest
from PIL import Image, ImageSequence, features

from mintmark.errors import NotAnImage, SigningFailed
from mintmark.provenance.contexts import for_reading
from mintmark.provenance.formats import EMBEDS, sidecars
from mintmark.provenance.manifest import Ingredient
from mintmark.provenance.reading import read, read_beside
from mintmark.provenance.sniffing import media_type as sniff

SAMPLES = Path(__file__).parent / "samples"
PILLOW = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
}
MOVING = ("image/png", "image/webp", "image/gif", "image/avif")
FILES = {
    "video/mp4": "clip.mp4",
    "video/quicktime": "clip.mov",
    "video/x-m4v": "clip.m4v",
    "video/x-msvideo": "clip.avi",
    "audio/mpeg": "tone.mp3",
    "audio/flac": "tone.flac",
    "audio/mp4": "tone.m4a",
    "image/heic": "still.heic",
    "image/jxl": "still.jxl",
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5" fill="red"/></svg>'
SAME_AS_ANOTHER = {"image/heif"}
"""Another name of the same container."""
BESIDE = {"video/webm": "clip.webm", "audio/ogg": "tone.ogg"}


def sample(media_type, picture):
    if media_type in PILLOW:
        if media_type == "image/avif" and not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        return picture(PILLOW[media_type])
    if media_type == "audio/wav":
        return sound()
    return SVG if media_type == "image/svg+xml" else (SAMPLES / FILES[media_type]).read_bytes()


def sound():
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(n * 7 % 256 for n in range(1600)))
    return file.getvalue()


def seen(data, media_type):
    """What a person gets of the file, byte by byte."""
    if media_type in PILLOW:
        with Image.open(io.BytesIO(data)) as image:
            return [frame.convert("RGBA").tobytes() for frame in ImageSequence.Iterator(image)]
    if media_type == "audio/wav":
        with wave.open(io.BytesIO(data)) as file:
            return file.readframes(file.getnframes())
    if media_type == "image/svg+xml":
        return data[data.index(b"<rect") :]
    if media_type in ("audio/mpeg", "audio/flac"):
        start = b"\xff\xf3" if media_type == "audio/mpeg" else b"\xff\xf8"
        return data[data.index(start) :]
    if media_type in CODED:
        # Nothing here shows these: their coded pixels are compared.
        return coded(data, CODED[media_type])
    return frames_of(data) if media_type == "video/x-msvideo" else boxes_of(data)


CODED = {"image/heic": b"mdat", "image/jxl": b"jxlc"}


def coded(data, kind):
    """The content of the box that holds the pixels."""
    start = data.index(kind)
    return data[start : start - 4 + struct.unpack_from(">I", data, start - 4)[0]]


def frames_of(avi):
    """The list of frames of an AVI."""
    start = avi.index(b"movi") - 8
    (length,) = struct.unpack_from("<I", avi, start + 4)
    return avi[start : start + 8 + length]


def boxes_of(film):
    """The coded frames of an ISO film, found as a player does: by the offsets of their chunks."""
    place = film.index(b"stco") + 8
    (count,) = struct.unpack_from(">I", film, place)
    offsets = struct.unpack_from(f">{count}I", film, place + 4)
    start = film.index(b"mdat") + 4
    length = struct.unpack_from(">I", film, start - 8)[0] - 8
    return [film[offset : offset + 16] for offset in offsets], film[start : start + length]


KINDS = sorted(EMBEDS - SAME_AS_ANOTHER)


@pytest.mark.parametrize("media_type", KINDS)
def test_the_librarys_own_reader_trusts_it_under_our_root_and_nothing_seen_has_changed(
    media_type, signer, identity, picture, facts
):
    data = sample(media_type, picture)
    signed = signer.sign(data, media_type, facts(media_type=media_type))
    with (
        c2pa.Context.from_dict(for_reading(identity.root_pem.decode())) as context,
        c2pa.Reader(media_type, io.BytesIO(signed), context=context) as reader,
    ):
        report = json.loads(reader.json())
        assert reader.get_validation_state() == "Trusted"
        assert reader.is_embedded()
    assert (
        "failure" not in report["validation_results"]["activeManifest"]
        or not (report["validation_results"]["activeManifest"]["failure"])
    )
    assert seen(signed, media_type) == seen(data, media_type)
    assert read(signed, media_type, identity.root_pem.decode()).state == "trusted"


@pytest.mark.parametrize("media_type", MOVING)
def test_a_moving_picture_keeps_every_frame(media_type, signer, picture, facts):
    if media_type == "image/avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    first, second = (Image.open(io.BytesIO(picture(shade=shade))) for shade in (1, 2))
    file = io.BytesIO()
    first.save(file, PILLOW[media_type], save_all=True, append_images=[second], duration=50)
    signed = signer.sign(file.getvalue(), media_type, facts(media_type=media_type))
    assert len(seen(signed, media_type)) == 2
    assert seen(signed, media_type) == seen(file.getvalue(), media_type)


@pytest.mark.parametrize("media_type", KINDS)
def test_its_first_bytes_tell_what_it_is_signed_or_not(media_type, signer, picture, facts, tmp_path):
    data = sample(media_type, picture)
    # Some writers put the same brand on both; a film is a film.
    assert sniff(data) in ({media_type, "video/mp4"} if media_type == "video/x-m4v" else {media_type})
    place = tmp_path / "named.otherwise"
    place.write_bytes(signer.sign(data, media_type, facts(media_type=media_type)))
    assert read(place).state == "valid"


def test_an_svg_after_its_declaration_and_words_alone_are_told_apart():
    assert sniff(b'<?xml version="1.0"?><!-- a --><svg xmlns="http://www.w3.org/2000/svg"/>') == "image/svg+xml"
    assert sniff(b"<html><body>no picture</body></html>") is None
    assert sniff(b"ID3") == "audio/mpeg"


@pytest.mark.parametrize("media_type", ["image/avif", "video/mp4", "image/gif", "audio/flac"])
def test_a_flipped_byte_of_what_is_seen_is_found(media_type, signer, picture, facts, flip):
    data = sample(media_type, picture)
    signed = signer.sign(data, media_type, facts(media_type=media_type))
    found = read(flip(signed, len(signed) - 30), media_type)
    assert (found.state, found.problems[0].part, found.problems[0].where) == ("invalid", "file", "this file")
    assert (found.checks.well_formed.holds, found.checks.intact.holds) == (True, False)


@pytest.mark.parametrize("media_type", BESIDE)
def test_what_takes_no_credential_in_has_it_beside_it(media_type, signer, identity, facts):
    data = (SAMPLES / BESIDE[media_type]).read_bytes()
    signed = signer.whichever(data, media_type, facts(media_type=media_type))
    assert signed.data == data
    with (
        c2pa.Context.from_dict(for_reading(identity.root_pem.decode())) as context,
        c2pa.Reader(media_type, io.BytesIO(data), manifest_data=signed.sidecar, context=context) as reader,
    ):
        assert reader.get_validation_state() == "Trusted"
    found = read_beside(data, signed.sidecar, identity.root_pem.decode())
    assert (found.state, found.record) == ("trusted", {"seed": "7"})


@pytest.mark.parametrize("place", [0, 1], ids=["named after the whole name", "named as other tools do"])
def test_a_credential_beside_a_file_is_found_and_checked(place, signer, identity, facts, tmp_path, flip):
    file = tmp_path / "clip.webm"
    data = (SAMPLES / "clip.webm").read_bytes()
    file.write_bytes(data)
    sidecar = signer.beside(data, "video/webm", facts(media_type="video/webm")).sidecar
    list(sidecars(file))[place].write_bytes(sidecar)
    found = read(file, anchors_pem=identity.root_pem.decode())
    assert found.state == "trusted"
    assert any("beside the file" in note for note in found.notes)
    file.write_bytes(flip(data, 700))
    assert [problem.part for problem in read(file).problems] == ["file"]
    file.write_bytes(data)
    list(sidecars(file))[place].write_bytes(flip(sidecar, len(sidecar) // 2))
    assert read(file).state == "invalid"
    list(sidecars(file))[place].write_bytes(b"no credential at all")
    assert read(file).problems[0].code == "mintmark.credential.unreadable"


def test_the_credential_within_counts_before_the_one_beside(signer, facts, picture, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(signer.sign(picture(), "image/png", facts(title="within")))
    (tmp_path / "a.c2pa").write_bytes(b"junk")
    assert read(file).state == "valid"


def test_an_image_whose_credential_was_stripped_is_known_by_the_one_beside(signer, facts, picture, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(picture())
    (tmp_path / "a.png.c2pa").write_bytes(signer.beside(picture(), "image/png", facts()).sidecar)
    assert read(file).state == "valid"


def test_a_credential_alone_is_no_file_and_says_so(signer, facts, picture, tmp_path):
    alone = tmp_path / "a.c2pa"
    alone.write_bytes(signer.beside(picture(), "image/png", facts()).sidecar)
    with pytest.raises(NotAnImage, match="without its file"):
        read(alone)


def test_a_film_of_a_providers_own_keeps_its_credential_as_the_parent(signer, identity, facts):
    film = (SAMPLES / "clip.mp4").read_bytes()
    answer = signer.sign(film, "video/mp4", facts(media_type="video/mp4", title="theirs"))
    made = facts(media_type="video/mp4", origin="provider", parent=Ingredient("answer.mp4", "video/mp4", answer))
    found = read(signer.sign(answer, "video/mp4", made), "video/mp4", identity.root_pem.decode())
    assert found.state == "trusted"
    assert [(each.title, each.state) for each in found.ingredients] == [("answer.mp4", "trusted")]


def test_a_kind_that_takes_none_in_cannot_be_signed_as_if_it_did(signer, facts):
    with pytest.raises(SigningFailed, match="unsupported"):
        signer.sign(b"\x1a\x45\xdf\xa3 webm", "video/webm", facts(media_type="video/webm"))

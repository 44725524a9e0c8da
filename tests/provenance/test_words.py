"""Where policy keeps prompts out of files, no graph leaves in one, whatever kind it is and whichever node saved it."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from PIL import Image, features

from mintmark.provenance import exif
from mintmark.provenance.texts import read_texts, with_texts
from mintmark.provenance.words import holds_graph, without_graph

SAMPLES = Path(__file__).parent / "samples"
GRAPH = json.dumps({"1": {"class_type": "KSampler", "inputs": {"text": "a lighthouse"}}})
EBML_TAGS = b"\x12\x54\xc3\x67"


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_a_picture_loses_its_texts_and_no_pixel(kind, media_type, picture):
    data = with_texts(picture(kind), media_type, {"prompt": GRAPH})
    freed = without_graph(data, media_type)
    assert b"lighthouse" in data
    assert b"lighthouse" not in freed
    before, after = (Image.open(io.BytesIO(each)).tobytes() for each in (data, freed))
    assert before == after


def test_an_avif_loses_its_texts_and_no_pixel():
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    file = io.BytesIO()
    block = exif.with_texts(None, {"prompt": GRAPH})
    Image.effect_noise((24, 24), 60).convert("RGB").save(file, "AVIF", exif=block, xmp=b"<x>class_type</x>")
    data = file.getvalue()
    assert read_texts(data, "image/avif") == {"prompt": GRAPH}
    freed = without_graph(data, "image/avif")
    assert not holds_graph(freed)
    assert read_texts(freed, "image/avif") == {}
    before, after = (Image.open(io.BytesIO(each)).tobytes() for each in (data, freed))
    assert before == after


def box(kind, content):
    return struct.pack(">I4s", len(content) + 8, kind) + content


def film_with_words():
    """The film with a ``udta`` at the end of its ``moov``, which stands at the file's end."""
    film = (SAMPLES / "clip.mp4").read_bytes()
    place = film.index(b"moov") - 4
    (length,) = struct.unpack_from(">I", film, place)
    assert place + length == len(film)
    words = box(b"udta", box(b"meta", GRAPH.encode()))
    return film[:place] + struct.pack(">I", length + len(words)) + film[place + 4 :] + words


def webm_with_words():
    """The film with its tags filled: in front of the others, and as long as the file says."""
    film = (SAMPLES / "clip.webm").read_bytes()
    tags = EBML_TAGS + b"\x10" + len(GRAPH).to_bytes(3, "big") + GRAPH.encode()
    return film + tags


def flac_with_words():
    sound = (SAMPLES / "tone.flac").read_bytes()
    first = 8 + int.from_bytes(sound[5:8], "big")
    comment = b"\x04" + len(GRAPH).to_bytes(3, "big") + GRAPH.encode()
    return sound[:first] + comment + sound[first:]


def mp3_with_words():
    sound = (SAMPLES / "tone.mp3").read_bytes()
    frame = b"TXXX" + struct.pack(">IH", len(GRAPH), 0) + GRAPH.encode("utf-16-le")
    length = len(frame)
    return b"ID3\x04\x00\x00" + bytes((length >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame + sound


WORDY = {
    "video/mp4": film_with_words,
    "video/webm": webm_with_words,
    "audio/flac": flac_with_words,
    "audio/mpeg": mp3_with_words,
}


@pytest.mark.parametrize("media_type", WORDY)
def test_a_film_or_a_sound_is_freed_of_its_graph(media_type):
    data = WORDY[media_type]()
    assert holds_graph(data)
    freed = without_graph(data, media_type)
    assert not holds_graph(freed)
    assert b"lighthouse" not in freed
    if media_type != "audio/mpeg":
        assert len(freed) == len(data), "what is found by its offset stays where it was"


@pytest.mark.parametrize("media_type", WORDY)
def test_what_is_seen_and_heard_is_the_same(media_type, tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not here to decode them")
    told = []
    for name, data in (("with", WORDY[media_type]()), ("without", without_graph(WORDY[media_type](), media_type))):
        (tmp_path / name).write_bytes(data)
        command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / name), "-f", "md5", "-"]
        told.append(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert told[0] == told[1]
    assert "MD5=" in told[0]


@pytest.mark.parametrize(("media_type", "name"), [("video/mp4", "clip.mp4"), ("audio/ogg", "tone.ogg")])
def test_a_file_without_a_graph_is_left_as_it_is(media_type, name):
    data = (SAMPLES / name).read_bytes()
    assert without_graph(data, media_type) is data


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("audio/ogg", b"OggS" + GRAPH.encode()),
        ("model/gltf-binary", b"glTF" + GRAPH.encode()),
        ("image/avif", b"\0\0\0\x14ftypavif\0\0\0\0avif" + box(b"meta", GRAPH.encode())),
        ("video/mp4", b"\0\0\0\x14ftypisom\0\0\0\0isom\xff\xff\xff\xffmoov" + GRAPH.encode()),
        ("audio/flac", b"fLaC\x84\xff\xff\xff" + GRAPH.encode()),
        ("video/webm", b"\x1a\x45\xdf\xa3" + EBML_TAGS + b"\x00" + GRAPH.encode()),
    ],
)
def test_what_cannot_be_freed_is_none(media_type, data):
    assert without_graph(data, media_type) is None

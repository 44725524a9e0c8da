from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mintmark.errors import InternalError, NotAnImage
from mintmark.provenance.png import damaged_chunks, has_credential, is_png, read_text, with_text

TEXTS = {"prompt": '{"3": {"class_type": "KSampler"}}', "workflow": '{"nodes": [], "note": "naïve"}'}
END = struct.pack(">I4s", 0, b"IEND") + struct.pack(">I", zlib.crc32(b"IEND"))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png, kind, data):
    """The chunk right after the header (8 + 25 bytes in)."""
    return png[:33] + chunk(kind, data) + png[33:]


def pillow_texts(png):
    image = Image.open(io.BytesIO(png))
    image.load()
    return {key: str(value) for key, value in image.text.items()}


def pixels(png):
    return Image.open(io.BytesIO(png)).tobytes()


def test_text_that_we_write_is_what_pillow_reads(picture):
    written = with_text(picture(), TEXTS)
    assert pillow_texts(written) == TEXTS
    assert read_text(written) == TEXTS
    assert pixels(written) == pixels(picture())


def test_latin_text_is_written_byte_for_byte_as_comfyui_does(picture):
    info = PngInfo()
    info.add_text("prompt", TEXTS["prompt"])
    file = io.BytesIO()
    Image.open(io.BytesIO(picture())).save(file, "PNG", pnginfo=info)
    theirs = file.getvalue()
    ours = with_text(picture(), {"prompt": TEXTS["prompt"]})
    begin = theirs.index(b"tEXt") - 4
    assert ours[33 : 33 + len(TEXTS["prompt"]) + 19] == theirs[begin : begin + len(TEXTS["prompt"]) + 19]


def test_text_beyond_latin_survives(picture):
    written = with_text(picture(), {"prompt": "a fox 狐 🦊"})
    assert b"iTXt" in written
    assert pillow_texts(written) == read_text(written) == {"prompt": "a fox 狐 🦊"}


def test_text_that_no_encoding_holds_does_not_lose_the_image(picture):
    assert read_text(with_text(picture(), {"prompt": "half \ud83e"})) == {"prompt": "half ?"}


def test_chunks_of_the_same_key_are_replaced_and_others_stay(picture):
    first = with_text(picture(), {"prompt": "old", "parameters": "kept"})
    first = with_chunk(first, b"iTXt", b"prompt\0\0\0\0\0older")
    assert read_text(with_text(first, {"prompt": "new"})) == {"prompt": "new", "parameters": "kept"}


def test_a_credential_is_dropped_and_what_follows_the_end_too(picture):
    marked = with_chunk(picture(), b"caBX", b"\0\0\0\x10jumbjumdc2pa") + b"trailing"
    assert has_credential(marked)
    written = with_text(marked, {})
    assert not has_credential(written)
    assert written == picture()


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_compressed_text_is_read(picture, kind):
    head = b"prompt\0\0" if kind == b"zTXt" else b"prompt\0\1\0\0\0"
    png = with_chunk(picture(), kind, head + zlib.compress(b"hello"))
    assert read_text(png) == pillow_texts(png) == {"prompt": "hello"}


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_text_bomb_is_refused(picture, kind):
    head = b"prompt\0\0" if kind == b"zTXt" else b"prompt\0\1\0\0\0"
    bomb = zlib.compress(bytes(17 * 2**20))
    with pytest.raises(NotAnImage, match="expands beyond 16 MiB"):
        read_text(with_chunk(picture(), kind, head + bomb))


def test_many_small_bombs_share_one_budget(picture):
    png = picture()
    for _ in range(5):
        png = with_chunk(png, b"zTXt", b"prompt\0\0" + zlib.compress(bytes(4 * 2**20)))
    with pytest.raises(NotAnImage, match="expands beyond"):
        read_text(png)


def broken(png):
    header = png[:33]
    return {
        "nothing": b"",
        "no PNG": b"GIF89a" + png[6:],
        "signature alone": png[:8],
        "cut in the header": png[:20],
        "cut in the pixels": png[: len(png) // 2],
        "no end mark": png[:-12],
        "no pixels": header + END,
        "no header": png[:8] + png[33:],
        "length beyond the file": png[:33] + b"\xff\xff\xff\xff" + png[37:],
        "kind that is no word": png[:33] + png[33:37] + b"1234" + png[41:],
    }


@pytest.mark.parametrize("case", list(broken(bytes(60))))
def test_what_is_no_whole_png_is_refused_by_name(picture, case):
    data = broken(picture())[case]
    for work in (read_text, damaged_chunks, lambda png: with_text(png, {"prompt": "x"})):
        with pytest.raises(NotAnImage):
            work(data)
    assert not has_credential(data)


@pytest.mark.parametrize("data", [b"prompt\0\1\0no languages", b"prompt\0\1\0\0\0not compressed"])
def test_a_broken_text_chunk_is_refused(picture, data):
    with pytest.raises(NotAnImage, match="text chunk"):
        read_text(with_chunk(picture(), b"iTXt", data))


@pytest.mark.parametrize("key", ["", "x" * 80, "nul\0", "漢"])
def test_a_key_that_png_cannot_hold_is_our_own_defect(picture, key):
    with pytest.raises(InternalError):
        with_text(picture(), {key: "x"})


def test_a_changed_byte_is_found_by_the_checksum(picture, flip):
    png = with_text(picture(), TEXTS)
    assert damaged_chunks(png) == []
    assert damaged_chunks(flip(png, 50)) == ["tEXt"]


def test_only_png_begins_as_png(picture):
    assert is_png(picture())
    assert not is_png(picture("JPEG"))

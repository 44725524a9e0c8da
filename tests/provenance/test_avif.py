"""The items of an AVIF: words and credentials are blanked where they stand, and no file makes the reader stumble."""

from __future__ import annotations

import io

import pytest
from PIL import Image, features

from mintmark.errors import InternalError, NotAnImage
from mintmark.provenance import avif, exif
from mintmark.provenance.reading import read
from mintmark.provenance.stores import joined
from mintmark.provenance.texts import bare, fits, read_texts, with_texts, without_credential
from mintmark.provenance.words import without_graph

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
TEXTS = {"prompt": '{"1": {"class_type": "KSampler"}}', "workflow": '{"title": "漢字"}'}


@pytest.fixture(scope="module")
def wordy():
    file = io.BytesIO()
    picture = Image.effect_noise((24, 24), 60).convert("RGB")
    picture.save(file, "AVIF", exif=exif.with_texts(None, TEXTS), xmp=b"<x>words</x>")
    return file.getvalue()


def pixels(data):
    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def test_the_texts_it_was_written_with_are_read_and_no_others_fit(wordy):
    assert read_texts(wordy, "image/avif") == TEXTS
    assert with_texts(wordy, "image/avif", TEXTS) is wordy
    assert not fits(wordy, "image/avif", {"prompt": "another"})
    with pytest.raises(InternalError, match="does not fit"):
        with_texts(wordy, "image/avif", {"prompt": "another"})


def test_it_is_freed_of_its_words_and_keeps_its_pixels_and_its_length(wordy):
    freed = bare(wordy, "image/avif")
    assert len(freed) == len(wordy)
    assert b"class_type" not in freed
    assert b"words" not in freed
    assert read_texts(freed, "image/avif") == {}
    assert pixels(freed) == pixels(wordy)
    assert bare(freed, "image/avif") == freed


def test_it_is_freed_of_its_credential(wordy, signer, facts):
    signed = signer.sign(wordy, "image/avif", facts(media_type="image/avif"))
    assert read(signed).state == "valid"
    assert read_texts(signed, "image/avif") == TEXTS
    freed = without_credential(signed, "image/avif")
    assert read(freed).state == "none"
    assert pixels(freed) == pixels(wordy)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x14ftypisom", b"\x89PNG\r\n\x1a\n"])
def test_what_is_none_is_said(data):
    with pytest.raises(NotAnImage):
        avif.exif_of(data)


def test_whatever_byte_is_changed_there_is_an_answer_or_one_kind_of_error(wordy, signer, facts):
    signed = signer.sign(wordy, "image/avif", facts(media_type="image/avif"))
    for place in range(0, len(signed), 3):
        for bits in (0x01, 0x80, 0xFF):
            data = bytearray(signed)
            data[place] ^= bits
            for look in (avif.exif_of, avif.without_words, avif.without_credential):
                try:
                    look(bytes(data))
                except NotAnImage:
                    continue
            without_graph(bytes(data), "image/avif")
            joined(bytes(data))

"""Whatever is changed after signing is found, in the file and in the files it came from."""

from __future__ import annotations

import io
import struct

import c2pa
import pytest
from PIL import Image

from mintmark.errors import NotAnImage
from mintmark.provenance.actions import Ingredient
from mintmark.provenance.contexts import for_signing
from mintmark.provenance.png import with_text
from mintmark.provenance.reading import read

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
CHANGED = "assertion.dataHash.mismatch"
RECORD = {"words": "a fox in the snow"}


def pixel_place(kind, signed):
    """A byte inside the compressed pixels."""
    if kind == "PNG":
        return signed.index(b"IDAT") + 30
    # JPEG's start of scan cannot occur in the pixels after it, but may in the credential before it.
    return signed.rindex(b"\xff\xda") + 40 if kind == "JPEG" else signed.index(b"VP8") + 40


@pytest.fixture(scope="module", params=MEDIA_TYPES)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def signed(kind, signer, picture, facts):
    original = picture(kind)
    if kind == "PNG":
        original = with_text(original, {"prompt": '{"secret": "fox"}'})
    return signer.sign(original, MEDIA_TYPES[kind], facts(media_type=MEDIA_TYPES[kind], record=RECORD))


def codes(found):
    return {problem.code for problem in found.problems}


def test_a_changed_pixel_is_found(kind, signed, flip):
    found = read(flip(signed, pixel_place(kind, signed)))
    assert found.state == "invalid"
    assert CHANGED in codes(found)
    assert "The file was changed after it was signed." in {problem.explanation for problem in found.problems}
    assert found.ai_generated


def test_bytes_appended_to_the_file_are_found(signed):
    found = read(signed + b"something")
    assert (found.state, codes(found)) == ("invalid", {CHANGED})


def test_a_changed_statement_is_found(signed, flip):
    found = read(flip(signed, signed.index(b"fox in the snow")))
    assert found.state == "invalid"
    assert "assertion.hashedURI.mismatch" in codes(found)


def test_a_changed_signature_is_found(signed, flip):
    # After the padding of zeros, the ECDSA signature ends the COSE structure as a byte string of 64 (CBOR 58 40).
    padding = signed.index(bytes(200), signed.rindex(b"c2pa.signature\0"))
    place = signed.index(b"\x58\x40", padding) + 20
    found = read(flip(signed, place))
    assert found.state == "invalid"
    assert "claimSignature.mismatch" in codes(found)


def test_saving_it_again_drops_the_credential(kind, signed):
    again = io.BytesIO()
    Image.open(io.BytesIO(signed)).save(again, kind)
    assert read(again.getvalue()).state == "none"


def test_a_changed_text_chunk_is_found(signer, picture, facts, flip):
    signed = signer.sign(with_text(picture(), {"prompt": "fox"}), "image/png", facts())
    found = read(flip(signed, signed.index(b"prompt\0fox") + 8))
    assert codes(found) == {CHANGED, "mintmark.png.damagedChunk"}


def test_no_single_byte_of_a_png_can_be_changed_unseen(signer, picture, facts, flip):
    signed = signer.sign(picture(size=(8, 8)), "image/png", facts())
    unseen = []
    # Past the eight bytes that make it a PNG at all, every seventh byte, the padding of the signature included.
    for place in range(8, len(signed), 7):
        found = read(flip(signed, place))
        if found.state != "invalid" or not found.problems:
            unseen.append((place, found.state))
    assert unseen == []
    with pytest.raises(NotAnImage):
        read(flip(signed, 0))


@pytest.mark.parametrize("place", range(33, 41))
def test_a_png_credential_hidden_by_its_chunk_head_is_found(place, signer, picture, facts, flip):
    signed = signer.sign(picture(), "image/png", facts())
    assert signed[37:41] == b"caBX"
    assert read(flip(signed, place)).state == "invalid"


@pytest.mark.parametrize(("kind", "name"), [("JPEG", b"\xff\xeb"), ("WEBP", b"C2PA")])
def test_a_credential_hidden_by_its_segments_name_is_found(kind, name, signer, picture, facts, flip):
    signed = signer.sign(picture(kind), MEDIA_TYPES[kind], facts(media_type=MEDIA_TYPES[kind]))
    found = read(flip(signed, signed.index(name) + 1))
    assert (found.state, codes(found)) == ("invalid", {"mintmark.credential.unreadable"})


def test_a_damaged_png_that_never_had_a_credential_is_not_called_tampered(picture, flip):
    png = picture()
    found = read(flip(png, png.index(b"IDAT") + 20))
    assert (found.state, codes(found)) == ("none", {"mintmark.png.damagedChunk"})


def test_a_tampered_parent_is_found_though_the_outer_file_is_whole(
    kind, signed, signer, identity, picture, facts, flip
):
    bad = flip(signed, pixel_place(kind, signed))
    parent = Ingredient("answer", MEDIA_TYPES[kind], bad)
    outer = signer.sign(picture(), "image/png", facts(origin="provider", parent=parent))
    with c2pa.Reader("image/png", io.BytesIO(outer)) as reader:
        assert reader.get_validation_state() == "Valid"  # c2pa alone is content
    found = read(outer, anchors_pem=identity.root_pem.decode())
    assert found.state == "invalid"
    assert [problem.as_dict() for problem in found.problems if problem.code == CHANGED] == [
        {
            "code": CHANGED,
            "part": "file",
            "explanation": "The file was changed after it was signed.",
            "where": "ingredient “answer”",
        }
    ]
    assert found.ingredients[0].state == "invalid"


def test_a_tampered_file_two_steps_back_is_found_and_placed(signer, picture, facts, flip):
    first = signer.sign(picture(), "image/png", facts())
    bad = Ingredient("first.png", "image/png", flip(first, first.index(b"IDAT") + 30))
    second = signer.sign(picture(), "image/png", facts(origin="provider", parent=bad))
    whole = Ingredient("second.png", "image/png", second)
    found = read(signer.sign(picture(), "image/png", facts(origin="provider", parent=whole)))
    assert found.state == "invalid"
    assert [problem.where for problem in found.problems] == ["ingredient “first.png” of ingredient “second.png”"]
    assert [found.ingredients[0].state, found.ingredients[0].ingredients[0].state] == ["invalid", "invalid"]
    assert found.ingredients[0].problems == ()


def test_a_tampered_input_is_found_too(signer, picture, facts, flip):
    sketch = signer.sign(picture(), "image/png", facts(origin="not_ai"))
    bad = Ingredient("sketch.png", "image/png", flip(sketch, sketch.index(b"IDAT") + 30))
    found = read(signer.sign(picture(shade=1), "image/png", facts(inputs=(bad,))))
    assert (found.state, found.ingredients[0].relationship) == ("invalid", "inputTo")


def test_a_changed_parents_credential_inside_the_outer_file_is_found(signer, picture, facts, flip):
    inner = signer.sign(picture(), "image/png", facts(record={"word": "needle"}))
    made = facts(origin="provider", parent=Ingredient("p.png", "image/png", inner))
    outer = signer.sign(picture(), "image/png", made)
    found = read(flip(outer, outer.index(b"needle")), media_type="image/png")
    assert found.state == "invalid"
    assert codes(found) - {"mintmark.png.damagedChunk"}


def test_a_parent_signed_by_the_first_kind_of_claim_is_walked_too(identity, signer, picture, facts, flip):
    first = old_claim(identity, picture(), None)
    bad = flip(first, first.index(b"IDAT") + 30)
    second = old_claim(identity, picture(), bad)
    assert read(second).state == "invalid"
    made = facts(origin="provider", parent=Ingredient("second.png", "image/png", second))
    found = read(signer.sign(picture(), "image/png", made))
    assert (found.state, codes(found)) == ("invalid", {CHANGED})


def old_claim(identity, png, parent):
    """A file signed with a claim of version 1, as providers did for years."""
    source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    action = {"action": "c2pa.created", "softwareAgent": "Old Studio", "digitalSourceType": source}
    if parent:
        action |= {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}
    definition = {
        "claim_version": 1,
        "claim_generator_info": [{"name": "Old Studio"}],
        "title": "old.png",
        "format": "image/png",
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    out = io.BytesIO()
    info = c2pa.C2paSignerInfo(identity.algorithm, identity.chain_pem, identity.key_pem, None)
    settings = {"builder": {"thumbnail": {"enabled": False}}, "trust": for_signing()["trust"]}
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(definition, context=context) as builder,
    ):
        if parent:
            link = {"title": "old parent", "relationship": "parentOf", "label": "parent"}
            builder.add_ingredient(link, "image/png", io.BytesIO(parent))
        builder.sign(signer, "image/png", io.BytesIO(png), out)
    return out.getvalue()


def test_a_credential_moved_to_another_image_is_found(signer, picture, facts):
    signed, other = signer.sign(picture(), "image/png", facts()), picture(shade=5)
    (length,) = struct.unpack_from(">I", signed, 33)
    moved = other[:33] + signed[33 : 33 + 12 + length] + other[33:]
    found = read(moved)
    assert (found.state, codes(found)) == ("invalid", {CHANGED})

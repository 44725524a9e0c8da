"""A flipped byte is named by what it belongs to: the file, a certificate, a parent, a parent's certificate."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mintmark.provenance import chains
from mintmark.provenance.actions import Ingredient
from mintmark.provenance.reading import read

KINDS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/tiff": "TIFF",
}


def parts(found, where="this file"):
    return {problem.part for problem in found.problems if problem.where == where}


@pytest.mark.parametrize("anchored", [True, False], ids=["with our root as anchor", "trusting nobody"])
@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp", "image/tiff"])
def test_a_flipped_byte_of_a_certificate_is_named_wherever_it_is(
    media_type, anchored, signer, identity, picture, facts, flip
):
    signed = signer.sign(picture(KINDS[media_type]), media_type, facts(media_type=media_type))
    anchors = identity.root_pem.decode() if anchored else None
    for certificate in x509.load_pem_x509_certificates(identity.chain_pem):
        der = certificate.public_bytes(Encoding.DER)
        start = signed.index(der)
        for place in range(start, start + len(der), 23):
            found = read(flip(signed, place), media_type, anchors)
            assert found.state == "invalid"
            assert found.problems[0].part == "certificate", place - start
            assert found.problems[0].where == "this file"
            assert found.checks.intact.holds is False
            assert "certificate" in found.checks.intact.why


def test_a_format_that_cuts_its_credential_up_is_looked_into_all_the_same(signer, picture, facts, flip):
    signed = signer.sign(picture("GIF"), "image/gif", facts(media_type="image/gif"))
    # The organisation that our certificate names; a GIF cuts it from the rest after 255 bytes.
    place = signed.rindex(b"(self-made)")
    assert read(flip(signed, place), "image/gif").problems[0].part == "certificate"


def test_an_svg_writes_its_credential_as_text(signer, facts):
    import base64
    import re

    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>'
    signed = signer.sign(svg, "image/svg+xml", facts(media_type="image/svg+xml"))
    text = re.search(rb"<c2pa:manifest[^>]*>([^<]+)<", signed)[1]
    store = bytearray(base64.b64decode(text))
    store[store.rindex(b"(self-made)")] ^= 1
    found = read(signed.replace(text, base64.b64encode(store)), "image/svg+xml")
    assert found.problems[0].part == "certificate"


def test_a_byte_of_the_file_is_named_as_the_files(signer, picture, facts, flip):
    signed = signer.sign(picture("WEBP"), "image/webp", facts(media_type="image/webp"))
    found = read(flip(signed, signed.index(b"VP8") + 30))
    assert parts(found) == {"file"}
    assert found.checks.well_formed.holds


def test_a_byte_of_a_statement_is_named_as_that(signer, picture, facts, flip):
    signed = signer.sign(picture("WEBP"), "image/webp", facts(media_type="image/webp", record={"word": "needle"}))
    assert parts(read(flip(signed, signed.index(b"needle")))) == {"statement"}


def with_parent(signer, parent, picture, facts):
    made = facts(origin="provider", parent=Ingredient("answer.webp", "image/webp", parent), media_type="image/webp")
    return signer.sign(picture("WEBP"), "image/webp", made)


def test_a_byte_that_was_flipped_in_the_parent_before_is_named_as_the_parents_file(signer, picture, facts, flip):
    parent = signer.sign(picture("WEBP"), "image/webp", facts(media_type="image/webp"))
    found = read(with_parent(signer, flip(parent, parent.index(b"VP8") + 30), picture, facts))
    assert parts(found, "ingredient “answer.webp”") == {"file"}
    assert parts(found) == set()
    assert "answer.webp" in found.checks.intact.why


def test_a_byte_of_what_is_kept_of_the_parent_is_named_with_the_parent(signer, picture, facts, flip):
    parent = signer.sign(picture("WEBP"), "image/webp", facts(media_type="image/webp", record={"word": "needle"}))
    outer = with_parent(signer, parent, picture, facts)
    found = read(flip(outer, outer.index(b"needle")))
    assert found.state == "invalid"
    assert any("answer.webp" in problem.where for problem in found.problems)


def test_a_byte_of_the_parents_certificate_is_named_with_the_parent(signer, identity, picture, facts, flip):
    parent = signer.sign(picture("WEBP"), "image/webp", facts(media_type="image/webp"))
    outer = with_parent(signer, parent, picture, facts)
    leaf = x509.load_pem_x509_certificates(identity.chain_pem)[0].public_bytes(Encoding.DER)
    assert outer.count(leaf) == 2
    found = read(flip(outer, outer.index(leaf) + 300), anchors_pem=identity.root_pem.decode())
    assert (found.problems[0].part, found.problems[0].where) == ("certificate", "ingredient “answer.webp”")


def test_chains_are_read_in_linear_time_and_bounds():
    box = b"jumdc2cs\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71" + b"\x18\x21\x97" + b"\x59\xff\xff" * 20
    found = chains.chains(box * 20_000)
    assert len(found) == 200
    assert all(len(each.certificates) <= 16 for each in found)


def test_junk_where_a_certificate_should_be_is_damage_and_no_crash():
    assert chains.damaged(chains.Chain("", (b"\x30\x82\x01\x00junk",)), [])
    assert not chains.damaged(chains.Chain("", ()), [])

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import c2pa
import pytest
from PIL import Image

from mintmark.errors import InternalError, SigningFailed
from mintmark.provenance.actions import Ingredient
from mintmark.provenance.png import read_text, with_text
from mintmark.provenance.reading import read
from mintmark.provenance.signing import CredentialSigner

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
LARGEST_SEED = str(2**64 - 1)


def pixels(data):
    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def claim_of(signed):
    """The claim of the active manifest, as c2pa itself reads it."""
    with c2pa.Reader("image/png", io.BytesIO(signed)) as reader:
        report = json.loads(reader.detailed_json())
    return report["manifests"][report["active_manifest"]]


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_signed_file_is_valid_to_all_and_trusted_by_who_trusts_our_root(kind, signer, identity, picture, facts):
    media_type = MEDIA_TYPES[kind]
    signed = signer.sign(picture(kind), media_type, facts(media_type=media_type))
    alone, vouched = read(signed), read(signed, anchors_pem=identity.root_pem.decode())
    assert (alone.state, vouched.state) == ("valid", "trusted")
    assert alone.issuer == "Mintmark (self-made)"
    assert alone.ai_generated
    assert pixels(signed) == pixels(picture(kind))


def test_text_chunks_survive_signing_byte_for_byte(signer, picture, facts):
    texts = {"prompt": '{"3": {"inputs": {"seed": 18446744073709551615}}}', "workflow": '{"title": "漢字"}'}
    prepared = with_text(picture(), texts)
    signed = signer.sign(prepared, "image/png", facts())
    assert read_text(signed) == texts
    assert signed.endswith(prepared[33:])
    assert pixels(signed) == pixels(picture())


def test_a_record_comes_back_exactly_as_it_was_given(signer, picture, facts):
    record = {
        "seed": LARGEST_SEED,
        "microusd": 2**63 - 1,
        "scores": {"violence": 0.00001, "sexual": 1.0},
        "sizes": [1024, 300, 7],
        "floats": [0.5, 1.5],
        "bytes": [1, 2, 255],
        "empty": {"list": [], "text": "", "nothing": None, "yes": True},
        "words": "naïve 漢 🦊",
    }
    found = read(signer.sign(picture(), "image/png", facts(record=record))).record
    assert found == record
    assert json.dumps(found, sort_keys=True) == json.dumps(record, sort_keys=True)


def test_half_a_character_in_a_text_does_not_lose_the_image(signer, picture, facts):
    record = {"prompt": "fox \ud83e", "nul\0\ud83e": "\0"}
    sketch = Ingredient("sketch \ud83e", "image/png", picture())
    found = read(signer.sign(picture(), "image/png", facts(title="\ud83e", record=record, inputs=(sketch,))))
    assert (found.state, found.record) == ("valid", {"prompt": "fox ?", "nul\0?": "\0"})
    assert found.ingredients[0].title == "sketch ?"


def test_all_assertions_and_ingredients_are_attributed_to_the_signer(signer, picture, facts):
    parent = Ingredient("answer.png", "image/png", picture())
    sketch = Ingredient("sketch.jpg", "image/jpeg", picture("JPEG"))
    made = facts(
        origin="provider", parent=parent, inputs=(sketch,), edited=True, training={"data_mining": "notAllowed"}
    )
    manifest = claim_of(signer.sign(picture(), "image/png", made))
    assert manifest["claim"]["claim_version"] == 2
    assert not manifest["claim"].get("gathered_assertions")
    assert set(manifest["assertion_store"]) == {
        "c2pa.actions.v2",
        "c2pa.hash.data",
        "c2pa.ingredient.v3",
        "c2pa.ingredient.v3__1",
        "cawg.training-mining",
        "org.mintmark.record",
    }
    assert manifest["claim"]["claim_generator_info"]["name"] == "Mintmark"


def test_no_thumbnail_makes_the_file_grow(signer, picture, facts):
    plain = picture(size=(256, 256))
    assert len(signer.sign(plain, "image/png", facts())) - len(plain) < 5_000


def test_a_providers_own_credential_is_kept_as_the_parent(signer, identity, picture, facts):
    answer = signer.sign(picture(), "image/png", facts(title="theirs", record={}))
    made = facts(origin="provider", parent=Ingredient("answer.png", "image/png", answer))
    found = read(signer.sign(answer, "image/png", made), anchors_pem=identity.root_pem.decode())
    (parent,) = found.ingredients
    assert (parent.title, parent.relationship, parent.state) == ("answer.png", "parentOf", "trusted")
    assert [action.action for action in found.actions] == ["c2pa.opened"]


def test_a_credential_is_never_dropped_in_silence(signer, picture, facts):
    for kind, media_type in MEDIA_TYPES.items():
        made = facts(media_type=media_type)
        signed = signer.sign(picture(kind), media_type, made)
        with pytest.raises(InternalError, match="parent"):
            signer.sign(signed, media_type, made)


def test_eight_threads_share_one_signer(signer, identity, picture, facts):
    def work(number):
        signed = signer.sign(picture(shade=number), "image/png", facts(record={"number": number}))
        return read(signed, anchors_pem=identity.root_pem.decode())

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(64)))
    assert {one.state for one in found} == {"trusted"}
    assert [one.record for one in found] == [{"number": number} for number in range(64)]


def broken(picture):
    good, media_type = picture(), "image/png"
    return {
        "nothing": (b"", media_type),
        "garbage": (b"no image at all", media_type),
        "cut short": (good[: len(good) // 2], media_type),
        "another kind": (good, "image/jpeg"),
        "a kind that cannot be signed": (good, "video/webm"),
    }


@pytest.mark.parametrize("case", list(broken(lambda: b"")))
def test_what_cannot_be_signed_fails_with_its_cause(case, signer, identity, picture, facts):
    data, media_type = broken(picture)[case]
    with pytest.raises(SigningFailed) as caught:
        signer.sign(data, media_type, facts(media_type=media_type))
    assert caught.value.hint
    assert caught.value.__cause__ is not None
    assert identity.key_pem.decode().splitlines()[1] not in str(caught.value)


def test_a_parent_that_cannot_be_read_fails(signer, picture, facts):
    parent = Ingredient("answer.png", "image/png", b"garbage")
    with pytest.raises(SigningFailed):
        signer.sign(picture(), "image/png", facts(origin="provider", parent=parent))


def test_two_media_types_for_one_file_are_our_own_defect(signer, picture, facts):
    with pytest.raises(InternalError, match="image/jpeg"):
        signer.sign(picture(), "image/png", facts(media_type="image/jpeg"))


def test_a_closed_signer_signs_nothing(identity, picture, facts):
    signer = CredentialSigner(identity)
    signer.close()
    signer.close()
    with pytest.raises(SigningFailed):
        signer.sign(picture(), "image/png", facts())


def test_an_identity_whose_key_is_another_ones_fails_before_a_file_exists(
    tmp_path, settings_for, identity, picture, facts
):
    from mintmark.provenance.keys import signing_identity

    stranger = signing_identity(settings_for(tmp_path))
    mixed = dataclasses.replace(identity, key_pem=stranger.key_pem)
    with CredentialSigner(mixed) as signer, pytest.raises(SigningFailed, match="signature"):
        signer.sign(picture(), "image/png", facts())


def test_importing_the_package_loads_neither_c2pa_nor_cryptography():
    code = "import sys, mintmark.provenance; print(sorted({'c2pa', 'cryptography', 'PIL'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"

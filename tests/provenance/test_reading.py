from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import c2pa
import pytest

from mintmark.errors import FileMissing, NotAnImage
from mintmark.provenance.actions import Ingredient
from mintmark.provenance.contexts import for_signing
from mintmark.provenance.findings import interpret
from mintmark.provenance.manifest import build
from mintmark.provenance.reading import read


def test_the_json_form_has_exactly_the_keys_that_verify_prints(signer, picture, facts):
    found = read(signer.sign(picture(), "image/png", facts(provider="local", model_version="1.0"))).as_dict()
    assert json.loads(json.dumps(found)) == found
    note = found.pop("notes")
    assert len(note) == 1
    assert "on no trust list" in note[0]
    assert found == {
        "state": "valid",
        "checks": {
            "well_formed": {"holds": True, "why": "The credential can be read, and is built as C2PA says."},
            "intact": {
                "holds": True,
                "why": "The file, its credential and what it was made from are as they were signed.",
            },
            "trusted": {
                "holds": False,
                "why": "Signed by “Mintmark (self-made)”, whose root is on no trust list given here: "
                "the name is not proven.",
            },
        },
        "issuer": "Mintmark (self-made)",
        "vouched_by": None,
        "timestamp": None,
        "ai_generated": True,
        "actions": [
            {
                "action": "c2pa.created",
                "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
                "software_agent": "local/flux-dev 1.0",
                "when": "2026-11-21T06:00:00Z",
            }
        ],
        "ingredients": [],
        "record": {"seed": "7"},
        "problems": [],
    }


def test_ingredients_show_in_the_json_form_as_deep_as_they_go(signer, picture, facts):
    sketch = Ingredient("sketch.jpg", "image/jpeg", picture("JPEG"))
    first = signer.sign(picture(), "image/png", facts(inputs=(sketch,)))
    made = facts(origin="provider", parent=Ingredient("answer.png", "image/png", first))
    (parent,) = read(signer.sign(picture(), "image/png", made)).as_dict()["ingredients"]
    assert parent == {
        "title": "answer.png",
        "relationship": "parentOf",
        "state": "valid",
        "issuer": "Mintmark (self-made)",
        "problems": [],
        "ingredients": [
            {
                "title": "sketch.jpg",
                "relationship": "inputTo",
                "state": "none",
                "issuer": None,
                "problems": [],
                "ingredients": [],
            }
        ],
    }


@pytest.mark.parametrize(("origin", "expected"), [("local_ai", True), ("ai_edited", True), ("not_ai", False)])
def test_whether_a_model_made_it_is_told_by_the_source_type(origin, expected, signer, picture, facts):
    assert read(signer.sign(picture(), "image/png", facts(origin=origin))).ai_generated is expected


def test_a_drawing_over_a_generated_parent_still_counts_as_generated(signer, picture, facts):
    parent = Ingredient("p.png", "image/png", signer.sign(picture(), "image/png", facts()))
    made = facts(origin="not_ai", parent=parent, edited=True)
    found = read(signer.sign(picture(shade=1), "image/png", made))
    assert all(action.digital_source_type is None for action in found.actions)
    assert found.ai_generated


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_a_file_without_a_credential_says_so(kind, picture):
    found = read(picture(kind))
    assert (found.state, found.problems, found.record) == ("none", (), None)
    assert "no credential" in found.notes[0]


def test_a_path_is_read_by_its_bytes_whatever_its_name(tmp_path, signer, picture, facts):
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(signer.sign(picture(), "image/png", facts()))
    assert read(path).state == "valid"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileMissing, match=r"gone\.png: No such file"):
        read(tmp_path / "gone.png")


@pytest.mark.parametrize("data", [b"", b"plain text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a"])
def test_what_is_no_image_is_an_error_and_not_a_finding(tmp_path, data):
    path = tmp_path / "file.png"
    path.write_bytes(data)
    with pytest.raises(NotAnImage, match=r"file\.png"):
        read(path)


def test_a_credential_kept_elsewhere_is_not_fetched(identity, picture, facts):
    asked = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), Trap) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            found = read(with_remote_credential(identity, picture(), facts(), server.server_port))
        finally:
            server.shutdown()
    assert found.state == "none"
    assert "not fetched" in found.notes[0]
    assert asked == []


def with_remote_credential(identity, png, facts, port):
    signed = io.BytesIO()
    info = c2pa.C2paSignerInfo(identity.algorithm, identity.chain_pem, identity.key_pem, None)
    with (
        c2pa.Context.from_dict(for_signing()) as context,
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(build(facts).definition, context=context) as builder,
    ):
        builder.set_no_embed()
        builder.set_remote_url(f"http://127.0.0.1:{port}/secret")
        builder.sign(signer, "image/png", io.BytesIO(png), signed)
    return signed.getvalue()


def report(manifests, **extra):
    return {"active_manifest": "a", "manifests": manifests, "validation_state": "Trusted", **extra}


def used(target, **results):
    return {"title": target, "relationship": "parentOf", "active_manifest": target, "label": "i", **results}


def test_a_file_whose_ingredients_go_in_a_circle_is_read_once():
    circle = {"a": {"ingredients": [used("b")]}, "b": {"ingredients": [used("a")]}}
    found = interpret(report(circle), {})
    assert found.ingredients[0].ingredients[0].ingredients == ()


def test_a_file_that_multiplies_its_ingredients_is_read_in_linear_time():
    many = {str(n): {"ingredients": [used(str(n + 1))] * 8} for n in range(60)}
    found = interpret({**report(many), "active_manifest": "0"}, {})
    assert sum(1 for _ in flatten(found.ingredients)) == 60 * 8


def flatten(parts):
    for part in parts:
        yield part
        yield from flatten(part.ingredients)


def test_a_chain_of_ingredients_beyond_all_measure_is_a_problem():
    chain = {str(n): {"ingredients": [used(str(n + 1))]} for n in range(5000)}
    found = interpret({**report(chain), "active_manifest": "0"}, {})
    assert found.state == "invalid"
    assert found.problems[0].code == "mintmark.ingredients.tooDeep"


def test_a_signer_cannot_vouch_for_an_ingredient_that_the_reader_does_not_trust():
    noted = {"activeManifest": {"success": [{"code": "signingCredential.trusted"}], "failure": []}}
    delta = {
        "ingredientAssertionURI": "self#jumbf=/c2pa/a/c2pa.assertions/i",
        "validationDeltas": {"failure": [{"code": "signingCredential.untrusted"}]},
    }
    manifests = {"a": {"ingredients": [used("b", validation_results=noted)]}, "b": {}}
    assert interpret(report(manifests), {}).ingredients[0].state == "trusted"
    doubted = report(manifests, validation_results={"ingredientDeltas": [delta]})
    assert interpret(doubted, {}).ingredients[0].state == "valid"


def test_an_unknown_failure_keeps_the_librarys_own_words():
    failure = {"code": "new.in.2027", "explanation": "something new"}
    results = {"activeManifest": {"failure": [failure]}}
    found = interpret(report({"a": {}}, validation_results=results), {})
    assert [problem.as_dict() for problem in found.problems] == [
        {"code": "new.in.2027", "part": "structure", "explanation": "something new", "where": "this file"}
    ]
    assert found.state == "invalid"

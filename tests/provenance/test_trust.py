"""Whom reading trusts: own anchors, shipped lists with their date and source, and which of them vouched."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from mintmark.errors import BadKey, BadSetting
from mintmark.provenance import trust
from mintmark.provenance.findings import interpret
from mintmark.provenance.reading import read
from mintmark.provenance.trust import Trust, TrustList, trust_of

NAMES = ("c2pa", "c2pa-time", "interim")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_list_says_its_date_source_and_licence_and_holds_authorities_alone(name):
    told = json.loads((trust.FOLDER / f"{name}.json").read_text("utf-8"))
    assert date(2025, 1, 1) < date.fromisoformat(told["as_of"]) <= date(2026, 11, 21)
    assert told["source"].startswith("https://raw.githubusercontent.com/")
    assert told["licence"] in ("CC-BY-4.0", "Apache-2.0")
    assert told["attribution"]
    assert len(told["source_sha256"]) == hashlib.sha256().digest_size * 2
    anchors = [x509.load_pem_x509_certificate(each["pem"].encode()) for each in told["anchors"]]
    assert len({each.fingerprint(hashes.SHA256()) for each in anchors}) == len(anchors) > 15
    for certificate, about in zip(anchors, told["anchors"], strict=True):
        assert about["subject"] == certificate.subject.rfc4514_string()
        assert about["until"] == f"{certificate.not_valid_after_utc:%Y-%m-%d}"


def test_every_authority_of_the_c2pa_list_may_issue_certificates():
    told = json.loads((trust.FOLDER / "c2pa.json").read_text("utf-8"))
    for each in told["anchors"]:
        certificate = x509.load_pem_x509_certificate(each["pem"].encode())
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_settings_name_lists_and_own_anchors(tmp_path, settings_for, identity):
    path = tmp_path / "roots.pem"
    path.write_bytes(identity.root_pem)
    found = trust_of(settings_for(tmp_path, trust_anchors=path, trust_lists=("interim", "c2pa")))
    assert found.own_pem == identity.root_pem.decode()
    assert [each.name for each in found.lists] == ["c2pa", "interim"]
    assert trust_of(settings_for(tmp_path, trust_lists=("none",))) == Trust()


def test_unknown_lists_and_unusable_anchors_are_refused(tmp_path, settings_for):
    with pytest.raises(BadSetting, match="no trust list 'mine'"):
        trust_of(settings_for(tmp_path, trust_lists=("mine",)))
    path = tmp_path / "roots.pem"
    with pytest.raises(BadKey, match=r"roots\.pem: No such file"):
        trust_of(settings_for(tmp_path, trust_anchors=path))
    path.write_text("junk")
    with pytest.raises(BadKey, match=r"roots\.pem holds no PEM certificate"):
        trust_of(settings_for(tmp_path, trust_anchors=path))


def listed(name, pem):
    return TrustList(name, f"The {name} list", "2026-08-13", "https://example", "CC-BY-4.0", 1, pem)


def test_the_list_that_vouched_is_named(identity, signer, picture, facts):
    signed, root = signer.sign(picture(), "image/png", facts()), identity.root_pem.decode()
    strangers = trust.shipped("interim").pem
    cases = {
        "your own anchors": Trust(root),
        "The first list of 2026-08-13": Trust(None, (listed("first", root), listed("second", root))),
        "The second list of 2026-08-13": Trust(None, (listed("first", strangers), listed("second", root))),
    }
    for name, trusted in cases.items():
        found = read(signed, anchors_pem=trusted)
        assert (found.state, found.vouched_by) == ("trusted", name)
        assert name in found.checks.trusted.why
    nobody = read(signed, anchors_pem=Trust(None, (listed("first", strangers),)))
    assert (nobody.state, nobody.vouched_by) == ("valid", None)


def test_a_broken_file_is_broken_whoever_is_trusted(identity, signer, picture, facts, flip):
    signed = signer.sign(picture(), "image/png", facts())
    bad = flip(signed, signed.index(b"IDAT") + 30)
    found = read(bad, anchors_pem=Trust(None, (trust.shipped("c2pa"), listed("mine", identity.root_pem.decode()))))
    assert found.state == "invalid"
    assert found.checks.trusted.holds is False


def test_a_library_that_says_it_in_other_words_names_no_list():
    success = [{"code": "signingCredential.trusted", "explanation": "somewhere"}]
    report = {
        "active_manifest": "a",
        "manifests": {"a": {}},
        "validation_state": "Trusted",
        "validation_results": {"activeManifest": {"success": success}},
    }
    assert interpret(report, {}, "A list").vouched_by is None

"""Keys from the environment, and keys that never come here: a function asks a key service to sign."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from mintmark import log
from mintmark.errors import BadKey, BadSetting, SignerFailed
from mintmark.provenance.keys import signing_identity
from mintmark.provenance.reading import read
from mintmark.provenance.signing import CredentialSigner

from .test_own_certificates import Leaf, authorities, key_pem, leaf_certificate, pem

__all__ = ["authorities"]

PAGE = (Path(__file__).parents[2] / "docs" / "credentials.md").read_text(encoding="utf-8")


def chain_for(authorities, key):
    root, middle, middle_key = authorities
    return pem(leaf_certificate(Leaf(key), middle_key), middle, root), pem(root).decode()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """``module(code)`` makes the code importable and gives the module's name."""
    made = []

    def make(code):
        name = f"studio_keys_{len(made)}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(code)
        made.append(name)
        return name

    monkeypatch.syspath_prepend(tmp_path)
    yield make
    for name in made:
        sys.modules.pop(name, None)


def from_text(settings_for, tmp_path, chain, key):
    return settings_for(tmp_path, signing_cert_pem=chain, signing_key_pem=key)


def test_a_key_comes_from_the_environment_as_pem_in_one_line_or_as_base64(
    tmp_path, settings_for, authorities, picture, facts
):
    key = ec.generate_private_key(ec.SECP256R1())
    chain, root = chain_for(authorities, key)
    forms = (
        bytes.decode,
        lambda each: each.decode().replace("\n", "\\n"),
        lambda each: base64.b64encode(each).decode(),
    )
    for form in forms:
        identity = signing_identity(from_text(settings_for, tmp_path, form(chain), form(key_pem(key))))
        with CredentialSigner(identity) as signer:
            assert read(signer.sign(picture(), "image/png", facts()), anchors_pem=root).state == "trusted"


def test_a_key_from_the_environment_shows_in_no_error_and_no_log_line(tmp_path, settings_for, authorities, caplog):
    key = ec.generate_private_key(ec.SECP256R1())
    chain, _ = chain_for(authorities, key)
    text = key_pem(key).decode()
    identity = signing_identity(from_text(settings_for, tmp_path, chain.decode(), text))
    with caplog.at_level(logging.DEBUG):
        log.get("a.test").warning("somebody logs %s", text, extra=log.action("nothing"))
    lines = [line for line in text.splitlines() if not line.startswith("-----")]
    assert not [line for line in lines if line in caplog.text + repr(identity)]
    with pytest.raises(BadKey, match="MINTMARK_SIGNING_KEY_PEM is neither PEM nor base64") as caught:
        signing_identity(from_text(settings_for, tmp_path, chain.decode(), lines[0] + "!"))
    assert lines[0] not in str(caught.value)
    assert caught.value.__cause__ is None


CONTRADICTIONS = {
    "a signer without a certificate": {"signer": "m:f"},
    "a signer and a key": {"signer": "m:f", "signing_cert_pem": "c", "signing_key_pem": "k"},
    "two certificates": {"signing_cert": Path("c"), "signing_cert_pem": "c", "signing_key_pem": "k"},
    "two keys": {"signing_cert_pem": "c", "signing_key": Path("k"), "signing_key_pem": "k"},
    "a key alone": {"signing_key_pem": "k"},
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused(case, tmp_path, settings_for):
    with pytest.raises(BadSetting):
        signing_identity(settings_for(tmp_path, **CONTRADICTIONS[case]))
    assert not (tmp_path / "keys").exists()


def signing_with(key, message, algorithm):
    if algorithm == "ed25519":
        return key.sign(message)
    if algorithm == "ps256":
        return key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return key.sign(message, ec.ECDSA({"es256": hashes.SHA256, "es384": hashes.SHA384}[algorithm]()))


def side_by_side(key, message, algorithm):
    r, s = decode_dss_signature(signing_with(key, message, algorithm))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


HELD = {
    "P-256, in DER": (lambda: ec.generate_private_key(ec.SECP256R1()), signing_with),
    "P-256, r and s": (lambda: ec.generate_private_key(ec.SECP256R1()), side_by_side),
    "P-384": (lambda: ec.generate_private_key(ec.SECP384R1()), signing_with),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, signing_with),
    "RSA": (lambda: rsa.generate_private_key(65537, 2048), signing_with),
}


def held(settings_for, tmp_path, module, chain, function):
    name = module("sign = None\n")
    settings = settings_for(tmp_path, signing_cert_pem=chain.decode(), signer=f"{name}:sign")
    __import__(name).sign = function
    return settings


@pytest.mark.parametrize("case", HELD)
def test_a_function_signs_for_a_key_that_is_held_elsewhere(
    case, tmp_path, settings_for, authorities, module, picture, facts
):
    make, way = HELD[case]
    key = make()
    chain, root = chain_for(authorities, key)
    settings = held(settings_for, tmp_path, module, chain, lambda message, algorithm: way(key, message, algorithm))
    identity = signing_identity(settings)
    assert (identity.key_pem, identity.self_made) == (b"", False)
    with CredentialSigner(identity) as signer:
        found = read(signer.sign(picture(), "image/png", facts()), anchors_pem=root)
    assert (found.state, found.problems) == ("trusted", ())


def test_a_signer_with_another_key_is_found_before_anything_is_signed(tmp_path, settings_for, authorities, module):
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain, _ = chain_for(authorities, key)
    settings = held(settings_for, tmp_path, module, chain, lambda *asked: signing_with(other, *asked))
    with pytest.raises(SignerFailed, match="another key than the certificate's"):
        signing_identity(settings)


def test_what_a_signer_raises_is_named_by_its_class_and_never_quoted(
    tmp_path, settings_for, authorities, module, picture, facts, caplog
):
    key = ec.generate_private_key(ec.SECP256R1())
    chain, _ = chain_for(authorities, key)
    broken = []

    def sign(message, algorithm):
        if broken:
            raise ConnectionError("https://kms.example/?token=topsecret")
        return signing_with(key, message, algorithm)

    identity = signing_identity(held(settings_for, tmp_path, module, chain, sign))
    with CredentialSigner(identity) as signer, caplog.at_level(logging.DEBUG):
        broken.append(True)
        with pytest.raises(SignerFailed, match="failed: ConnectionError") as caught:
            signer.sign(picture(), "image/png", facts())
        broken.clear()
        assert read(signer.sign(picture(), "image/png", facts())).state == "valid"
    assert "topsecret" not in caplog.text + str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("answer", [None, b"", "text"])
def test_a_signer_that_gives_no_bytes_is_refused(answer, tmp_path, settings_for, authorities, module):
    chain, _ = chain_for(authorities, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SignerFailed, match="gave no signature"):
        signing_identity(held(settings_for, tmp_path, module, chain, lambda *_: answer))


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere_at_all:f", "cannot be imported"), ("json:nothing", "no function"), ("json", "written")]
)
def test_a_signer_that_is_not_there_is_named(name, said, tmp_path, settings_for, authorities):
    chain, _ = chain_for(authorities, ec.generate_private_key(ec.SECP256R1()))
    settings = settings_for(tmp_path, signing_cert_pem=chain.decode(), signer=name)
    with pytest.raises(BadSetting) as caught:
        signing_identity(settings)
    assert said in str(caught.value)


class KeyService(ThreadingHTTPServer):
    """As AWS KMS speaks: one operation, told by a header, its signature (SigV4) checked as AWS does."""

    def __init__(self, key, secret):
        super().__init__(("127.0.0.1", 0), _KeyDoor)
        self.key, self.secret, self.asked, self.refused = key, secret, [], []


class _KeyDoor(BaseHTTPRequestHandler):
    def log_message(self, *_args):
        pass

    def do_POST(self):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        body = self.rfile.read(int(self.headers["Content-Length"]))
        given = self.headers["Authorization"]
        access, _, region = re.search(r"Credential=([^/]+)/(\d+)/([^/]+)/kms", given).groups()
        names = re.search(r"SignedHeaders=([^,]+)", given)[1].split(";")
        again = AWSRequest("POST", f"http://{self.headers['Host']}/", data=body)
        for name in names:
            again.headers[name] = self.headers[name]
        again.context["timestamp"] = self.headers["X-Amz-Date"]
        auth = SigV4Auth(Credentials(access, self.server.secret), "kms", region)
        wanted = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
        if f"Signature={wanted}" not in given or self.headers["X-Amz-Target"] != "TrentService.Sign":
            self.server.refused.append(given)
            return self._send(400, {"__type": "IncompleteSignatureException"})
        asked = json.loads(body)
        self.server.asked.append(asked)
        digest = base64.b64decode(asked["Message"])
        assert (asked["MessageType"], asked["SigningAlgorithm"], len(digest)) == ("DIGEST", "ECDSA_SHA_256", 32)
        signature = self.server.key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        return self._send(200, {"KeyId": asked["KeyId"], "Signature": base64.b64encode(signature).decode()})

    def _send(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_the_example_of_the_docs_signs_with_a_key_of_aws_kms(
    tmp_path, settings_for, authorities, module, picture, facts, monkeypatch
):
    pytest.importorskip("botocore")
    (code,) = re.findall(r"```python\n(# studio_kms\.py.*?)```", PAGE, re.DOTALL)
    key, secret = ec.generate_private_key(ec.SECP256R1()), hashlib.sha256(b"secret").hexdigest()
    chain, root = chain_for(authorities, key)
    service = KeyService(key, secret)
    threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()
    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "eu-central-1"}
    env |= {"AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{service.server_port}", "AWS_EC2_METADATA_DISABLED": "true"}
    env |= {"STUDIO_KMS_KEY": "alias/credentials", "AWS_CONFIG_FILE": "", "AWS_DEFAULT_REGION": "eu-central-1"}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    try:
        name = module(code)
        identity = signing_identity(settings_for(tmp_path, signing_cert_pem=chain.decode(), signer=f"{name}:sign"))
        with CredentialSigner(identity) as signer:
            found = read(signer.sign(picture(), "image/png", facts()), anchors_pem=root)
    finally:
        service.shutdown()
        service.server_close()
    assert (found.state, found.problems) == ("trusted", ())
    assert service.refused == []
    assert [each["KeyId"] for each in service.asked] == ["alias/credentials"] * 2

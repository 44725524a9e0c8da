"""A user's own key and chain: what works signs a file that its root vouches for, what does not is told in words."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from mintmark.errors import BadKey
from mintmark.provenance.keys import signing_identity
from mintmark.provenance.reading import read
from mintmark.provenance.signing import CredentialSigner

NOW = datetime.now(timezone.utc)
EMAIL, DOCUMENT, C2PA = "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1"
MICROSOFT, SERVER, ANY, TIME = "1.3.6.1.4.1.311.76.59.1.9", "1.3.6.1.5.5.7.3.1", "2.5.29.37.0", "1.3.6.1.5.5.7.3.8"


@dataclass
class Leaf:
    """What to ask the test's authority for; the plain one is sound."""

    key: object = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    purposes: tuple[str, ...] = (EMAIL,)
    signs: bool = True
    authority: bool = False
    names_issuer: bool = True
    begins: timedelta = timedelta(days=-2)
    ends: timedelta = timedelta(days=30)


def named(organization):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])


def usage(**said):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: said.get(name, False) for name in names})


def certificate(subject, issuer, key, issuer_key, begins=timedelta(days=-9), ends=timedelta(days=99), extensions=()):
    builder = x509.CertificateBuilder(named(issuer), named(subject), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW + begins).not_valid_after(NOW + ends)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def authority(subject, issuer, key, issuer_key):
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (usage(key_cert_sign=True, crl_sign=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
    ]
    return certificate(subject, issuer, key, issuer_key, extensions=extensions)


def leaf_certificate(asked, issuer_key):
    extensions = [(x509.BasicConstraints(ca=asked.authority, path_length=None), True)]
    extensions.append((usage(digital_signature=asked.signs, content_commitment=True), True))
    if asked.purposes:
        oids = [x509.ObjectIdentifier(purpose) for purpose in asked.purposes]
        extensions.append((x509.ExtendedKeyUsage(oids), False))
    if asked.names_issuer:
        extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False))
    return certificate("Studio", "Middle", asked.key, issuer_key, asked.begins, asked.ends, extensions)


@pytest.fixture(scope="session")
def authorities():
    """A root and an intermediate: certificates and the intermediate's key."""
    root_key, middle_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = authority("Root", "Root", root_key, root_key)
    return root, authority("Middle", "Root", middle_key, root_key), middle_key


def pem(*certificates):
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def key_pem(key, form=PrivateFormat.PKCS8, encryption=None):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


@pytest.fixture
def settings(tmp_path, settings_for):
    """Settings with these PEM bytes as the user's own chain and key."""

    def make(chain, key):
        (tmp_path / "studio.pem").write_bytes(chain)
        (tmp_path / "studio-key.pem").write_bytes(key)
        own = {"signing_cert": tmp_path / "studio.pem", "signing_key": tmp_path / "studio-key.pem"}
        return settings_for(tmp_path / "data", **own)

    return make


SOUND = {
    "P-256": Leaf,
    "P-384": lambda: Leaf(ec.generate_private_key(ec.SECP384R1())),
    "P-521": lambda: Leaf(ec.generate_private_key(ec.SECP521R1())),
    "Ed25519": lambda: Leaf(ed25519.Ed25519PrivateKey.generate()),
    "RSA 2048": lambda: Leaf(rsa.generate_private_key(65537, 2048)),
    "documentSigning": lambda: Leaf(purposes=(DOCUMENT,)),
    "C2PA claim signing": lambda: Leaf(purposes=(C2PA,)),
    "Microsoft's purpose": lambda: Leaf(purposes=(MICROSOFT,)),
}


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_chain_signs_a_file_that_its_root_vouches_for(case, authorities, settings, picture, facts):
    root, middle, middle_key = authorities
    asked = SOUND[case]()
    identity = signing_identity(settings(pem(leaf_certificate(asked, middle_key), middle, root), key_pem(asked.key)))
    with CredentialSigner(identity) as signer:
        signed = signer.sign(picture(), "image/png", facts())
    assert (identity.issuer, identity.self_made, identity.created_now) == ("Studio", False, False)
    assert identity.root_pem == pem(root)
    assert read(signed).state == "valid"
    found = read(signed, anchors_pem=pem(root).decode())
    assert (found.state, found.issuer, found.problems) == ("trusted", "Studio", ())


def test_a_chain_without_its_root_signs_too(authorities, settings, picture, facts):
    root, middle, middle_key = authorities
    asked = Leaf()
    identity = signing_identity(settings(pem(leaf_certificate(asked, middle_key), middle), key_pem(asked.key)))
    assert identity.root_pem is None
    with CredentialSigner(identity) as signer:
        signed = signer.sign(picture(), "image/png", facts())
    assert read(signed, anchors_pem=pem(root).decode()).state == "trusted"


UNSOUND_LEAVES = {
    "no purpose": (Leaf(purposes=()), "lacks an extended key usage (EKU)"),
    "a web server's": (Leaf(purposes=(SERVER,)), "lacks an extended key usage (EKU)"),
    "any purpose": (Leaf(purposes=(EMAIL, ANY)), "anyExtendedKeyUsage"),
    "timestamps too": (Leaf(purposes=(EMAIL, TIME)), "timeStamping"),
    "may not sign": (Leaf(signs=False), "lacks the key usage digitalSignature"),
    "an authority": (Leaf(authority=True), "is an authority's (CA) certificate"),
    "issuer not named": (Leaf(names_issuer=False), "lacks the authority key identifier"),
    "expired": (Leaf(ends=timedelta(days=-1)), "expired on"),
    "not yet valid": (Leaf(begins=timedelta(days=1)), "is valid only from"),
    "a foreign curve": (Leaf(ec.generate_private_key(ec.SECP256K1())), "of a kind that credentials do not allow"),
    "short RSA": (Leaf(rsa.generate_private_key(65537, 1024)), "of a kind that credentials do not allow"),
}


def refusal(settings, chain, key):
    """The error's text, after making sure that no text of it, its causes or its traceback shows the key."""
    with pytest.raises(BadKey) as caught:
        signing_identity(settings(chain, key))
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value.as_dict())
    secret = [line for line in key.decode("latin-1").splitlines() if len(line) > 8 and not line.startswith("---")]
    assert not [line for line in secret if line in text]
    return str(caught.value)


@pytest.mark.parametrize("case", UNSOUND_LEAVES)
def test_an_unsound_certificate_is_refused_with_its_file_and_cause(case, authorities, settings):
    root, middle, middle_key = authorities
    asked, cause = UNSOUND_LEAVES[case]
    text = refusal(settings, pem(leaf_certificate(asked, middle_key), middle, root), key_pem(asked.key))
    assert cause in text
    assert "studio" in text


SEC1 = PrivateFormat.TraditionalOpenSSL
RSA_KEY = rsa.generate_private_key(65537, 2048)
UNSOUND_KEYS = {
    "SEC1": (lambda key: key_pem(key, SEC1), "SEC1 form, not PKCS#8. Convert it: openssl pkcs8 -topk8 -nocrypt"),
    "PKCS#1": (lambda _: key_pem(RSA_KEY, SEC1), "PKCS#1 form, not PKCS#8. Convert it: openssl pkcs8"),
    "encrypted": (lambda key: key_pem(key, encryption=BestAvailableEncryption(b"pw")), "is encrypted. Decrypt it"),
    "OpenSSH": (lambda key: key_pem(key, PrivateFormat.OpenSSH), "is an OpenSSH key"),
    "another key": (lambda _: key_pem(Leaf().key), "does not belong to the certificate"),
    "another kind": (lambda _: key_pem(RSA_KEY), "does not belong to the certificate"),
    "DER": (lambda key: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "is no PEM key"),
    "cut short": (lambda key: key_pem(key)[:90] + b"\n-----END PRIVATE KEY-----\n", "cannot be read"),
    "empty": (lambda _: b"", "is no PEM key"),
    "public": (
        lambda key: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "a public key, not a private one",
    ),
}


@pytest.mark.parametrize("case", UNSOUND_KEYS)
def test_an_unsound_key_is_refused_with_its_file_and_cause(case, authorities, settings):
    root, middle, middle_key = authorities
    asked = Leaf()
    form, cause = UNSOUND_KEYS[case]
    text = refusal(settings, pem(leaf_certificate(asked, middle_key), middle, root), form(asked.key))
    assert cause in text
    assert "studio-key.pem" in text


def test_a_chain_in_the_wrong_order_is_refused_with_the_right_one(authorities, settings):
    root, middle, middle_key = authorities
    asked = Leaf()
    leaf, key = leaf_certificate(asked, middle_key), key_pem(asked.key)
    assert "begins with its root" in refusal(settings, pem(root, middle, leaf), key)
    assert "Certificate 1 in" in refusal(settings, pem(leaf, root, middle), key)
    assert "Certificate 1 in" in refusal(settings, pem(leaf, root), key)
    assert "self-signed certificate alone" in refusal(settings, pem(root), key)


def test_swapped_and_damaged_files_are_refused_by_what_they_hold(authorities, settings):
    _, middle, middle_key = authorities
    asked = Leaf()
    chain, key = pem(leaf_certificate(asked, middle_key), middle), key_pem(asked.key)
    assert "swapped" in refusal(settings, key, chain)
    assert "holds a certificate, not a key" in refusal(settings, chain, chain)
    assert "holds no PEM certificate" in refusal(settings, b"junk", key)
    assert "cannot be read" in refusal(settings, chain.replace(b"MII", b"AAA", 1), key)


def test_a_file_that_is_missing_is_named(tmp_path, settings_for):
    own = {"signing_cert": tmp_path / "gone.pem", "signing_key": tmp_path / "gone-key.pem"}
    with pytest.raises(BadKey, match=r"gone\.pem: No such file"):
        signing_identity(settings_for(tmp_path, **own))

"""A real RFC 3161 timestamp authority on a port of this machine, which can also misbehave in every way we know of."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
POLICY = "1.3.6.1.4.1.4146.2.2"


class Authority:
    """A root, and a certificate under it that may sign timestamps and nothing else."""

    def __init__(self) -> None:
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._certificate("Test Time Root", self.root_key, root=True)
        self.certificate = self._certificate("Test Time", self.key, root=False)

    @property
    def root_pem(self) -> str:
        return self.root.public_bytes(serialization.Encoding.PEM).decode()

    def _certificate(self, common: str, key: ec.EllipticCurvePrivateKey, *, root: bool) -> x509.Certificate:
        now = datetime.now(timezone.utc)
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        builder = (
            x509.CertificateBuilder(self._name("Test Time Root"), self._name(common), key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key()), critical=False
            )
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not root, key_cert_sign=root, crl_sign=root, decipher_only=False, **usage
                ),
                critical=True,
            )
        )
        if not root:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        return builder.sign(self.root_key, hashes.SHA256())

    @staticmethod
    def _name(common: str) -> x509.Name:
        names = ((NameOID.ORGANIZATION_NAME, "Test Time"), (NameOID.COMMON_NAME, common))
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in names])

    def answer(self, query: bytes, *, nonce: int = 0) -> bytes:
        """The reply to a query. ``nonce`` is added to the one that was asked with."""
        asked = tsp.TimeStampReq.load(query)
        imprint, number = asked["message_imprint"], asked["nonce"].native
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": POLICY,
                "message_imprint": imprint,
                "serial_number": int.from_bytes(os.urandom(8), "big"),
                "gen_time": datetime.now(timezone.utc).replace(microsecond=0),
                **({} if number is None else {"nonce": number + nonce}),
            }
        )
        status = {"status": "granted"}
        return tsp.TimeStampResp({"status": status, "time_stamp_token": self._token(info.dump())}).dump()

    def _token(self, info: bytes) -> cms.ContentInfo:
        own, root = (
            asn1_x509.Certificate.load(each.public_bytes(serialization.Encoding.DER))
            for each in (self.certificate, self.root)
        )
        identifier = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(own.dump()).digest()})
        attributes = cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
                cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(info).digest()]}),
                cms.CMSAttribute(
                    {"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": [identifier]})]}
                ),
            ]
        )
        signature = self.key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256()))
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": {"issuer_and_serial_number": {"issuer": own.issuer, "serial_number": own.serial_number}},
                "digest_algorithm": sha256,
                "signed_attrs": attributes,
                "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                "signature": signature,
            }
        )
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [sha256],
                "encap_content_info": {
                    "content_type": "tst_info",
                    "content": core.ParsableOctetString(info),
                },
                "certificates": [own, root],
                "signer_infos": [signer],
            }
        )
        return cms.ContentInfo({"content_type": "signed_data", "content": signed})


class Clock:
    """The authority's door. ``manner`` is how it answers from now on; ``asked`` counts the queries."""

    def __init__(self, authority: Authority, port: int, halt: threading.Event) -> None:
        self.authority = authority
        self.manner = "well"
        self.asked = 0
        self.headers: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{port}/tsa"
        self.halt = halt


@contextmanager
def serving(authority: Authority) -> Iterator[Clock]:
    """The authority, answering on a free port."""
    halt = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Door", (_Door,), {}))
    server.daemon_threads = True
    server.clock = Clock(authority, server.server_port, halt)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.clock
    finally:
        halt.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Door(BaseHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass

    def do_POST(self) -> None:
        clock: Clock = self.server.clock
        query = self.rfile.read(int(self.headers["Content-Length"]))
        clock.asked += 1
        clock.headers = dict(self.headers.items())
        getattr(self, f"_{clock.manner}")(clock, query)

    def _well(self, clock: Clock, query: bytes) -> None:
        self._send(clock.authority.answer(query))

    def _silent(self, clock: Clock, _query: bytes) -> None:
        """Takes the question, and never says a word."""
        clock.halt.wait(60)
        self.close_connection = True

    def _dripping(self, clock: Clock, query: bytes) -> None:
        """A byte now and then: no single wait is long, all together never end."""
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000:
            if clock.halt.wait(0.05):
                break
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                break
        self.close_connection = True

    def _endless(self, clock: Clock, _query: bytes) -> None:
        """More bytes than any timestamp has, for as long as somebody listens."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + REPLY.encode() + b"\r\n\r\n")
        while not clock.halt.is_set():
            try:
                self.wfile.write(bytes(65_536))
            except OSError:
                break
        self.close_connection = True

    def _garbage(self, _clock: Clock, _query: bytes) -> None:
        self._send(b"\x30\x82\xff\xff this is no timestamp")

    def _empty(self, _clock: Clock, _query: bytes) -> None:
        self._send(b"")

    def _page(self, _clock: Clock, _query: bytes) -> None:
        self._send(b"<html>log in</html>", kind="text/html")

    def _failing(self, _clock: Clock, _query: bytes) -> None:
        self.send_error(503)

    def _elsewhere(self, _clock: Clock, _query: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refusing(self, _clock: Clock, _query: bytes) -> None:
        self._send(bytes.fromhex("30053003020102"))  # a reply whose status is "rejection", and no token

    def _another(self, clock: Clock, query: bytes) -> None:
        """A sound timestamp, of something else."""
        asked = tsp.TimeStampReq.load(query)
        asked["message_imprint"]["hashed_message"] = hashlib.sha256(b"something else").digest()
        self._send(clock.authority.answer(asked.dump(force=True)))

    def _replayed(self, clock: Clock, query: bytes) -> None:
        """An answer to another question's nonce."""
        self._send(clock.authority.answer(query, nonce=1))

    def _send(self, body: bytes, kind: str = REPLY) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

"""A PostgreSQL of a test's own: its programs, a folder, a port, and TLS with a certificate made for it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "not-a-secret"
_HBA = "hostssl all all all scram-sha-256\n"


@dataclass(frozen=True)
class PrivatePostgres:
    """It takes connections over TLS alone, by password. Its certificate is for ``localhost``, signed by ``root``."""

    port: int
    root: Path

    def url(self, *, host: str = "localhost", **parameters: object) -> str:
        """The URL of its database."""
        asked = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://postgres:{PASSWORD}@{host}:{self.port}/postgres?{asked}"


@contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """One that runs meanwhile. Skips the test where there are no programs for that, and says so."""
    programs, user = _programs(), _user()
    with tempfile.TemporaryDirectory(prefix="mintmark-postgres-") as name:
        folder, port = Path(name), _free_port()
        _secure(folder)
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        if user is not None:
            for each in (folder, *folder.iterdir()):
                os.chown(each, user, -1)
        data = folder / "data"
        _run(programs / "initdb", "-D", data, "-U", "postgres", "-N", "--pwfile", folder / "password", user=user)
        (data / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "ssl": "on",
            "ssl_cert_file": folder / "server.pem",
            "ssl_key_file": folder / "server.key",
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        control = programs / "pg_ctl"
        _run(control, "start", "-w", "-D", data, "-l", folder / "log", "-o", options, user=user)
        try:
            yield PrivatePostgres(port, folder / "root.pem")
        finally:
            _run(control, "stop", "-w", "-m", "immediate", "-D", data, user=user)


def _programs() -> Path:
    """Where PostgreSQL's own programs are: mostly not where a shell looks."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (found := shutil.which("initdb")) is not None:
        places.insert(0, Path(found).resolve().parent)
    for each in places:
        if (each / "initdb").exists() and (each / "pg_ctl").exists():
            return each
    pytest.skip("not run: there are no programs of a PostgreSQL server here (initdb, pg_ctl)")


def _user() -> int | None:
    """Whom it runs as: never as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip("not run: PostgreSQL does not run as root, and there is no user postgres or nobody here")


def _run(*command: object, user: int | None) -> None:
    ran = subprocess.run(
        [str(each) for each in command],
        user=user,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout.decode(errors="replace")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _secure(folder: Path) -> None:
    """Put an authority's certificate there, and the server's with its key."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Test Root", root_key, "Test Root", root_key, host=None)
    its = _certificate("localhost", key, "Test Root", root_key, host="localhost")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for name, text in (("root.pem", _pem(root)), ("server.pem", _pem(its)), ("server.key", private)):
        (folder / name).write_bytes(text)
    (folder / "server.key").chmod(0o600)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    host: str | None,
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    root = host is None
    builder = (
        x509.CertificateBuilder(_name(issuer), _name(name), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(digital_signature=not root, key_cert_sign=root, crl_sign=root, decipher_only=False, **usage),
            critical=True,
        )
    )
    if host is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

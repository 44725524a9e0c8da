"""The store in a PostgreSQL that is reached over TLS keeps the contract, and nobody else is taken for that database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from mintmark.errors import BadSetting, DatabaseUnreachable
from mintmark.storage.base import Session
from mintmark.storage.postgres_store import PostgresStore
from mintmark.tests.contracts.store import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.store import SCHEMA, Stores

from .private_postgres import PASSWORD, PrivatePostgres, private_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgres]:
    pytest.importorskip("pg8000")
    with private_postgres() as found:
        yield found


class SecureStores(Stores):
    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url, self.stack = url, stack

    def open(self) -> PostgresStore:
        return self.stack.enter_context(closing(PostgresStore(self.url, SCHEMA, version=1)))


@pytest.fixture
def stores(server: PrivatePostgres) -> Iterator[SecureStores]:
    url = server.url(sslmode="verify-full", sslrootcert=server.root, schema=f"t_{uuid.uuid4().hex}")
    with ExitStack() as stack:
        yield SecureStores(url, stack)


def refused(url: str) -> str:
    """What is said of a database that cannot be used."""
    with pytest.raises(DatabaseUnreachable) as caught:
        PostgresStore(url, SCHEMA, version=1)
    assert PASSWORD not in str(caught.value)
    return f"{caught.value} {caught.value.hint}"


def test_what_is_asked_goes_over_tls(store: PostgresStore) -> None:
    sql = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert store.read(lambda db: db.run(sql)) == [{"ssl": True, "version": "TLSv1.3"}]


def test_more_than_fits_into_a_packet_goes_both_ways(store: PostgresStore) -> None:
    text = "long " * 100_000

    def there_and_back(db: Session) -> str:
        return str(db.run("SELECT CAST(:text AS TEXT) AS text", text=text)[0]["text"])

    assert store.read(there_and_back) == text


def test_a_certificate_of_an_unknown_authority_is_not_trusted_and_says_what_to_do(server: PrivatePostgres) -> None:
    said = refused(server.url(sslmode="verify-full"))
    assert f"postgresql://localhost:{server.port}/postgres: its certificate is not trusted" in said
    assert "sslrootcert" in said


def test_a_certificate_for_another_host_is_not_trusted(server: PrivatePostgres) -> None:
    said = refused(server.url(host="127.0.0.1", sslmode="verify-full", sslrootcert=server.root))
    assert "not trusted" in said and "mismatch" in said


def test_a_server_that_wants_tls_refuses_who_comes_without(server: PrivatePostgres) -> None:
    assert "no encryption" in refused(server.url(sslmode="disable"))


def test_whoever_only_requires_tls_looks_at_no_certificate(server: PrivatePostgres) -> None:
    with closing(PostgresStore(server.url(host="127.0.0.1", sslmode="require"), SCHEMA, version=1)) as store:
        assert store.read(lambda db: db.run("SELECT 1 AS one")) == [{"one": 1}]


def test_a_file_without_certificates_is_named(server: PrivatePostgres, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(BadSetting, match=name):
            PostgresStore(server.url(sslmode="verify-full", sslrootcert=tmp_path / name), SCHEMA, version=1)
    with pytest.raises(BadSetting, match="verify-full"):
        PostgresStore(server.url(sslmode="require", sslrootcert=server.root), SCHEMA, version=1)

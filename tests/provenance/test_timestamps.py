"""Timestamps from a real RFC 3161 server, and what becomes of a file where it gives none, in whichever way."""

from __future__ import annotations

import asyncio
import base64
import http.client
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mintmark.errors import SigningFailed, TimestampFailed
from mintmark.provenance import timestamps
from mintmark.provenance.authority import Authority as Address
from mintmark.provenance.authority import NoTimestamp
from mintmark.provenance.keys import signing_identity
from mintmark.provenance.reading import read
from mintmark.provenance.signing import CredentialSigner
from mintmark.provenance.timestamps import Stamping

from . import tsa
from .test_own_certificates import NOW, Leaf, authority, key_pem, leaf_certificate, pem

BAD_MANNERS = (
    *("silent", "dripping", "endless", "garbage", "empty", "page", "failing", "elsewhere", "refusing", "another"),
    *("replayed", "gone"),
)


@pytest.fixture(scope="module")
def house():
    return tsa.Authority()


@pytest.fixture
def clock(house):
    with tsa.serving(house) as clock:
        yield clock


@pytest.fixture
def gone(clock):
    """The address of an authority that is no more."""
    with tsa.serving(clock.authority) as other:
        return other.url


@pytest.fixture
def stamping(clock, gone):
    """``stamping("prefer", "silent")``: what the settings would ask for, of an authority that answers so."""

    def make(policy, manner="well", timeout_s=0.4):
        clock.manner = "well" if manner == "gone" else manner
        return Stamping(Address(gone if manner == "gone" else clock.url, timeout_s), policy)

    return make


def trusted(identity, clock):
    return identity.root_pem.decode() + clock.authority.root_pem


def test_a_stamped_file_says_when_and_whether_that_is_trusted(identity, clock, stamping, picture, facts):
    with CredentialSigner(identity, stamping("require", timeout_s=20)) as signer:
        signed = signer.embed(picture(), "image/png", facts())
    assert (signed.note, clock.asked) == ("", 1)
    alone = read(signed.data, anchors_pem=identity.root_pem.decode())
    vouched = read(signed.data, anchors_pem=trusted(identity, clock))
    assert (alone.state, vouched.state) == ("trusted", "trusted")
    assert (alone.timestamp.trusted, vouched.timestamp.trusted) == (False, True)
    assert vouched.timestamp.time == alone.timestamp.time
    assert any("timestamp" in note for note in alone.notes)
    assert vouched.notes == ()


def test_a_timestamp_keeps_a_file_valid_after_its_certificate_has_expired(
    clock, stamping, tmp_path, settings_for, picture, facts
):
    # c2pa goes by the machine's own clock, so this waits for the certificate's real end.
    key, short = ec.generate_private_key(ec.SECP256R1()), Leaf()
    root = authority("Middle", "Middle", key, key)
    certificate = leaf_certificate(replace(short, ends=datetime.now(timezone.utc) - NOW + timedelta(seconds=8)), key)
    (tmp_path / "chain.pem").write_bytes(pem(certificate, root))
    (tmp_path / "key.pem").write_bytes(key_pem(short.key))
    own = {"signing_cert": tmp_path / "chain.pem", "signing_key": tmp_path / "key.pem"}
    identity = signing_identity(settings_for(tmp_path, **own))
    with CredentialSigner(identity, stamping("require", timeout_s=20)) as signer:
        stamped = signer.sign(picture(), "image/png", facts())
    with CredentialSigner(identity) as signer:
        bare = signer.sign(picture(), "image/png", facts())
    anchors = pem(root).decode() + clock.authority.root_pem
    while (late := read(bare, anchors_pem=anchors)).state != "invalid":
        time.sleep(0.2)
    assert read(stamped, anchors_pem=anchors).state == "trusted"
    assert (late.checks.well_formed.holds, late.checks.intact.holds, late.checks.trusted.holds) == (True, True, False)
    assert "expired" in late.checks.trusted.why


@pytest.mark.parametrize("manner", BAD_MANNERS)
def test_where_one_is_required_its_absence_fails_in_time_and_says_why(manner, identity, stamping, picture, facts):
    with CredentialSigner(identity, stamping("require", manner)) as signer:
        begun = time.monotonic()
        with pytest.raises(TimestampFailed) as caught:
            signer.sign(picture(), "image/png", facts())
        # c2pa by itself would wait for half a minute; ours was told to wait for less than one second.
        assert time.monotonic() - begun < 15
    assert caught.value.code == "timestamp_failed"
    assert "No timestamp: " in caught.value.message
    assert len(caught.value.message) > 40


@pytest.mark.parametrize("manner", BAD_MANNERS)
def test_where_one_is_preferred_the_file_is_signed_without_and_that_is_said(
    manner, identity, stamping, picture, facts, caplog
):
    with caplog.at_level(logging.WARNING), CredentialSigner(identity, stamping("prefer", manner)) as signer:
        signed = signer.embed(picture(), "image/png", facts())
    found = read(signed.data, anchors_pem=identity.root_pem.decode())
    assert (found.state, found.timestamp) == ("trusted", None)
    assert signed.note.startswith("without a timestamp: ")
    assert [record.action for record in caplog.records] == ["timestamp_missing"]


def test_an_authority_that_failed_is_left_alone_for_a_while(identity, clock, stamping, picture, facts, monkeypatch):
    now = [1000.0]
    wanted = stamping("prefer", "failing")
    with CredentialSigner(identity, wanted) as signer:
        signer._stamper._clock = lambda: now[0]
        notes = [signer.embed(picture(), "image/png", facts()).note for _ in range(3)]
        assert clock.asked == 1
        assert len(set(notes)) == 1
        assert "503" in notes[0]
        clock.manner = "well"
        now[0] += timestamps.REST_S + 1
        assert signer.embed(picture(), "image/png", facts()).note == ""
    assert clock.asked == 2


def test_what_is_wrong_with_the_certificate_is_not_blamed_on_the_authority(identity, clock, stamping, picture, facts):
    wanted = stamping("prefer", timeout_s=20)
    with CredentialSigner(identity, wanted) as signer, pytest.raises(SigningFailed) as caught:
        signer.sign(b"no image", "image/png", facts())
    assert not isinstance(caught.value, TimestampFailed)


def test_a_user_and_password_of_the_address_are_sent_and_never_shown(identity, clock, picture, facts):
    url = clock.url.replace("http://", "http://studio:s3cret%40word@")
    clock.manner = "failing"
    wanted = Stamping(Address(url, 20), "require")
    with CredentialSigner(identity, wanted) as signer, pytest.raises(TimestampFailed) as caught:
        signer.sign(picture(), "image/png", facts())
    assert clock.headers["Authorization"] == "Basic " + base64.b64encode(b"studio:s3cret@word").decode()
    assert "s3cret" not in str(caught.value) + repr(wanted)
    assert clock.url in str(caught.value)


async def test_the_loop_goes_on_while_an_authority_says_nothing(identity, stamping, picture, facts):
    turns, ended = 0, threading.Event()
    with CredentialSigner(identity, stamping("prefer", "silent", timeout_s=1.0)) as signer:

        def sign():
            try:
                return signer.embed(picture(), "image/png", facts())
            finally:
                ended.set()

        signing = asyncio.create_task(asyncio.to_thread(sign))
        while not ended.is_set():
            turns += 1
            await asyncio.sleep(0.01)
        assert (await signing).note
    assert turns > 10


def test_many_threads_get_timestamps_of_their_own(identity, clock, stamping, picture, facts):
    with CredentialSigner(identity, stamping("require", timeout_s=30)) as signer, ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(lambda n: signer.sign(picture(shade=n), "image/png", facts()), range(24)))
    found = [read(each, anchors_pem=trusted(identity, clock)) for each in signed]
    assert {each.state for each in found} == {"trusted"}
    assert all(each.timestamp.trusted for each in found)
    assert clock.asked == 24


def test_the_door_is_open_to_nobody_who_does_not_know_its_path(identity, clock, stamping, picture, facts):
    with CredentialSigner(identity, stamping("require", timeout_s=20)) as signer:
        signer.sign(picture(), "image/png", facts())
        port = signer._stamper._relay._server.server_port
        for path in ("/", "/guess"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST", path, b"query")
            assert connection.getresponse().status == 502
            connection.close()
    assert clock.asked == 1


def test_a_proxy_that_stands_before_this_machine_itself_is_said(identity, stamping, picture, facts, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with CredentialSigner(identity, stamping("require")) as signer, pytest.raises(TimestampFailed, match="NO_PROXY"):
        signer.sign(picture(), "image/png", facts())


def test_a_name_that_leads_nowhere_is_told_with_its_address():
    with pytest.raises(NoTimestamp, match=r"http://tsa\.invalid/x"):
        Address("http://tsa.invalid/x?key=secret", 20).ask(b"")


def test_a_changed_timestamp_proves_nothing_and_is_said(identity, clock, stamping, picture, facts, flip):
    with CredentialSigner(identity, stamping("require", timeout_s=20)) as signer:
        signed = signer.sign(picture("WEBP"), "image/webp", facts(media_type="image/webp"))
    place = signed.index(b"tstTokens") + 400
    found = read(flip(signed, place), anchors_pem=trusted(identity, clock))
    assert found.timestamp is None or not found.timestamp.trusted
    assert any("timestamp" in note for note in found.notes) or found.problems

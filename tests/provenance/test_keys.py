from __future__ import annotations

import errno
import logging
import os
import stat
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mintmark.errors import BadKey, BadSetting, CannotWrite, DiskFull
from mintmark.provenance.keys import signing_identity

FILES = {"chain.pem", "key.pem", "root.pem", "root-key.pem"}

# A process that waits for a line before it asks for the identity, so that several start in the same instant.
RACER = """
import hashlib, pathlib, sys, types
from mintmark.provenance.keys import signing_identity
folder = pathlib.Path(sys.argv[1])
unset = dict.fromkeys(("signing_cert", "signing_key", "signing_cert_pem", "signing_key_pem", "signer"))
settings = types.SimpleNamespace(data_dir=folder, **unset)
print("ready", flush=True)
sys.stdin.readline()
identity = signing_identity(settings)
print(hashlib.sha256(identity.chain_pem + identity.key_pem).hexdigest(), identity.created_now)
"""

# A process that the machine kills at the nth file it secures, or right before the folder appears.
CRASHER = """
import os, pathlib, sys, types
from mintmark.provenance.keys import signing_identity
left = [int(sys.argv[2])]
real = os.fsync
def fsync(number):
    left[0] -= 1
    if left[0] == 0:
        os._exit(9)
    real(number)
os.fsync = fsync
pathlib.Path.rename = lambda *_: os._exit(9)
folder = pathlib.Path(sys.argv[1])
unset = dict.fromkeys(("signing_cert", "signing_key", "signing_cert_pem", "signing_key_pem", "signer"))
signing_identity(types.SimpleNamespace(data_dir=folder, **unset))
"""


def signing_folder(tmp_path):
    return tmp_path / "keys" / "signing"


def test_the_first_use_makes_an_identity_and_the_next_one_loads_it(tmp_path, settings_for):
    first = signing_identity(settings_for(tmp_path))
    again = signing_identity(settings_for(tmp_path))
    assert (first.created_now, again.created_now) == (True, False)
    assert first.self_made
    assert again.self_made
    assert (first.chain_pem, first.key_pem) == (again.chain_pem, again.key_pem)
    assert first.issuer == "Mintmark (self-made)"


def test_the_certificates_are_a_twenty_year_root_and_a_ten_year_leaf(identity):
    leaf, root = x509.load_pem_x509_certificates(identity.chain_pem)
    leaf.verify_directly_issued_by(root)
    years = [(one.not_valid_after_utc - one.not_valid_before_utc).days // 365 for one in (leaf, root)]
    assert years == [10, 20]
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 1)
    assert identity.expires == leaf.not_valid_after_utc
    assert x509.load_pem_x509_certificate(identity.root_pem) == root


def test_only_the_owner_can_read_the_keys_whatever_the_umask(tmp_path, settings_for):
    before = os.umask(0)
    try:
        signing_identity(settings_for(tmp_path / "new"))
    finally:
        os.umask(before)
    folder = signing_folder(tmp_path / "new")
    assert {path.name for path in folder.iterdir()} == FILES
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {0o700}


def test_the_key_shows_in_no_repr_and_no_log_line(tmp_path, settings_for, caplog):
    with caplog.at_level(logging.DEBUG):
        identity = signing_identity(settings_for(tmp_path))
    shown = repr(identity) + caplog.text
    assert "self-made" in shown
    assert "BEGIN" not in shown
    assert all(line not in shown for line in identity.key_pem.decode().splitlines())


def test_processes_that_start_at_once_share_one_identity(tmp_path):
    command = [sys.executable, "-c", RACER, str(tmp_path)]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=60)[0].split() for racer in racers]
    assert len({digest for digest, _ in answers}) == 1
    assert sorted(created for _, created in answers) == ["False", "False", "False", "True"]


@pytest.mark.parametrize("moment", [1, 3, 99], ids=["first file", "third file", "before the rename"])
def test_a_crash_half_way_leaves_nothing_that_is_taken_for_an_identity(tmp_path, settings_for, moment):
    crash = subprocess.run([sys.executable, "-c", CRASHER, str(tmp_path), str(moment)], check=False, timeout=60)
    assert crash.returncode == 9
    assert not signing_folder(tmp_path).exists()
    assert list((tmp_path / "keys").glob(".signing-*"))
    identity = signing_identity(settings_for(tmp_path))
    assert identity.created_now
    assert load_pem_private_key(identity.key_pem, None)
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {"signing", "signing.lock"}


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, settings_for, monkeypatch):
    def full(_number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="signing"):
        signing_identity(settings_for(tmp_path))
    assert {path.name for path in (tmp_path / "keys").iterdir()} <= {"signing.lock"}


def test_a_data_folder_that_is_a_file_is_named(tmp_path, settings_for):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(CannotWrite, match="data") as caught:
        signing_identity(settings_for(tmp_path / "data"))
    assert "MINTMARK_DATA_DIR" in caught.value.hint


def test_a_missing_or_damaged_file_of_the_identity_is_never_replaced_in_silence(tmp_path, settings_for):
    signing_identity(settings_for(tmp_path))
    key = signing_folder(tmp_path) / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(BadKey, match=r"key\.pem cannot be read") as caught:
        signing_identity(settings_for(tmp_path))
    assert "move" in caught.value.hint
    key.unlink()
    with pytest.raises(BadKey, match=r"key\.pem: No such file"):
        signing_identity(settings_for(tmp_path))


@pytest.mark.parametrize("given", ["signing_cert", "signing_key"])
def test_one_of_the_two_settings_alone_is_refused(tmp_path, settings_for, given):
    with pytest.raises(BadSetting, match="Only one"):
        signing_identity(settings_for(tmp_path, **{given: tmp_path / "some.pem"}))

"""Whatever is wrong with what was asked: a stable code, the culprit by name, a fix, no money, nothing in the folder."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mintmark.workflows.library import Library

from .conftest import Books, Cli, Ran

SMALL = ("--set", "width=256", "--set", "height=256")
OPENAI = ("--set", "model=openai/gpt-image-2.6-sunburst")


@pytest.fixture
def sandboxed(books: Books, monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    return books


def refused(ran: Ran, code: str, *culprits: str, exit_code: int) -> None:
    """The error is told as promised, and nothing lies in ``out``."""
    assert (ran.code, ran.error["code"]) == (exit_code, code), ran.out
    text = f"{ran.error['message']} {ran.error['hint']}"
    for culprit in culprits:
        assert culprit in text, text
    assert not Path("out").exists() or list(Path("out").iterdir()) == []


def nothing_was_spent(cli: Cli, books: Books) -> None:
    assert books.calls == []
    assert books.billed == 0
    total = cli("ledger", "sum", "--json").json
    assert (total["settled_microusd"], total["unknown_microusd"], total["set_aside_microusd"]) == (0, 0, 0)


LONG = "a" * 300


@pytest.mark.parametrize(
    ("words", "culprits"),
    [
        (("purge", "--user", "x", "--older-than", "1e300"), ["--older-than", "36500"]),
        (("audit", "list", "--limit", "9" * 23), ["--limit", "100000"]),
        (("audit", "export", "--after", "9" * 23), ["--after"]),
        (("webhooks", "list", "--limit", "9" * 23), ["--limit", "100000"]),
        (("slo", "--days", "inf"), ["--days", "36500"]),
        (("models", "list", "--max-price", "inf"), ["--max-price"]),
        (("moderate", "\udcff\udcfe"), ["argument 2", "UTF-8"]),
        (("purge", "--user", "\udcff"), ["--user", "UTF-8"]),
        (("jobs", "why", "\udcff"), ["argument 3", "UTF-8"]),
        (("run", "text-to-image", "--set", "prompt=\udcff"), ["--set prompt", "UTF-8"]),
        (("verify", LONG), [LONG]),
        (("verify", f"{LONG}/b"), [LONG]),
        (("rerun", LONG), [LONG]),
        (("run", LONG), [LONG]),
        (("run", "text-to-image", "--out", LONG), [LONG]),
        (("cost", "estimate", LONG), [LONG]),
        (("workflows", "show", LONG), [LONG]),
        (("ledger", "accept", LONG), [LONG]),
        (("takedown", "add", LONG, "--reason", "x"), [LONG]),
        (("audit", "verify", "--key", LONG), ["key"]),
        (("audit", "checkpoint", "--to", LONG), []),
    ],
)
def test_what_no_field_can_be_is_refused_by_name(
    cli: Cli, sandboxed: Books, words: tuple[str, ...], culprits: list[str]
) -> None:
    ran = cli(*words)
    told = "".join((ran.out + ran.err).split())
    assert ran.code in (1, 2), told
    assert "internal_error" not in told
    for culprit in culprits:
        assert culprit.replace(" ", "") in told, told


def test_a_file_may_have_a_name_that_is_no_text(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "\udcff.png"
    try:
        file.write_bytes(b"no picture")
    except (OSError, ValueError):
        pytest.skip("this file system takes no such name")
    assert "UTF-8" not in cli("verify", str(file)).out


@pytest.mark.parametrize(
    ("args", "code", "culprits"),
    [
        (["nope"], "unknown_workflow", ["nope", "text-to-image"]),
        (["text-to-image@9.9.9"], "unknown_version", ["9.9.9", "text-to-image@1.0.0"]),
        (["text-to-image@x"], "unknown_version", ["x"]),
        (["missing.json"], "file_not_found", ["missing.json"]),
        (["text-to-image", "--set", "colour=red"], "unknown_input", ["colour", "prompt"]),
        (["text-to-image", "--image", "picture=a.png"], "unknown_input", ["picture"]),
        (["text-to-image", "--set", "width=wide"], "invalid_input", ["width", "wide", "64 to 4096"]),
        (["text-to-image", "--set", "width=512.5"], "invalid_input", ["width", "512.5"]),
        (["text-to-image", "--set", "width=99999"], "invalid_input", ["width", "99999", "4096"]),
        (["text-to-image", "--set", "count=0"], "invalid_input", ["count", "1"]),
        (["text-to-image", "--set", "prompt="], "invalid_input", ["prompt"]),
        (["text-to-image", "--set", "seed=-1"], "invalid_input", ["seed"]),
        (["text-to-image", "--set", "width"], "invalid_input", ["width", "NAME=VALUE"]),
        (["text-to-image", "--set", "seed=1", "--set", "seed=2"], "invalid_input", ["seed", "twice"]),
        (["text-to-image", "--image", "prompt=a.png"], "invalid_input", ["prompt", "--set"]),
        (["text-to-image", "--set", "model=foo/bar"], "unknown_model", ["foo/bar"]),
        (["text-to-image", "--set", "model=fal/flux-schnel"], "unknown_model", ["fal/flux-schnell"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_asked_wrongly_is_refused(
    cli: Cli, sandboxed: Books, args: list[str], code: str, culprits: list[str]
) -> None:
    refused(cli("run", *args, "--json"), code, *culprits, exit_code=2)
    nothing_was_spent(cli, sandboxed)


# -- images ---------------------------------------------------------------------------------------------------------


def bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A PNG of a few hundred bytes that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.fixture
def edit_workflow(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workflow of the user's own that takes an image."""
    document = Library(()).resolve("text-to-image").document()
    document["name"], document["version"] = "with-image", "1.0.0"
    document["graph"]["7"] = {"class_type": "LoadImage", "inputs": {"image": "x.png"}}
    document["graph"]["5"]["inputs"]["images"] = ["7", 0]
    document["inputs"].append(
        {
            "name": "source",
            "title": "Source",
            "description": "A picture.",
            "type": "image",
            "required": True,
            "binds": [{"node": "7", "input": "image"}],
        }
    )
    document["requires"]["nodes"] = sorted([*document["requires"]["nodes"], "LoadImage"])
    folder = home / "library" / "with-image"
    folder.mkdir(parents=True)
    (folder / "1.0.0.json").write_text(json.dumps(document))
    monkeypatch.setenv("MINTMARK_WORKFLOWS", str(home / "library"))
    return "with-image"


def test_a_retired_model_is_refused_before_any_money_moves_and_its_replacement_is_named(
    cli: Cli, sandboxed: Books
) -> None:
    ran = cli("run", "text-to-image", "--set", "model=openai/gpt-image-1", "--json")
    refused(ran, "model_retired", "openai/gpt-image-1", "2026-10-23", "openai/gpt-image-2", exit_code=1)
    nothing_was_spent(cli, sandboxed)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("missing.png", None, "file_not_found"),
        ("words.png", b"these are only words", "not_an_image"),
        ("empty.png", b"", "not_an_image"),
        ("cut.png", bomb(64, 64)[:40], "not_an_image"),
        ("bomb.png", bomb(), "image_too_large"),
    ],
)
def test_an_image_that_cannot_be_used_is_refused_before_it_is_decoded(
    cli: Cli, sandboxed: Books, edit_workflow: str, name: str, content: bytes | None, code: str
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    ran = cli("run", edit_workflow, "--image", f"source={name}", "--json")
    refused(ran, code, "source", name, exit_code=2)
    nothing_was_spent(cli, sandboxed)


def test_a_folder_is_no_image(cli: Cli, sandboxed: Books, edit_workflow: str) -> None:
    Path("folder").mkdir()
    ran = cli("run", edit_workflow, "--image", "source=folder", "--json")
    refused(ran, "file_not_found", "source", "folder", exit_code=2)


def test_an_image_that_is_required_and_was_not_given_is_named(cli: Cli, sandboxed: Books, edit_workflow: str) -> None:
    refused(cli("run", edit_workflow, "--json"), "invalid_input", "source", "required", exit_code=2)


# -- workers --------------------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answers = self.server.answers  # type: ignore[attr-defined]
        body = answers.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode() if body is not None else b"not found")

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.answers = {}  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(10)


def test_a_worker_that_does_not_answer_is_named(cli: Cli, sandboxed: Books) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    refused(cli("run", "text-to-image", "--worker", url, "--json"), "worker_unreachable", url, exit_code=1)
    nothing_was_spent(cli, sandboxed)


def test_a_comfyui_without_the_pack_is_told_how_to_get_it(
    cli: Cli, sandboxed: Books, server: ThreadingHTTPServer
) -> None:
    server.answers["/system_stats"] = {"system": {}, "devices": []}  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{server.server_port}"
    ran = cli("run", "text-to-image", "--worker", url, "--json")
    refused(ran, "worker_without_pack", url, "custom_nodes", exit_code=1)
    nothing_was_spent(cli, sandboxed)


def test_a_server_that_is_no_comfyui_is_told_from_a_worker(
    cli: Cli, sandboxed: Books, server: ThreadingHTTPServer
) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    refused(cli("run", "text-to-image", "--worker", url, "--json"), "worker_unreachable", url, exit_code=1)


# -- keys, providers, policy, money ---------------------------------------------------------------------------------


def test_a_missing_key_is_named_with_both_ways_to_give_it(
    cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "0")
    ran = cli("run", "text-to-image", "--json")
    refused(ran, "missing_key", "fal", "FAL_KEY", "mintmark keys set fal", exit_code=1)
    nothing_was_spent(cli, books)


def test_a_provider_that_is_down_costs_nothing(cli: Cli, sandboxed: Books) -> None:
    sandboxed.fail({"provider": "fal", "kind": "status", "status": 503, "retry_after": 0})
    refused(cli("run", "text-to-image", "--json"), "provider_unavailable", "fal", exit_code=1)
    assert sandboxed.billed == cli("ledger", "sum", "--json").json["settled_microusd"] == 0


def test_a_prompt_our_policy_blocks_is_never_sent(cli: Cli, sandboxed: Books) -> None:
    ran = cli("run", "text-to-image", "--set", "prompt=how to build a bomb", "--json")
    refused(ran, "prompt_blocked", "illicit_violent", "standard@2.0.0", exit_code=1)
    nothing_was_spent(cli, sandboxed)


def test_a_prompt_the_provider_blocks_costs_nothing(cli: Cli, sandboxed: Books) -> None:
    sandboxed.fail({"provider": "openai", "kind": "policy_input", "path": "images"})
    refused(cli("run", "text-to-image", *OPENAI, "--json"), "provider_blocked", exit_code=1)
    assert sandboxed.billed == cli("ledger", "sum", "--json").json["settled_microusd"] == 0


def test_an_image_the_provider_withholds_is_settled_as_billed(cli: Cli, sandboxed: Books) -> None:
    sandboxed.fail({"provider": "fal", "kind": "policy_output"})
    refused(cli("run", "text-to-image", "--json"), "provider_blocked", exit_code=1)
    assert sandboxed.billed == cli("ledger", "sum", "--json").json["settled_microusd"] > 0


def test_an_allowance_that_is_too_small_names_what_is_left_and_asked(
    cli: Cli, sandboxed: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_ALLOWANCE_USD", "0.001")
    ran = cli("run", "text-to-image", "--json")
    refused(ran, "allowance_exhausted", "$0.001", "$0.003", "MINTMARK_ALLOWANCE_USD", exit_code=1)
    nothing_was_spent(cli, sandboxed)


def test_a_budget_that_is_too_small_names_what_is_left_and_asked(
    cli: Cli, sandboxed: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_BUDGET_USD", "0.001")
    ran = cli("run", "text-to-image", "--json")
    refused(ran, "budget_exceeded", "$0.001", "MINTMARK_BUDGET_USD", exit_code=1)
    nothing_was_spent(cli, sandboxed)


def test_a_corrupt_image_is_settled_and_not_delivered(cli: Cli, sandboxed: Books) -> None:
    sandboxed.fail({"provider": "fal", "kind": "corrupt_image"})
    refused(cli("run", "text-to-image", "--json"), "bad_answer", exit_code=1)
    assert sandboxed.billed == cli("ledger", "sum", "--json").json["settled_microusd"] > 0


# -- the disk -------------------------------------------------------------------------------------------------------


def _can_mount() -> bool:
    try:
        tried = subprocess.run(
            ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /tmp"], capture_output=True, timeout=10
        )
    except OSError:
        return False
    return tried.returncode == 0


MAIN = "from mintmark.cli import main; main()"


@pytest.mark.skipif(not _can_mount(), reason="not run: no small disk can be made here (needs unshare and mount)")
@pytest.mark.parametrize("full", ["out", "data"])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(sandboxed: Books, home: Path, full: str) -> None:
    small = home / full
    small.mkdir()
    script = 'mount -t tmpfs -o size=1000k none "$1" && "$2" -c "$3" run text-to-image --json -o "$4"; echo; ls -A "$4"'
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", small, sys.executable, MAIN, home / "out"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    document, end = json.JSONDecoder().raw_decode(ran.stdout)
    assert document["error"]["code"] == "disk_full", ran.stdout + ran.stderr
    assert str(small) in document["error"]["message"]
    assert ran.stdout[end:].strip() == ""


def test_a_folder_that_cannot_be_written_is_named(cli: Cli, sandboxed: Books) -> None:
    Path("taken").write_text("a file")
    ran = cli("run", "text-to-image", *SMALL, "-o", "taken", "--json")
    assert (ran.code, ran.error["code"]) == (1, "cannot_write")
    assert "taken" in ran.error["message"]
    nothing_was_spent(cli, sandboxed)


def test_once_there_is_room_the_same_run_costs_nothing_more(
    cli: Cli, sandboxed: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the folder went away after it was looked at, while the image was being made.
    monkeypatch.setattr("mintmark.cli.run_job.check_folder", lambda out: None)
    Path("taken").write_text("a file")
    assert cli("run", "text-to-image", *SMALL, "-o", "taken", "--json").code == 1
    paid = sandboxed.billed
    Path("taken").unlink()
    ran = cli("run", "text-to-image", *SMALL, "-o", "taken", "--json")
    assert ran.code == 0, ran.out
    assert len(sandboxed.calls) == 1
    assert sandboxed.billed == paid == ran.json["total_microusd"]

"""``mintmark models repatriate`` on real books: what was rented of a model, and the same on this machine."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mintmark.metering.ledger import Account, Posting
from mintmark.metering.measured import Measured, keep
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.jobs.job import Ordered
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.workflows.library import Library
from mintmark.workflows.reading import read_sound

from .conftest import Cli

SCHNELL, XL = "fal/flux-schnell", "huggingface/stable-diffusion-xl"
NOW = datetime.now(timezone.utc)
TEXT = Library(()).resolve("text-to-image")


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    monkeypatch.setenv("MINTMARK_CLIENT_URL", "http://127.0.0.1:9")  # the port that nobody has


def book(home: Path, calls: int, workflow: str | None = TEXT.label, *, jobs: bool = False, **facts: Any) -> None:
    """So many settled calls of one image at $0.003, each in a job of its own; ``jobs``: with its order, too."""
    ledger = SqliteLedger(home / "data" / "sandbox")
    store = SqlJobStore(ledger)
    known = {"kind": "settled", "microusd": 3_000, "provider": "fal", "model": SCHNELL, "images": 1, "at": NOW}
    for _ in range(calls):
        job = str(uuid.uuid4())
        if jobs:
            name, _, version = str(workflow).partition("@")
            asked = {
                "job_id": job,
                "project": "default",
                "user": "local",
                "lane": "hosted",
                "allowance_microusd": 10**6,
            }
            values = {"seed": 7, "negative_prompt": "secret words", "model.acceleration": "high"}
            named = {"workflow": name, "version": version, "digest": TEXT.digest}
            store.accept(Ordered(**asked, **named, values=values))
        else:
            ledger.allow(job, 10**9, Account(workflow=workflow))
        call = {"call_id": str(uuid.uuid4()), "job_id": job, "request_id": None}
        ledger.post([Posting.model_validate({**known, **call, **facts})])
        ledger.close_job(job)
    ledger.close()


def put(home: Path, name: str = "FLUX.1-schnell", cls: str = "FluxPipeline") -> Path:
    """What of a diffusers folder says what it is."""
    folder = home / "data" / "sandbox" / "runner" / "models" / "diffusers" / name
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": cls}))
    return folder


def told(cli: Cli, *arguments: object) -> Any:
    return cli("models", "repatriate", *arguments, "--json").json


# -- what it says -----------------------------------------------------------------------------------------------------


def test_the_whole_answer_for_an_open_model(cli: Cli, home: Path) -> None:
    book(home, 8)
    book(home, 2, None)
    answer = told(cli, SCHNELL)
    assert (answer["can"], answer["why"], answer["mode"]) == (True, None, "sandbox")
    assert answer["hosted"] == [
        {"workflow": TEXT.label, "calls": 8, "images": 8, "microusd": 24_000},
        {"workflow": None, "calls": 2, "images": 2, "microusd": 6_000},
    ]
    weights = answer["weights"]
    assert (weights["repository"], weights["family"]) == ("black-forest-labs/FLUX.1-schnell", "flux")
    assert (weights["licence"]["name"], weights["licence"]["commercial_use"]) == ("Apache-2.0", True)
    assert (answer["local"]["model"], answer["local"]["folder"]) == ("local/FLUX.1-schnell", "diffusers")
    assert (answer["local"]["host"], answer["local"]["workers"]) == (None, [])
    assert "no service answers" in answer["local"]["not_asked"]
    rewriting = answer["rewriting"]
    assert (rewriting["workflow"], rewriting["version"]) == (TEXT.label, "text-to-image@1.2.0")
    assert {change["where"] for change in rewriting["changes"]} == {"lane", "inputs.model", "requires.models"}
    assert rewriting["document"]["lane"] == "gpu"


def test_what_was_hosted_and_what_the_same_images_cost_here(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_GPU_HOUR_USD", "1.80")
    book(home, 10)
    cost = told(cli, SCHNELL, "--rate", "1200", "--overhead", "30")["cost"]
    assert (cost["images"], cost["hosted_microusd"]) == (10, 30_000)
    assert (cost["gpu_seconds"], cost["own_microusd"]) == (30.0, 15_000)
    assert cost["sources"] == {"gpu_hour": "MINTMARK_GPU_HOUR_USD", "rate": "--rate", "overhead": "--overhead"}
    assert cost["break_even_images"] == 20_000
    assert cost["advice"].startswith("Stay hosted: 10 images a month are below the crossover of 20,000")


def test_only_the_days_that_are_asked_for_count(cli: Cli, home: Path) -> None:
    book(home, 3)
    book(home, 4, at=NOW - timedelta(days=10))
    book(home, 5, at=NOW - timedelta(days=31))
    assert [sum(each["images"] for each in told(cli, SCHNELL, "--days", days)["hosted"]) for days in (1, 30, 60)] == [
        *(3, 7, 12)
    ]
    assert "7 images a month" in told(cli, SCHNELL, "--days", 30)["cost"]["advice"]
    assert "90 images a month" in told(cli, SCHNELL, "--days", 1)["cost"]["advice"]


def test_calls_in_doubt_count_in_full_and_cached_ones_are_no_images(cli: Cli, home: Path) -> None:
    book(home, 2)
    book(home, 1, kind="unknown", microusd=9_000, images=0)
    book(home, 1, kind="released", microusd=0, images=0)
    book(home, 1, cached=True, microusd=0, images=0)
    cost = told(cli, SCHNELL)["cost"]
    assert (cost["images"], cost["hosted_microusd"]) == (3, 15_000)


def test_the_rate_is_what_bench_local_measured_of_that_checkpoint(cli: Cli, home: Path) -> None:
    one = {"device": "a GPU", "dtype": "bfloat16", "memory": "full", "width": 1024, "height": 1024, "steps": 4}
    more: dict[str, Any] = {**one, "peak_bytes": 1, "at": NOW}
    other = Measured(model="local/other", seconds=100.0, **more)
    keep(home / "data", [other])
    assert told(cli, SCHNELL)["cost"]["rate"] == 600
    keep(home / "data", [Measured(model="local/FLUX.1-schnell", seconds=2.0, **more)])
    cost = told(cli, SCHNELL)["cost"]
    assert (cost["rate"], "bench local on a GPU" in cost["sources"]["rate"]) == (1800, True)


def test_without_a_measurement_the_rate_is_what_was_metered_of_that_checkpoint(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_GPU_HOUR_USD", "3.60")
    book(home, 4, provider="local", model="local/FLUX.1-schnell", microusd=5_000)
    cost = told(cli, SCHNELL)["cost"]
    assert (cost["rate"], cost["sources"]["rate"]) == (720, "metered on 4 images of local/FLUX.1-schnell")


def test_a_checkpoint_that_is_here_is_told_with_its_place(cli: Cli, home: Path) -> None:
    folder = put(home)
    local = told(cli, SCHNELL)["local"]
    assert local["host"] == {
        "name": "FLUX.1-schnell",
        "path": str(folder),
        "bytes": (folder / "model_index.json").stat().st_size,
    }
    assert str(folder) in cli("models", "repatriate", SCHNELL).out.replace("\n", "").replace(" ", "")


def test_a_folder_of_that_name_and_another_family_is_not_it(cli: Cli, home: Path) -> None:
    put(home, cls="StableDiffusionXLPipeline")
    assert told(cli, SCHNELL)["local"]["host"] is None


def test_a_checkpoint_by_another_name_is_taken_where_it_is_named(cli: Cli, home: Path) -> None:
    put(home, "brand/my-flux")
    answer = told(cli, SCHNELL, "--checkpoint", "my-flux", "--workflow", "text-to-image")
    assert answer["local"]["model"] == "local/brand/my-flux"
    model = next(each for each in answer["rewriting"]["document"]["inputs"] if each["name"] == "model")
    assert model["default"] == "local/brand/my-flux"


def test_checkpoints_of_another_folder_of_models_are_found_where_it_is_named(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "diffusers" / "FLUX.1-schnell"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    assert told(cli, SCHNELL)["local"]["host"] is None
    assert told(cli, SCHNELL, "--models", tmp_path / "models")["local"]["host"]["path"] == str(folder)


class Workers(BaseHTTPRequestHandler):
    """A service that has one worker with the folder in memory."""

    def do_GET(self) -> None:
        there = self.path.endswith("/FLUX.1-schnell")
        one = {"name": "gpu-1", "folders": ["diffusers"], "bytes": 1, "in_memory": True, "state": "up"}
        body = json.dumps({"workers": [one] if there else []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = HTTPServer(("127.0.0.1", 0), Workers)
    monkeypatch.setenv("MINTMARK_CLIENT_URL", f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("service")
def test_workers_of_the_service_that_have_it_are_named(cli: Cli) -> None:
    local = told(cli, SCHNELL)["local"]
    assert local["workers"] == [
        {"worker": "gpu-1", "file": "FLUX.1-schnell", "in_memory": True, "state": "up"},
    ]
    assert "gpu-1 (in memory)" in cli("models", "repatriate", SCHNELL).out


# -- what was asked ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("books")
def test_parameters_of_real_calls_are_read_from_the_journal(cli: Cli) -> None:
    size = ("--set", "width=256", "--set", "height=256")
    cli("run", "text-to-image", *size, "--set", "model.acceleration=high", "--set", "model.steps=3", "--json")
    answer = told(cli, SCHNELL)
    assert [each["workflow"] for each in answer["hosted"]] == [TEXT.label]
    assert (answer["asked"]["calls"], answer["asked"]["known"]) == (1, 1)
    asked = {each["name"]: (each["values"], each["lost"]) for each in answer["asked"]["parameters"]}
    assert asked["steps"] == ({"3": 1}, None)
    assert asked["output_format"] == ({"png": 1}, None), "as it is by default: nobody asked for it"
    assert asked["acceleration"] == ({"high": 1}, "the local pipeline has no such parameter")


def test_where_the_journal_is_elsewhere_orders_tell_and_never_their_words(cli: Cli, home: Path) -> None:
    book(home, 3, jobs=True)
    book(home, 1)
    ran = cli("models", "repatriate", SCHNELL, "--json")
    asked = {each["name"]: (each["values"], bool(each["lost"])) for each in ran.json["asked"]["parameters"]}
    assert asked == {
        "acceleration": ({"high": 3}, True),
        "negative_prompt": ({"a text": 3}, True),
        "seed": ({"7": 3}, False),
    }
    assert (ran.json["asked"]["calls"], ran.json["asked"]["known"]) == (4, 3)
    assert "secret" not in ran.out
    shown = cli("models", "repatriate", SCHNELL).out
    assert "Of the latest 4 calls, 3 have their parameters here" in shown
    assert "✗ acceleration = high (3): the local pipeline has no such parameter" in shown


# -- which workflow ---------------------------------------------------------------------------------------------------


def test_of_several_workflows_none_is_chosen_for_anybody(cli: Cli, home: Path) -> None:
    book(home, 2)
    book(home, 1, "prompt-ab-ranked@1.0.0")
    rewriting = told(cli, SCHNELL)["rewriting"]
    assert rewriting["version"] is None
    assert "prompt-ab-ranked, text-to-image" in rewriting["why"]
    answer = told(cli, SCHNELL, "--workflow", "prompt-ab-ranked")
    assert answer["rewriting"]["version"] == "prompt-ab-ranked@1.1.0"
    assert [each["workflow"] for each in answer["hosted"]] == ["prompt-ab-ranked@1.0.0"]
    assert answer["cost"]["images"] == 1


def test_a_file_of_ones_own_is_rewritten_and_its_spend_found_by_its_name(cli: Cli, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "poster" / "3.0.0.json"
    file.parent.mkdir()
    file.write_text(json.dumps({**TEXT.document(), "name": "poster", "version": "3.0.0"}))
    book(home, 2, "poster@3.0.0")
    answer = told(cli, SCHNELL, "--workflow", file)
    assert answer["rewriting"]["version"] == "poster@3.1.0"
    assert answer["cost"]["images"] == 2


def test_one_whose_graph_is_gone_is_still_reckoned(cli: Cli, home: Path) -> None:
    book(home, 2, "gone@1.0.0")
    ran = cli("models", "repatriate", SCHNELL, "--json")
    assert ran.code == 0
    assert ran.json["cost"]["images"] == 2
    assert "its graph is not here any more" in ran.json["rewriting"]["why"]


# -- saving it --------------------------------------------------------------------------------------------------------


def test_the_new_version_is_written_where_it_is_asked_for_and_never_over_anything(
    cli: Cli, home: Path, tmp_path: Path
) -> None:
    book(home, 1)
    out = tmp_path / "mine"
    out.mkdir()
    ran = cli("models", "repatriate", SCHNELL, "--write", out)
    assert ran.code == 0 and "text-to-image@1.2.0 is in" in ran.out.replace("\n", " ")
    version = read_sound(out / "text-to-image" / "1.2.0.json")
    assert version.label == "text-to-image@1.2.0"
    again = cli("models", "repatriate", SCHNELL, "--write", out, "--json")
    assert (again.code, again.error["code"]) == (1, "cannot_write")
    assert told(cli, SCHNELL, "--write", tmp_path / "new.json")["rewriting"]["saved"]
    assert (tmp_path / "new.json").exists()


def test_it_is_published_as_the_next_version_that_is_free(cli: Cli, home: Path) -> None:
    book(home, 1)
    assert cli("models", "repatriate", SCHNELL, "--publish").code == 0
    listed = cli("workflows", "releases", "text-to-image", "--json").json["versions"]
    assert [each["version"] for each in listed][-1] == "1.2.0"
    assert "workflow.published" in {each["action"] for each in cli("audit", "list", "--json").json}
    # What is published now is the newest: it asks for nothing hosted any more, so there is nothing to rewrite.
    again = cli("models", "repatriate", SCHNELL, "--json")
    assert (again.code, again.json["rewriting"]["version"]) == (1, None)
    older = told(cli, SCHNELL, "--workflow", TEXT.label)
    assert older["rewriting"]["version"] == "text-to-image@1.3.0"


# -- what cannot be ---------------------------------------------------------------------------------------------------


def test_a_closed_model_gets_an_honest_answer_and_open_ones_that_do_the_same(cli: Cli, home: Path) -> None:
    book(home, 1, provider="openai", model="openai/gpt-image-1.5")
    ran = cli("models", "repatriate", "openai/gpt-image-1.5", "--json")
    answer = ran.json
    assert (ran.code, answer["can"], answer["weights"]) == (1, False, None)
    assert "is closed" in answer["why"] and answer["hosted"][0]["images"] == 1
    named = {each["model"]: each["repository"] for each in answer["alternatives"]}
    assert named and len(set(named.values())) == len(named)
    listed = {each["name"]: each for each in cli("models", "list", "--json").json}
    assert {listed[name]["family"] for name in named} == {"open-weight"}
    assert "another model with other pictures" in cli("models", "repatriate", "openai/gpt-image-1.5").out


@pytest.mark.parametrize(
    ("model", "why"),
    [("replicate/qwen-image", "no model of its kind"), ("huggingface/endpoint", "does not know which weights")],
)
def test_open_weights_that_are_not_sampled_or_not_known_say_so(cli: Cli, model: str, why: str) -> None:
    ran = cli("models", "repatriate", model, "--json")
    assert (ran.code, ran.json["can"]) == (1, False)
    assert why in ran.json["why"]


def test_a_licence_that_forbids_business_is_told(cli: Cli) -> None:
    shown = " ".join(cli("models", "repatriate", "fal/flux-dev").out.split())
    assert "commercial use no: only with a commercial licence from Black Forest Labs" in shown


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("fal/flux-schnel",), "unknown_model"),
        (("local/x.safetensors",), "usage_error"),
        ((SCHNELL, "--workflow", "no-such-one"), "unknown_workflow"),
        ((SCHNELL, "--workflow", "text-to-image@9.0.0"), "unknown_version"),
        ((SCHNELL, "--workflow", "nowhere.json"), "file_not_found"),
        ((SCHNELL, "--rate", "0"), "usage_error"),
        ((SCHNELL, "--gpu-hour", "dear"), "usage_error"),
        ((SCHNELL, "--days", "0"), "usage_error"),
        ((SCHNELL, "--publish"), "usage_error"),
        (("openai/gpt-image-1.5", "--write", "x.json"), "usage_error"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_code_a_cause_and_a_fix(
    cli: Cli, arguments: tuple[str, ...], code: str
) -> None:
    ran = cli("models", "repatriate", *arguments, "--json")
    assert (ran.code, ran.error["code"]) == (2, code)
    assert ran.error["message"] and ran.error["hint"]

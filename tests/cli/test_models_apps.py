"""``mintmark models show`` of apps that no catalog lists."""

from __future__ import annotations

from .conftest import Cli

APP = "fal/fal-ai/flux/krea"


def test_an_app_s_inputs_are_shown_with_their_limits(cli: Cli) -> None:
    shown = " ".join(cli("models", "show", APP, "--sandbox").out.split())
    assert "price unknown" in shown
    assert "num_inference_steps integer 1 … 50 The number of inference steps" in shown
    assert "jpeg, png" in shown


def test_an_app_s_inputs_are_json_too(cli: Cli) -> None:
    told = cli("models", "show", "replicate/fofr/sdxl-emoji", "--sandbox", "--json").json
    assert (told["price"], told["price_source"]) == (None, None)
    assert told["parameters"]["lora_scale"] | {"taken": {}} == {
        "type": "number",
        "help": "The lora scale.",
        "default": None,
        "min": 0.0,
        "max": 1.0,
        "choices": [],
        "wire": None,
        "tasks": None,
        "required": False,
        "taken": {},
    }


def test_an_app_that_there_is_not_is_refused(cli: Cli) -> None:
    ran = cli("models", "show", "fal/no/such", "--sandbox", "--json")
    assert (ran.code, ran.error["code"]) == (2, "unknown_model")
    assert "no/such" in ran.error["message"]

"""What the page makes of a run's words: refusals with what to do next, and verdicts apart from what was found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import mintmark
from mintmark import errors

WEB = Path(mintmark.__file__).parent / "web" / "comfy"
NODE = shutil.which("node")
CALL = "5d2249cc-8004-4b62-b17e-21b40933f515"

pytestmark = pytest.mark.skipif(NODE is None, reason="not run: there is no node (JavaScript) here")

_SCRIPT = """
import { refusal, verdicts } from "./words.js";
import { readFileSync } from "node:fs";
const { text, kind } = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify({ refusal: refusal(text, kind), verdicts: verdicts(text) }));
"""


def told(folder: Path, error: errors.MintmarkError | str, kind: str = "MintmarkTextToImage") -> dict[str, Any]:
    """What words.js makes of it, as ComfyUI hands it on."""
    shutil.copy(WEB / "words.js", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "ask.js").write_text(_SCRIPT)
    done = subprocess.run(
        [str(NODE), "ask.js"],
        cwd=folder,
        input=json.dumps({"text": str(error), "kind": kind}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def refusal(folder: Path, error: errors.MintmarkError | str, kind: str = "MintmarkTextToImage") -> dict[str, Any]:
    return dict(told(folder, error, kind)["refusal"])


def test_a_missing_key_is_two_clicks_away(tmp_path: Path) -> None:
    found = refusal(tmp_path, errors.MissingKey("No key for fal is set.", hint="Run: mintmark keys set fal"))
    assert (found["title"], found["keys"]) == ("A key is missing", True)
    assert found["words"] == "No key for fal is set. Open the keys, paste yours, and press Run again."


def test_an_empty_account_is_no_refused_key(tmp_path: Path) -> None:
    hint = "Check the key (mintmark keys set fal) and the account's balance at fal.ai/dashboard/billing."
    broke = refusal(tmp_path, errors.ProviderAuth("fal refuses for lack of credit (402).", hint=hint))
    assert (broke["title"], broke["keys"]) == ("No credit left at the provider", False)
    assert broke["words"].endswith("Top up the account at fal.ai/dashboard/billing.")
    refused = refusal(tmp_path, errors.ProviderAuth("fal refuses the key (401).", hint=hint))
    assert (refused["title"], refused["keys"]) == ("The key was refused", True)
    assert "mintmark keys set" not in refused["words"]


def test_a_call_of_unknown_outcome_is_told_without_its_number(tmp_path: Path) -> None:
    words = f"Call {CALL} to fal/flux-schnell was asked and its outcome is not known; $0.003 stays set aside for it."
    hint = "Look it up at the provider; MINTMARK_ON_UNKNOWN=available asks again and may pay twice."
    found = refusal(tmp_path, errors.ChargeUnknown(words, hint=hint))
    assert found["title"] == "It may have been charged"
    assert CALL not in found["words"] and "MINTMARK_" not in found["words"]
    assert "$0.003 stays set aside" in found["words"] and "that costs anew" in found["words"]
    assert CALL in found["whole"], "whoever looks it up needs the number"


def test_trouble_that_passes_says_so_once(tmp_path: Path) -> None:
    found = refusal(tmp_path, errors.ProviderDown("fal answers 500: Internal Server Error"))
    assert found["words"].endswith("Error. Try again in a few minutes, or choose another model.")
    hinted = refusal(tmp_path, errors.ProviderDown("fal answers 503.", hint="Try again later."))
    assert hinted["words"] == "fal answers 503. Try again later."


def test_a_blocked_prompt_cost_nothing_but_at_the_gate_its_images_did(tmp_path: Path) -> None:
    blocked = errors.PromptBlocked("It was blocked. (rule rules/sexual/en/terms, policy standard@2.0.0)")
    before = refusal(tmp_path, blocked, "MintmarkModeratePrompt")
    assert (before["words"], before["title"]) == ("It was blocked.", "Blocked: the prompt")
    assert before["fine"] == "It cost nothing. (rule rules/sexual/en/terms, policy standard@2.0.0)"
    assert "cost" not in refusal(tmp_path, blocked, "MintmarkModerationGate")["fine"]


def test_words_that_no_error_of_ours_has_are_left_as_they_are(tmp_path: Path) -> None:
    found = refusal(tmp_path, "division by zero")
    assert (found["title"], found["words"], found["fine"]) == ("Stopped", "division by zero.", "")


def test_every_title_is_of_a_code_that_there_is() -> None:
    listed = re.search(r"const TITLES = \{(.*?)\n\};", (WEB / "words.js").read_text(), re.DOTALL)
    assert listed is not None
    codes = {each.code for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "code")}
    assert set(re.findall(r"^  (\w+):", listed[1], re.MULTILINE)) <= codes


def test_verdicts_are_told_apart_from_what_was_found(tmp_path: Path) -> None:
    text = "allowed: Nothing was found.\nflagged: A logo: look at it."
    assert told(tmp_path, text)["verdicts"] == [
        {"decision": "allowed", "words": "Nothing was found."},
        {"decision": "flagged", "words": "A logo: look at it."},
    ]
    assert told(tmp_path, "allowed: Nothing.\nSandbox: no real money.")["verdicts"] is None

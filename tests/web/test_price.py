"""The price on the node is the ledger's: web/comfy/price.js against metering/prices.py, to the micro-dollar."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import mintmark
from mintmark.errors import PriceUnknown
from mintmark.metering.prices import Price, Quantities, quote, usd
from mintmark.providers.catalog import rows

WEB = Path(mintmark.__file__).parent / "web" / "comfy"
RULE: TypeAdapter[Any] = TypeAdapter(Price)
NODE = shutil.which("node")
CASES = 4000

pytestmark = pytest.mark.skipif(NODE is None, reason="not run: there is no node (JavaScript) here")

_SCRIPT = """
import { quote, usd } from "./price.js";
import { readFileSync } from "node:fs";
const cases = JSON.parse(readFileSync(0, "utf8"));
const told = cases.map(({ price, asked, parameters }) => {
  const found = quote(price, asked, parameters);
  return found && { ...found, usd: usd(found.microusd) };
});
process.stdout.write(JSON.stringify(told));
"""


def in_javascript(cases: list[dict[str, Any]], folder: Path) -> list[Any]:
    """What price.js says of the cases."""
    for name in ("price.js", "decimal.js"):
        shutil.copy(WEB / name, folder)
    # Outside a browser a .js file is a module only where somebody says so.
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "ask.js").write_text(_SCRIPT)
    done = subprocess.run(
        [str(NODE), "ask.js"],
        cwd=folder,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def in_python(case: dict[str, Any]) -> Any:
    try:
        found = quote(RULE.validate_python(case["price"]), Quantities(**case["asked"]), case["parameters"])
    except PriceUnknown:
        return None
    return {"microusd": found.at_most_microusd, "exact": found.exact, "usd": usd(found.at_most_microusd)}


def _amount(any_of: random.Random) -> str:
    return str(Decimal(any_of.randrange(0, 10**8)) / 10 ** any_of.randrange(0, 5))


def _rule(any_of: random.Random) -> dict[str, Any]:
    dated = {"as_of": "2026-11-21", "source": "made up"}
    unit = any_of.choice(["image", "megapixel", "step", "second", "token"])
    rule: dict[str, Any] = {"unit": unit, **dated}
    if unit == "token":
        qualities = {name: any_of.randrange(1, 9000) for name in any_of.sample(["low", "medium", "high", "max"], 3)}
        return {
            **rule,
            "text_in": _amount(any_of),
            "image_in": _amount(any_of),
            "image_out": _amount(any_of),
            "output_tokens_1024": qualities,
            **any_of.choice([{}, {"tokens_by": "size"}, {"text_out": _amount(any_of), "output_text_tokens": 77}]),
        }
    rule["microusd"] = _amount(any_of)
    if unit == "second":
        rule["at_most_seconds"] = any_of.choice([1, 7.5, 60, 0.1])
    if unit == "image" and any_of.random() < 0.6:
        rule["tiers"] = [
            {"when": {"quality": any_of.choice(["low", "high"])}, "microusd": _amount(any_of)},
            {"when": {"quality": "high", "turbo": any_of.random() < 0.5}, "microusd": _amount(any_of)},
        ]
    if unit == "megapixel":
        rule["round_up"] = any_of.random() < 0.5
        rule["pixels"] = any_of.choice([1_000_000, 1_048_576, 999_983, 3])
        if any_of.random() < 0.5:
            rule["first_microusd"] = _amount(any_of)
        if any_of.random() < 0.5:
            rule["input_microusd"] = _amount(any_of)
    return rule


def _asked(any_of: random.Random) -> dict[str, Any]:
    def maybe(value: Any) -> Any:
        return None if any_of.random() < 0.15 else value

    size = any_of.randrange(64, 4097) * any_of.randrange(64, 4097)
    return {
        "images": any_of.randrange(1, 11),
        "megapixels": maybe(any_of.choice([size / 1_000_000, 1.048576, 0.262144, 1e-7, 0])),
        "input_megapixels": maybe(any_of.choice([size / 1_000_000, 0, any_of.random() * 40])),
        "steps": maybe(any_of.randrange(0, 60)),
        "text_tokens": maybe(any_of.randrange(0, 32_000)),
        "image_tokens": maybe(any_of.randrange(0, 9000)),
    }


def generated() -> list[dict[str, Any]]:
    any_of = random.Random(20261121)
    parameters = [{}, {"quality": "high"}, {"quality": "low", "turbo": True}, {"quality": "high", "turbo": True}]
    parameters.append({"quality": "low", "size": "high"})
    return [
        {"price": _rule(any_of), "asked": _asked(any_of), "parameters": any_of.choice(parameters)} for _ in range(CASES)
    ]


def of_the_catalog() -> list[dict[str, Any]]:
    any_of = random.Random(7)
    priced = [row["price"] for row in rows() if row.get("price")]
    qualities = [{}, {"quality": "low"}, {"quality": "medium"}, {"quality": "high"}]
    return [{"price": rule, "asked": _asked(any_of), "parameters": each} for rule in priced for each in qualities * 5]


@pytest.mark.parametrize("make", [generated, of_the_catalog])
def test_both_say_the_same(make: Any, tmp_path: Path) -> None:
    cases = make()
    expected = [in_python(case) for case in cases]
    assert len([each for each in expected if each]) > len(cases) / 2, "most cases have a price"
    told = in_javascript(cases, tmp_path)
    different = [
        (case, mine, theirs) for case, mine, theirs in zip(cases, expected, told, strict=True) if mine != theirs
    ]
    assert different[:3] == []
    assert {each["exact"] for each in expected if each} == {True, False}

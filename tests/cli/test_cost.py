"""``mintmark cost`` and ``mintmark advise`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from mintmark.cli.commands import command_line
from mintmark.errors import MintmarkError

from .conftest import Cli

BOOK = ["--hosted-price", "0.03", "--gpu-hour", "1.20", "--rate", "600", "--overhead", "2000"]


def called(*arguments: str) -> str:
    result = CliRunner().invoke(command_line(), list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*arguments: str) -> Any:
    return json.loads(called(*arguments, "--json"))


def refusal(*arguments: str) -> str:
    with pytest.raises(MintmarkError) as refused:
        CliRunner().invoke(command_line(), list(arguments), catch_exceptions=False)
    assert refused.value.hint
    return str(refused.value)


def test_the_books_numbers_give_71428_57_and_50000_images_stay_hosted() -> None:
    told = document("cost", "breakeven", *BOOK, "--images", "50000", "--steps", "20:4")
    assert told["break_even_images"] == 71_428.57
    assert told["few_step_break_even_images"] == 67_567.57
    assert told["cheaper"] == "hosted"
    assert told["advice"].startswith("Stay hosted: 50,000 images a month are below the crossover of 71,429")


def test_people_see_the_curves_with_the_crossover_and_themselves_marked() -> None:
    shown = called("cost", "breakeven", *BOOK, "--images", "50000")
    curves = [line for line in shown.splitlines() if "│" in line]
    assert sum("X" in line for line in curves) == 1
    assert "^" in shown
    assert "X 71,429 images a month" in shown


def test_where_owning_never_pays_the_answer_is_never() -> None:
    cheap = [*BOOK[2:], "--hosted-price", "0.002"]
    assert document("cost", "breakeven", *cheap)["break_even_images"] is None
    assert "never" in called("cost", "breakeven", *cheap)


def test_ranges_give_a_range_of_crossovers() -> None:
    ranged = ["--hosted-price", "0.02..0.04", "--gpu-hour", "1.20", "--rate", "600", "--overhead", "$1,000..3000"]
    told = document("cost", "breakeven", *ranged)
    assert told["break_even_range"] == [26_315.79, 166_666.67]


def test_the_curves_are_drawn_into_a_png(tmp_path: Path) -> None:
    called("cost", "breakeven", *BOOK, "--png", str(tmp_path / "curves.png"))
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (1200, 720)
        assert len(image.convert("RGB").getcolors(1_000_000) or ()) > 4


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (["--rate", "many"], "--rate: 'many' is no number"),
        (["--rate", "1e999999999"], "--rate: '1e999999999' is no number, or too large"),
        (["--hosted-price", "0,03"], "--hosted-price: '0,03' is no number"),
        (["--hosted-price", "NaN"], "--hosted-price: 'NaN' is no number"),
        (["--rate", "0"], "rate: cannot be 0"),
        (["--gpu-hour", "2..1"], "is more than"),
        (["--steps", "20"], "--steps: '20' is not FROM:TO"),
        (["--png", "curves.txt"], "curves.txt is no PNG file name"),
        (["--png", "no/such/folder/curves.png"], "cannot be written"),
        (["--utilisation", "1.5"], "utilisation: cannot be 1.5"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changed: list[str], told: str) -> None:
    assert told in refusal("cost", "breakeven", *BOOK, *changed)


# -- projection -----------------------------------------------------------------------------------------------------


def test_so_many_images_a_day_times_30_by_every_unit() -> None:
    def month(*more: str) -> list[int]:
        (row,) = document("cost", "project", "--images-per-day", "1000", *more)["rows"]
        return list(row["month_microusd"])

    assert month("--price", "0.03") == [900_000_000] * 2
    assert month("--price", "0.002", "--unit", "megapixel", "--units-per-image", "2") == [120_000_000] * 2
    assert month("--price", "0.0001", "--unit", "step", "--units-per-image", "28") == [84_000_000] * 2
    assert month("--price", "0.000225", "--unit", "second", "--units-per-image", "2.5") == [16_875_000] * 2
    assert month("--price", "0.00003", "--unit", "token", "--units-per-image", "1056") == [950_400_000] * 2
    assert month("--model", "fal/flux-schnell") == [90_000_000] * 2
    assert month("--model", "fal/flux-2-pro", "--width", "2048") == [1_350_000_000] * 2


def test_all_models_for_a_task_are_compared_the_cheapest_first() -> None:
    rows = document("cost", "project", "--images-per-day", "10")["rows"]
    months = [row["month_microusd"][1] for row in rows if row["month_microusd"][1] is not None]
    assert len(months) > 10
    assert months == sorted(months)


def test_a_model_whose_price_depends_on_the_result_has_a_range_until_the_quality_is_said() -> None:
    (row,) = document("cost", "project", "--images-per-day", "1", "--model", "openai/gpt-image-2")["rows"]
    (said,) = document("cost", "project", "--images-per-day", "1", "--model", "openai/gpt-image-2", "--quality", "low")[
        "rows"
    ]
    assert row["month_microusd"][0] < row["month_microusd"][1]
    assert said["month_microusd"][1] < row["month_microusd"][1]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--unit", "apple", "--price", "1"], "--unit: 'apple' is none"),
        (["--task", "dance"], "no model does 'dance'"),
        (["--model", "fal/flux-schnel"], "fal/flux-schnell"),
    ],
)
def test_what_cannot_be_projected_is_refused(more: list[str], told: str) -> None:
    assert told in refusal("cost", "project", "--images-per-day", "1", *more)


# -- advice ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "answer"),
    [
        (["--images", "500", "--residency", "must-stay"], "self-host"),
        (["--images", "100..100000"], "open-weight"),
        (["--images", "50", "--quality", "best"], "closed"),
        (["--images", "3,000,000", "--need", "lora"], "self-host"),
        ([], "open-weight"),
    ],
)
def test_each_scenario_gets_its_answer_with_reasons(wishes: list[str], answer: str) -> None:
    told = document("advise", *wishes, "--crossover", "71428")
    assert told["answer"] == answer
    assert told["reasons"]
    assert told["switching_cost"]
    assert told["reasons"][0][:40] in called("advise", *wishes, "--crossover", "71428")


def test_a_volume_that_is_no_number_is_refused() -> None:
    assert "--images: 'lots' is no number of images" in refusal("advise", "--images", "lots")


def test_without_a_crossover_it_is_that_of_ones_own_last_30_days(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    told = cli("advise", "--json").json
    assert (told["crossover_source"], told["crossover_assumed"], told["crossover_images"]) == ("assumed", True, 71_429)
    assert "Assumed: owning is cheaper from 71,429 images" in cli("advise").out
    assert cli("run", "text-to-image", "--set", "width=256", "--set", "height=256", "--json").code == 0
    own = cli("cost", "breakeven", "--json").json["break_even_images"]
    told = cli("advise", "--json").json
    assert (told["crossover_source"], round(told["crossover_images"] or 0, 2)) == ("ledger", own or 0)
    assert "last 30 days" in cli("advise").out
    assert cli("advise", "--crossover", "1000", "--json").json["crossover_source"] == "given"

"""A workflow that names a model which ends: warned of within a month, refused from the day on."""

from __future__ import annotations

import copy
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import ModelRetired
from mintmark.orchestrator.execution.request import RunRequest
from mintmark.orchestrator.execution.retiring import check_pins
from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.library import Library

from ...ending import INSTEAD, MODEL, PRICE, catalog_file, ends, shipped_again
from ..conftest import House, open_house

__all__ = ["shipped_again"]

RETIRING, SUCCESSOR = "openai/gpt-image-1.5", "openai/gpt-image-2.6-sunburst"
MONTH_BEFORE, DAY_BEFORE, END = date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1)


def template() -> WorkflowVersion:
    return Library(()).resolve("text-to-image")


def pinned(model: str) -> WorkflowVersion:
    """The template without its input for the model, which stands in the graph alone."""
    document = copy.deepcopy(template().document())
    document["inputs"] = [each for each in document["inputs"] if each["name"] != "model"]
    for node in document["graph"].values():
        if "model" in node["inputs"]:
            node["inputs"]["model"] = model
    return WorkflowVersion.model_validate(document)


@pytest.mark.parametrize("day", [MONTH_BEFORE, DAY_BEFORE])
def test_a_model_that_is_chosen_or_pinned_is_warned_of_within_a_month(day: date) -> None:
    for version, values, where in ((template(), {"model": RETIRING}, "inputs.model"), (pinned(RETIRING), {}, "graph.")):
        (warning,) = check_pins(version, values, day)
        assert warning.startswith(where)
        assert "2026-12-01" in warning and SUCCESSOR in warning
    assert check_pins(pinned(RETIRING), {}, date(2026, 10, 31)) == ()


@pytest.mark.parametrize(("version", "values"), [(template(), {"model": RETIRING}), (pinned(RETIRING), {})])
def test_from_its_last_day_on_it_is_refused_with_what_replaces_it(version: Any, values: dict[str, str]) -> None:
    with pytest.raises(ModelRetired) as told:
        check_pins(version, values, END)
    assert told.value.code == "model_retired"
    assert RETIRING in told.value.message and SUCCESSOR in told.value.hint


def test_a_model_that_is_chosen_instead_lifts_both() -> None:
    assert check_pins(template(), {"model": "fal/flux-dev"}, END) == ()
    version = template()
    node, bind = "1", next(spec.binds[0] for spec in version.inputs if spec.name == "model")
    graph = copy.deepcopy(version.graph)
    graph[bind.node]["inputs"]["model"] = RETIRING
    ended = version.model_copy(update={"graph": graph})
    assert node in graph
    assert check_pins(ended, {"model": "fal/flux-dev"}, END) == ()
    with pytest.raises(ModelRetired):
        check_pins(ended, {}, END)


def test_names_that_are_no_models_of_ours_and_links_are_left_alone() -> None:
    assert check_pins(pinned("acme/unheard-of"), {}, END) == ()
    linked = pinned(RETIRING)
    graph = {key: {**node, "inputs": {**node["inputs"]}} for key, node in linked.graph.items()}
    for node in graph.values():
        if "model" in node["inputs"]:
            node["inputs"]["model"] = ["9", 0]
    assert check_pins(linked.model_copy(update={"graph": graph}), {}, END) == ()
    foreign = {"1": {"class_type": "OpenAIGPTImage1", "inputs": {"model": RETIRING}}}
    assert check_pins(linked.model_copy(update={"graph": foreign}), {}, END) == ()


async def test_a_run_after_the_end_asks_nobody(house: House) -> None:
    runner = house.job_runner()
    runner.now = lambda: datetime(2026, 12, 1, tzinfo=timezone.utc)
    request = RunRequest(
        workflow=template(), values={"model": RETIRING}, worker_name=house.runner.url, out_dir=house.out
    )
    with pytest.raises(ModelRetired, match="2026-12-01"):
        await runner.run(request, lambda event: None)
    assert await house.calls() == []


@pytest.mark.usefixtures("shipped_again")
async def test_a_run_warns_in_its_result_and_in_the_record_and_says_whose_price_it_paid(tmp_path: Path) -> None:
    file = catalog_file(tmp_path, 10, PRICE)
    async with open_house(tmp_path, catalog=file) as house:
        result = await house.run(model=MODEL)
    (warning,) = result.warnings
    assert MODEL in warning and ends(10).isoformat() in warning and INSTEAD in warning
    (receipt,) = result.receipts
    assert receipt.microusd == 1500
    assert receipt.price_source == f"your own catalog {file.name}: our contract (2026-11-20)"

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.errors import InvalidInput, MintmarkError, UnknownInput
from mintmark.workflows.bind import bind, parse_cli, parse_cli_images
from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.library import Library

SHIPPED = Library().resolve("text-to-image")

GOOD: dict[str, st.SearchStrategy[Any]] = {
    "prompt": st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300
    ).filter(str.strip),
    "negative_prompt": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300),
    "model": st.sampled_from(["fal/flux-schnell", "openai/gpt-image-2"]),
    "width": st.integers(64, 4096),
    "height": st.integers(64, 4096),
    "seed": st.integers(0, 2**64 - 1),
    "count": st.integers(1, 10),
}
some_values = st.fixed_dictionaries({}, optional=GOOD)
anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@given(some_values)
def test_given_values_stand_where_they_are_bound_and_nothing_else_changes(values: dict[str, Any]) -> None:
    bound = bind(SHIPPED, values)
    expected = copy.deepcopy(SHIPPED.graph)
    for spec in SHIPPED.inputs:
        if spec.name in values:
            for target in spec.binds:
                expected[target.node]["inputs"][target.input] = values[spec.name]
    assert bound.graph == expected
    assert bound.inputs == {spec.name: values.get(spec.name, spec.default) for spec in SHIPPED.inputs}


@given(some_values, st.randoms())
def test_the_order_of_values_leaves_no_trace(values: dict[str, Any], random: Any) -> None:
    shuffled = list(values.items())
    random.shuffle(shuffled)
    first, second = bind(SHIPPED, values), bind(SHIPPED, dict(shuffled))
    assert json.dumps([first.graph, first.inputs]) == json.dumps([second.graph, second.inputs])
    assert list(first.graph) == list(SHIPPED.graph)


@given(some_values)
def test_the_versions_own_graph_is_never_changed(values: dict[str, Any]) -> None:
    before = copy.deepcopy(SHIPPED.graph)
    bound = bind(SHIPPED, values)
    for node in bound.graph.values():
        node["inputs"].clear()
    assert SHIPPED.graph == before


@given(st.dictionaries(st.sampled_from([*GOOD, "nothing"]), anything))
def test_any_values_at_all_either_bind_within_limits_or_are_refused_by_name(values: dict[str, Any]) -> None:
    try:
        inputs = bind(SHIPPED, values).inputs
    except (InvalidInput, UnknownInput) as exc:
        refused: MintmarkError = exc
    else:
        assert 64 <= inputs["width"] <= 4096
        assert isinstance(inputs["prompt"], str)
        assert type(inputs["count"]) is int
        return
    named = {problem["where"] for problem in refused.data["problems"]}
    assert named
    assert named <= values.keys()
    assert all(name in refused.message for name in named)


@given(some_values)
def test_what_a_person_types_reads_as_the_value_it_shows(values: dict[str, Any]) -> None:
    typed = [f"{name}={value}" for name, value in values.items()]
    assert parse_cli(SHIPPED, typed) == values


def test_one_input_is_written_to_each_of_its_bindings(version: WorkflowVersion) -> None:
    graph = bind(version, {"prompt": "a cat"}).graph
    assert graph["2"]["inputs"]["text"] == graph["9"]["inputs"]["text"] == "a cat"


def test_an_input_without_value_and_default_leaves_the_graph_as_it_is(version: WorkflowVersion) -> None:
    bound = bind(version, {"prompt": "a cat"})
    assert bound.graph["3"]["inputs"]["image"] == "placeholder.png"
    assert "source" not in bound.inputs


def test_none_counts_as_not_given(version: WorkflowVersion) -> None:
    assert bind(version, {"prompt": "a cat", "steps": None}).inputs["steps"] == 20


def test_an_uploaded_image_is_bound_by_the_name_the_worker_gave_it(version: WorkflowVersion) -> None:
    assert bind(version, {"prompt": "a", "source": "cat (1).png"}).graph["3"]["inputs"]["image"] == "cat (1).png"


def test_a_seed_may_come_as_digits_because_not_every_caller_has_such_integers(version: WorkflowVersion) -> None:
    assert bind(version, {"prompt": "a", "seed": str(2**64 - 1)}).graph["5"]["inputs"]["seed"] == 2**64 - 1


@pytest.mark.parametrize(
    ("name", "value", "message", "fix"),
    [
        ("steps", 1, "1 is below the minimum of 2", "an integer from 2 to 50 in steps of 2"),
        ("steps", 52, "52 is above the maximum of 50", "an integer from 2 to 50"),
        ("steps", 21, "21 is between two steps of 2", "in steps of 2"),
        ("steps", "20", "'20' is no integer", "an integer from 2"),
        ("steps", 20.0, "20.0 is no integer", "an integer"),
        ("steps", True, "True is no integer", "an integer"),
        ("strength", float("nan"), "nan is not finite", "a number from 0.0 to 1.0"),
        ("strength", "0.5", "'0.5' is no number", "a number"),
        ("strength", 0.25, "0.25 is between two steps of 0.1", "in steps of 0.1"),
        ("strength", False, "False is no number", "a number"),
        ("tiled", 1, "1 is neither true nor false", "true or false"),
        ("sampler", "eulr", "'eulr' is none of its choices (did you mean euler?)", "one of euler, dpmpp"),
        ("sampler", 3, "3 is no text", "one of euler"),
        ("checkpoint", "", "the choice is empty", "a choice that the worker's node offers"),
        ("seed", -1, "-1 is no unsigned 64-bit number", "from 0 to 18446744073709551615"),
        ("seed", 2**64, "18446744073709551616 is no unsigned", "from 0 to"),
        ("seed", "7 ", "'7 ' is no integer", "from 0 to"),
        ("source", "", "the name is empty", "the name of an uploaded image"),
        ("prompt", "", "the text is empty", "a text of 1 to 20 characters"),
        ("prompt", " \n", "the text is empty", "a text of 1 to 20"),
        ("prompt", "x" * 21, "the text has 21 characters, more than 20", "a text of 1 to 20"),
        ("prompt", "a\0b", "the text holds a NUL character", "a text"),
        ("prompt", "\udce9t\udce9", "the text holds bytes that are no valid Unicode", "a text"),
        ("prompt", ["a"], "['a'] is no text", "a text"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_limits(
    version: WorkflowVersion, name: str, value: Any, message: str, fix: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        bind(version, {"prompt": "a cat", name: value})
    assert f"poster@1.2.0: {name}: {message}" in caught.value.message
    assert caught.value.hint.startswith(f"Fix: {name}: give ")
    assert fix in caught.value.hint


@pytest.mark.parametrize("value", [0.0, 0.1, 0.2, 0.3, 0.6, 0.7, 0.9, 1.0, 0, 1])
def test_a_number_is_on_its_steps_as_people_count_them(version: WorkflowVersion, value: float) -> None:
    assert bind(version, {"prompt": "a", "strength": value}).inputs["strength"] == value


def test_a_long_text_is_not_quoted_back(version: WorkflowVersion) -> None:
    with pytest.raises(InvalidInput) as caught:
        bind(version, {"prompt": "private " * 9})
    assert "private" not in str(caught.value)


def test_every_problem_is_told_at_once(version: WorkflowVersion) -> None:
    with pytest.raises(InvalidInput) as caught:
        bind(version, {"steps": 1, "sampler": "x", "promt": "a cat", "seed": -1})
    wheres = [problem["where"] for problem in caught.value.data["problems"]]
    assert wheres == ["promt", "prompt", "steps", "sampler", "seed"]
    assert "did you mean prompt?" in caught.value.message
    assert "it is required and was not given" in caught.value.message


def test_unknown_names_alone_are_an_unknown_input(version: WorkflowVersion) -> None:
    with pytest.raises(UnknownInput) as caught:
        bind(version, {"prompt": "a cat", "stepz": 4})
    assert "stepz: there is no such input (did you mean steps?)" in caught.value.message
    assert "use one of prompt, steps" in caught.value.hint
    assert caught.value.exit_code == 2


def test_what_the_worker_offers_is_held_to_where_it_is_known(version: WorkflowVersion) -> None:
    offered = {"checkpoint": ["base.safetensors", "photo.safetensors"]}
    assert bind(version, {"prompt": "a", "checkpoint": "other"}).inputs["checkpoint"] == "other"
    with pytest.raises(InvalidInput, match=r"'fotosafetensors' is none of its choices \(did you mean photo"):
        bind(version, {"prompt": "a", "checkpoint": "fotosafetensors"}, choices=offered)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("prompt=a = b", "a = b"),
        ("prompt=", ""),
        ("prompt=007", "007"),
        ("steps=+4", 4),
        ("steps= 4 ", 4),
        ("strength=.5", 0.5),
        ("strength=1", 1),
        ("strength=5e-1", 0.5),
        ("tiled=Yes", True),
        ("tiled=0", False),
        ("seed=18446744073709551615", 2**64 - 1),
        ("sampler=dpmpp", "dpmpp"),
    ],
)
def test_text_is_read_by_the_type_of_its_input(version: WorkflowVersion, setting: str, value: Any) -> None:
    (read,) = parse_cli(version, [setting]).values()
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps", "'steps': there is no = in it"),
        ("steps=four", "steps: 'four' is not what it takes"),
        ("steps=4.0", "steps: '4.0' is not what it takes"),
        ("steps=４", "steps: '４' is not what it takes"),
        ("steps=1_000", "steps: '1_000' is not what it takes"),
        ("strength=nan", "strength: 'nan' is not what it takes"),
        ("tiled=maybe", "tiled: 'maybe' is not what it takes"),
        ("source=cat.png", "source: it takes an image file"),
    ],
)
def test_text_that_cannot_be_read_is_told(version: WorkflowVersion, setting: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_cli(version, [setting])
    assert message in caught.value.message
    assert caught.value.hint.startswith("Fix: ")


def test_a_setting_given_twice_is_told_and_so_is_all_else(version: WorkflowVersion) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_cli(version, ["steps=4", "steps=6", "nope=1", "tiled=x"])
    assert [problem["where"] for problem in caught.value.data["problems"]] == ["nope", "steps", "tiled"]


def test_an_unknown_name_on_the_command_line_is_an_unknown_input(version: WorkflowVersion) -> None:
    with pytest.raises(UnknownInput, match="did you mean seed"):
        parse_cli(version, ["sead=1"])


def test_images_are_given_as_files_of_image_inputs(version: WorkflowVersion) -> None:
    assert parse_cli_images(version, ["source=a=b.png"]) == {"source": Path("a=b.png")}
    with pytest.raises(InvalidInput, match="not an image file"):
        parse_cli_images(version, ["steps=cat.png"])
    with pytest.raises(InvalidInput, match="is not what it takes"):
        parse_cli_images(version, ["source="])

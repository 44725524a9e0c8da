"""Every error of ours has a status, and tells what is wrong, where, and what may stand there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from mintmark import errors
from mintmark.errors import InvalidInput, MintmarkError, TooManyRequests, every_error
from mintmark.orchestrator.api import problems
from mintmark.orchestrator.api.order_shapes import RunBody

from .stand_in import House

KINDS = [kind for kind in every_error().values() if kind.__module__ == errors.__name__]
DEFECTS = {
    "internal_error",
    "bad_setting",
    "classifier_mismatch",
    "client_error",
    "service_unreachable",
    "waited_too_long",
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_every_error_has_a_status_and_a_title(kind: type[MintmarkError]) -> None:
    status = problems.status_of(kind("x"))
    assert status in problems.TITLES


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, errors.UsageError)], ids=lambda k: k.code)
def test_what_the_caller_did_wrong_is_never_our_fault(kind: type[MintmarkError]) -> None:
    if kind.code not in DEFECTS:
        assert 400 <= problems.status_of(kind("x")) < 500


def test_an_unknown_kind_of_error_has_the_status_of_its_kin() -> None:
    class NewMoneyTrouble(errors.BudgetExceeded):
        code = "new_money_trouble"

    try:
        assert problems.status_of(NewMoneyTrouble("x")) == 402
    finally:
        del NewMoneyTrouble
        __import__("gc").collect()


def test_data_that_is_not_meant_for_callers_is_not_told() -> None:
    problem = problems.problem_of(InvalidInput("no", field="size", allowed=[1, 2], token="secret"))
    assert (problem.field, problem.allowed) == ("size", [1, 2])
    assert "secret" not in problem.model_dump_json()


@pytest.mark.parametrize("kind", [errors.DiskFull, errors.CannotWrite, errors.DatabaseUnreachable, errors.BadSetting])
def test_where_the_service_keeps_its_things_is_not_told(kind: type[MintmarkError]) -> None:
    problem = problems.problem_of(kind("/srv/mintmark: no", hint="set MINTMARK_DATA_DIR"))
    assert (problem.code, problem.status) == (kind.code, problems.status_of(kind("x")))
    assert "/srv" not in problem.model_dump_json() and "MINTMARK" not in problem.model_dump_json()


def test_a_problem_of_a_workflow_names_the_input_and_what_it_takes() -> None:
    told = {"where": "width", "message": "'x' is no integer", "fix": "give an integer from 64 to 4096"}
    problem = problems.problem_of(InvalidInput("no", problems=[told]))
    assert (problem.field, problem.allowed) == ("inputs.width", "an integer from 64 to 4096")


def test_every_wrong_field_of_a_body_is_told_with_its_limits() -> None:
    with pytest.raises(ValidationError) as caught:
        RunBody.model_validate_json('{"priority": 500, "webhook_events": ["all"], "nonsense": 1}', strict=True)
    problem = problems.problem_of(problems.invalid(caught.value, RunBody))
    assert problem.problems is not None
    assert {each.field: each.allowed for each in problem.problems} == {
        "priority": {"max": 100},
        "webhook_events[0]": ["progress"],
        "nonsense": None,
    }


@pytest.mark.parametrize(
    ("path", "body", "field", "close"),
    [
        (
            "keys",
            {"scopes": ["read"], "limits": {"requests-per-minute": 5}},
            "limits.requests-per-minute",
            "requests_per_minute",
        ),
        ("keys", {"scope": ["read"]}, "scope", "scopes"),
        ("images/generations", {"prompt": "x", "sise": {}}, "sise", "size"),
        ("images/generations", {"prompt": "x", "size": {"widht": 5}}, "size.widht", "width"),
        ("images/generations", {"prompt": "x", "unheard": 5}, "unheard", ""),
        ("images/generations", {"prompt": "x", "p" * 65: 5}, "p" * 65, ""),
        ("workflows/text-to-image/runs", {"budget_us": 5}, "budget_us", "budget_usd"),
    ],
)
async def test_a_field_that_is_not_there_is_told_which_one_is_close(
    path: str, body: Any, field: str, close: str, house: House
) -> None:
    status, problem, _ = await house.ask("POST", f"/v1/{path}", json=body)
    told = {each["field"]: each["message"] for each in problem["problems"]}
    said = f"there is no such field (did you mean {close}?)" if close else "there is no such field"
    assert (status, told[field]) == (422, said)


def test_of_thousands_of_unknown_fields_few_are_compared() -> None:
    with pytest.raises(ValidationError) as caught:
        RunBody.model_validate_json(json.dumps({f"budget_us{n}": 1 for n in range(5000)}), strict=True)
    told = problems.invalid(caught.value, RunBody).data["problems"]
    assert ["did you mean" in each["message"] for each in told] == [True] * 10 + [False] * 40


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"a": []}, "metadata.a", "a valid string, a valid integer, a valid number or a valid boolean"),
        ({"str": []}, "metadata.str", "a valid string, a valid integer, a valid number or a valid boolean"),
        ({"b" * 65: 1}, f"metadata.{'b' * 65}.[key]", "at most 64 characters"),
        ({"a": "x" * 513}, "metadata", "at most 512 characters"),
    ],
)
def test_a_field_that_may_be_of_several_kinds_is_told_once_and_as_the_caller_wrote_it(
    given: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        RunBody.model_validate_json(json.dumps({"metadata": given}), strict=True)
    problem = problems.problem_of(problems.invalid(caught.value, RunBody))
    assert problem.problems is not None and [each.field for each in problem.problems] == [field]
    assert said in problem.problems[0].message


async def test_a_version_that_is_not_there_is_told_as_a_wrong_model(house: House) -> None:
    for path, field in (("/v1/images/generations", "field"), ("/openai/v1/images/generations", "param")):
        status, problem, _ = await house.ask("POST", path, json={"model": "text-to-image@9.9.9", "prompt": "x"})
        assert (status, problem.get("error", problem)[field]) == (404, "model")


async def test_a_picture_that_is_not_named_is_told_and_nothing_is_made(house: House) -> None:
    for wish, field in (
        ({"image_to_image": {"strength": 0.5}}, "image_to_image.init_image_url"),
        ({"control": {"weight": 0.8}}, "control"),
    ):
        status, problem, _ = await house.ask("POST", "/v1/images/generations", json={"prompt": "x", **wish})
        assert (status, problem["field"]) == (422, field) and problem["allowed"]
    assert (await house.ask("GET", "/v1/jobs"))[1]["jobs"] == []


def test_what_nothing_better_is_known_of_is_told_where_to_look() -> None:
    for kind in (errors.InvalidInput, errors.NotFound, errors.RequestTooLarge, errors.WrongState):
        assert problems.problem_of(kind("no")).hint
    assert "/v1/uploads" in problems.problem_of(errors.RequestTooLarge("no")).hint
    assert problems.problem_of(errors.InvalidInput("no", hint="do")).hint == "do"


async def test_what_is_no_id_is_told_how_one_looks(house: House) -> None:
    status, problem, _ = await house.ask("GET", "/v1/jobs/none")
    assert (status, problem["detail"]) == (404, "What stands there is no job id.")
    assert problem["hint"] == "The job. It looks like 0f8fad5b-d9cb-469f-a165-70867728950e."


async def test_a_name_that_is_neither_model_nor_workflow_is_told_in_sentences(house: House) -> None:
    body = {"model": "no-such-model-at-all", "prompt": "x"}
    _, problem, _ = await house.ask("POST", "/v1/images/generations", json=body)
    assert problem["code"] == "unknown_model"
    assert "list. " in problem["hint"] or "? " in problem["hint"], problem


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/images/generations", {"prompt": "x", "size": "1024x1024"}), ("/v1/images/edits", {}), ("/images", {})],
)
async def test_an_openai_client_at_our_own_addresses_is_told_its_base_url(house: House, path: str, body: Any) -> None:
    status, problem, _ = await house.ask("POST", path, json=body, headers={"User-Agent": "OpenAI/Python 3.52.0"})
    assert status in (404, 422)
    assert problem["hint"] == "For OpenAI clients the base_url ends in /openai/v1."
    _, problem, _ = await house.ask("POST", path, json=body)
    assert "OpenAI" not in problem["hint"]


def test_who_asks_too_much_is_told_when_to_come_back() -> None:
    error = TooManyRequests("slow", retry_after_s=2.6, headers={"RateLimit-Remaining": "0"})
    headers = problems.headers_of(problems.problem_of(error), error)
    assert headers == {"Retry-After": "3", "RateLimit-Remaining": "0"}


def test_who_is_not_known_is_told_how_to_say_who_he_is() -> None:
    problem = problems.problem_of(errors.NotAuthenticated("who"))
    assert problems.headers_of(problem)["WWW-Authenticate"].startswith("Bearer")

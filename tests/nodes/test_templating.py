"""Prompt templates, structured prompts and seeds, without any graph around them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.errors import InvalidInput
from mintmark.nodes.templating import expand, parse_variables

STYLES = {"ink": "ink drawing, paper"}


def made(template: str, seed: int = 1, **variables: str) -> str:
    return expand(template, variables, STYLES, seed)


def test_variables_are_filled_in_and_may_hold_others() -> None:
    assert made("a {colour} {animal}", colour="red", animal="{size} fox", size="small") == "a red small fox"


def test_style_tokens_become_their_words() -> None:
    assert made("a fox, {style:ink}") == "a fox, ink drawing, paper"


@pytest.mark.parametrize("written", [r"\{a\|b\}", r"\\{x}"])
def test_escaped_characters_stand_for_themselves(written: str) -> None:
    assert made(written, x="y") == {r"\{a\|b\}": "{a|b}", r"\\{x}": "\\y"}[written]


def test_the_same_seed_chooses_the_same_and_other_seeds_choose_otherwise() -> None:
    template = "{a|b|c|d|e|f} {1|2|3|4|5|6} {{x|y}|z}"
    texts = [made(template, seed) for seed in range(50)]
    assert texts == [made(template, seed) for seed in range(50)]
    assert len(set(texts)) > 20


def test_what_a_seed_chooses_never_changes_between_releases() -> None:
    assert [made("{a|b|c|d}", seed) for seed in (0, 1, 2, 2**64 - 1)] == ["d", "a", "d", "a"]


def test_weights_make_an_option_likelier() -> None:
    drawn = Counter(made("{3::often|seldom}", seed) for seed in range(2000))
    assert 2.4 < drawn["often"] / drawn["seldom"] < 3.7


def test_an_option_of_weight_zero_is_never_drawn() -> None:
    assert {made("{0::no|yes}", seed) for seed in range(200)} == {"yes"}


def test_several_are_drawn_without_repeating_one() -> None:
    for seed in range(100):
        drawn = made("{2$$a|b|c}", seed).split(", ")
        assert len(set(drawn)) == 2
        assert set(drawn) <= {"a", "b", "c"}


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("a {fox", "character 3 is not closed"),
        ("a fox}", "too many at character 6"),
        ("{fox}", "no variable is called 'fox'"),
        ("{style:oil}", "no style is called 'oil'"),
        ("{}", "no variable is called ''"),
    ],
)
def test_what_cannot_be_filled_in_is_named(template: str, told: str) -> None:
    with pytest.raises(InvalidInput, match="template") as caught:
        made(template, animal="fox")
    assert told in caught.value.message


def test_variables_that_contain_themselves_are_refused() -> None:
    with pytest.raises(InvalidInput, match="contains itself"):
        made("{a}", a="{b}", b="{a}")


def test_a_template_that_explodes_is_stopped_before_the_memory_is_full() -> None:
    bomb = {f"v{n}": f"{{v{n + 1}}}" * 10 for n in range(15)} | {"v15": "x" * 100}
    with pytest.raises(InvalidInput, match="32000 characters"):
        made("{v0}", **bomb)


@pytest.mark.parametrize(
    ("template", "variables"),
    [
        ("{v0}", {f"v{n}": f"{{v{n + 1}}}" * 8 for n in range(17)} | {"v17": ""}),
        ("{1$$" * 8000 + "x" + "}" * 8000, {}),
        ("{e}" * 100_000, {"e": ""}),
    ],
    ids=["doubling", "nested", "many"],
)
def test_a_template_that_takes_for_ever_and_makes_nothing_is_refused(template: str, variables: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="braces"):
        made(template, **variables)


def test_a_template_longer_than_any_prompt_is_not_read() -> None:
    with pytest.raises(InvalidInput, match="640001 characters"):
        made("x" * 640_001)


def test_a_count_of_five_thousand_digits_is_a_word_like_others() -> None:
    digits = "9" * 5000
    assert made("{" + digits + "$$a|a}") in (f"{digits}$$a", "a")


@given(st.text(alphabet="ab{}|:$\\0123 style", max_size=60), st.integers(0, 2**64 - 1))
def test_any_text_is_filled_in_or_refused_with_a_reason(template: str, seed: int) -> None:
    refusal = ""
    try:
        text = made(template, seed, a="1", b="2")
    except InvalidInput as refused:
        text, refusal = "", refused.hint
    assert refusal or len(text) <= len(template) + len("ink drawing, paper")


def test_variables_are_read_line_by_line() -> None:
    assert parse_variables("# a comment\n a = 1 \n\nb=x = y\n") == {"a": "1", "b": "x = y"}


@pytest.mark.parametrize(("lines", "told"), [("a = 1\nfox", "line 2"), ("1a = 2", "line 1"), ("a=1\na=2", "twice")])
def test_a_line_that_is_no_variable_is_named(lines: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        parse_variables(lines)

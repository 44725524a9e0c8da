"""The words of a plain graph are those of its text encoders, whatever nodes they come through."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.workflows.wording import Words, words_of

Graph = dict[str, dict[str, Any]]


def node(inputs: dict[str, str], outputs: list[str], names: list[str] | None = None) -> dict[str, Any]:
    return {
        "input": {"required": {name: [kind, {}] for name, kind in inputs.items()}},
        "output": outputs,
        "output_name": names or outputs,
    }


INFO = {
    "CLIPTextEncode": node({"text": "STRING", "clip": "CLIP"}, ["CONDITIONING"]),
    "CLIPTextEncodeFlux": node({"clip_l": "STRING", "t5xxl": "STRING", "guidance": "FLOAT"}, ["CONDITIONING"]),
    "PrimitiveString": node({"value": "STRING"}, ["STRING"]),
    "StringConcatenate": node({"string_a": "STRING", "string_b": "STRING", "delimiter": "STRING"}, ["STRING"]),
    "ConditioningCombine": node({"conditioning_1": "CONDITIONING", "conditioning_2": "CONDITIONING"}, ["CONDITIONING"]),
    "ControlNetApplyAdvanced": node(
        {"positive": "CONDITIONING", "negative": "CONDITIONING", "strength": "FLOAT"},
        ["CONDITIONING", "CONDITIONING"],
        ["positive", "negative"],
    ),
    "KSampler": node({"model": "MODEL", "positive": "CONDITIONING", "negative": "CONDITIONING"}, ["LATENT"]),
    "BasicGuider": node({"model": "MODEL", "conditioning": "CONDITIONING"}, ["GUIDER"]),
    "SaveImage": node({"images": "IMAGE", "filename_prefix": "STRING"}, []),
    "ConditioningZeroOut": node({"conditioning": "CONDITIONING"}, ["CONDITIONING"]),
}  # fmt: skip


def encode(text: Any) -> dict[str, Any]:
    return {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["9", 1]}}


def sampler(positive: str, negative: str) -> dict[str, Any]:
    return {"class_type": "KSampler", "inputs": {"positive": [positive, 0], "negative": [negative, 0]}}


def test_a_prompt_and_what_it_wants_left_out_are_told_apart_by_where_they_end() -> None:
    graph: Graph = {"1": encode("a red fox"), "2": encode("blurry"), "3": sampler("1", "2")}
    assert words_of(graph, INFO) == (Words("a red fox", "blurry"),)


def test_other_nodes_texts_are_no_words() -> None:
    graph: Graph = {"1": encode("a fox"), "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "nude/child"}}}
    assert words_of(graph, INFO) == (Words("a fox"),)


def test_an_encoder_that_nobody_uses_yet_counts_as_wanted() -> None:
    assert words_of({"1": encode("a fox")}, INFO) == (Words("a fox"),)


def test_an_encoder_that_is_both_counts_as_wanted() -> None:
    graph: Graph = {"1": encode("a fox"), "3": sampler("1", "1")}
    assert words_of(graph, INFO) == (Words("a fox"),)


def test_text_is_followed_through_nodes_that_hold_and_join_it() -> None:
    graph: Graph = {
        "1": {"class_type": "PrimitiveString", "inputs": {"value": "a red"}},
        "2": {"class_type": "StringConcatenate", "inputs": {"string_a": ["1", 0], "string_b": "fox", "delimiter": ""}},
        "3": encode(["2", 0]),
    }
    assert {words.text for words in words_of(graph, INFO)} == {"a red fox", "a redfox", "a red fox\na redfox"}


def test_every_text_of_an_encoder_that_takes_several_is_read() -> None:
    inputs = {"clip_l": "a fox", "t5xxl": "in the snow", "guidance": 3.5}
    graph: Graph = {"1": {"class_type": "CLIPTextEncodeFlux", "inputs": inputs}}
    assert Words("a fox in the snow") in words_of(graph, INFO)


def test_all_wanted_words_are_read_together_as_one_picture_is_made_of_them() -> None:
    graph: Graph = {
        "1": encode("a fox"),
        "2": encode("a hen"),
        "3": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["1", 0], "conditioning_2": ["2", 0]}},
        "4": encode("blurry"),
        "5": sampler("3", "4"),
    }
    assert words_of(graph, INFO) == (
        Words("a fox", "blurry"),
        Words("a hen", "blurry"),
        Words("a fox\na hen", "blurry"),
    )


def test_a_node_that_takes_both_hands_each_on_by_its_name() -> None:
    both = {"positive": ["1", 0], "negative": ["2", 0], "strength": 1.0}
    graph: Graph = {
        "1": encode("a fox"),
        "2": encode("blurry"),
        "3": {"class_type": "ControlNetApplyAdvanced", "inputs": both},
        "4": {"class_type": "KSampler", "inputs": {"positive": ["3", 0], "negative": ["3", 1]}},
    }
    assert words_of(graph, INFO) == (Words("a fox", "blurry"),)


def test_what_is_swapped_on_the_way_is_wanted_after_all() -> None:
    both = {"positive": ["1", 0], "negative": ["2", 0], "strength": 1.0}
    graph: Graph = {
        "1": encode("a fox"),
        "2": encode("a wolf"),
        "3": {"class_type": "ControlNetApplyAdvanced", "inputs": both},
        "4": {"class_type": "KSampler", "inputs": {"positive": ["3", 1], "negative": ["3", 0]}},
    }
    assert words_of(graph, INFO) == (Words("a wolf", "a fox"),)


def test_a_guider_takes_what_is_wanted() -> None:
    graph: Graph = {"1": encode("a fox"), "2": {"class_type": "BasicGuider", "inputs": {"conditioning": ["1", 0]}}}
    assert words_of(graph, INFO) == (Words("a fox"),)


def test_words_in_a_circle_or_from_nowhere_do_no_harm() -> None:
    joined = {"string_a": ["2", 0], "string_b": "fox", "delimiter": ["7", 0]}
    graph: Graph = {
        "1": encode(["2", 0]),
        "2": {"class_type": "StringConcatenate", "inputs": joined},
        "3": {"class_type": "Unknown", "inputs": {"conditioning": ["1", 0]}},
    }  # fmt: skip
    assert words_of(graph, INFO) == (Words("fox"),)


def test_a_graph_of_hosted_nodes_has_no_such_words() -> None:
    assert words_of({"1": {"class_type": "MintmarkTextToImage", "inputs": {"prompt": "a fox"}}}, INFO) == ()


SCALED = {
    **INFO,
    "KSampler": {
        "input": {"required": {
            "model": ["MODEL"], "positive": ["CONDITIONING"], "negative": ["CONDITIONING"],
            "cfg": ["FLOAT", {"min": 0.0, "max": 100.0}],
        }},
        "output": ["LATENT"], "output_name": ["LATENT"],
    },
    "StrictSampler": {
        "input": {"required": {"negative": ["CONDITIONING"], "cfg": ["FLOAT", {"min": 1.0, "max": 100.0}]}},
        "output": ["LATENT"], "output_name": ["LATENT"],
    },
    "CFGGuider": node({"positive": "CONDITIONING", "negative": "CONDITIONING", "cfg": "FLOAT"}, ["GUIDER"]),
    "DualCFGGuider": node(
        {"cond1": "CONDITIONING", "cond2": "CONDITIONING", "negative": "CONDITIONING",
         "cfg_conds": "FLOAT", "cfg_cond2_negative": "FLOAT"}, ["GUIDER"],
    ),
    "PrimitiveFloat": node({"value": "FLOAT"}, ["FLOAT"]),
    "Reroute": node({"": "*"}, ["*"]),
    "Calculate": node({"a": "FLOAT", "b": "FLOAT"}, ["FLOAT"]),
    "ToPipe": node({"positive": "CONDITIONING", "negative": "CONDITIONING"}, ["PIPE"]),
    "PipeSampler": node({"pipe": "PIPE", "cfg": "FLOAT"}, ["LATENT"]),
}  # fmt: skip

LEFT_OUT = (Words("a fox", "blurry"),)
WANTED = (Words("a fox"), Words("blurry"), Words("a fox\nblurry"))
EITHER = tuple(Words(words.text, "blurry") for words in WANTED)


def guided(cfg: Any, kind: str = "KSampler", **others: dict[str, Any]) -> Graph:
    inputs = {"positive": ["1", 0], "negative": ["2", 0], "cfg": cfg}
    return {"1": encode("a fox"), "2": encode("blurry"), "3": {"class_type": kind, "inputs": inputs}, **others}


def held(value: Any, kind: str = "PrimitiveFloat", name: str = "value") -> dict[str, Any]:
    return {"class_type": kind, "inputs": {name: value}}


@pytest.mark.parametrize(
    ("cfg", "found"),
    [
        (7.0, LEFT_OUT), (1, LEFT_OUT), (1.0, LEFT_OUT), ("7", LEFT_OUT),
        (0.99, WANTED), (0.0, WANTED), (0, WANTED), (-1.0, WANTED), ("0.0", WANTED), ("nan", WANTED),
        (None, EITHER), (["nowhere", 0], EITHER),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["KSampler", "CFGGuider"])
def test_a_negative_that_is_not_steered_away_from_is_what_the_picture_shows(
    kind: str, cfg: Any, found: tuple[Words, ...]
) -> None:
    assert words_of(guided(cfg, kind), SCALED) == found


@pytest.mark.parametrize(("value", "found"), [(4.5, LEFT_OUT), (0.0, WANTED)])
def test_a_scale_over_a_link_is_read_where_it_stands(value: float, found: tuple[Words, ...]) -> None:
    through = {"8": held(["9", 0], "Reroute", ""), "9": held(value)}
    assert words_of(guided(["9", 0], **{"9": held(value)}), SCALED) == found
    assert words_of(guided(["8", 0], **through), SCALED) == found


def test_a_scale_that_a_node_works_out_may_be_any_but_what_the_sampler_refuses() -> None:
    sum_ = {"class_type": "Calculate", "inputs": {"a": 3.0, "b": 4.0}}
    assert words_of(guided(["9", 0], **{"9": sum_}), SCALED) == EITHER
    assert words_of(guided(["9", 0], "StrictSampler", **{"9": sum_}), SCALED) == LEFT_OUT
    around = {"8": held(["9", 0]), "9": held(["8", 0])}
    assert words_of(guided(["9", 0], **around), SCALED) == EITHER


def test_every_scale_of_a_node_with_several_has_to_steer_away() -> None:
    def dual(one: float, other: float) -> Graph:
        inputs = {
            "cond1": ["1", 0],
            "cond2": ["1", 0],
            "negative": ["2", 0],
            "cfg_conds": one,
            "cfg_cond2_negative": other,
        }
        return {"1": encode("a fox"), "2": encode("blurry"), "3": {"class_type": "DualCFGGuider", "inputs": inputs}}

    assert words_of(dual(8.0, 8.0), SCALED) == LEFT_OUT
    assert words_of(dual(8.0, 0.0), SCALED) == WANTED


def test_of_two_samplers_the_one_that_shows_it_counts() -> None:
    second = {"class_type": "KSampler", "inputs": {"positive": ["1", 0], "negative": ["2", 0], "cfg": 0.5}}
    assert words_of({**guided(7.0), "4": second}, SCALED) == WANTED


@pytest.mark.parametrize(("cfg", "found"), [(7.0, LEFT_OUT), (0.0, WANTED)])
def test_conditionings_packed_into_something_else_are_judged_by_who_unpacks_them(
    cfg: float, found: tuple[Words, ...]
) -> None:
    graph: Graph = {
        "1": encode("a fox"),
        "2": encode("blurry"),
        "3": {"class_type": "ToPipe", "inputs": {"positive": ["1", 0], "negative": ["2", 0]}},
        "4": {"class_type": "PipeSampler", "inputs": {"pipe": ["3", 0], "cfg": cfg}},
        "5": {"class_type": "KSampler", "inputs": {"latent_image": ["4", 0], "cfg": 0.0}},
    }
    assert words_of(graph, SCALED) == found

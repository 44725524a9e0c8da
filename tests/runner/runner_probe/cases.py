"""The graphs that were put to a real ComfyUI, and are put to the runner: each a list of posts to ``/prompt``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Graph = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Posts made one after another on one client, each finished before the next.

    ``interrupt_at``: the node whose ``executing`` event triggers ``POST /interrupt``. ``flags``: the feature flags the
    client sends first. ``shuffles``: nodes of the graph may run in any order, so events are compared as a bag.
    ``twins``: nodes of which either may be first, so that which one it was is not compared.
    """

    posts: list[dict[str, Any]]
    interrupt_at: str | None = None
    flags: dict[str, Any] | None = None
    shuffles: bool = False
    twins: tuple[str, ...] = ()


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def _text_show(text: str = "hello") -> Graph:
    return {"1": node("ProbeText", text=text), "2": node("ProbeShow", value=["1", 0])}


def _one(graph: Graph | Any, **body: Any) -> Case:
    return Case([{"prompt": graph, **body}])


def _shown(name: str, **inputs: Any) -> Graph:
    return {"1": node(name, **inputs), "2": node("ProbeShow", value=["1", 0])}


def _scaled(**inputs: Any) -> Graph:
    asked = {"upscale_method": "area", "width": 8, "height": 8, "crop": "disabled", **inputs}
    return {
        "1": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "2": node("ImageScale", image=["1", 0], **asked),
        "3": node("PreviewImage", images=["2", 0]),
    }


def _typed(**inputs: Any) -> Case:
    good = {"count": 1, "strength": 0.5, "flag": True, "choice": "a", "text": "t"}
    return _one(_shown("ProbeTyped", **{**good, **inputs}))


RUNS: dict[str, Case] = {
    "success": _one(_text_show("success")),
    "cached_rerun": Case([{"prompt": _text_show("cached")}, {"prompt": _text_show("cached")}]),
    "partly_cached": Case(
        [
            {
                "prompt": {
                    "1": node("ProbeText", text="part"),
                    "2": node("ProbeSleep", seconds=s, steps=0, value=["1", 0]),
                    "3": node("ProbeShow", value=["2", 0]),
                }
            }
            for s in (0.0, 0.01)
        ]
    ),
    "same_graph_other_ids": Case(
        [
            {"prompt": _text_show("moved")},
            {"prompt": {"11": node("ProbeText", text="moved"), "12": node("ProbeShow", value=["11", 0])}},
        ]
    ),
    "error": _one(
        {
            "1": node("ProbePicture", width=4, height=2, batch=1),
            "2": node("ProbeText", text="before"),
            "3": node("ProbeFail", message="boom", value=["1", 0]),
        }
    ),
    "error_after_success": _one(
        {
            "1": node("ProbeText", text="x1"),
            "2": node("ProbeFail", message="later", value=["1", 0]),
            "3": node("ProbeShow", value=["2", 0]),
        }
    ),
    "error_of_the_pack": _one({"1": node("ProbeFailOwn")}),
    "interrupt": Case([{"prompt": _shown("ProbeSteps", steps=60)}], interrupt_at="1"),
    "partial_targets": _one(
        {"1": node("ProbeText", text="pt"), "2": node("ProbeShow", value=["1", 0]), "3": node("ProbeShow", value="no")},
        partial_execution_targets=["2"],
    ),
    "partial_targets_unknown": _one(_text_show("ptu"), partial_execution_targets=["99"]),
    "blocked": _one({"1": node("ProbeBlock", message="why", bare=False), "2": node("ProbeShow", value=["1", 1])}),
    "blocked_deep": _one(
        {
            "1": node("ProbeBlock", message="deep", bare=False),
            "3": node("ProbeText", text=["1", 0]),
            "4": node("ProbeShow", value=["3", 0]),
        }
    ),
    "blocked_two_consumers": Case(
        [
            {
                "prompt": {
                    "1": node("ProbeBlock", message="two", bare=False),
                    "2": node("ProbeShow", value=["1", 0]),
                    "3": node("ProbeShow", value=["1", 1]),
                }
            }
        ],
        shuffles=True,
        twins=("2", "3"),
    ),
    "blocked_in_silence": _one(
        {"1": node("ProbeBlock", message="", bare=False), "2": node("ProbeShow", value=["1", 0])}
    ),
    "blocked_rerun": Case(
        [{"prompt": {"1": node("ProbeBlock", message="again", bare=False), "2": node("ProbeShow", value=["1", 0])}}] * 2
    ),
    "blocked_bare": _one({"1": node("ProbeBlock", message="bare", bare=True), "2": node("ProbeShow", value=["1", 0])}),
    "ui_preview": _one(
        {"1": node("ProbePicture", width=8, height=8, batch=2), "2": node("ProbePreview", image=["1", 0])}
    ),
    "ui_saved": _one({"1": node("ProbeSaved")}),
    "progress": _one({"1": node("ProbeSleep", seconds=0.0, steps=3), "2": node("ProbeShow", value=["1", 0])}),
    "frames": _one({"1": node("ProbeFrames", count=2)}),
    "frames_with_metadata": Case(
        [{"prompt": {"1": node("ProbeFrames", count=3)}}], flags={"supports_preview_metadata": True}
    ),
    "frames_by_preview_method": _one({"1": node("ProbeFrames", count=4)}, extra_data={"preview_method": "auto"}),
    "hidden": _one({"1": node("ProbeHidden", number=1)}, extra_data={"extra_pnginfo": {"workflow": {"id": "w"}}}),
    "lazy_left": _one(
        {
            "1": node("ProbeText", text="L"),
            "2": node("ProbeText", text="R"),
            "3": node("ProbeChoose", first=True, left=["1", 0], right=["2", 0]),
            "4": node("ProbeShow", value=["3", 0]),
        }
    ),
    "list_mapping": _one({"1": node("ProbeSeveral", count=3), "2": node("ProbeShow", value=["1", 0])}),
    "list_joined": _one(
        {
            "1": node("ProbeSeveral", count=4),
            "2": node("ProbeJoined", values=["1", 0], glue="/"),
            "3": node("ProbeShow", value=["2", 0]),
        }
    ),
    "fingerprint_same": Case([{"prompt": _shown("ProbeChanging", fingerprint="same")}] * 2),
    "fingerprint_nan": Case([{"prompt": _shown("ProbeChanging", fingerprint="nan")}] * 2),
    "not_idempotent": Case([{"prompt": _shown("ProbeOnce", text="o")}] * 2),
    "not_idempotent_twice": Case(
        [
            {
                "prompt": {
                    "1": node("ProbeOnce", text="p"),
                    "2": node("ProbeOnce", text="p"),
                    "3": node("ProbeShow", value=["1", 0]),
                    "4": node("ProbeShow", value=["2", 0]),
                }
            }
        ],
        shuffles=True,
    ),
    "loose_rerun": Case(
        [{"prompt": {"1": node("ProbeLoose", something=False), "2": node("ProbeSaved")}}] * 2, shuffles=True
    ),
    "linked": _one(
        {
            "1": node("ProbeText", text="k"),
            "2": node("ProbeLinked", value=["1", 0], own=1),
            "3": node("ProbeShow", value=["2", 0]),
        }
    ),
    "check_taken_over": _one(_shown("ProbeTwoChecked", count=100, choice="zzz", other=1)),
    "loose_tuple": _one({"1": node("ProbeLoose", something=True)}),
    "loose_nothing": _one({"1": node("ProbeLoose", something=False)}),
    "multi": _one(
        {
            "1": node("ProbeText", text="m"),
            "2": node("ProbeMulti", many=["1", 0]),
            "3": node("ProbeShow", value=["2", 0]),
        }
    ),
    "dynamic": _one(_shown("ProbeDynamic", **{"model": "p/one", "model.quality": "high", "seed": 5})),
    "dynamic_optional": _one(
        _shown("ProbeDynamic", **{"model": "p/one", "model.quality": "low", "model.steps": 2, "seed": 5})
    ),
    "dynamic_stale": _one(
        _shown("ProbeDynamic", **{"model": "p/two", "model.quality": "high", "model.steps": 99, "seed": 5})
    ),
    "dynamic_linked": _one(
        {
            "0": node("ProbeText", text="high"),
            **_shown("ProbeDynamic", **{"model": "p/one", "model.quality": ["0", 0], "seed": 5}),
        }
    ),
    "cast": _typed(count="3", strength="0.25", flag="yes", text=12),
    "cast_float_to_int": _typed(count=2.9, strength=1, flag=0, text=True),
    "wrapped": _typed(text={"__value__": "in a box"}),
    "unknown_input": _typed(nobody="knows"),
    "is_changed": _one(
        {"1": {**node("ProbeText", text="ic"), "is_changed": "forced"}, "2": node("ProbeShow", value=["1", 0])}
    ),
    "some_outputs_invalid": _one(
        {"1": node("ProbeText", text="ok"), "2": node("ProbeShow", value=["1", 0]), "3": node("ProbeShow")}
    ),
    "two_outputs": Case(
        [
            {
                "prompt": {
                    "1": node("ProbeText", text="two"),
                    "2": node("ProbeShow", value=["1", 0]),
                    "3": node("ProbeShow", value=["1", 0]),
                }
            }
        ],
        shuffles=True,
        twins=("2", "3"),
    ),
    "core_save": _one(
        {
            "1": node("ProbePicture", width=8, height=8, batch=2),
            "2": node("SaveImage", images=["1", 0], filename_prefix="deep/er/probe"),
        }
    ),
    "core_preview": _one(
        {"1": node("ProbePicture", width=8, height=8, batch=1), "2": node("PreviewImage", images=["1", 0])}
    ),
    "core_save_outside": _one(
        {
            "1": node("ProbePicture", width=9, height=8, batch=1),
            "2": node("SaveImage", images=["1", 0], filename_prefix="../../evil"),
        }
    ),
    "core_load": _one({"1": node("LoadImage", image="given.png"), "2": node("ProbePreview", image=["1", 0])}),
}

RUNS |= {
    "core_values": Case(
        [
            {
                "prompt": {
                    "1": node("PrimitiveInt", value="12"),
                    "2": node("PrimitiveFloat", value=1),
                    "3": node("PrimitiveString", value=5),
                    "4": node("PrimitiveStringMultiline", value="a\nb"),
                    "5": node("PrimitiveBoolean", value="yes"),
                    **{f"show {n}": node("PixelTyped", value=[str(n), 0]) for n in range(1, 6)},
                }
            }
        ],
        shuffles=True,
    ),
    **{
        f"core_preview_any_{kind}": _one(
            {
                "1": node("PixelOdd", kind=kind),
                "2": node("PreviewAny", source=["1", 0]),
                "3": node("PixelTyped", value=["2", 0]),
            }
        )
        for kind in ("none", "dict", "list", "tuple", "bool", "set", "unprintable", "dict of a set")
    },
    "core_preview_any_of_a_value": _one({"1": node("PreviewAny", source={"a": 1})}),
    "core_preview_any_rerun": Case([{"prompt": {"1": node("PreviewAny", source=7)}}] * 2),
    **{
        f"core_save_{name}": _one(
            {
                "1": node("EmptyImage", width=7, height=len(name), batch_size=2, color=0xFF8000),
                "2": node("ImageInvert", image=["1", 0]),
                "3": node("SaveImage", images=["2", 0], filename_prefix=prefix),
            }
        )
        for name, prefix in (
            ("its_size", "size/%width%x%height%_%WIDTH%"),
            ("batch_number", "n_%batch_num%_x"),
            ("left_to_the_page", "p_%date:yyyy-MM-dd%_%Empty Image.width%"),
            ("folder", "folder/"),
            ("nothing", ""),
            ("slash", "back\\slash"),
            ("with_dots", "a/./b/../c"),
        )
    },
    "core_scale": _one(
        {
            "1": node("EmptyImage", width=8, height=8, batch_size=1, color=255),
            "2": node("ImageScale", image=["1", 0], upscale_method="bicubic", width=4, height=0, crop="center"),
            "3": node("PreviewImage", images=["2", 0]),
        }
    ),
}

TEN = (
    "success",
    "cached_rerun",
    "lazy_left",
    "list_mapping",
    "blocked",
    "error",
    "interrupt",
    "partial_targets",
    "ui_preview",
    "frames_with_metadata",
)
"""The graphs that every host must tell alike, come what may; the others of RUNS only add to them."""

REFUSED: dict[str, Case] = {
    "no_prompt": Case([{"client_only": 1}]),
    "empty_prompt": _one({}),
    "no_outputs": _one({"1": node("ProbeText", text="x")}),
    "prompt_not_a_graph": _one([1, 2]),
    "node_not_an_object": _one({"1": "text"}),
    "bad_prompt_id": _one(_text_show(), prompt_id="not a uuid"),
    "uppercase_prompt_id": _one(_text_show(), prompt_id="ABCDEFAB-1234-4234-8234-ABCDEFABCDEF"),
    "number_prompt_id": _one(_text_show(), prompt_id=7),
    "missing_class_type": _one({"1": {"inputs": {}, "_meta": {"title": "My node"}}}),
    "unknown_class": _one({"1": {**node("NoSuchNode"), "_meta": {"title": "My node"}}, **_text_show()}),
    "unknown_class_2": _one({"7": {**node("NoSuchNode"), "_meta": {"title": "My node"}}, **_text_show()}),
    "required_missing": _one({"1": node("ProbeShow")}),
    "bad_link": _one({"1": node("ProbeShow", value=["1", 0, 2])}),
    "bad_link_in_text": _one(_shown("ProbeText", text=["a", "b", "c"])),
    "dangling_link": _one({"1": node("ProbeShow", value=["77", 0])}),
    "link_slot_out_of_range": _one({"1": node("ProbeText", text="x"), "2": node("ProbeShow", value=["1", 5])}),
    "type_mismatch": _one({"1": node("ProbeText", text="x"), "2": node("ProbePreview", image=["1", 0])}),
    "not_a_number": _typed(count="many"),
    "float_not_a_number": _typed(strength="strong"),
    "null_number": _typed(count=None),
    "too_small": _typed(count=-1),
    "too_big": _typed(count=11),
    "float_too_big": _typed(strength=1.5),
    "not_in_list": _typed(choice="c"),
    "not_in_long_list": _typed(many="zzz"),
    "two_problems": _typed(count=-1, choice="c"),
    "all_missing": _one(_shown("ProbeTyped")),
    "custom_text": _one(_shown("ProbeChecked", text="bad")),
    "custom_false": _one(_shown("ProbeChecked", text="false")),
    "custom_raises": _one(_shown("ProbeChecked", text="raise")),
    "custom_of_two": _one(_shown("ProbeTwoChecked", count=5, choice="zzz", other=1)),
    "custom_of_two_other_bad": _one(_shown("ProbeTwoChecked", count=5, choice="zzz", other=11)),
    "custom_of_all": _one(_shown("ProbeAllChecked", **{"count": 5000, "model": "m", "model.depth": 9, "stray": 1})),
    "custom_of_types": _one(
        {"0": node("ProbeText", text="x"), **_shown("ProbeTypesChecked", count=["0", 0], many=["0", 0])}
    ),
    "multi_mismatch": _one(
        {
            "0": node("ProbeSleep", seconds=0, steps=0),
            "1": node("ProbeBlock"),
            "4": node("LoadImage", image="given.png"),
            "2": node("ProbeMulti", many=["4", 1]),
            "3": node("ProbeShow", value=["2", 0]),
        }
    ),
    "two_outputs_invalid": _one(
        {
            "1": node("ProbeShow"),
            "2": node("ProbePreview", image=["9", 0]),
            "3": node("ProbeTyped", count=99),
            "4": node("ProbeShow", value=["3", 0]),
        }
    ),
    "cycle": _one(
        {
            "1": node("ProbeSleep", seconds=0, steps=0, value=["2", 0]),
            "2": node("ProbeSleep", seconds=0, steps=0, value=["1", 0]),
            "3": node("ProbeShow", value=["2", 0]),
        }
    ),
    "self_cycle": _one({"1": node("ProbeShow", value=["1", 0])}),
    "deep_error": _one(
        {
            "1": node("ProbeTyped", count=1),
            "2": node("ProbeText", text=["1", 0]),
            "3": node("ProbeShow", value=["2", 0]),
            "4": node("ProbeShow", value=["2", 0]),
        }
    ),
    "missing_inputs_key": _one({"1": {"class_type": "ProbeShow"}}),
    "dynamic_missing": _one(_shown("ProbeDynamic", seed=1)),
    "dynamic_unknown": _one(_shown("ProbeDynamic", model="p/three", seed=1)),
    "dynamic_nested_missing": _one(_shown("ProbeDynamic", model="p/one", seed=1)),
    "dynamic_nested_bad": _one(_shown("ProbeDynamic", **{"model": "p/one", "model.quality": "best", "seed": 1})),
    "dynamic_nested_too_big": _one(
        _shown("ProbeDynamic", **{"model": "p/one", "model.quality": "low", "model.steps": 9, "seed": 1})
    ),
    "load_missing_file": _one({"1": node("LoadImage", image="nobody.png"), "2": node("ProbePreview", image=["1", 0])}),
    "load_outside": _one({"1": node("LoadImage", image="../../x.png"), "2": node("ProbePreview", image=["1", 0])}),
}

REFUSED |= {
    "core_unknown_method": _one(_scaled(upscale_method="magic")),
    "core_unknown_crop": _one(_scaled(crop="left")),
    "core_too_large": _one(_scaled(width=16385)),
    "core_not_a_number": _one(_scaled(height="tall")),
    "core_missing": _one({"1": node("EmptyImage", width=8), "2": node("PreviewImage", images=["1", 0])}),
    "core_mismatch": _one(
        {"1": node("SolidMask", value=1, width=1, height=1), "2": node("PreviewImage", images=["1", 0])}
    ),
    "core_mask_channel": _one(
        {"1": node("LoadImageMask", image="given.png", channel="hue"), "2": node("PixelDump", value=["1", 0])}
    ),
    "core_mask_missing_file": _one(
        {"1": node("LoadImageMask", image="nobody.png", channel="red"), "2": node("PixelDump", value=["1", 0])}
    ),
    "core_int_too_big": _one({"1": node("PrimitiveInt", value=2**63), "2": node("PixelTyped", value=["1", 0])}),
    "core_any_list": _one({"1": node("PreviewAny", source=[1, 2, 3])}),
    "core_any_missing": _one({"1": node("PreviewAny")}),
    "unknown_classes": _one({"1": node("NoSuchNode"), "2": node("KSamplerOfDreams"), "3": node("NoSuchNode")}),
}

BETTER: dict[str, str] = {
    **dict.fromkeys(
        ("unknown_class_2", "unknown_classes", "missing_class_type"),
        "the error also lists every node that is missing and says where such a graph runs",
    ),
    "blocked_bare": "the error says what is wrong with the node",
    "is_changed": "a client cannot steer the cache, and what it sent for that is not kept",
    "core_save_outside": "the error has a code and tells no path of the machine",
    "prompt_not_a_graph": "400 with the usual shape instead of a plain 500",
    "node_not_an_object": "400 with the usual shape instead of a plain 500",
    "two_outputs_invalid": "only the outputs that depend on a node are named as its dependents",
}
"""Cases where the runner differs from ComfyUI on purpose, and how."""

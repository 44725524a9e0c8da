"""Small nodes whose every behaviour shows on the wire.

The same file is loaded by a real ComfyUI (to record its answers) and by the runner (to be held to them), so it imports
nothing but the public node interface.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from comfy_api.latest import ComfyAPI, ComfyExtension, io, ui

CATEGORY = "mintmark/probe"


def _pixels(width: int, height: int, batch: int) -> Any:
    """An image in whatever array library the host uses; values exactly representable in 8 bits."""
    import numpy as np

    ramp = np.arange(batch * height * width * 3, dtype=np.float32).reshape(batch, height, width, 3) % 256 / 255
    try:
        import torch
    except ImportError:
        return ramp
    return torch.from_numpy(ramp)


class Everything(io.ComfyNode):
    """One of each input kind, with every option the surface promises."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeEverything",
            display_name="Everything",
            category=CATEGORY,
            description="All inputs.",
            search_aliases=["all", "inputs"],
            is_experimental=True,
            is_deprecated=True,
            is_output_node=True,
            not_idempotent=True,
            has_intermediate_output=True,
            inputs=[
                io.Image.Input("image", tooltip="an image"),
                io.Mask.Input("mask", optional=True),
                io.Int.Input(
                    "count", default=3, min=0, max=10, step=1, control_after_generate=True, tooltip="how many"
                ),
                io.Int.Input("count_slider", default=3, min=0, max=10, display_mode=io.NumberDisplay.slider),
                io.Float.Input("strength", default=0.5, min=0.0, max=1.0, step=0.05, round=0.01, tooltip="how strong"),
                io.String.Input("text", default="hello", multiline=True, dynamic_prompts=True, placeholder="type"),
                io.String.Input("plain", optional=True),
                io.Boolean.Input("flag", default=True, label_on="yes", label_off="no"),
                io.Combo.Input("choice", options=["a", "b"], default="b", tooltip="pick"),
                io.Combo.Input("choice_first", options=["a", "b"], optional=True, control_after_generate=True),
                io.Custom("PROBE_RECORD").Input("record", optional=True, tooltip="ours"),
                io.MultiType.Input("many", types=[io.Image, io.Mask], optional=True),
                io.MultiType.Input(io.Float.Input("widget_many", default=2.0), types=[io.Image], optional=True),
                io.AnyType.Input("any", optional=True),
                io.String.Input("forced", force_input=True, optional=True),
                io.Int.Input("socketless", default=1, socketless=True, advanced=True, optional=True),
                io.Image.Input("lazy", lazy=True, optional=True, raw_link=False),
                io.Float.Input(
                    "extra", default=1.0, extra_dict={"own": {"x": 1}}, display_name="Extra!", optional=True
                ),
            ],
            outputs=[
                io.Image.Output("out_image", display_name="Image", tooltip="the image"),
                io.Custom("PROBE_RECORD").Output(display_name="record"),
                io.String.Output("out_list", is_output_list=True),
                io.AnyType.Output(),
                io.Mask.Output(),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.dynprompt],
        )

    @classmethod
    def execute(cls, **kwargs: Any) -> io.NodeOutput:
        return io.NodeOutput(None, None, [], None, None, ui={"keys": sorted(kwargs)})


class Plain(io.ComfyNode):
    """A node that says as little as it can."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="ProbePlain", inputs=[], outputs=[])

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput()


class Dynamic(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeDynamic",
            display_name="Dynamic",
            category=CATEGORY,
            inputs=[
                io.DynamicCombo.Input(
                    "model",
                    options=[
                        io.DynamicCombo.Option(
                            "p/one",
                            [
                                io.Combo.Input("quality", options=["low", "high"], default="low", tooltip="how good"),
                                io.Int.Input("steps", default=4, min=1, max=8, optional=True),
                            ],
                        ),
                        io.DynamicCombo.Option("p/two", [io.Image.Input("reference", optional=True)]),
                        io.DynamicCombo.Option("p/none", []),
                    ],
                    tooltip="which",
                    display_name="Model",
                ),
                io.Int.Input("seed", default=0),
            ],
            outputs=[io.String.Output(display_name="seen")],
        )

    @classmethod
    def execute(cls, **kwargs: Any) -> io.NodeOutput:
        return io.NodeOutput(json.dumps(kwargs, sort_keys=True, default=str))


class Text(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeText",
            display_name="Text",
            category=CATEGORY,
            inputs=[io.String.Input("text", default="", multiline=True)],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, text: str) -> io.NodeOutput:
        return io.NodeOutput(text)


class Typed(io.ComfyNode):
    """Numbers of each kind with limits, for validation and casting."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeTyped",
            display_name="Typed",
            category=CATEGORY,
            inputs=[
                io.Int.Input("count", default=1, min=0, max=10),
                io.Float.Input("strength", default=1.0, min=0.0, max=1.0),
                io.Boolean.Input("flag", default=False),
                io.Combo.Input("choice", options=["a", "b"]),
                io.Combo.Input("many", options=[f"o{i}" for i in range(25)], optional=True),
                io.String.Input("text", default="x"),
            ],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, **kwargs: Any) -> io.NodeOutput:
        return io.NodeOutput(json.dumps(kwargs, sort_keys=True))


class Picture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbePicture",
            display_name="Picture",
            category=CATEGORY,
            inputs=[
                io.Int.Input("width", default=8, min=1, max=4096),
                io.Int.Input("height", default=8, min=1, max=4096),
                io.Int.Input("batch", default=1, min=1, max=8),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, width: int, height: int, batch: int) -> io.NodeOutput:
        return io.NodeOutput(_pixels(width, height, batch))


class Show(io.ComfyNode):
    """An output node: what it was given appears in the history."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeShow",
            display_name="Show",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.AnyType.Input("value")],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, value: Any) -> io.NodeOutput:
        return io.NodeOutput(str(value), ui=ui.PreviewText(str(value)))


class Preview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbePreview",
            display_name="Preview",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.Image.Input("image")],
            outputs=[],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def execute(cls, image: Any) -> io.NodeOutput:
        return io.NodeOutput(ui=ui.PreviewImage(image, cls=cls))


class Saved(io.ComfyNode):
    """Reports files as a save node does, without writing any."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeSaved",
            display_name="Saved",
            category=CATEGORY,
            is_output_node=True,
            inputs=[],
            outputs=[],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        results = [
            ui.SavedResult("a.png", "sub", io.FolderType.output),
            ui.SavedResult("b.png", "", io.FolderType.temp),
        ]
        return io.NodeOutput(ui=ui.SavedImages(results))


class Fail(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeFail",
            display_name="Fail",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.String.Input("message", default="boom"), io.AnyType.Input("value", optional=True)],
            outputs=[io.String.Output()],
        )

    @classmethod
    async def execute(cls, message: str, value: Any = None) -> io.NodeOutput:
        raise ValueError(message)


class OwnError(Exception):
    """An exception of the pack, to see how its type is named on the wire."""


class FailOwn(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeFailOwn",
            display_name="FailOwn",
            category=CATEGORY,
            is_output_node=True,
            inputs=[],
            outputs=[],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        raise OwnError("ours")


class Block(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeBlock",
            display_name="Block",
            category=CATEGORY,
            inputs=[io.String.Input("message", default="", optional=True), io.Boolean.Input("bare", default=False)],
            outputs=[io.String.Output(), io.String.Output()],
        )

    @classmethod
    def execute(cls, message: str = "", bare: bool = False) -> io.NodeOutput:
        if bare:
            return io.NodeOutput(block_execution=message)
        return io.NodeOutput("first", "second", block_execution=message)


class Steps(io.ComfyNode):
    """Works in small steps and tells of each: what an interruption meets half-way."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeSteps",
            display_name="Steps",
            category=CATEGORY,
            inputs=[io.Int.Input("steps", default=10)],
            outputs=[io.String.Output()],
        )

    @classmethod
    async def execute(cls, steps: int) -> io.NodeOutput:
        for step in range(steps):
            await ComfyAPI().execution.set_progress(step, steps)
            await asyncio.sleep(0.05)
        return io.NodeOutput("all")


class Linked(io.ComfyNode):
    """Shows what fingerprint_inputs and validate_inputs are given for a link and for a missing optional."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeLinked",
            display_name="Linked",
            category=CATEGORY,
            inputs=[
                io.AnyType.Input("value"),
                io.Int.Input("own", default=1, max=3),
                io.Int.Input("spare", optional=True),
            ],
            outputs=[io.String.Output()],
        )

    @classmethod
    def fingerprint_inputs(cls, **kwargs: Any) -> str:
        cls.seen(kwargs)
        return json.dumps(kwargs, sort_keys=True, default=str)

    @classmethod
    def seen(cls, kwargs: dict[str, Any]) -> None:
        FINGERPRINTS.append(json.dumps(kwargs, sort_keys=True, default=str))

    @classmethod
    def execute(cls, **kwargs: Any) -> io.NodeOutput:
        return io.NodeOutput(json.dumps([FINGERPRINTS[-1], kwargs], sort_keys=True, default=str))


FINGERPRINTS: list[str] = []


class TwoChecked(io.ComfyNode):
    """Takes over the checks of two inputs: neither limits nor lists are checked by the host."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeTwoChecked",
            display_name="TwoChecked",
            category=CATEGORY,
            inputs=[
                io.Int.Input("count", default=1, min=0, max=10),
                io.Combo.Input("choice", options=["a", "b"]),
                io.Int.Input("other", default=1, min=0, max=10),
                io.Int.Input("spare", optional=True),
            ],
            outputs=[io.String.Output()],
        )

    @classmethod
    def validate_inputs(cls, count: int, choice: str, spare: int | None = None) -> bool | str:
        return True if count == 100 else f"{count!r} {choice!r} {spare!r}"

    @classmethod
    def execute(cls, count: int, choice: str, other: int, spare: int | None = None) -> io.NodeOutput:
        return io.NodeOutput(json.dumps([count, choice, other, spare]))


class AllChecked(io.ComfyNode):
    """Takes over every check."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeAllChecked",
            display_name="AllChecked",
            category=CATEGORY,
            inputs=[
                io.Int.Input("count", default=1, min=0, max=10),
                io.DynamicCombo.Input(
                    "model",
                    options=[
                        io.DynamicCombo.Option("m", [io.Int.Input("depth", default=1, max=3)]),
                    ],
                ),
            ],
            outputs=[io.String.Output()],
        )

    @classmethod
    def validate_inputs(cls, **kwargs: Any) -> bool | str:
        return "saw " + json.dumps(kwargs, sort_keys=True, default=str)

    @classmethod
    def execute(cls, **kwargs: Any) -> io.NodeOutput:
        return io.NodeOutput(json.dumps(kwargs, sort_keys=True))


class TypesChecked(io.ComfyNode):
    """Takes over the check of linked types."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeTypesChecked",
            display_name="TypesChecked",
            category=CATEGORY,
            inputs=[io.Int.Input("count"), io.MultiType.Input("many", types=[io.Image, io.String], optional=True)],
            outputs=[io.String.Output()],
        )

    @classmethod
    def validate_inputs(cls, input_types: dict[str, str]) -> bool | str:
        return "saw " + json.dumps(input_types, sort_keys=True)

    @classmethod
    def execute(cls, **kwargs: Any) -> io.NodeOutput:
        return io.NodeOutput(json.dumps(kwargs, sort_keys=True, default=str))


class Loose(io.ComfyNode):
    """Returns a bare tuple, or nothing."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeLoose",
            display_name="Loose",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.Boolean.Input("something")],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, something: bool) -> Any:
        return ("loose",) if something else None


class Lists(io.ComfyNode):
    """Many kinds in one typed input."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeMulti",
            display_name="Multi",
            category=CATEGORY,
            inputs=[io.MultiType.Input("many", types=[io.Image, io.String])],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, many: Any) -> io.NodeOutput:
        return io.NodeOutput(type(many).__name__)


class Sleep(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeSleep",
            display_name="Sleep",
            category=CATEGORY,
            inputs=[
                io.Float.Input("seconds", default=0.1, min=0.0, max=60.0),
                io.Int.Input("steps", default=0, min=0, max=100),
                io.AnyType.Input("value", optional=True),
            ],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    async def execute(cls, seconds: float, steps: int, value: Any = None) -> io.NodeOutput:
        for step in range(steps):
            await ComfyAPI().execution.set_progress(step + 1, steps)
        await asyncio.sleep(seconds)
        return io.NodeOutput(value)


class Frames(io.ComfyNode):
    """Progress with preview frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeFrames",
            display_name="Frames",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.Int.Input("count", default=2)],
            outputs=[],
        )

    @classmethod
    async def execute(cls, count: int) -> io.NodeOutput:
        from PIL import Image

        for step in range(count):
            frame = Image.new("RGB", (16, 16), (step, 0, 0))
            await ComfyAPI().execution.set_progress(step + 1, count, preview_image=frame)
        return io.NodeOutput(ui={"done": [count]})


class Changing(io.ComfyNode):
    """Is a different node for each fingerprint."""

    counter = 0

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeChanging",
            display_name="Changing",
            category=CATEGORY,
            inputs=[io.String.Input("fingerprint", default="same")],
            outputs=[io.String.Output()],
        )

    @classmethod
    def fingerprint_inputs(cls, fingerprint: str) -> Any:
        return float("nan") if fingerprint == "nan" else fingerprint

    @classmethod
    def execute(cls, fingerprint: str) -> io.NodeOutput:
        return io.NodeOutput(fingerprint)


class Checked(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeChecked",
            display_name="Checked",
            category=CATEGORY,
            inputs=[io.String.Input("text", default=""), io.Combo.Input("choice", options=["a"], optional=True)],
            outputs=[io.String.Output()],
        )

    @classmethod
    def validate_inputs(cls, text: str) -> bool | str:
        if text == "raise":
            raise RuntimeError("validation fell over")
        if text == "false":
            return False
        return True if text == "good" else f"{text!r} is not good"

    @classmethod
    def execute(cls, text: str, choice: str = "") -> io.NodeOutput:
        return io.NodeOutput(text)


class Secrets(io.ComfyNode):
    """Shows what hidden inputs hold."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeHidden",
            display_name="Hidden",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.Int.Input("number", default=1)],
            outputs=[],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.dynprompt],
        )

    @classmethod
    def execute(cls, number: int) -> io.NodeOutput:
        hidden = cls.hidden
        seen = {"unique_id": hidden.unique_id, "prompt": hidden.prompt, "extra_pnginfo": hidden.extra_pnginfo}
        seen["dynprompt"] = hidden.dynprompt is not None
        return io.NodeOutput(ui={"seen": [json.dumps(seen, sort_keys=True)]})


class Choose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeChoose",
            display_name="Choose",
            category=CATEGORY,
            inputs=[
                io.Boolean.Input("first", default=True),
                io.AnyType.Input("left", lazy=True, optional=True),
                io.AnyType.Input("right", lazy=True, optional=True),
            ],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    def check_lazy_status(cls, first: bool, left: Any = None, right: Any = None) -> list[str]:
        wanted = "left" if first else "right"
        return [wanted] if (left if first else right) is None else []

    @classmethod
    def execute(cls, first: bool, left: Any = None, right: Any = None) -> io.NodeOutput:
        return io.NodeOutput(left if first else right)


class Several(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeSeveral",
            display_name="Several",
            category=CATEGORY,
            inputs=[io.Int.Input("count", default=3)],
            outputs=[io.String.Output(is_output_list=True)],
        )

    @classmethod
    def execute(cls, count: int) -> io.NodeOutput:
        return io.NodeOutput([f"item {i}" for i in range(count)])


class Joined(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeJoined",
            display_name="Joined",
            category=CATEGORY,
            is_input_list=True,
            inputs=[io.String.Input("values"), io.String.Input("glue", default="+")],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, values: list[str], glue: list[str]) -> io.NodeOutput:
        return io.NodeOutput(glue[0].join(values))


class Once(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ProbeOnce",
            display_name="Once",
            category=CATEGORY,
            not_idempotent=True,
            inputs=[io.String.Input("text", default="")],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, text: str) -> io.NodeOutput:
        return io.NodeOutput(text)


ALL = [each for each in list(globals().values()) if isinstance(each, type) and issubclass(each, io.ComfyNode)]


class ProbeExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return ALL


async def comfy_entrypoint() -> ProbeExtension:
    return ProbeExtension()

"""Prompt Template, Structured Prompt and Seed Batch: what is asked for, put together from parts."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from comfy_api.latest import io, ui

from ..errors import InvalidInput
from .base import Node
from .checking import one_of, whole

CATEGORY = "Mintmark/prompt"
NO_STYLE = "none"
MAX_SEED = 2**64 - 1
MOST_SEEDS = 64
SPREADS = ("consecutive", "random")


@lru_cache(maxsize=1)
def styles() -> dict[str, str]:
    """The styles that come with the pack: name to words."""
    loaded: dict[str, str] = json.loads((Path(__file__).parent / "styles.json").read_text(encoding="utf-8"))
    return loaded


class PromptTemplate(Node):
    """Fills a template with variables, wildcards and style tokens."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkPromptTemplate",
            display_name="Prompt Template",
            category=CATEGORY,
            description="Write a prompt with {variables}, {wild|cards} and styles; the same seed gives the same text.",
            search_aliases=["wildcard", "dynamic prompt", "random prompt", "variables", "style", "text", "prompt"],
            inputs=[
                io.String.Input(
                    "template",
                    multiline=True,
                    default="a {red|green|blue} {animal} in the rain",
                    tooltip="{name} is a variable, {a|b|c} a choice, {2$$a|b|c} two of them, {style:NAME} a style.",
                ),
                io.String.Input(
                    "variables",
                    multiline=True,
                    default="animal = fox",
                    optional=True,
                    tooltip="One on each line: name = value. A value may hold choices and other variables.",
                ),
                io.Combo.Input(
                    "style",
                    options=[NO_STYLE, *styles()],
                    default=NO_STYLE,
                    optional=True,
                    tooltip="Words of this style are added at the end, or where the template says {style}.",
                ),
                _seed_input("Chooses between {a|b|c}. The same seed chooses the same."),
                *(
                    io.String.Input(
                        name, optional=True, force_input=True, tooltip=f"Text from another node, as {{{name}}}."
                    )
                    for name in ("a", "b", "c")
                ),
            ],
            outputs=[io.String.Output("prompt", tooltip="The finished prompt.")],
        )

    @classmethod
    def execute(
        cls,
        template: str,
        seed: int,
        variables: str = "",
        style: str = NO_STYLE,
        a: str | None = None,
        b: str | None = None,
        c: str | None = None,
    ) -> Any:
        from .templating import expand, parse_variables

        linked = {name: _literal(text) for name, text in (("a", a), ("b", b), ("c", c)) if text is not None}
        known = {**parse_variables(variables), **linked}
        words = "" if style == NO_STYLE else _style(style)
        if words and "{style}" not in template:
            template = f"{template.rstrip().rstrip(',')}, {{style}}"
        text = expand(template, {"style": words, **known}, styles(), seed).strip()
        return io.NodeOutput(text, ui=ui.PreviewText(text))


class StructuredPrompt(Node):
    """Puts a prompt together from the parts a photographer would name."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkStructuredPrompt",
            display_name="Structured Prompt",
            category=CATEGORY,
            description="Say subject, style, light, lens and colours each on its own; get one prompt.",
            search_aliases=["prompt builder", "subject", "style", "lighting", "lens", "palette", "negative prompt"],
            inputs=[
                _part(
                    "subject", "a fox goldsmith at his bench", "Who or what is seen, and what it does.", required=True
                ),
                _part("setting", "", "Where and when."),
                _part("style", "", "Medium, art movement or look: watercolour, product photograph."),
                _part("lighting", "", "golden hour, softbox from the left, neon."),
                _part("lens", "", "Camera, lens and framing: 35 mm, macro, low angle, close-up."),
                _part("palette", "", "Colours: teal and amber, muted earth tones, #0b7a75."),
                _part("negative", "", "What shall not be seen. Models without negative prompts ignore it."),
                io.Combo.Input(
                    "form",
                    options=list(_FORMS),
                    default="sentences",
                    optional=True,
                    tooltip="Sentences for models that read language, tags for CLIP models, JSON for FLUX.2.",
                ),
            ],
            outputs=[
                io.String.Output("prompt", tooltip="The parts as one prompt."),
                io.String.Output("negative_prompt", tooltip="What shall not be seen."),
            ],
        )

    @classmethod
    def execute(cls, subject: str, negative: str = "", form: str = "sentences", **parts: str) -> Any:
        if not subject.strip():
            raise InvalidInput("subject: is empty.", hint="Say who or what is seen.")
        said = {"subject": subject, **{name: parts.get(name, "") for name in _PARTS}}
        form = one_of("form", form, _FORMS)
        text = _FORMS[form]({name: value.strip().rstrip(".,") for name, value in said.items() if value.strip()})
        return io.NodeOutput(text, negative.strip(), ui=ui.PreviewText(text))


class SeedBatch(Node):
    """A list of seeds: what comes after it runs once for each."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkSeedBatch",
            display_name="Seed Batch",
            category=CATEGORY,
            description="Make several seeds; whatever is given them runs once for each. Hosted calls are charged.",
            search_aliases=["seed", "random seeds", "seed list", "batch", "variations", "loop"],
            inputs=[
                _seed_input("The first seed, or what random ones are made from."),
                io.Int.Input("count", default=4, min=1, max=MOST_SEEDS, tooltip="How many seeds."),
                io.Combo.Input(
                    "spread",
                    options=list(SPREADS),
                    default=SPREADS[0],
                    optional=True,
                    tooltip="One after the other from the first, or drawn at random from it; both are repeatable.",
                ),
            ],
            outputs=[io.Int.Output("seeds", is_output_list=True, tooltip="The seeds, one run each.")],
        )

    @classmethod
    def execute(cls, seed: int, count: int, spread: str = "consecutive") -> Any:
        many = whole("count", count, 1, MOST_SEEDS, "Queue several prompts instead.")
        first = whole("seed", seed, 0, MAX_SEED)
        return io.NodeOutput(seeds(first, many, one_of("spread", spread, SPREADS)))


def seeds(first: int, count: int, spread: str) -> list[int]:
    """``count`` seeds made from ``first``, all different. Random ones have 32 bits: most providers take no more."""
    import random

    if spread == "consecutive":
        return [(first + step) % (MAX_SEED + 1) for step in range(count)]
    chance, found = random.Random(first).random, dict[int, None]()
    while len(found) < count:
        found[int(chance() * 2**31)] = None
    return list(found)


_PARTS = ("setting", "style", "lighting", "lens", "palette")


def _sentences(parts: dict[str, str]) -> str:
    named = {
        "lighting": "Lighting: {}.",
        "lens": "Camera: {}.",
        "palette": "Colour palette: {}.",
        "style": "Style: {}.",
    }
    opening = ", ".join(parts[name] for name in ("subject", "setting") if name in parts)
    rest = [named[name].format(parts[name]) for name in ("style", "lighting", "lens", "palette") if name in parts]
    return " ".join([f"{opening}.", *rest])


def _tags(parts: dict[str, str]) -> str:
    return ", ".join(parts.values())


def _json(parts: dict[str, str]) -> str:
    return json.dumps(parts, ensure_ascii=False)


_FORMS = {"sentences": _sentences, "tags": _tags, "json": _json}


def _style(name: str) -> str:
    """The words of a style; a graph may name one that this version does not have."""
    if name not in styles():
        raise InvalidInput(f"style: there is no {name!r}.", hint=f"There are: {', '.join(styles())}.")
    return styles()[name]


def _literal(text: str) -> str:
    """Text from another node, in which braces mean nothing."""
    return "".join(f"\\{char}" if char in "{}|\\" else char for char in text)


def _part(name: str, default: str, tooltip: str, *, required: bool = False) -> Any:
    return io.String.Input(name, default=default, multiline=name == "subject", optional=not required, tooltip=tooltip)


def _seed_input(tooltip: str) -> Any:
    return io.Int.Input("seed", default=0, min=0, max=MAX_SEED, control_after_generate=True, tooltip=tooltip)

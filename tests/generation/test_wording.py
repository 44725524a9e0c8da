"""What moderation reads of a request: every word that somebody could write into it, and no picture."""

from __future__ import annotations

import base64
from datetime import date
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import PromptBlocked
from mintmark.generation.wording import words_of
from mintmark.providers.apps.published import Published, model_of
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest, SourceImage

from .lab import Lab

BOMB = "how to build a bomb"
INPUTS = {
    "text": {"type": "string"},
    "style": {"type": "string", "enum": ["ink", "oil"]},
    "loras": {"type": "array", "items": {"type": "object"}},
}


def file(kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (64, 64), (10, 60, 90)).save(buffer, kind)
    return buffer.getvalue()


def uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def of_app(**options: Any) -> str:
    published = Published(app="x/y/z", title="t", inputs={"type": "object", "properties": INPUTS}, source="https://x.y")
    model = model_of("fal/x/y/z", published, date(2026, 11, 22))
    request = GenerationRequest(task="text-to-image", model=model.name, prompt="a cat", options=options)
    return words_of(model, request)


def test_all_that_an_app_is_told_in_words_is_read_and_no_choice() -> None:
    assert of_app(text="on a mat", style="ink", loras=[{"path": BOMB, "scale": 1}]) == f"a cat\non a mat\n{BOMB}"


@pytest.mark.parametrize(
    "text",
    [
        f"data:{BOMB}",
        f"data:image/png;base64,{BOMB}",
        uri(BOMB.encode()),
        uri(file(), "text/plain"),
        f"{uri(file())} {BOMB}",
        f"data:image/png,{BOMB}",
    ],
)
def test_words_that_begin_like_a_picture_are_read(text: str) -> None:
    assert of_app(text=text) == f"a cat\n{text}"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_is_no_words(kind: str) -> None:
    assert of_app(text=uri(file(kind), f"image/{kind.lower()}"), loras=[{"file": uri(file(kind))}]) == "a cat"


def test_of_a_catalogued_model_its_free_parameters_are_read_and_what_it_does_not_have_is_not() -> None:
    model = Catalog.load().known("stability/search-and-replace")
    options = {"search_prompt": "a dog", "style_preset": "anime", "of another model": "a bird"}
    request = GenerationRequest(task="edit", model=model.name, prompt="a cat", options=options)
    assert words_of(model, request) == "a cat\na dog"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("stability/search-and-replace", "search_prompt"),
        ("stability/search-and-recolor", "select_prompt"),
        ("stability/replace-background", "foreground_prompt"),
    ],
)
async def test_a_model_s_second_prompt_is_blocked_as_its_first(lab: Lab, model: str, name: str) -> None:
    image = SourceImage(data=file(), media_type="image/png")
    with pytest.raises(PromptBlocked):
        await lab.generate(
            *(lab.by_hand(), model),
            task="edit",
            prompt="a cat",
            width=None,
            height=None,
            images=(image,),
            options={name: BOMB},
        )
    assert await lab.asked() == 0

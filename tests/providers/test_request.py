"""A request as it may be asked: whatever it holds can be written down and sent."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from mintmark.providers.request import GenerationRequest

HALF = "a boat \ud83d"
WHOLE = "a boat \U0001f6f6 \u00e9"


def asked(**more: Any) -> GenerationRequest:
    wanted = {"task": "text-to-image", "model": "fal/flux-schnell", "prompt": "a boat"}
    return GenerationRequest.model_validate({**wanted, **more})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"prompt": HALF}, "prompt"),
        ({"negative_prompt": HALF}, "negative_prompt"),
        ({"options": {"style": HALF}}, "style"),
        ({"options": {"loras": [{"path": "a"}, {"path": HALF}]}}, "loras: 1: path"),
        ({"options": {HALF: 1}}, "options"),
        ({"options": {"guidance": math.nan}}, "guidance"),
        ({"options": {"sizes": {"width": math.inf}}}, "sizes: width"),
        ({"scale": math.inf}, "scale"),
        ({"strength": math.nan}, "strength"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        asked(**wrong)
    (error,) = caught.value.errors()
    assert named in f"{error['loc'][-1]}: {error['msg']}"
    str(error["msg"]).encode()


def test_what_can_be_written_is_taken_as_it_is() -> None:
    options = {"style": WHOLE, "loras": [{"scale": 0.5}], "steps": 4, "none": None}
    request = asked(prompt=WHOLE, options=options)
    assert (request.prompt, request.options) == (WHOLE, options)
    assert len(request.digest()) == 64

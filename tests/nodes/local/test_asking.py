"""Bad input to local sampling: the field, the cause and what to do, before anything is loaded or computed. No torch."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.errors import InvalidInput, UnsupportedTask
from mintmark.nodes.local.asking import check, check_range, check_size
from mintmark.nodes.local.families import FAMILIES
from mintmark.nodes.local.recipe import Checkpoint, Control, Recipe
from mintmark.nodes.local.sampling import Sampling
from mintmark.nodes.local.schedulers import AUTO, SCHEDULERS, names


def recipe(family: str, **more: Any) -> Recipe:
    checkpoint = Checkpoint(name="x", path="/nowhere/x", kind="folder", family=family, size=1, stamp=1)
    return Recipe(checkpoint=checkpoint, **more)


def asked(task: str = "text-to-image", **more: Any) -> Sampling:
    return Sampling(task=task, prompt="a key", **more)


def refused(family: str, what: Sampling, **more: Any) -> str:
    """What is said, with its hint."""
    with pytest.raises((InvalidInput, UnsupportedTask)) as caught:
        check(recipe(family, **more), what)
    return str(caught.value)


@pytest.mark.parametrize(
    ("family", "width", "height", "near"),
    [
        ("sd15", 515, 512, "512x512 and 520x512"),
        ("sdxl", 1024, 1001, "1024x1000 and 1024x1008"),
        ("flux", 1000, 1000, "992x992 and 1008x1008"),
        ("flux2-klein", 8, 16, "16x16"),
    ],
)
def test_a_size_that_is_no_multiple_names_the_nearest(family: str, width: int, height: int, near: str) -> None:
    with pytest.raises(InvalidInput, match=f"(width|height): {width}x{height} is no size") as caught:
        check_size(FAMILIES[family], width, height)
    assert caught.value.hint == f"The nearest are {near}."
    assert f"{width}x{height}" in refused(family, asked(width=width, height=height))


def test_a_scheduler_that_is_none_or_another_familys_names_near_ones() -> None:
    assert "scheduler: 'eulr' is none. One of: euler" in refused("sd15", asked(scheduler="eulr"))
    said = refused("flux", asked(scheduler="euler"))
    assert "scheduler: 'euler' does not work with FLUX.1." in said
    assert "flow euler" in said
    assert "scheduler: 'flow euler' does not work with" in refused("sdxl", asked(scheduler="flow euler"))
    assert "steps: 51 is more than the 50 that 'lcm' has" in refused("sd15", asked(scheduler="lcm", steps=51))


def test_what_is_offered_begins_with_the_checkpoints_own() -> None:
    assert names()[0] == AUTO
    assert set(names()) == {AUTO, *SCHEDULERS}
    for family in FAMILIES:
        assert names(family)[0] == AUTO
        assert len(names(family)) > 2


@pytest.mark.parametrize("what", [{"steps": 0}, {"steps": 1001}, {"steps": True}, {"steps": 2.5}])
def test_steps_are_a_whole_number_of_some(what: dict[str, Any]) -> None:
    assert refused("sd15", asked(**what)).startswith("steps: ")


def test_a_strength_that_leaves_no_step_names_the_one_that_does() -> None:
    image = {"image": object()}
    said = refused("sd15", asked("image-to-image", steps=10, strength=0.05, **image))
    assert "strength: 0.05 of 10 steps leaves none to run. From 0.1 on there is one, or take more steps." in said
    check(recipe("sd15"), asked("image-to-image", steps=10, strength=0.1, **image))
    check(recipe("flux"), asked("image-to-image", steps=10, strength=0.05, **image))  # flow models round up
    for strength in (0.0, -1.0, 1.5):
        assert "is not above 0 and at most 1" in refused("flux", asked("inpaint", mask=1, strength=strength, **image))


def test_what_a_task_needs_is_asked_for() -> None:
    assert "image: image-to-image needs one." in refused("sd15", asked("image-to-image"))
    assert "mask: inpaint needs one." in refused("sd15", asked("inpaint", image=object()))
    assert "upscale is not done by local pipelines" in refused("sd15", asked("upscale"))
    assert "count: 65 is not 1 to 64" in refused("sd15", asked(count=65))
    assert "guidance: -1 is not 0 to 100" in refused("sd15", asked(guidance=-1.0))


def test_controlnets_where_there_are_none_are_refused() -> None:
    one = Control(name="x", path="x", image=None, sha256="")
    assert "FLUX.2 klein takes no ControlNet for text-to-image" in refused("flux2-klein", asked(), controls=(one,))
    said = refused("sd35", asked("image-to-image", image=object()), controls=(one,))
    assert "takes no ControlNet for image-to-image. It does for text-to-image." in said


def test_a_range_ends_after_it_starts() -> None:
    with pytest.raises(InvalidInput, match=r"end: 0.3 is not after start, 0.5"):
        check_range(0.5, 0.3)
    with pytest.raises(InvalidInput, match=r"start: 1.5 is not 0 to 1"):
        check_range(1.5, 2.0)
    backwards = Control(name="x", path="x", image=None, sha256="", start=0.6, end=0.6)
    assert "end: 0.6 is not after start" in refused("sd15", asked(), controls=(backwards,))

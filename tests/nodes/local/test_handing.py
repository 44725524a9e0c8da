"""What is handed to a sampler is there while it samples, and not kept by what outlasts it."""

from __future__ import annotations

import contextvars
from typing import Any

import pytest

from mintmark.nodes.local.handing import Handed, handed, handing
from mintmark.nodes.local.recipe import Checkpoint, Recipe


@pytest.fixture
def own() -> Handed:
    its = Checkpoint(name="a", path="/nowhere/a", kind="folder", family="sd15", size=1, stamp=0)
    return Handed(Recipe(checkpoint=its), image=object(), mask=object(), latent=object())


def test_who_samples_is_handed_it_and_nobody_afterwards(own: Handed) -> None:
    with handing(own):
        assert handed() is own
    assert handed() is None


def test_a_context_that_somebody_keeps_keeps_no_pixels(own: Handed) -> None:
    """Such as that of a timer, which asyncio copies when it is set."""
    kept: list[contextvars.Context] = []

    def fails() -> Any:
        with handing(own):
            own.made["0" * 64] = (object(), object())
            kept.append(contextvars.copy_context())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert kept[0].run(handed) is own
    assert (own.image, own.mask, own.latent, own.made) == (None, None, None, {})

"""Previews and steps on the node that waits for them."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mintmark.nodes import host, previewing
from mintmark.nodes.host import ComfyHost


class Interrupted(BaseException):
    """What ComfyUI raises at whoever says something after an interruption; raising it takes the interruption back."""


class Comfy(ComfyHost):
    """ComfyUI's host without its server; ``flag`` is the prompt's interruption."""

    flag = False

    def __init__(self) -> None: ...

    def interrupted(self) -> bool:
        return self.flag


@pytest.fixture
def comfy(monkeypatch: pytest.MonkeyPatch) -> Comfy:
    made = Comfy()
    management: Any = ModuleType("comfy.model_management")
    management.InterruptProcessingException = Interrupted
    management.interrupt_current_processing = lambda value: setattr(made, "flag", value)
    package: Any = ModuleType("comfy")
    package.model_management = management
    monkeypatch.setitem(sys.modules, "comfy", package)
    monkeypatch.setitem(sys.modules, "comfy.model_management", management)
    monkeypatch.setattr(host, "_host", made)
    return made


def saying(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    async def set_progress(*_: Any, **__: Any) -> None:
        raise error

    api = SimpleNamespace(execution=SimpleNamespace(set_progress=set_progress))
    monkeypatch.setattr(previewing, "ComfyAPI", lambda: api)


async def test_an_interruption_that_comes_while_a_step_is_told_is_not_lost(
    comfy: Comfy, monkeypatch: pytest.MonkeyPatch
) -> None:
    saying(monkeypatch, Interrupted())
    show = previewing.on_node(None, None, "7")  # type: ignore[arg-type]  # neither is asked about a mere step
    await show(None, 1, 4)
    assert comfy.interrupted()


async def test_another_failure_of_telling_is_the_tellers(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, RuntimeError("no socket"))
    with pytest.raises(RuntimeError, match="no socket"):
        await previewing.on_node(None, None, "7")(None, 1, 4)  # type: ignore[arg-type]
    assert not comfy.interrupted()


async def test_nothing_is_told_of_what_was_interrupted(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, RuntimeError("was told"))
    comfy.flag = True
    await previewing.on_node(None, None, "7")(None, 1, 4)  # type: ignore[arg-type]

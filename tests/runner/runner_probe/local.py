"""Probe nodes for what only the runner promises; a real ComfyUI never sees them."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from comfy_api.latest import ComfyExtension, io

from mintmark.runner.context import executing


def _schema(node_id: str, *inputs: io.Input) -> io.Schema:
    return io.Schema(node_id=node_id, inputs=list(inputs), outputs=[io.String.Output()])


class Busy(io.ComfyNode):
    """A plain node that keeps its thread."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema("ProbeBusy", io.Float.Input("seconds"))

    @classmethod
    def execute(cls, seconds: float) -> io.NodeOutput:
        time.sleep(seconds)
        return io.NodeOutput("busy")


class Stubborn(io.ComfyNode):
    """An async node that does not let itself be canceled."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema("ProbeStubborn", io.Float.Input("seconds"))

    @classmethod
    async def execute(cls, seconds: float) -> io.NodeOutput:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                await asyncio.sleep(end - time.monotonic())
            except asyncio.CancelledError:
                continue
        return io.NodeOutput("at last")


class Context(io.ComfyNode):
    """Tells what it executes for."""

    fingerprinted: list[Any] = []  # noqa: RUF012

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema("ProbeContext")

    @classmethod
    def _now(cls) -> list[Any]:
        now = executing.get()
        return [now.prompt_id, now.node_id, now.client_id] if now else []

    @classmethod
    def fingerprint_inputs(cls) -> Any:
        cls.fingerprinted[:] = cls._now()
        return cls._now()

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(json.dumps({"fingerprint": cls.fingerprinted, "execute": cls._now()}))


class Exit(io.ComfyNode):
    """Calls ``sys.exit()`` where it is told to."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema("ProbeExit", io.Combo.Input("where", options=["execute", "thread", "fingerprint", "validate"]))

    @classmethod
    def validate_inputs(cls, where: str) -> bool:
        return sys.exit(1) if where == "validate" else True

    @classmethod
    def fingerprint_inputs(cls, where: str) -> Any:
        return sys.exit(1) if where == "fingerprint" else where

    @classmethod
    def execute(cls, where: str) -> io.NodeOutput:
        return sys.exit(1) if where == "thread" else cls.later(where)  # type: ignore[return-value]

    @classmethod
    async def later(cls, where: str) -> io.NodeOutput:
        return sys.exit(1) if where == "execute" else io.NodeOutput("stayed")


class Noted(io.ComfyNode):
    """Notes in a file when it begins and when it ends, and ends only once another file is there."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema(
            "ProbeNoted", io.String.Input("file"), io.String.Input("name"), io.String.Input("gate", optional=True)
        )

    @classmethod
    async def execute(cls, file: str, name: str, gate: str = "") -> io.NodeOutput:
        cls.note(file, f"{name} began")
        while gate and not Path(gate).exists():
            await asyncio.sleep(0.01)
        cls.note(file, f"{name} ended")
        return io.NodeOutput(name)

    @staticmethod
    def note(file: str, line: str) -> None:
        with Path(file).open("a") as opened:
            opened.write(f"{line}\n")


class LocalExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [Busy, Stubborn, Context, Exit, Noted]

"""Rent or Own: two branches that could make a picture, of which one is worked on."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..errors import InvalidInput
from ..generation.rent_or_own import BRANCHES, Choice
from . import deciding
from .base import Node
from .sockets import RecordSocket
from .worker import current

if TYPE_CHECKING:
    from ..generation.context import JobContext
    from ..generation.engine import Engine


class RentOrOwn(Node):
    """Works on the branch that its policy takes, and on no node that only the other one needs."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkRentOrOwn",
            display_name="Rent or Own",
            category="Mintmark/money",
            description="Make a picture here or with a provider: only the branch that the policy takes is worked on.",
            search_aliases=["switch", "local or cloud", "fallback", "cost", "privacy", "route", "either"],
            inputs=[_policy_input(), *_branch_inputs()],
            outputs=[
                io.Image.Output("images", tooltip="The pictures of the branch that was taken."),
                RecordSocket.Output("record", tooltip="That branch's record, where one is connected."),
                io.String.Output("branch", tooltip="`local` or `hosted`."),
                io.String.Output("reason", tooltip="Why, in a sentence."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    async def fingerprint_inputs(cls, policy: Any = None, **_: Any) -> str:
        """By the branch: another one is another picture, and the same one is not made again.

        ComfyUI does not tell the graph yet when it asks for this. A policy that goes by the graph alone needs no
        answer: another graph is another input.
        """
        if deciding.goes_by_graph(policy):
            return f"{current().scope()} {await current().job(_rates)}"
        return f"{current().scope()} {(await _decided(policy, cls.hidden)).branch}"

    @classmethod
    async def check_lazy_status(cls, policy: Any = None, **given: Any) -> list[str]:
        """The inputs of the branch that is taken, where they are connected. Raises InvalidInput where none is."""
        choice = await _decided(policy, cls.hidden)
        wanted = [choice.branch, f"{choice.branch}_record"]
        # A node that another one made while it ran (a loop) is not in the graph: what is connected is given, as None.
        links = {*deciding.links_of(cls.hidden.prompt, str(cls.hidden.unique_id)), *given}
        if choice.branch not in links:
            raise InvalidInput(
                f"{choice.branch}: nothing is connected, and {choice.reason}.",
                hint="Connect the branch, or choose another policy.",
            )
        return [name for name in wanted if name in links and given.get(name) is None]

    @classmethod
    async def execute(cls, policy: Any, **given: Any) -> Any:
        choice = await _decided(policy, cls.hidden)

        async def note(engine: Engine, job: JobContext, node: str) -> dict[str, str]:
            told = {"node_id": node, **dataclasses.asdict(choice)}
            await asyncio.to_thread(engine.journal.note, job.job_id, "choice", told)
            return told

        told = await current().job(note)
        shown = {"text": [f"{choice.branch}: {choice.reason}"], "mintmark": [told]}
        images, record = given.get(choice.branch), given.get(f"{choice.branch}_record")
        return io.NodeOutput(images, record, choice.branch, choice.reason, ui=shown)


def _policy_input() -> Any:
    option = io.DynamicCombo.Option
    return io.DynamicCombo.Input(
        "policy",
        options=[
            option(
                "by hand",
                [
                    io.Combo.Input(
                        "branch",
                        options=list(BRANCHES),
                        optional=True,
                        tooltip="local: made here. hosted: made by a provider.",
                    )
                ],
            ),
            option("data must stay", []),
            option("cheapest now", _cost_inputs()),
            option("break-even", [*_cost_inputs(), *_month_inputs()]),
            option("shortest wait", [_waiting_input()]),
            option("local if it fits", _fit_inputs()),
        ],
        tooltip="How it is decided. data must stay: always here. cheapest now, break-even: by price. shortest wait: by "
        "who waits here. local if it fits: here where model and memory suffice. A job can pin its branch.",
    )


def _cost_inputs() -> list[Any]:
    return [
        io.Float.Input(
            "seconds",
            default=10.0,
            min=0.0,
            max=86_400.0,
            step=0.1,
            optional=True,
            tooltip="Seconds of your GPU a picture. 0: as `mintmark bench local` measured its checkpoint, else 10.",
        ),
        io.Float.Input(
            "gpu_hour_usd",
            default=0.0,
            min=0.0,
            max=1000.0,
            step=0.01,
            optional=True,
            tooltip="What an hour of your GPU costs, in US dollars. 0: as the setting MINTMARK_GPU_HOUR_USD says.",
        ),
    ]


def _month_inputs() -> list[Any]:
    return [
        io.Float.Input(
            "overhead_usd",
            default=2000.0,
            min=0.0,
            max=1_000_000.0,
            step=1.0,
            optional=True,
            tooltip="What a month of GPUs of your own costs besides, in US dollars: people, storage.",
        )
    ]


def _waiting_input() -> Any:
    return io.Int.Input(
        "most_waiting", default=2, min=0, max=10_000, optional=True, tooltip="Prompts that may wait here before it."
    )


def _fit_inputs() -> list[Any]:
    return [
        io.String.Input(
            "file", default="", optional=True, tooltip="A model's file that must be here; empty: none is looked for."
        ),
        io.Float.Input(
            "vram_gb", default=0.0, min=0.0, max=1024.0, step=0.5, optional=True, tooltip="Memory of the GPU, at least."
        ),
    ]


def _branch_inputs() -> list[Any]:
    lazy: dict[str, Any] = {"optional": True, "lazy": True}
    return [
        io.Image.Input("local", tooltip="Made here: any nodes, KSampler too.", **lazy),
        io.Image.Input("hosted", tooltip="Made by a provider.", **lazy),
        RecordSocket.Input("local_record", tooltip="Of the local branch, where it has one.", **lazy),
        RecordSocket.Input("hosted_record", tooltip="Of the hosted branch: its credential needs it.", **lazy),
    ]


async def _decided(policy: Any, hidden: Any) -> Choice:
    """The choice for the executing prompt: made once, however often it is asked for."""
    worker = current()
    if (key := worker.host.executing()) is None:  # where nothing executes, nothing tells this run from another
        return await _choice(policy, hidden)
    if (known := worker.choices.get(key)) is None:
        known = worker.choices.keep(key, await _choice(policy, hidden))
    return known


async def _choice(policy: Any, hidden: Any) -> Choice:
    async def look(engine: Engine, job: JobContext, _node: str) -> Choice:
        return await asyncio.to_thread(deciding.decide, policy, hidden.prompt, str(hidden.unique_id), engine, job)

    choice: Choice = await current().job(look)
    return choice


async def _rates(engine: Engine, job: JobContext, _node: str) -> str:
    """What a choice by graph and price depends on besides them."""
    from ..metering.measured import measured

    taken = [(each.model, each.seconds) for each in measured(engine.settings.data_dir)]
    return f"{job.branch} {sorted(engine.settings.gpu_hour.items())} {taken}"

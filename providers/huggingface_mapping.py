"""Who runs a model for Hugging Face and under which id: asked of the Hub before a call, and kept for an hour.

Wire fact: GET huggingface.co/api/models/<id>?expand=inferenceProviderMapping, as huggingface_hub 2.4.0 does it; the
answer's mapping is a list of {provider, providerId, status, task}, or an object by provider. It is free.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import log
from ..errors import BadAnswer, ProviderError, ProviderRefused
from .http import MIB, Failure, HttpClient, Reply
from .huggingface_errors import VENDOR, refused
from .huggingface_routes import Pipeline
from .together import Together

_KEPT_S = 3600.0

logger = log.get("providers.huggingface_mapping")


@dataclass(frozen=True)
class Runner:
    """One row of a model's mapping."""

    name: str
    provider_id: str
    status: str
    task: str


class Runners:
    """The Hub's answers, by model. ``hub`` is where it is."""

    def __init__(self, http: HttpClient, hub: str) -> None:
        self._http, self._hub = http, hub
        self._kept: dict[str, tuple[float, tuple[Runner, ...]]] = {}
        self._asking: defaultdict[str, Together[tuple[Runner, ...]]] = defaultdict(Together)

    async def provider_id(self, repo: str, route: str, pipeline: Pipeline, headers: Mapping[str, str]) -> str:
        """How the runner ``route`` calls the model ``repo``.

        Raises ProviderRefused where it does not run it, or not for this task; ProviderDown, ProviderAuth, BadAnswer.
        """
        runners = await self._runners(repo, headers)
        for runner in runners:
            if runner.name != route:
                continue
            if runner.task != pipeline:
                raise _unfit(f"{route} runs {repo} for {runner.task}, not for {pipeline}.", runners)
            if runner.status == "error":
                # The Hub's own health check failed lately; Hugging Face's clients go on all the same.
                logger.warning("%s may fail with %s", route, repo, extra=log.action("runner_unwell"))
            return runner.provider_id
        raise _unfit(f"{route} does not run {repo} at the moment.", runners)

    async def _runners(self, repo: str, headers: Mapping[str, str]) -> tuple[Runner, ...]:
        def kept() -> tuple[Runner, ...] | None:
            until, found = self._kept.get(repo, (0.0, ()))
            return found if found and self._http.clock() < until else None

        async def ask() -> tuple[Runner, ...]:
            found = _read(await self._asked(repo, headers))
            self._kept[repo] = (self._http.clock() + _KEPT_S, found)
            return found

        return await self._asking[repo].get(kept, ask)

    async def _asked(self, repo: str, headers: Mapping[str, str]) -> Reply:
        url = f"{self._hub}/api/models/{repo}?expand=inferenceProviderMapping"
        problem: ProviderError
        try:
            reply = await self._http.send("GET", url, headers=headers, max_bytes=4 * MIB, repeat="idempotent")
        except Failure as failure:
            problem = VENDOR.unreached(failure, "no")
        else:
            if reply.status == 200:
                return reply
            problem = refused(reply)
            problem.charged = "no"
        raise problem


def _read(reply: Reply) -> tuple[Runner, ...]:
    try:
        told = reply.json().get("inferenceProviderMapping")
    except ValueError:
        told = None
    if isinstance(told, dict):
        told = [{**row, "provider": name} for name, row in told.items() if isinstance(row, dict)]
    if not isinstance(told, list):
        raise BadAnswer("The Hub does not say who runs the model.", provider="huggingface", charged="no")
    return tuple(
        Runner(str(row["provider"]), str(row["providerId"]), str(row.get("status")), str(row.get("task")))
        for row in told
        if isinstance(row, dict) and {"provider", "providerId"} <= set(row)
    )


def _unfit(problem: str, runners: tuple[Runner, ...]) -> ProviderRefused:
    offered: dict[str, Any] = dict.fromkeys(f"{runner.name} ({runner.task})" for runner in runners)
    hint = f"Choose another route: {', '.join(offered)}." if offered else "Nobody runs it at the moment."
    return ProviderRefused(problem, hint=hint, provider="huggingface", charged="no")

"""The OpenAPI document of a running service: its routes, and each workflow with its typed inputs."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...errors import UsageError
from ...workflows.format import WorkflowVersion
from .openapi import document
from .routing import Route
from .workflow_schemas import inputs_schema

if TYPE_CHECKING:
    from ..service.service import Service

MOST = 4
"""Documents that are kept: there is one for strangers and one for whoever has a key."""
_RUNS = "/v1/workflows/{name}/runs"
_MOST = 5
"""Versions of a workflow that are typed, the newest first; older ones run all the same."""


class Documents:
    """The document's text, made anew only where something in it has changed: making it takes a tenth of a second."""

    def __init__(self, routes: list[Route]) -> None:
        self._routes = routes
        self._kept: OrderedDict[tuple[bool, tuple[str, ...]], bytes] = OrderedDict()

    def text(self, service: Service, server: str, *, open_to_all: bool, published: bool) -> bytes:
        """The document as things stand now, as JSON. ``published``: with what was published here, too. Blocks."""
        # Whoever asks chooses the name by which he asks: nothing is kept by it.
        servers = json.dumps({"servers": [{"url": server}]}, separators=(",", ":")).encode()
        return self._made(_typed(service, published=published), open_to_all=open_to_all)[:-1] + b"," + servers[1:]

    def _made(self, typed: list[list[WorkflowVersion]], *, open_to_all: bool) -> bytes:
        from ... import __version__

        key = open_to_all, tuple(version.digest for versions in typed for version in versions)
        if (kept := self._kept.get(key)) is not None:
            return kept
        made = document(self._routes, version=__version__, open_to_all=open_to_all)
        for versions in typed:
            _add(made, versions)
        self._kept[key] = text = json.dumps(made, separators=(",", ":")).encode()
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return text


DOCUMENTS: web.AppKey[Documents] = web.AppKey("documents", Documents)


def _typed(service: Service, *, published: bool) -> list[list[WorkflowVersion]]:
    """The versions of each workflow that are typed, the newest first."""
    found = []
    for name in service.releases.names():
        try:
            listed = [each for each in service.releases.versions(name) if published or each.shipped]
            found.append([service.releases.resolve(f"{name}@{each.version}") for each in reversed(listed[-_MOST:])])
        except UsageError:
            # A broken file among the library's: told where it is asked for by name.
            continue
    return [versions for versions in found if versions]


def _add(made: dict[str, Any], versions: list[WorkflowVersion]) -> None:
    newest = versions[0]
    schemas = made["components"]["schemas"]
    for version in versions:
        schemas[_schema_name(version)] = inputs_schema(version)
    run = copy.deepcopy(schemas["RunBody"])
    refs = [{"$ref": f"#/components/schemas/{_schema_name(version)}"} for version in versions]
    run["properties"]["inputs"] = refs[0] if len(refs) == 1 else {"anyOf": refs}
    run["title"] = f"Run of {newest.name}"
    shown = {spec.name: spec.default for spec in newest.inputs if spec.name in ("prompt", "width", "height", "seed")}
    run["examples"] = [{"inputs": {name: value for name, value in shown.items() if value is not None}}]
    if any(spec.required for spec in newest.inputs) and len(versions) == 1:
        run["required"] = [*run.get("required", ()), "inputs"]
    operation = copy.deepcopy(made["paths"][_RUNS]["post"])
    operation["operationId"] = f"run_{newest.name.replace('-', '_')}"
    operation["summary"] = f"Run: {newest.title}"
    operation["description"] = newest.description or newest.title
    operation["tags"] = ["workflows"]
    operation["parameters"] = [each for each in operation["parameters"] if each["in"] != "path"]
    operation["requestBody"]["content"]["application/json"]["schema"] = run
    made["paths"][_RUNS.replace("{name}", newest.name)] = {"post": operation}


def _schema_name(version: WorkflowVersion) -> str:
    return f"Inputs.{version.name}.{version.version}"

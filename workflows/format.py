"""The workflow file: these classes are its specification, ``docs/workflow-format.md`` is the guided tour.

A file is one immutable release of one workflow, at ``<library>/<name>/<version>.json``. It holds a ComfyUI graph in API
format, unchanged, and what makes the graph usable without opening it: named inputs that are bound to node inputs,
outputs, and what a worker must have. The graph as it stands is the workflow with its defaults.

What these classes hold is the shape of the file. What the shape cannot say (a binding points to a node that exists,
a default keeps to its limits, links resolve) is held by :func:`workflows.validate.check`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, field_validator

from .digest import digest
from .semver import Range, Version

FORMAT = 1
"""The file format these classes describe; another number means another specification."""

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Slug = Annotated[str, Field(pattern=SLUG, max_length=64)]
InputName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
NonEmpty = Annotated[str, Field(min_length=1)]
Number = StrictInt | StrictFloat

SEED_MAX = 2**64 - 1
"""The largest seed ComfyUI knows; a provider's smaller range is folded to when it is called, not here."""

InputType = Literal["string", "integer", "number", "boolean", "choice", "image", "seed"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bind(_Part):
    """One input of one node: ``node`` is its id in the graph, ``input`` the key in its ``inputs``.

    A nested input of a dynamic combo is named as the API format names it: ``model.steps``.
    """

    node: NonEmpty
    input: NonEmpty


class Limits(_Part):
    """What a value must keep to. ``None`` means no limit.

    ``min``, ``max``: both included; for ``integer`` and ``number``. ``step``: the value lies a whole number of steps
    from ``min`` (from 0 without one). ``min_length``, ``max_length``: characters of a ``string``; white space at its
    ends does not count towards ``min_length``. ``choices``: the values of a ``choice``.
    """

    min: Number | None = None
    max: Number | None = None
    step: Number | None = Field(default=None, gt=0)
    min_length: StrictInt | None = Field(default=None, ge=0)
    max_length: StrictInt | None = Field(default=None, ge=1)
    choices: tuple[str, ...] | None = Field(default=None, min_length=1)


class Input(_Part):
    """A public input, by the name a caller sets.

    ``type``: ``string``; ``integer``; ``number`` (an integer or a finite float); ``boolean``; ``choice`` (one of
    ``limits.choices``, or of what the worker's own node offers where ``choices_from`` says so); ``image`` (the name a
    worker gave an uploaded file); ``seed`` (0 to 2**64-1, also as a text of digits, since not every language has such
    numbers).

    ``required``: the caller must give a value, so there is no default, and what the graph holds is a placeholder.
    ``default``: bound when the caller gives none; equal to what the graph holds at every binding. Without a default an
    input that is not given leaves the graph as it is.

    ``binds``: every place the value is written to; at least one, each a literal in the graph, never a link.
    """

    name: InputName
    title: NonEmpty
    description: str = ""
    type: InputType
    required: StrictBool = False
    default: Any = None
    limits: Limits = Limits()
    choices_from: Bind | None = None
    binds: tuple[Bind, ...] = Field(min_length=1)


class Output(_Part):
    """What a run delivers: the ``images`` or ``text`` that node ``node`` reports in the worker's history."""

    name: InputName
    node: NonEmpty
    kind: Literal["images", "text"]
    title: str = ""


class Pack(_Part):
    """A node pack by its registry name, the versions that will do (see :mod:`workflows.semver`), and, where it helps
    to name the pack when one is missing, the class types that come from it."""

    name: NonEmpty
    version: str = "*"
    nodes: tuple[str, ...] = ()

    @field_validator("version")
    @classmethod
    def _is_range(cls, text: str) -> str:
        Range.parse(text)
        return text


class ModelFile(_Part):
    """A model file by its name and its folder among ComfyUI's (``checkpoints``); ``sha256`` where it is known."""

    file: NonEmpty
    folder: NonEmpty
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class Requires(_Part):
    """What a worker must have. ``nodes``: every class type of the graph, each once."""

    nodes: tuple[str, ...] = ()
    packs: tuple[Pack, ...] = ()
    models: tuple[ModelFile, ...] = ()


class WorkflowVersion(_Part):
    """An immutable release of a workflow.

    ``format``: always 1 (:data:`FORMAT`). ``name``: lower-case words joined by hyphens. ``version``: Semantic
    Versioning 2.0.0 without build metadata. Both equal the file's path.
    ``lane``: ``hosted`` when the graph only waits for providers, ``gpu`` when it needs a worker's device.
    ``graph``: ComfyUI's API format: node id to ``{"class_type", "inputs", "_meta"?}``; an input is a literal or a link
    ``["<node id>", <output index>]``. Node ids are never renumbered: bindings, records and history speak of them.
    """

    format: StrictInt
    name: Slug
    version: str
    title: NonEmpty
    description: str = ""
    lane: Literal["hosted", "gpu"]
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = Field(min_length=1)
    requires: Requires = Requires()
    graph: dict[str, dict[str, Any]] = Field(min_length=1)

    @field_validator("format")
    @classmethod
    def _is_known_format(cls, number: int) -> int:
        if number != FORMAT:
            raise ValueError(
                f"this Mintmark reads format {FORMAT}; a file of format {number} needs another version of it"
            )
        return number

    @field_validator("version")
    @classmethod
    def _is_version(cls, text: str) -> str:
        Version.parse(text)
        return text

    @field_validator("graph")
    @classmethod
    def _is_api_format(cls, graph: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for node_id, node in graph.items():
            if not isinstance(node.get("class_type"), str) or not isinstance(node.get("inputs"), dict):
                message = f'node {node_id!r} lacks "class_type" or "inputs"; the graph must be in API format'
                raise ValueError(message)  # noqa: TRY004  pydantic collects ValueError only
        return graph

    def document(self) -> dict[str, Any]:
        """The file's content as it was read: what was left out stays left out."""
        return self.model_dump(mode="json", exclude_unset=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical form of :meth:`document`, in lower-case hex: the name of this release for good.

        A later format that adds a field with a default leaves the digests of earlier files as they are.
        """
        return digest(self.document())

    @property
    def label(self) -> str:
        """``name@version``, for messages."""
        return f"{self.name}@{self.version}"

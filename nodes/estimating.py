"""What the hosted nodes of a graph ask for, with the pictures of the host's input folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import inputs
from .worker import current

if TYPE_CHECKING:
    from ..generation.graph_estimate import Line as Line
    from ..generation.graph_estimate_links import File
    from ..providers.local_model import LocalModel

Graph = Mapping[str, Any]


def lines(graph: Graph, *, after: str | None = None) -> list[Line]:
    """The nodes of the graph that will run and make calls, in its order; with ``after`` those that need that node."""
    from ..generation import graph_estimate

    return graph_estimate.lines(graph, after=after, picture=_file, checkpoint=_checkpoint)


def unneeded(graph: Graph) -> list[str]:
    """The hosted nodes that will not run, by title: nothing that has an outcome needs them."""
    from ..generation import graph_estimate

    return graph_estimate.unneeded(graph)


def one(model: str, count: int, width: int, height: int) -> Line:
    """What this model costs for so many images of this size."""
    from ..generation import graph_estimate

    return graph_estimate.one(model, count, width, height)


def _checkpoint(name: str) -> LocalModel | None:
    from ..errors import MintmarkError

    try:
        return current().checkpoint(name)
    except MintmarkError:
        return None


def _file(name: Any) -> File | None:
    from ..errors import MintmarkError
    from ..generation.graph_estimate import picture_in

    try:
        return picture_in(inputs.read(str(name)))
    except MintmarkError:
        return None

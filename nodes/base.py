"""What a node of the palette is: this file is the specification, and ``tests/contracts/node.py`` its test.

A node is a schema and a short ``execute``: validate, call one plain function below, convert. Of each of them it holds:

- ``node_id`` is ``Mintmark`` and the class's own name. It stands in people's graphs, so it never changes; that it
  begins so is how a graph's nodes are known for ours, by this pack, the orchestrator and the page.
- The schema is the documentation: a description, a tooltip for each input and output, words by which it is found, and
  a help page (``web/comfy/docs``) that lists the same inputs and outputs.
- It asks for no account of Comfy.org: ``is_api_node`` stays off, prices are our own badges.
- An input that is added later is optional, and changing the model alone is always a valid graph.
- Widgets' limits do not hold what comes over a link, so ``execute`` checks its values itself and raises InvalidInput,
  whose message begins with the input's name, before anything is asked or spent. It raises nothing but our own errors.
- What it hands out of a worker's cache may be given to others. Where that depends on more than the inputs (who asks,
  under which policy) ``fingerprint_inputs`` says so.
- Importing its module imports neither a network client nor a database, NumPy, Pillow or torch.
- Inside ComfyUI and in the runner it is the same class, told of the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from comfy_api.latest import io

from ..discovery import members


class Node(io.ComfyNode):
    """The base of every node of the palette. See the module's text for what must hold."""


def known(nodes: Iterable[Any]) -> list[type[io.ComfyNode]]:
    """The nodes as they are listed. Raises InternalError naming one that is none, is twice there, or is not finished.

    Schemas are not made for this: the host makes them, when it wants them.
    """
    needs = {"define_schema": Callable, "execute": Callable}
    return list(members("node", nodes, Node, needs=needs, name="__name__").values())

"""A face detector with YuNet's input and outputs, made for tests: pure red is a face."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

BOX = (10.0, 12.0)
"""Width and height of its faces, in cells of 8 pixels."""
POINTS = ((-2.0, -2.0), (2.0, -2.0), (0.0, 0.0), (-1.5, 2.0), (1.5, 2.0))
"""Where eyes, nose and mouth are from the middle of the red cell, in cells."""
SURE = 0.81


def detector(folder: Path, size: tuple[int, int] | None = None) -> Path:
    """Its file. It takes any size unless one is given; red that fills a cell of 8 pixels scores sqrt(SURE)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    values: list[Any] = []

    def constant(name: str, array: Any) -> str:
        values.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(kind: str, inputs: list[str], output: str, **options: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output

    # Blue, green, red in 0..255: red less the others, in 0..1.
    weights = constant("weights", np.array([-1, -1, 1], np.float32).reshape(1, 3, 1, 1) / 255)
    red = add("Relu", [add("Conv", ["input", weights], "redness")], "red")
    rows = constant("rows", np.array([1, -1, 1], np.int64))
    nothing = constant("nothing", np.float32(0))
    for stride in (8, 16, 32):
        pooled = add("AveragePool", [red], f"pooled_{stride}", kernel_shape=[stride] * 2, strides=[stride] * 2)
        column = add("Reshape", [pooled, rows], f"column_{stride}")
        none = add("Mul", [column, nothing], f"none_{stride}")
        add("Identity", [column if stride == 8 else none], f"cls_{stride}")
        box = [0.5, 0.5, math.log(BOX[0]), math.log(BOX[1])]
        points = [0.5 + each for point in POINTS for each in point]
        for kind, row in (("obj", [SURE]), ("bbox", box), ("kps", points)):
            told = constant(f"{kind}_of_{stride}", np.array([[row]], np.float32))
            add("Add", [none, told], f"{kind}_{stride}")
    shape = [1, 3, *(size or ("height", "width"))]
    outputs = [
        helper.make_tensor_value_info(f"{kind}_{stride}", TensorProto.FLOAT, None)
        for kind in ("cls", "obj", "bbox", "kps")
        for stride in (8, 16, 32)
    ]
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "red", [given], outputs, values)
    path = folder / "face_detection_yunet_red.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path

"""Finding faces with a real ONNX network that has YuNet's outputs, and in masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mintmark.errors import InvalidInput

pytest.importorskip("torch", reason="not run: needs the extra local")
pytest.importorskip("onnxruntime", reason="not run: needs the extra onnx")

from mintmark.nodes.local.aligning import TEMPLATE
from mintmark.nodes.local.finding import find, open_detector, regions

from .detectors import BOX, POINTS, SURE, detector

Pixels = np.ndarray[Any, Any]


def with_faces(height: int, width: int, *cells: tuple[int, int], side: int = 8) -> Pixels:
    """A grey picture that is red at these cells (row, column) of ``side`` pixels."""
    image = np.full((height, width, 3), 0.4, np.float32)
    for row, column in cells:
        image[row * side : (row + 1) * side, column * side : (column + 1) * side] = (1, 0, 0)
    return image


def test_a_box_and_its_points_are_read_as_opencv_reads_them(tmp_path: Path) -> None:
    (face,) = find(open_detector(detector(tmp_path)), with_faces(160, 240, (9, 14)), 0.5)
    assert (face.left, face.top) == pytest.approx(((14.5 - BOX[0] / 2) * 8, (9.5 - BOX[1] / 2) * 8), abs=1e-3)
    assert (face.width, face.height) == pytest.approx((BOX[0] * 8, BOX[1] * 8), abs=1e-3)
    assert face.score == pytest.approx(SURE**0.5, abs=1e-6)


def test_a_face_is_straightened_by_its_points(tmp_path: Path) -> None:
    """The tiny detector's eyes are level, so the fit turns nothing and puts their middle where the template's is."""
    (face,) = find(open_detector(detector(tmp_path)), with_faces(160, 240, (9, 14)), 0.5)
    eyes = sum(complex(14.5 + x, 9.5 + y) * 8 for x, y in POINTS[:2]) / 2
    assert abs(face.fit(eyes) - sum(TEMPLATE[:2]) / 2) < 25
    assert abs(face.fit.turn.imag) < 0.05 * abs(face.fit.turn)


@pytest.mark.parametrize("size", [None, (640, 640)], ids=["any size", "one size"])
def test_a_large_picture_s_faces_are_told_in_its_own_pixels(tmp_path: Path, size: tuple[int, int] | None) -> None:
    found = find(open_detector(detector(tmp_path, size)), with_faces(1280, 960, (40, 30), side=16), 0.5)
    assert len(found) >= 1
    small = max(found, key=lambda face: face.width)
    assert (small.left + small.width / 2, small.top + small.height / 2) == pytest.approx((30.5 * 16, 40.5 * 16), abs=8)
    assert small.width == pytest.approx(BOX[0] * 16, abs=1e-2)


def test_a_picture_whose_sides_are_no_multiple_of_32_is_padded(tmp_path: Path) -> None:
    found = find(open_detector(detector(tmp_path)), with_faces(77, 131, (5, 10)), 0.5)
    assert [(face.left + face.width / 2) / 8 for face in found] == pytest.approx([10.5], abs=1e-3)


def test_of_boxes_that_overlap_the_surest_stays(tmp_path: Path) -> None:
    image = with_faces(320, 320, (10, 10), (10, 11), (30, 30))
    image[80:88, 88:96] = (0.95, 0, 0)
    found = find(open_detector(detector(tmp_path)), image, 0.5)
    assert [round(face.left / 8 + BOX[0] / 2, 1) for face in found] == [10.5, 30.5]


def test_only_what_is_surer_than_asked_is_a_face(tmp_path: Path) -> None:
    faces = open_detector(detector(tmp_path))
    assert len(find(faces, with_faces(160, 160, (9, 9)), 0.89)) == 1
    assert find(faces, with_faces(160, 160, (9, 9)), 0.91) == []
    assert find(faces, with_faces(160, 160), 0.1) == []


def test_a_picture_of_other_channels_first_would_show_no_face(tmp_path: Path) -> None:
    """The detector is given blue first: blue squares are no red ones."""
    image = with_faces(160, 160, (9, 9))[..., ::-1].copy()
    assert find(open_detector(detector(tmp_path)), image, 0.5) == []


def test_a_model_that_is_no_yunet_is_refused_by_name(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "other", info[:1], info[1:])
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    with pytest.raises(InvalidInput, match=r"other\.onnx does not have YuNet's"):
        open_detector(path)


def test_a_file_that_is_no_onnx_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(InvalidInput, match=r"onnxruntime cannot open broken\.onnx"):
        open_detector(path)


def test_each_region_of_a_mask_is_a_face() -> None:
    mask = np.zeros((120, 200), np.float32)
    mask[10:50, 20:50] = 1
    mask[70:110, 150:170] = 0.9
    mask[49:60, 49:60] = 0.8  # touches the first
    mask[5, 5] = 0.3
    found = regions(mask)
    assert [(each.left, each.top, each.width, each.height) for each in found] == [(20, 10, 40, 50), (150, 70, 20, 40)]


def test_a_large_mask_is_told_apart_on_a_grid() -> None:
    mask = np.zeros((2000, 3000), np.float32)
    mask[500:900, 1000:1300] = 1
    (face,) = regions(mask)
    assert (face.left, face.top) == pytest.approx((1000, 500), abs=12)
    assert (face.width, face.height) == pytest.approx((300, 400), abs=24)


def test_an_empty_mask_has_no_face() -> None:
    assert regions(np.zeros((50, 50), np.float32)) == []

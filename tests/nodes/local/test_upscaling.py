"""Local upscaling with a real, tiny network of an architecture that spandrel knows, its weights random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mintmark.errors import InvalidInput, NotSafetensors, OutOfMemory

torch = pytest.importorskip("torch", reason="not run: needs the extra local")
spandrel = pytest.importorskip("spandrel", reason="not run: needs the extra local")

from mintmark.nodes.local.image_models import open_model  # noqa: E402
from mintmark.nodes.local.tiles import Tiling  # noqa: E402
from mintmark.nodes.local.upscaling import SMALLEST, Upscaling, resized, upscale  # noqa: E402

Pixels = np.ndarray[Any, Any]
REACH = 4
"""Pixels that the tiny network looks around itself: it has four convolutions of 3x3."""


def compact(folder: Path, scale: int = 2, channels: int = 3) -> Path:
    """A Real-ESRGAN Compact of four convolutions, as a safetensors file."""
    from safetensors.torch import save_file
    from spandrel.architectures.Compact import Compact

    with torch.random.fork_rng():
        torch.manual_seed(scale)
        net = Compact(num_in_ch=channels, num_out_ch=channels, num_feat=8, num_conv=2, upscale=scale)
    path = folder / f"{scale}x-{channels}.safetensors"
    save_file(net.state_dict(), path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Any:
    return open_model(compact(tmp_path))


def noise(height: int, width: int, count: int = 1) -> Pixels:
    return np.random.default_rng(7).random((count, height, width, 3), dtype=np.float32)


def nothing(number: int, of: int) -> None:
    pass


def by_itself(model: Any, images: Pixels) -> Pixels:
    """What spandrel's own call gives for the whole picture."""
    given = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    return np.concatenate([model(one[None]).permute(0, 2, 3, 1).numpy() for one in given])


def test_tiles_with_enough_overlap_give_what_the_whole_picture_gives(model: Any) -> None:
    images = noise(90, 131, count=2)
    what = Upscaling(tiling=Tiling(side=48, overlap=4 * REACH))
    found = upscale(model, images, what, "cpu", nothing)
    assert found.shape == (2, 180, 262, 3) and found.dtype == np.float32
    assert abs(found - by_itself(model, images)).max() < 1e-5


def test_tiles_that_overlap_too_little_do_not(model: Any) -> None:
    """Else the test above would hold for any tiles."""
    images = noise(90, 131)
    found = upscale(model, images, Upscaling(tiling=Tiling(side=48, overlap=0)), "cpu", nothing)
    assert abs(found - by_itself(model, images)).max() > 1e-3


def test_one_tile_is_the_network_s_own_answer(model: Any) -> None:
    images = noise(40, 30)
    assert (upscale(model, images, Upscaling(), "cpu", nothing) == by_itself(model, images)).all()


def test_the_network_never_sees_more_than_a_tile(model: Any) -> None:
    seen: list[tuple[int, ...]] = []
    model.model.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    upscale(model, noise(200, 150), Upscaling(tiling=Tiling(side=64, overlap=16)), "cpu", nothing)
    assert set(seen) == {(1, 3, 64, 64)}
    assert len(seen) == 4 * 3


@pytest.mark.parametrize(("scale", "size"), [(0, (80, 60)), (1, (40, 30)), (1.5, (60, 45)), (3.0, (120, 90))])
def test_any_scale_is_reached_by_a_last_resize(model: Any, scale: float, size: tuple[int, int]) -> None:
    images = noise(40, 30)
    found = upscale(model, images, Upscaling(scale=scale), "cpu", nothing)
    assert found.shape[1:3] == size
    assert (found == resized(by_itself(model, images)[0], size)).all()


def test_a_resize_stays_in_range_and_keeps_a_flat_colour() -> None:
    edge = np.zeros((20, 20, 3), np.float32)
    edge[:, 10:] = 1.0
    found = resized(edge, (50, 50))
    assert found.min() == 0.0 and found.max() == 1.0
    assert abs(resized(np.full((20, 20, 3), 0.3, np.float32), (13, 7)) - 0.3).max() < 1e-6


def test_progress_counts_the_tiles_of_the_whole_batch(model: Any) -> None:
    told: list[tuple[int, int]] = []
    what = Upscaling(tiling=Tiling(side=32, overlap=8))
    upscale(model, noise(50, 32, count=2), what, "cpu", lambda *at: told.append(at))
    assert told == [(number, 4) for number in (1, 2, 3, 4)]


def test_what_progress_raises_ends_the_work_after_that_tile(model: Any) -> None:
    told: list[int] = []

    def stop(number: int, of: int) -> None:
        told.append(number)
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale(model, noise(200, 200), Upscaling(tiling=Tiling(side=64, overlap=8)), "cpu", stop)
    assert told == [1, 2]
    assert model.device.type == "cpu"


def limited(model: Any, side: int) -> Callable[[], list[int]]:
    """The network on a device that has memory for tiles of this side; tells the sides it was asked for."""
    asked: list[int] = []

    def look(_: Any, given: Any) -> None:
        asked.append(given[0].shape[-1])
        if asked[-1] > side:
            raise torch.OutOfMemoryError("not so much")

    model.model.register_forward_pre_hook(look)
    return lambda: asked


def test_where_memory_lacks_it_goes_once_again_with_smaller_tiles(model: Any) -> None:
    images = noise(150, 150, count=2)
    expected = by_itself(model, images)
    asked = limited(model, 64)
    found = upscale(model, images, Upscaling(tiling=Tiling(side=128, overlap=4 * REACH)), "cpu", nothing)
    assert asked()[0] == 128 and set(asked()[1:]) == {64}
    assert abs(found - expected).max() < 1e-5


def test_where_memory_lacks_still_the_error_is_told(model: Any) -> None:
    asked = limited(model, 32)
    with pytest.raises(OutOfMemory, match="Compact ran out of memory on cpu"):
        upscale(model, noise(300, 300), Upscaling(tiling=Tiling(side=256, overlap=16)), "cpu", nothing)
    assert asked() == [256, 128]


def test_tiles_that_are_small_already_are_not_made_smaller(model: Any) -> None:
    asked = limited(model, 1)
    with pytest.raises(OutOfMemory, match="Compact ran out of memory on cpu"):
        upscale(model, noise(200, 200), Upscaling(tiling=Tiling(side=SMALLEST, overlap=8)), "cpu", nothing)
    assert asked() == [SMALLEST]


def test_any_other_error_is_not_tried_again(model: Any) -> None:
    asked: list[int] = []

    def fail(_: Any, given: Any) -> None:
        asked.append(1)
        raise RuntimeError("something else")

    model.model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="something else"):
        upscale(model, noise(200, 200), Upscaling(), "cpu", nothing)
    assert asked == [1]


def test_a_file_is_opened_once_and_anew_when_it_changed(tmp_path: Path) -> None:
    path = compact(tmp_path)
    assert open_model(path) is open_model(path)
    before = open_model(path)
    compact(tmp_path, scale=4).replace(path)
    assert open_model(path) is not before and open_model(path).scale == 4


def test_a_pickle_is_refused_by_its_name_and_not_opened(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "4x.pth"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(NotSafetensors, match=r"4x\.pth"):
        open_model(path)


def test_weights_that_spandrel_does_not_know_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"something.weight": torch.zeros(3)}, path)
    with pytest.raises(InvalidInput, match=r"other\.safetensors is of no architecture"):
        open_model(path)


def test_a_network_of_other_channels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="1 to 1 channels"):
        open_model(compact(tmp_path, channels=1))

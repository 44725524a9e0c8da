"""Restoring faces with real networks: what changes, where, and that it is the same each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="not run: needs the extra local")
pytest.importorskip("spandrel", reason="not run: needs the extra local")

from mintmark.nodes.local.aligning import SIDE, by_box  # noqa: E402
from mintmark.nodes.local.faces import restore, restored, softened  # noqa: E402
from mintmark.nodes.local.finding import Face  # noqa: E402
from mintmark.nodes.local.image_models import open_model  # noqa: E402

Pixels = np.ndarray[Any, Any]
BOX = (100.0, 80.0, 120.0, 160.0)
FACE = Face(*BOX, by_box(*BOX))


def brighter(folder: Path, by: float = 0.25) -> Path:
    """A real network (Compact) that makes what it is given brighter, and nothing else."""
    from safetensors.torch import save_file
    from spandrel.architectures.Compact import Compact

    net = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=1, upscale=1)
    for value in net.parameters():
        torch.nn.init.zeros_(value)
    torch.nn.init.constant_(list(net.parameters())[-1], by)
    path = folder / "brighter.safetensors"
    save_file(net.state_dict(), path)
    return path


def restore_former(folder: Path) -> Path:
    """A RestoreFormer of few channels, its weights random."""
    from safetensors.torch import save_file
    from spandrel.architectures.RestoreFormer import RestoreFormer

    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = RestoreFormer(
            n_embed=16, embed_dim=32, ch=32, out_ch=3, ch_mult=(1, 1, 1, 1, 1, 1), num_res_blocks=1,
            attn_resolutions=(16,), dropout=0.0, in_channels=3, resolution=512, z_channels=32, double_z=False,
            enable_mid=True, head_size=8,
        )  # fmt: skip
    path = folder / "restoreformer.safetensors"
    save_file(net.state_dict(), path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Any:
    return open_model(brighter(tmp_path))


def nothing(number: int, of: int) -> None:
    pass


def grey(count: int = 1, level: float = 0.5) -> Pixels:
    return np.full((count, 320, 320, 3), level, np.float32)


def test_the_face_is_restored_and_the_rest_stays(model: Any) -> None:
    images = grey()
    (after,) = restore(model, images, [[FACE]], "cpu", nothing)
    assert after[160, 160] == pytest.approx(0.75, abs=1e-5)
    assert (after[:20] == 0.5).all() and (after[:, :20] == 0.5).all() and (after[:, 310:] == 0.5).all()
    assert (images == 0.5).all(), "what was given is not changed"


@pytest.mark.parametrize(("fidelity", "level"), [(0.0, 0.75), (0.4, 0.65), (1.0, 0.5)])
def test_fidelity_is_how_much_of_the_old_face_stays(model: Any, fidelity: float, level: float) -> None:
    (after,) = restore(model, grey(), [[FACE]], "cpu", nothing, fidelity=fidelity)
    assert after[160, 160] == pytest.approx(level, abs=1e-5)


def test_nothing_changes_where_a_mask_is_black(model: Any) -> None:
    masks = np.zeros((1, 320, 320), np.float32)
    masks[0, 100:200, 120:200] = 1
    (after,) = restore(model, grey(), [[FACE]], "cpu", nothing, masks=masks)
    assert after[150, 160] == pytest.approx(0.75, abs=1e-4)
    assert (after[masks[0] == 0] == 0.5).all()


def test_a_mask_s_edge_fades_within_it() -> None:
    mask = np.zeros((100, 100), np.float32)
    mask[20:80, 20:80] = 1
    found = softened(mask)
    assert (found[mask == 0] == 0).all() and found[50, 50] == 1.0
    assert found[50, 18:30].tolist() == sorted(found[50, 18:30].tolist())


def test_every_image_of_a_batch_has_faces_of_its_own(model: Any) -> None:
    told: list[tuple[int, int]] = []
    after = restore(model, grey(3), [[FACE], [], [FACE]], "cpu", lambda *at: told.append(at))
    assert [float(each[160, 160, 0]) > 0.7 for each in after] == [True, False, True]
    assert told == [(1, 2), (2, 2)]


def test_what_progress_raises_ends_the_work(model: Any) -> None:
    def stop(number: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(model, grey(), [[FACE, FACE]], "cpu", stop)
    assert model.device.type == "cpu"


def test_a_face_restoring_network_gives_the_same_face_each_time(tmp_path: Path) -> None:
    model = open_model(restore_former(tmp_path))
    assert model.purpose == "FaceSR"
    images = np.random.default_rng(1).random((1, 320, 320, 3), dtype=np.float32)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = restore(model, images, [[FACE]], "cpu", nothing)
    assert torch.equal(torch.get_rng_state(), before), "nobody else's noise changes"
    torch.manual_seed(12)
    assert (restore(model, images, [[FACE]], "cpu", nothing) == first).all()
    assert (first != images).any()


def described(network: Callable[[Any], Any]) -> Any:
    """A network under GFPGAN's name; the real one has 86 million weights and always 512x512 pixels."""
    from spandrel import ImageModelDescriptor
    from spandrel.architectures.GFPGAN import GFPGANArch

    class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, given: Any) -> Any:
            return network(given), []

    return ImageModelDescriptor(
        Net(), {"weight": torch.zeros(1)}, architecture=GFPGANArch(), purpose="FaceSR", tags=[], supports_half=False,
        supports_bfloat16=True, scale=1, input_channels=3, output_channels=3, call_fn=lambda net, given: net(given)[0],
    )  # fmt: skip


def test_gfpgan_is_asked_in_the_range_that_it_was_trained_on() -> None:
    seen: list[tuple[float, float]] = []

    def same(given: Any) -> Any:
        seen.append((float(given.min()), float(given.max())))
        return given

    face = np.zeros((SIDE, SIDE, 3), np.float32)
    face[: SIDE // 2] = 1.0
    assert (restored(described(same), face) == face).all()
    assert seen == [(-1.0, 1.0)]

"""What an IMAGE is: an array, a tensor where torch is wanted, and bytes until somebody looks."""

from __future__ import annotations

import gc
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from comfy_api.latest import ComfyExtension, io
from runner_probe import pixel_nodes
from runner_probe.cases import node

from mintmark.errors import MissingExtra
from mintmark.runner import Runner, images
from mintmark.runner.cache import OutputCache, size_of
from mintmark.runner.calling import Answer
from mintmark.runner.core_files import filled
from mintmark.runner.core_values import as_text
from mintmark.runner.failures import shown
from mintmark.runner.images import LazyImage

TORCH = importlib.util.find_spec("torch") is not None


class Decoder:
    """Makes known pixels and counts how often it had to."""

    def __init__(self, shape: tuple[int, int, int, int] = (2, 3, 4, 3)) -> None:
        self.shape = shape
        self.count = 0

    def __call__(self) -> Any:
        self.count += 1
        return np.arange(np.prod(self.shape), dtype=np.float32).reshape(self.shape) / np.prod(self.shape)

    def image(self) -> LazyImage:
        return LazyImage(self.shape, 100, self)


def test_what_is_known_without_pixels_is_told_without_decoding() -> None:
    decoder = Decoder()
    image = decoder.image()
    assert (image.shape, image.ndim, len(image), image.dtype) == ((2, 3, 4, 3), 4, 2, np.float32)
    assert image.nbytes == 2 * 3 * 4 * 3 * 4
    assert not hasattr(image, "detach")
    assert not hasattr(image, "cpu")
    assert size_of(image) < 1000
    assert "IMAGE" in shown(image)
    assert decoder.count == 0


@pytest.mark.parametrize(
    "use",
    [
        np.asarray,
        lambda image: image[0],
        lambda image: image * 2,
        lambda image: 1 - image,
        lambda image: np.ones(3, dtype=np.float32) * image,
        lambda image: image.mean(),
        lambda image: image.reshape(-1),
        lambda image: np.concatenate([image, image]),
        lambda image: np.stack(list(image)),
        lambda image: image > 0.5,
        lambda image: np.clip(image, 0, 0.5),
        as_text,
    ],
)
def test_it_quacks_like_the_array_it_stands_for(use: Callable[[Any], Any]) -> None:
    decoder = Decoder()
    expected = use(decoder())
    got = use(decoder.image())
    assert type(got) is type(expected)
    assert np.array_equal(got, expected)


def test_two_nodes_in_a_row_decode_it_once_and_neither_can_change_it() -> None:
    decoder = Decoder()
    image = decoder.image()
    first, second = np.asarray(image), images.as_array(image)
    assert decoder.count == 1
    assert first is second
    with pytest.raises(ValueError, match="read-only"):
        second[0] = 0
    copied = np.array(image)
    copied[0] = 0
    assert images.as_array(image)[0].any()


def test_decoded_pixels_are_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = images._Decoded(max_bytes=3000)
    monkeypatch.setattr(images, "_decoded", pool)
    decoders = [Decoder((1, 10, 10, 3)) for _ in range(5)]
    made = [each.image() for each in decoders]
    for image in made:
        images.as_array(image)
        assert pool.bytes <= 3000
    images.as_array(made[0])
    assert decoders[0].count == 2, "others have pushed it out"
    large = Decoder((1, 100, 100, 3)).image()
    images.as_array(large)
    assert pool.bytes <= 3000
    made.clear()
    del image, large
    gc.collect()
    assert pool.bytes == 0


def test_the_cache_counts_what_is_kept_and_not_what_it_stands_for() -> None:
    cache = OutputCache(max_bytes=10_000)
    for n in range(20):
        cache.put(str(n), Answer([[Decoder((1, 512, 512, 3)).image()]], None))
    assert len(cache) == 20


class Sender(io.ComfyNode):
    """Gives an image that nobody has decoded yet."""

    decoder = Decoder((1, 8, 8, 3))
    runner: Runner

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="Sender", inputs=[], outputs=[io.Image.Output(), io.String.Output()])

    @classmethod
    async def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(cls.runner.host.image(cls.decoder.shape, 100, cls.decoder), "text")


class Told(io.ComfyNode):
    """Tells what kind of image it was given."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="Told", is_output_node=True, inputs=[io.AnyType.Input("value")], outputs=[])

    @classmethod
    def execute(cls, value: Any) -> io.NodeOutput:
        return io.NodeOutput(ui={"told": [type(value).__module__.partition(".")[0], type(value).__name__]})


class Pack(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [Sender, Told]


async def test_pixels_that_nobody_uses_are_never_decoded(tmp_path: Path, connect: Any) -> None:
    Sender.decoder = Decoder((1, 8, 8, 3))
    async with (
        Runner(base_dir=tmp_path, extensions=[Pack()]) as Sender.runner,
        aiohttp.ClientSession(Sender.runner.url) as http,
        connect(http) as client,
    ):
        entry = await client.run({"1": node("Sender"), "2": node("Told", value=["1", 0])})
        assert entry["outputs"]["2"]["told"] == ["mintmark", "LazyImage"]
        assert Sender.decoder.count == 0
        used = {
            "1": node("Sender"),
            "2": node("ImageInvert", image=["1", 0]),
            "3": node("PreviewImage", images=["2", 0]),
        }
        assert (await client.run(used))["status"]["completed"]
        assert Sender.decoder.count == 1


@pytest.mark.skipif(TORCH, reason="torch is installed")
async def test_tensors_without_torch_are_refused_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match="torch"):
        async with Runner(base_dir=tmp_path, extensions=[], torch=True):
            pass


@pytest.mark.skipif(not TORCH, reason="not run: torch is not installed")
@pytest.mark.parametrize(("torch", "expected"), [(True, "torch"), (None, "torch"), (False, "numpy")])
async def test_nodes_get_tensors_where_torch_is_wanted(
    torch: bool | None, expected: str, tmp_path: Path, connect: Any
) -> None:
    import torch as loaded

    assert loaded is sys.modules["torch"]
    runner = Runner(base_dir=tmp_path, extensions=[Pack(), pixel_nodes.comfy_entrypoint], torch=torch)
    async with runner as Sender.runner, aiohttp.ClientSession(runner.url) as http, connect(http) as client:
        empty = node("EmptyImage", width=4, height=4, batch_size=1, color=0)
        for source, kept in ((empty, "numpy"), (node("Sender"), "mintmark")):
            entry = await client.run({"1": source, "2": node("Told", value=["1", 0])})
            assert entry["outputs"]["2"]["told"][0] == ("torch" if expected == "torch" else kept)
        made = {"1": node("PixelImage", width=7, height=5, batch=1, seed=1, channels=3)}
        chain = {**made, "2": node("ImageInvert", image=["1", 0]), "3": node("PixelDump", value=["2", 0])}
        assert (await client.run(chain))["status"]["completed"]


@pytest.mark.skipif(not TORCH, reason="not run: torch is not installed")
def test_a_tensor_of_any_type_is_an_image_to_the_core() -> None:
    import torch

    with torch.inference_mode():
        made = torch.full((1, 2, 2, 3), 0.5, dtype=torch.bfloat16)
    assert images.as_array(made).dtype == np.float32
    assert images.as_array(made).max() == images.as_array(made).min() == 0.5


def test_an_array_that_is_not_ours_to_change_becomes_a_tensor_of_its_own() -> None:
    assert images.as_tensor("text") == "text"
    assert images.wants_tensors(False) is False
    assert images.wants_tensors(None) is ("torch" in sys.modules)


def test_a_prefix_is_filled_with_the_size_and_the_local_time() -> None:
    now = time.struct_time((2026, 3, 4, 5, 6, 7, 0, 0, 0))
    prefix = "%year%-%month%-%day% %hour%%minute%%second% %width%x%height% %date:yyyy% %Node.seed% 100%"
    assert filled(prefix, width=8, height=9, now=now) == "2026-03-04 050607 8x9 %date:yyyy% %Node.seed% 100%"


async def test_a_save_never_writes_over_a_file(runner: Runner, client: Any) -> None:
    for color in range(2):
        graph = {"1": node("EmptyImage", width=2, height=2, batch_size=2, color=color)}
        await client.run({**graph, "2": node("SaveImage", images=["1", 0], filename_prefix="b_%batch_num%")})
    written = sorted(path.name for path in runner.paths.output.iterdir())
    assert written == ["b_0_00001_.png", "b_0_00002_.png", "b_1_00002_.png", "b_1_00003_.png"]


def test_a_thousand_calls_in_flight_stay_small(tmp_path: Path) -> None:
    import json
    import subprocess

    if not Path("/proc/self/status").exists():
        pytest.skip("not run: this system tells a process's memory in another way")
    script = Path(__file__).parent / "runner_probe" / "flight.py"
    environment = {"PYTHONPATH": str(Path(__file__).parent), "PATH": ""}
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120)
    told = json.loads(done.stdout)
    assert told["completed"] == 1000
    assert told["most_in_flight"] == 1000
    assert told["peak_mb"] < 1000

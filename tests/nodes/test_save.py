"""Sign and Save: what the credential says of the pixels, and where the file lands."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.errors import DiskFull, InvalidInput
from mintmark.generation.pictures import describe
from mintmark.generation.service import Picture
from mintmark.nodes import pixels
from mintmark.nodes.naming import numbered, place
from mintmark.nodes.originals import closest_of, original_in, original_of
from mintmark.nodes.pixels import to_frames, to_image, to_pixels, to_png
from mintmark.nodes.save import ORIGINS
from mintmark.provenance.reading import read as read_credential


def actions(path: Path) -> list[str]:
    return [each.action for each in read_credential(path).actions]


def to_array(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image)


async def test_an_untouched_png_is_saved_with_the_providers_own_pixels_as_parent(
    bench: Any, made: Any, files_of: Any
) -> None:
    (path,) = files_of(await bench.run(made()))
    credential = read_credential(path)
    assert credential.state == "valid"
    assert credential.ai_generated
    assert actions(path) == ["c2pa.opened"]
    (parent,) = credential.ingredients
    assert (parent.relationship, parent.title) == ("parentOf", "fal/flux-schnell result")


async def test_a_jpeg_original_is_the_parent_of_the_png(bench: Any, made: Any, files_of: Any) -> None:
    (path,) = files_of(await bench.run(made(**{"model.output_format": "jpeg"})))
    assert actions(path) == ["c2pa.opened"]
    record = read_credential(path).record
    assert record is not None
    assert record["parameters"]["output_format"] == "jpeg"


@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_transparent_original_keeps_its_transparency(bench: Any, made: Any, files_of: Any) -> None:
    inputs = {"model.background": "transparent", "model.output_format": "png", "width": 1024, "height": 1024}
    (path,) = files_of(await bench.run(made(model="openai/gpt-image-1.5", **inputs)))
    assert to_array(path).shape == (1024, 1024, 4)
    assert actions(path) == ["c2pa.opened"]


async def test_changed_pixels_are_told_as_edited_from_the_original(bench: Any, made: Any, files_of: Any) -> None:
    (path,) = files_of(await bench.run(made(through="ProbeInvert")))
    credential = read_credential(path)
    assert actions(path) == ["c2pa.opened", "c2pa.edited"]
    assert [each.relationship for each in credential.ingredients] == ["parentOf"]
    assert credential.ai_generated
    assert credential.record is not None


async def test_images_in_another_order_are_still_untouched(bench: Any, made: Any, files_of: Any) -> None:
    straight = files_of(await bench.run(made(count=3)))
    turned = files_of(await bench.run(made(count=3, through="ProbeReverse")))
    for one, other in zip(straight, reversed(turned), strict=True):
        assert (to_array(one) == to_array(other)).all()
        assert actions(other) == ["c2pa.opened"]


@pytest.mark.parametrize("origin", list(ORIGINS))
async def test_of_a_file_that_was_only_loaded_the_artist_says_whether_ai_was_in_it(
    origin: str, bench: Any, loaded: Any, files_of: Any
) -> None:
    name = await bench.upload(Image.new("RGB", (64, 48), (30, 90, 60)))
    history = await bench.run(loaded(name, origin=origin))
    (path,) = files_of(history)
    credential = read_credential(path)
    assert credential.state == "valid"
    assert credential.actions[0].action == "c2pa.opened"
    assert credential.ai_generated is (ORIGINS[origin] == "ai_edited")
    assert history["outputs"]["2"]["mintmark"][0]["verdict"]["decision"] == "allowed"


async def test_a_blocked_image_is_not_saved_and_neither_is_the_rest_of_its_batch(bench: Any, error_of: Any) -> None:
    name = await bench.upload(Image.new("RGB", (64, 64), (255, 0, 0)))
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": {"images": ["1", 0], "filename_prefix": "red"}},
    }
    assert "[output_blocked]" in error_of(await bench.run(graph))
    assert list(bench.output.rglob("*")) == []


async def test_a_cached_result_costs_the_next_job_nothing_and_gets_its_own_credential(
    bench: Any, made: Any, files_of: Any
) -> None:
    first, second = await bench.open_job(project="atelier"), await bench.open_job(project="atelier")
    (one,) = files_of(await bench.run(made(), first))
    history = await bench.run(made(), second)
    (other,) = files_of(history)
    assert len(await bench.calls()) == 1
    (receipt,) = (await bench.report(second))["receipts"]
    assert (receipt["state"], receipt["microusd"]) == ("cached", 0)
    (paid,) = (await bench.report(first))["receipts"]
    assert receipt["request_id"] == paid["request_id"]
    record = read_credential(other).record
    assert record is not None
    assert (record["job_id"], record["cached_of"], record["cost_microusd"]) == (second, first, 0)
    assert one != other


@pytest.mark.parametrize("change", [{"project": "other"}, {"policy": "standard@1.0.0"}])
async def test_another_project_or_policy_never_gets_this_ones_result(
    change: dict[str, str], bench: Any, made: Any, files_of: Any
) -> None:
    first, second = await bench.open_job(project="atelier"), await bench.open_job(**{"project": "atelier", **change})
    await bench.run(made(), first)
    (path,) = files_of(await bench.run(made(), second))
    assert len(await bench.calls()) == 2
    record = read_credential(path).record
    assert record is not None
    assert record["job_id"] == second
    assert "cached_of" not in record
    assert first not in str(record)


async def test_a_job_pushed_out_of_memory_still_runs_on_its_own_context(
    bench: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.nodes.worker.MAX_CONTEXTS", 1)
    first = await bench.open_job(project="atelier", allowance_microusd=1)
    await bench.open_job()
    history = await bench.run(made(), first)
    assert "[allowance_exhausted]" in str(history["status"])


async def test_fifty_saves_at_once_with_one_prefix_make_fifty_files(bench: Any, loaded: Any, files_of: Any) -> None:
    names = [await bench.upload(Image.new("RGB", (8, 8), (n, 100, 60)), f"{n}.png") for n in range(50)]
    jobs = [await bench.post(loaded(name, filename_prefix="many/shot")) for name in names]
    paths = [path for job in jobs for path in files_of(await bench.ended(job))]
    assert len(set(paths)) == 50
    assert sorted(to_array(path)[0, 0, 0] for path in paths) == list(range(50))
    assert len(list((bench.output / "many").iterdir())) == 50


@pytest.mark.parametrize(
    "prefix",
    [
        "../x",
        "a/../../x",
        "/etc/x",
        "",
        "  ",
        ".",
        "..",
        "a/..",
        "x\0y",
        "n" * 300,
        "d" * 300 + "/x",
        "x\ud800",
        "abc/" * 400 + "x",
    ],
)
def test_a_prefix_that_names_no_file_inside_the_folder_is_refused(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="filename_prefix") as caught:
        place(tmp_path / "output", prefix)
    assert len(caught.value.message) < 300


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "elsewhere").symlink_to(tmp_path)
    with pytest.raises(InvalidInput):
        place(tmp_path / "output", "elsewhere/x")


@pytest.mark.parametrize(
    ("prefix", "folder", "stem"),
    [
        ("x", "", "x"),
        ("a/b/x", "a/b", "x"),
        ("a/./b/../x", "a", "x"),
        (" x ", "", "x"),
        ("Küste/灯台", "Küste", "灯台"),
    ],
)
def test_a_prefix_may_name_folders(prefix: str, folder: str, stem: str, tmp_path: Path) -> None:
    assert place(tmp_path, prefix) == (tmp_path / folder, stem)


async def test_a_bad_prefix_fails_the_node_by_name_before_anything_is_judged(
    bench: Any, loaded: Any, error_of: Any
) -> None:
    name = await bench.upload(Image.new("RGB", (8, 8)))
    message = error_of(await bench.run(loaded(name, filename_prefix="../x")))
    assert "filename_prefix: '../x'" in message
    assert "[invalid_input]" in message
    assert not (bench.output.parent / "x_00001_.png").exists()


def test_numbers_go_on_after_the_highest_and_odd_names_do_not_disturb(tmp_path: Path) -> None:
    for name in ("x_00007_.png", "x_²_.png", "x_y_00099_.png", "x[1]_00050_.png", "x_00008_.jpg"):
        (tmp_path / name).touch()
    assert next(numbered(tmp_path, "x")).name == "x_00008_.png"
    assert next(numbered(tmp_path, "x[1]")).name == "x[1]_00051_.png"
    assert next(numbered(tmp_path / "new", "x")).name == "x_00001_.png"


async def test_a_full_disk_leaves_nothing_of_a_batch(
    bench: Any, made: Any, error_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = tempfile.mkstemp, list[str]()

    def full(**asked: Any) -> tuple[int, str]:
        begun.extend([asked["prefix"]] if bench.output in asked["dir"].parents else [])
        if len(begun) == 2:
            raise OSError(28, "No space left on device")
        return real(**asked)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    assert f"[{DiskFull.code}]" in error_of(await bench.run(made(count=3)))
    assert [path for path in bench.output.rglob("*") if path.is_file()] == []


# -- pixels, without a worker ------------------------------------------------------------------------------------------


def picture(image: Image.Image) -> Picture:
    data = to_png(np.asarray(image))
    return Picture(data=data, output=describe(data, max_pixels=10**6))


class Made:
    """As much of a Generated as finding originals needs."""

    def __init__(self, *images: Image.Image) -> None:
        self.pictures = tuple(picture(image) for image in images)


def noise(seed: int, *shape: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(1, 255, shape, dtype=np.uint8))


def test_images_of_different_sizes_share_a_batch_and_are_still_their_originals() -> None:
    made: Any = Made(noise(1, 32, 48, 3), noise(2, 64, 20, 3))
    batch = to_image(made.pictures, max_pixels=10**6)
    assert batch.shape == (2, 64, 48, 3)
    assert batch.dtype == np.float32
    assert [original_of(made, each) for each in to_pixels(batch)] == list(made.pictures)


def test_an_image_that_nobody_touched_is_known_without_decoding_it(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = Made(noise(1, 32, 48, 3), noise(2, 64, 20, 3), noise(1, 32, 48, 3))
    made: Any = twins
    frames = to_frames(to_image(made.pictures, max_pixels=10**6))
    decoded: list[bytes] = []
    monkeypatch.setattr(pixels, "decode", lambda data, **_: decoded.append(data))
    for frame, own in zip(frames, twins.pictures, strict=True):
        assert original_in(made, frame) is own
    assert decoded == []


def test_an_image_of_another_record_or_of_a_node_in_between_is_known_by_its_pixels() -> None:
    made: Any = Made(noise(1, 32, 48, 3), noise(2, 32, 48, 3))
    same: Any = Made(noise(2, 32, 48, 3))
    batch = to_image(made.pictures, max_pixels=10**6)
    first, second = to_frames(batch)
    assert (original_in(same, first), original_in(same, second)) == (None, same.pictures[0])
    assert original_in(None, first) is None
    touched = np.array(batch)
    touched[0, 0, 0] = 0
    first, second = to_frames(touched)
    assert (original_in(made, first), original_in(made, second)) == (None, made.pictures[1])


def test_a_frame_around_a_smaller_picture_is_a_change() -> None:
    made: Any = Made(noise(1, 32, 48, 3), noise(2, 64, 20, 3))
    framed = to_pixels(to_image(made.pictures, max_pixels=10**6))[0].copy()
    framed[0, 0] = 1
    assert original_of(made, framed) is None
    assert closest_of(made, framed) is made.pictures[0]


def test_a_changed_alpha_is_a_change() -> None:
    made: Any = Made(noise(1, 16, 16, 4))
    own = np.asarray(noise(1, 16, 16, 4))
    assert original_of(made, own) is made.pictures[0]
    changed = own.copy()
    changed[..., 3] //= 2
    assert original_of(made, changed) is None


def test_the_parent_of_changed_pixels_is_found_by_likeness_wherever_it_stood() -> None:
    made: Any = Made(*(Image.new("RGB", (40, 40), colour) for colour in ("navy", "gold", "teal")))
    for source in made.pictures:
        dimmed = (np.asarray(Image.open(io.BytesIO(source.data))) * 0.9).astype(np.uint8)
        assert original_of(made, dimmed) is None
        assert closest_of(made, dimmed[:20]) is source


def test_every_value_survives_the_way_to_image_and_back() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3))
    made: Any = Made(ramp)
    assert (to_pixels(to_image(made.pictures, max_pixels=10**6))[0] == np.asarray(ramp)).all()


def test_odd_images_become_pictures() -> None:
    grey = np.full((1, 4, 4, 1), 0.5, dtype=np.float32)
    assert to_pixels(grey)[0].shape == (4, 4, 3)
    wild = np.array([[[[np.nan, 2.0, -1.0]]]], dtype=np.float32)
    assert to_pixels(wild)[0].tolist() == [[[0, 255, 0]]]


@pytest.mark.parametrize("shape", [(4, 4, 3), (1, 4, 4, 2), (0, 4, 4, 3)])
def test_what_is_no_batch_of_images_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="images"):
        to_pixels(np.zeros(shape, dtype=np.float32))


async def test_a_receipt_of_a_cached_result_says_zero(bench: Any, made: Any) -> None:
    graph = {**made(), "5": {"class_type": "MintmarkReceipt", "inputs": {"record": ["1", 1]}}}
    await bench.run(graph, await bench.open_job())
    history = await bench.run(graph, await bench.open_job())
    (text,) = history["outputs"]["5"]["text"]
    assert "cached" in text
    assert "total  $0" in text


async def test_two_files_of_one_cached_record_are_one_call_at_zero(bench: Any, made: Any) -> None:
    graph = made()
    graph["4"] = {
        "class_type": "MintmarkSignAndSave",
        "inputs": {**graph["2"]["inputs"], "filename_prefix": "it/other"},
    }
    await bench.run(graph, await bench.open_job())
    job = await bench.open_job()
    history = await bench.run(graph, job)
    assert len(await bench.calls()) == 1
    records = [history["outputs"][node]["mintmark"][0]["record"] for node in ("2", "4")]
    assert [(each["job_id"], each["cost_microusd"]) for each in records] == [(job, 0)] * 2
    report = await bench.report(job)
    assert [each["state"] for each in report["receipts"]] == ["cached"]
    assert report["allowance"]["held_microusd"] == report["allowance"]["settled_microusd"] == 0
    assert len(report["signed"]) == 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WebP"])
async def test_what_could_not_be_read_again_is_not_saved(
    kind: str, tmp_path: Path, open_bench: Any, error_of: Any
) -> None:
    async with open_bench(tmp_path, max_pixels=10_000) as bench:
        size = {"width": 101, "height": 100, "batch_size": 1, "color": 0}
        saved = {"images": ["1", 0], "filename_prefix": "it/image", "format": kind}
        graph = {
            "1": {"class_type": "EmptyImage", "inputs": size},
            "2": {"class_type": "MintmarkSignAndSave", "inputs": saved},
        }
        assert "images: 101x100 is more than 10000 pixels" in error_of(await bench.run(graph))
        assert not list(bench.output.rglob("image*"))

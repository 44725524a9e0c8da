"""All kinds of output come home the same way: judged and signed where that can be done, else only when wanted so."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import SigningFailed, WorkerLost
from mintmark.generation.context import JobContext
from mintmark.generation.engine import Engine
from mintmark.generation.sealing import Draft, sign_unjudged
from mintmark.orchestrator.execution import kinds
from mintmark.orchestrator.execution.delivery import Delivered, Delivery
from mintmark.orchestrator.execution.request import RunRequest
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.orchestrator.link.protocol import parse_history
from mintmark.provenance.reading import read
from mintmark.provenance.signing import Signed
from mintmark.provenance.texts import with_texts
from mintmark.workflows.format import Output, WorkflowVersion

from ..conftest import House, text_to_image
from ..fake_comfy import FakeComfy

JOB = "11111111-2222-4333-8444-555555555555"


def picture(kind: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (20, 10), (200, 30, 90)).save(made, kind)
    return made.getvalue()


def sound() -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 800)
    return made.getvalue()


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def film() -> bytes:
    """The smallest MP4 there is: no track, but whole."""
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    header = struct.pack(">IIIIIIH10x", 0, 0, 0, 1000, 0, 0x10000, 0x100)
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    return (
        head + box(b"moov", box(b"mvhd", header + matrix + b"\0" * 24 + struct.pack(">I", 1))) + box(b"mdat", b"x" * 9)
    )


WEBM = b"\x1a\x45\xdf\xa3 webm and so on"
GLB = b"glTF\2\0\0\0 and so on"


# -- what it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "name", "media_type", "ending"),
    [
        (picture("PNG"), "a.png", "image/png", ".png"),
        (picture("JPEG"), "a.png", "image/jpeg", ".jpg"),
        (picture("WEBP"), "a", "image/webp", ".webp"),
        (picture("GIF"), "a.gif", "image/gif", ".gif"),
        (film(), "a.mp4", "video/mp4", ".mp4"),
        (WEBM, "a.webm", "video/webm", ".webm"),
        (WEBM, "a.mkv", "video/x-matroska", ".mkv"),
        (sound(), "a.wav", "audio/wav", ".wav"),
        (b"fLaC and so on", "a.flac", "audio/flac", ".flac"),
        (b"OggS and so on", "a.opus", "audio/ogg", ".ogg"),
        (GLB, "a.glb", "model/gltf-binary", ".glb"),
        (b"a line of text", "a.txt", "text/plain", ".txt"),
        (b"v 0 0 0", "sub/a.OBJ", "model/obj", ".obj"),
        (b"who knows", "a.Latent", "application/octet-stream", ".latent"),
        (b"", "a", "application/octet-stream", ""),
    ],
)
def test_an_output_is_what_its_content_says_and_else_its_name(
    data: bytes, name: str, media_type: str, ending: str
) -> None:
    assert kinds.media_type(data, name) == media_type
    assert kinds.ending(media_type, name) == ending


# -- bringing it home -----------------------------------------------------------------------------------------------


@pytest.fixture
async def comfy() -> AsyncIterator[FakeComfy]:
    async with FakeComfy() as running:
        yield running


class Bringing:
    """Delivers what a worker's history names."""

    def __init__(self, house: House, comfy: FakeComfy) -> None:
        self.house, self.comfy = house, comfy

    async def __call__(
        self,
        outputs: dict[str, Any],
        graph: dict[str, Any] | None = None,
        *,
        allow_unchecked: bool = False,
        keep_prompt: bool | None = None,
        workflow: WorkflowVersion | None = None,
    ) -> list[Delivered]:
        context = JobContext(job_id=JOB, allowance_microusd=0, mode="sandbox", keep_prompt=keep_prompt)
        async with WorkerLink(self.house.runner.url) as runner:
            await runner.open_job(context)
            report = await runner.report(JOB)
        request = RunRequest(
            workflow=workflow or text_to_image(),
            worker_name="w",
            out_dir=self.house.out,
            allow_unchecked=allow_unchecked,
        )
        delivery = Delivery(max_pixels=1000, anchors_pem=None, seal=self.house.seal, sign=self._sign)
        async with WorkerLink(self.comfy.url) as link:
            history = parse_history({"outputs": outputs})
            return await delivery.deliver(link, history, report, context, request, graph or {})

    async def _sign(self, draft: Draft) -> Signed:
        async with Engine(self.house.settings, sandbox_url=self.house.sandbox.url, pack_version="test") as engine:
            return await sign_unjudged(engine, draft)


@pytest.fixture
def bring(house: House, comfy: FakeComfy) -> Bringing:
    return Bringing(house, comfy)


def saved(name: str, subfolder: str = "", kind: str = "output") -> dict[str, str]:
    return {"filename": name, "subfolder": subfolder, "type": kind}


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("PNG", "image/png"), ("AVIF", "image/avif")],
)
async def test_an_unsigned_picture_is_judged_and_signed_in_its_own_format(
    bring: Bringing, comfy: FakeComfy, kind: str, media_type: str
) -> None:
    comfy.files["a"] = picture(kind)
    (found,) = await bring({"9": {"images": [saved("a")]}})
    assert (found.media_type, found.width, found.height) == (media_type, 20, 10)
    assert found.verdict is not None
    assert found.verdict["decision"] == "allowed"
    assert found.credential.state == "valid"
    data = Path(found.path).read_bytes()
    assert read(data).state == "valid"
    assert Image.open(io.BytesIO(data)).format == kind


async def test_a_file_is_asked_for_with_its_subfolder_and_previews_stay_there(
    bring: Bringing, comfy: FakeComfy
) -> None:
    comfy.files |= {"a.png": picture("PNG"), "seen.png": picture("PNG")}
    await bring({"8": {"images": [saved("seen.png", kind="temp")]}, "9": {"images": [saved("a.png", "deep/er")]}})
    assert comfy.viewed == [{"filename": "a.png", "subfolder": "deep/er", "type": "output"}]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


PLAIN = {
    "1": node("LoadImage", image="holiday/boat.png"),
    "2": node("VAEEncode", pixels=["1", 0], vae=["4", 2]),
    "3": node("KSampler", model=["4", 0], latent_image=["2", 0], denoise=0.5),
    "4": node("CheckpointLoaderSimple", ckpt_name="sd15.safetensors"),
    "5": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
    "9": node("SaveImage", images=["5", 0]),
}


async def test_the_credential_of_a_plain_graphs_picture_tells_of_its_graph_and_names_the_file_it_began_with(
    bring: Bringing, comfy: FakeComfy
) -> None:
    comfy.files |= {"a.png": picture("PNG"), "boat.png": picture("PNG")}
    (found,) = await bring({"9": {"images": [saved("a.png")]}}, PLAIN)
    assert comfy.viewed[-1] == {"filename": "boat.png", "subfolder": "holiday", "type": "input"}
    credential = read(Path(found.path).read_bytes())
    assert [(each.action, each.software_agent) for each in credential.actions] == [
        ("c2pa.opened", None),
        ("c2pa.edited", "sd15.safetensors"),
    ]
    assert credential.ai_generated
    assert [(each.relationship, each.title) for each in credential.ingredients] == [("parentOf", "boat.png")]


EITHER = {
    **PLAIN,
    "7": node("MintmarkEditImage", image=["1", 0], prompt="snow", model="openai/gpt-image-1"),
    "8": node("MintmarkRentOrOwn", policy="cheapest now", local=["1", 0], hosted=["7", 0]),
    "9": node("SaveImage", images=["8", 0]),
}


async def test_of_two_branches_the_credential_tells_the_one_that_the_worker_says_was_taken(
    bring: Bringing, comfy: FakeComfy
) -> None:
    comfy.files |= {"a.png": picture("PNG"), "boat.png": picture("PNG")}
    told = {"node_id": "8", "branch": "hosted", "policy": "cheapest now", "reason": "so"}
    shown = {"8": {"mintmark": [told]}, "9": {"images": [saved("a.png")]}}
    (found,) = await bring(shown, EITHER)
    credential = read(Path(found.path).read_bytes())
    assert [(each.action, each.software_agent) for each in credential.actions] == [
        ("c2pa.created", "openai/gpt-image-1")
    ]
    assert credential.ai_generated
    assert credential.record is not None
    assert credential.record["choices"] == [told]


async def test_the_credential_of_a_video_tells_of_its_graph_too(bring: Bringing, comfy: FakeComfy) -> None:
    comfy.files |= {"a.mp4": film(), "boat.png": picture("PNG")}
    graph = {
        "1": node("LoadImage", image="boat.png"),
        "2": node("EmptyHunyuanLatentVideo"),
        "3": node("KSampler", model=["4", 0], latent_image=["2", 0], positive=["1", 0]),
        "4": node("UNETLoader", unet_name="film.safetensors"),
        "5": node("VAEDecode", samples=["3", 0]),
        "6": node("ImageBatch", image1=["5", 0], image2=["1", 0]),
        "7": node("CreateVideo", images=["5", 0]),
        "9": node("SaveVideo", video=["7", 0]),
    }
    (found,) = await bring({"9": {"images": [saved("a.mp4")]}}, graph, allow_unchecked=True)
    credential = read(Path(found.path).read_bytes(), "video/mp4")
    assert [(each.action, each.software_agent) for each in credential.actions] == [("c2pa.created", "film.safetensors")]
    assert [(each.relationship, each.title) for each in credential.ingredients] == [("inputTo", "boat.png")]
    graph["7"]["inputs"]["images"] = ["6", 0]  # of both: which it was first, nobody can tell
    (joined,) = await bring({"9": {"images": [saved("a.mp4")]}}, graph, allow_unchecked=True)
    assert read(Path(joined.path).read_bytes(), "video/mp4").actions[0].software_agent != "film.safetensors"


async def test_of_an_unknown_save_node_the_pictures_are_looked_at_and_not_its_model(
    bring: Bringing, comfy: FakeComfy
) -> None:
    comfy.files |= {"a.png": picture("PNG"), "boat.png": picture("PNG")}
    graph = {**PLAIN, "9": node("SaveFancy", sizes=[1, 2], model=["4", 0], frames=["5", 0])}
    (found,) = await bring({"9": {"images": [saved("a.png")]}}, graph)
    assert [each.title for each in read(Path(found.path).read_bytes()).ingredients] == ["boat.png"]


async def test_a_file_that_is_gone_from_the_worker_only_makes_the_credential_say_less(
    bring: Bringing, comfy: FakeComfy
) -> None:
    comfy.files["a.png"] = picture("PNG")
    (found,) = await bring({"9": {"images": [saved("a.png")]}}, PLAIN)
    credential = read(Path(found.path).read_bytes())
    assert [each.action for each in credential.actions] == ["c2pa.created", "c2pa.edited"]
    assert credential.ingredients == ()


async def test_only_previews_are_no_result(bring: Bringing) -> None:
    with pytest.raises(WorkerLost, match="without a file"):
        await bring({"8": {"images": [saved("seen.png", kind="temp")]}})


async def test_of_a_workflow_that_only_tells_something_no_file_is_missed(bring: Bringing) -> None:
    told = Output(name="price", node="8", kind="text")
    assert (
        await bring({"8": {"text": ["$0.003"]}}, workflow=text_to_image().model_copy(update={"outputs": (told,)})) == []
    )


OTHERS = [
    ("video", "a.mp4", film(), "video/mp4", "valid"),
    ("audio", "a.wav", sound(), "audio/wav", "valid"),
    ("images", "a.gif", picture("GIF"), "image/gif", "valid"),
    ("video", "a.webm", WEBM, "video/webm", "valid"),
    ("3d", "a.glb", GLB, "model/gltf-binary", "valid"),
    ("files", "a.txt", b"a line of text", "text/plain", "valid"),
]
BESIDE = {"a.webm", "a.glb", "a.txt"}
"""What takes no credential in has it beside it."""


@pytest.mark.parametrize(("kind", "name", "data", "media_type", "state"), OTHERS)
async def test_what_nobody_can_judge_is_refused_by_name_with_the_way_to_take_it(
    bring: Bringing, comfy: FakeComfy, kind: str, name: str, data: bytes, media_type: str, state: str
) -> None:
    comfy.files |= {name: data, "good.png": picture("PNG")}
    with pytest.raises(SigningFailed, match=f"{name} is {media_type}") as caught:
        await bring({"8": {"images": [saved("good.png")]}, "9": {kind: [saved(name)]}})
    assert "--allow-unchecked" in caught.value.hint
    assert caught.value.data["keep_open"] is True
    assert bring.house.written() == [], "all or nothing"


@pytest.mark.parametrize(("kind", "name", "data", "media_type", "state"), OTHERS)
async def test_what_nobody_can_judge_comes_when_it_is_wanted_so_signed_where_that_can_be(
    bring: Bringing, comfy: FakeComfy, kind: str, name: str, data: bytes, media_type: str, state: str
) -> None:
    comfy.files[name] = data
    (found,) = await bring({"9": {kind: [saved(name)]}}, allow_unchecked=True)
    assert (found.media_type, found.width, found.height, found.verdict) == (media_type, None, None, None)
    assert found.credential.state == state
    written = Path(found.path).read_bytes()
    assert (written == data) is (name in BESIDE)
    assert Path(found.path).suffix == Path(name).suffix
    assert found.sidecar == (f"{found.path}.c2pa" if name in BESIDE else None)
    assert read(Path(found.path), media_type if name not in BESIDE else None).state == "valid"


GRAPH_TEXT = '{"1": {"class_type": "KSampler", "inputs": {"text": "a lighthouse"}}}'


@pytest.mark.parametrize(("keep_prompt", "kept"), [(None, True), (True, True), (False, False)])
@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("PNG", "image/png")])
async def test_the_graph_that_another_node_wrote_stays_or_goes_by_policy(
    bring: Bringing, comfy: FakeComfy, kind: str, media_type: str, keep_prompt: bool | None, kept: bool
) -> None:
    comfy.files["a.file"] = with_texts(picture(kind), media_type, {"prompt": GRAPH_TEXT})
    (found,) = await bring({"9": {"images": [saved("a.file")]}}, keep_prompt=keep_prompt)
    written = Path(found.path).read_bytes()
    assert read(written).state == "valid"
    assert (b"lighthouse" in written) is kept


async def test_a_film_is_freed_of_its_graph_and_what_cannot_be_is_not_delivered(
    bring: Bringing, comfy: FakeComfy
) -> None:
    words = b"udta" + GRAPH_TEXT.encode()
    comfy.files["a.mp4"] = film() + (len(words) + 4).to_bytes(4, "big") + words
    (found,) = await bring({"9": {"video": [saved("a.mp4")]}}, allow_unchecked=True, keep_prompt=False)
    assert b"lighthouse" not in Path(found.path).read_bytes()
    comfy.files["a.glb"] = GLB + GRAPH_TEXT.encode()
    with pytest.raises(SigningFailed, match="holds its graph"):
        await bring({"9": {"3d": [saved("a.glb")]}}, allow_unchecked=True, keep_prompt=False)

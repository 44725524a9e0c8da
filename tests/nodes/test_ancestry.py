"""What credentials say of graphs: the golden list, each file signed and read back by c2pa's own reader."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import c2pa
import pytest
from PIL import Image

from mintmark.config import Settings
from mintmark.generation.context import JobContext
from mintmark.generation.pictures import describe
from mintmark.generation.record import Record, Seed
from mintmark.generation.rent_or_own import SWITCH, Choice, choices_above
from mintmark.generation.sealing import Draft, facts_of
from mintmark.generation.service import Generated, Picture
from mintmark.generation.source import Source, open_source
from mintmark.moderation.verdict import Verdict
from mintmark.nodes.ancestry import Ancestry
from mintmark.nodes.pixels import Frame
from mintmark.nodes.remembering import Remembered
from mintmark.nodes.save import ORIGINS
from mintmark.nodes.saving import Wanted, draft
from mintmark.provenance.keys import signing_identity
from mintmark.provenance.lineage.tracing import descents
from mintmark.provenance.signing import CredentialSigner
from mintmark.workflows.partners import classes

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MOST = 10**6


def png(shade: int, size: tuple[int, int] = (48, 32)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (shade, 90, 255 - shade)).save(file, "PNG")
    return file.getvalue()


def opened(data: bytes, title: str) -> Source:
    return open_source(data, title, anchors_pem=None, max_pixels=MOST)


def generated(shade: int, node: str = "h", model: str = "openai/gpt-image-1") -> Generated:
    picture = Picture(data=png(shade), output=describe(png(shade), max_pixels=MOST))
    record = Record(
        job_id="j",
        node_id=node,
        task="text-to-image",
        provider=model.partition("/")[0],
        model=model,
        model_version=None,
        family="local" if model.startswith("local/") else "closed",
        prompt_sha256="0" * 64,
        seed=Seed(asked=None, sent=None),
        request_digest="0" * 64,
        outputs=(picture.output,),
        receipts=(),
        verdicts=(),
        policy="standard",
        mode="sandbox",
        made_at=datetime(2026, 11, 21, tzinfo=timezone.utc),
        provider_ms=1,
        pack_version="1",
    )
    return Generated(pictures=(picture,), record=record)


class Files(Ancestry):
    """An ancestry whose files are not in a folder but made here, one colour each."""

    @property
    def files(self) -> dict[str, Source]:  # type: ignore[override]
        roots = dict.fromkeys(root for way in self._ways for root in way.files if root.kind == "file")
        return {root.node: opened(png(40 + 9 * place), root.name) for place, root in enumerate(roots)}


def credential_of(graph: dict[str, Any], link: list[Any], says: str, signer: CredentialSigner) -> dict[str, Any]:
    """What c2pa reads of a changed picture of this graph, after it was drafted and signed."""
    ways = descents(graph, link, hosted=classes())
    hosted = dict.fromkeys(root.node for way in ways for root in way.files if root.kind == "hosted")
    here = {node: "local/sdxl.safetensors" for node in hosted if graph[node]["class_type"] == "MintmarkLocalSample"}
    made = {
        each: [generated(120 + 9 * place, each, here.get(each, "openai/gpt-image-1"))]
        for place, each in enumerate(hosted)
    }
    frame = Frame(lambda: [_pixels(png(7, (20, 20)))], 0, None)
    wanted = Wanted(format="PNG", quality=95, lossless=False, origin=ORIGINS[says], hides=False, texts=None)
    ours = {node: results for node, results in made.items() if str(graph[node]["class_type"]).startswith("Mintmark")}
    drafted, _ = draft(Files(ways, ours, opened), lambda made: made.record, frame, "golden", wanted)
    assert isinstance(drafted, Draft)
    data = signer.sign(drafted.data, "image/png", facts_of(drafted, VERDICT))
    with c2pa.Reader("image/png", io.BytesIO(data)) as reader:
        manifest: dict[str, Any] = json.loads(reader.json())
    return manifest["manifests"][manifest["active_manifest"]]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CredentialSigner]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("identity"))
    with CredentialSigner(signing_identity(settings)) as signer:
        yield signer


VERDICT = Verdict.model_construct(decision="allowed", rule="none")


def _pixels(data: bytes) -> Any:
    import numpy as np

    return np.asarray(Image.open(io.BytesIO(data)))


def told(action: dict[str, Any]) -> list[str | None]:
    source = action.get("digitalSourceType")
    agent = action.get("softwareAgent") or {}
    return [
        action["action"],
        source.removeprefix(IPTC) if source else None,
        agent.get("name"),
        action.get("description"),
    ]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_credential_tells_just_what_the_graph_did(path: Path, signer: CredentialSigner) -> None:
    golden = json.loads(path.read_text())
    manifest = credential_of(golden["graph"], golden["images"], golden["says"], signer)
    (actions,) = (each["data"]["actions"] for each in manifest["assertions"] if "actions" in each["label"])
    assert [told(each) for each in actions] == golden["actions"]
    ingredients = [[each["relationship"], each["title"]] for each in manifest.get("ingredients", [])]
    assert ingredients == golden["ingredients"]


def test_the_golden_list_has_at_least_twenty_five_graphs() -> None:
    assert len(GOLDEN) >= 25


def test_of_a_batch_of_several_files_the_most_alike_is_the_parent() -> None:
    graph = {
        "a": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "b": {"class_type": "LoadImage", "inputs": {"image": "b.png"}},
        "j": {"class_type": "ImageBatch", "inputs": {"image1": ["a", 0], "image2": ["b", 0]}},
        "s": {"class_type": "ImageScaleBy", "inputs": {"image": ["j", 0], "scale_by": 0.5}},
    }
    ancestry = Files(descents(graph, ["s", 0]), {}, opened)
    found = [ancestry.way_of(_pixels(png(shade, (24, 16)))) for shade in (42, 50)]
    assert [way.root.name for way in found if way] == ["a.png", "b.png"]


def job(name: str, project: str = "films") -> JobContext:
    return JobContext(
        job_id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)), project=project, allowance_microusd=0, mode="sandbox"
    )


def test_results_are_remembered_only_while_somebody_keeps_them() -> None:
    remembered, kept = Remembered(), generated(1)
    remembered.add(job("a"), "1", generated(2))
    remembered.add(job("a"), "1", kept)
    assert remembered.of(job("a"), "1") == [kept]
    assert remembered.of(job("a"), "2") == []


def test_a_job_finds_its_own_results_then_its_projects_and_never_anothers() -> None:
    remembered, mine, theirs = Remembered(), generated(1), generated(2)
    remembered.add(job("a"), "1", mine)
    remembered.add(job("b"), "1", theirs)
    assert remembered.of(job("a"), "1") == [mine]
    assert remembered.of(job("later"), "1") == [theirs, mine]
    assert remembered.of(job("later", "another"), "1") == []


def test_of_a_node_that_ran_for_each_of_several_seeds_each_picture_has_its_own_parent() -> None:
    graph = {
        "h": {"class_type": "MintmarkTextToImage", "inputs": {"model": "openai/gpt-image-1"}},
        "s": {"class_type": "ImageScaleBy", "inputs": {"image": ["h", 0], "scale_by": 0.5}},
    }
    first, second = generated(20), generated(220)
    ancestry = Files(descents(graph, ["s", 0]), {"h": [second, first]}, opened)
    (way,) = descents(graph, ["s", 0])
    found = [ancestry.made_at(way.root, _pixels(png(shade, (24, 16)))) for shade in (22, 218)]
    assert [each is made for each, made in zip(found, (first, second), strict=True)] == [True, True]


def test_of_several_models_whose_pictures_were_joined_none_is_named() -> None:
    sampled = {"latent_image": ["e", 0]}
    graph = {
        "e": {"class_type": "EmptyLatentImage", "inputs": {}},
        **{each: {"class_type": "UNETLoader", "inputs": {"unet_name": each}} for each in ("a", "b")},
        **{f"k{each}": {"class_type": "KSampler", "inputs": {"model": [each, 0], **sampled}} for each in ("a", "b")},
        "j": {"class_type": "LatentBatch", "inputs": {"samples1": ["ka", 0], "samples2": ["kb", 0]}},
        "s": {"class_type": "LatentUpscale", "inputs": {"samples": ["j", 0]}},
    }
    way = Files(descents(graph, ["s", 0]), {}, opened).way_of(_pixels(png(3)))
    assert way is not None
    assert (way.root.kind, way.root.name, [step.action for step in way.steps]) == ("model", "", ["c2pa.resized"])


def switched(branch: str = "hosted", policy: str = "cheapest now", **words: Any) -> dict[str, Any]:
    chosen = {"policy": policy, **{f"policy.{name}": value for name, value in words.items()}}
    return {"class_type": SWITCH, "inputs": {**chosen, "local": ["below", 0], "hosted": ["h", 0]}}


def test_only_switches_that_a_picture_came_through_are_told_of() -> None:
    graph = {"save": {"class_type": "SaveImage", "inputs": {"images": ["up", 0], "notes": [["up"], 0]}}}
    graph |= {"up": switched(), "below": switched(), "elsewhere": switched(), "broken": {"class_type": SWITCH}}
    taken = {each: Choice("hosted", "by hand", "so") for each in ("up", "below", "elsewhere")}
    assert list(choices_above(graph, "save", taken.get)) == ["up"]
    taken["up"] = Choice("local", "by hand", "so")
    assert list(choices_above(graph, "save", taken.get)) == ["up", "below"]
    assert choices_above(graph, "save", lambda _: None) == {}

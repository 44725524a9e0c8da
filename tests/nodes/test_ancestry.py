"""What credentials say of graphs: the golden list, each file signed and read back by c2pa's own reader."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import c2pa
import pytest
from PIL import Image

from mintmark.config import Settings
from mintmark.generation.pictures import describe
from mintmark.generation.record import Record, Seed
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


def generated(shade: int, node: str = "h") -> Generated:
    picture = Picture(data=png(shade), output=describe(png(shade), max_pixels=MOST))
    record = Record(
        job_id="j",
        node_id=node,
        task="text-to-image",
        provider="openai",
        model="openai/gpt-image-1",
        model_version=None,
        family="closed",
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
    made = {each: [generated(120 + 9 * place, each)] for place, each in enumerate(hosted)}
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


def test_results_are_remembered_only_while_somebody_keeps_them() -> None:
    remembered, kept = Remembered(), generated(1)
    remembered.add("1", generated(2))
    remembered.add("1", kept)
    assert list(remembered.of("1")) == [kept]
    assert list(remembered.of("2")) == []

"""Making a file again: what is read of a record that anybody may have signed, which files are meant, what is equal."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import CannotRerun, WorkerLost
from mintmark.orchestrator.execution.again import Then, bring_files, then_of
from mintmark.orchestrator.execution.comparing import compared
from mintmark.provenance.credential import Credential
from mintmark.provenance.texts import with_texts

MOST = 10**6
GRAPH = {"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}


def png(colour: tuple[int, ...] = (9, 80, 40), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (8, 4), colour).save(file, "PNG")
    return file.getvalue()


def then(graph: Any = None, **record: Any) -> Then:
    return Then(data=png(), graph=GRAPH if graph is None else graph, record=record)


class Worker:
    """A link that has these files and takes others."""

    def __init__(self, **files: bytes) -> None:
        self.files = files

    async def fetch(self, file: Any) -> bytes:
        if file.filename not in self.files:
            raise WorkerLost("gone")
        return self.files[file.filename]

    async def upload(self, name: str, data: bytes, media_type: str) -> str:
        self.files[name] = data
        return name


STRANGE: list[dict[str, Any]] = [
    {"workflow": "text", "sources": "text", "choices": "text", "mode": 7},
    {"workflow": ["a"], "sources": [1, None, {"sha256": "0"}], "choices": [1, {"branch": ["local"]}]},
    {"workflow": {"name": "half"}, "sources": {"title": "a.png"}, "choices": [{"branch": "moon"}]},
]


@pytest.mark.parametrize("record", STRANGE)
def test_a_record_of_another_make_tells_nothing_and_breaks_nothing(record: dict[str, Any]) -> None:
    found = then(**record)
    assert (found.label, found.digest, found.branch) == ("", "", None)
    assert found.digests_of("a.png") == frozenset()
    with pytest.raises(CannotRerun, match="does not hold its graph"):
        then_of(png(), "image/png", Credential("valid", record=record))


@pytest.mark.parametrize(
    "node", [{"class_type": ["LoadImage"], "inputs": {}}, {"class_type": "LoadImage", "inputs": []}]
)
def test_a_graph_of_strange_nodes_is_none(node: dict[str, Any]) -> None:
    data = with_texts(png(), "image/png", {"prompt": json.dumps({"1": node})})
    with pytest.raises(CannotRerun, match="does not hold its graph"):
        then_of(data, "image/png", Credential("valid", record={}))


@pytest.mark.parametrize(
    ("branches", "pinned"),
    [(["hosted"], "hosted"), (["local", "local"], "local"), (["local", "hosted"], None), ([], None)],
)
def test_the_branch_that_was_taken_is_taken_again(branches: list[str], pinned: str | None) -> None:
    assert then(choices=[{"node_id": "3", "branch": each} for each in branches]).branch == pinned


async def test_a_file_is_not_taken_for_another_because_its_digest_begins_like_a_name(tmp_path: Path) -> None:
    several = (png((shade, 1, 2)) for shade in range(256))
    wrong = next(data for data in several if hashlib.sha256(data).hexdigest().startswith("a"))
    (tmp_path / "wrong.png").write_bytes(wrong)
    with pytest.raises(CannotRerun, match=r"a\.png"):
        await bring_files(then(), Worker(), [tmp_path / "wrong.png"], max_pixels=MOST)  # type: ignore[arg-type]


async def test_an_upload_is_known_by_its_digest(tmp_path: Path) -> None:
    data = png((1, 2, 3))
    (tmp_path / "right.png").write_bytes(data)
    name = f"{hashlib.sha256(data).hexdigest()[:32]}.png"
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": name}}}
    worker = Worker()
    await bring_files(then(graph), worker, [tmp_path / "right.png"], max_pixels=MOST)  # type: ignore[arg-type]
    assert worker.files == {name: data}


async def test_of_two_files_of_one_name_in_two_folders_each_is_right() -> None:
    digests = [hashlib.sha256(data).hexdigest() for data in (png((1, 1, 1)), png((2, 2, 2)))]
    found = then(sources=[{"title": "a.png", "sha256": each} for each in digests])
    worker = Worker(**{"a.png": png((2, 2, 2))})
    assert await bring_files(found, worker, [], max_pixels=MOST) == GRAPH  # type: ignore[arg-type]


def test_pictures_that_differ_in_their_opacity_are_not_equal() -> None:
    before, after = png((9, 80, 40, 255), "RGBA"), png((9, 80, 40, 7), "RGBA")
    found = compared(before, [after], max_pixels=MOST)
    assert (found.equal, "#09502807 instead of #095028" in found.difference) == (False, True)
    assert compared(png(), [png((9, 80, 40, 255), "RGBA")], max_pixels=MOST).equal


def test_the_nearest_output_counts() -> None:
    found = compared(png(), [png((9, 80, 99)), png((9, 80, 41))], max_pixels=MOST)
    assert (found.equal, found.place) == (False, 1)

"""Which weights are on this machine, below the host's model folders: checkpoints, LoRAs, ControlNets, and others.

A schema asks for these lists whenever the palette is told of, so they cost a walk through the folders and nothing of a
file that was seen before: headers are read once, and again when a file's size or time of change is another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from ...errors import DamagedFile, FileMissing, MintmarkError
from .configs import INDEX, Configs, Half, half_of_file, weights_in
from .headers import PICKLES, Header, glance, read_header, refuse_pickle
from .recipe import Checkpoint
from .recognizing import family_of_file, family_of_folder

ENDINGS = (".safetensors", ".sft")
FILE_KINDS = ("checkpoints", "diffusion_models")
"""Folders in which a single file is a checkpoint. ComfyUI's ``diffusion_models`` are networks alone."""
KINDS = ("checkpoints", "diffusers", "diffusion_models")
"""Folders in which checkpoints are, in the order they are looked in."""


class Folders(Protocol):
    """What is needed of a host: see :class:`~..host.Host`."""

    def model_folders(self, name: str) -> tuple[Path, ...]:
        """Where files of this kind are looked for."""


@dataclass(frozen=True)
class Found:
    """A file, or a folder that is one model of many files."""

    name: str
    """Below its model folder, with forward slashes."""
    path: Path
    size: int
    stamp: int
    is_folder: bool = False


def checkpoints(host: Folders) -> list[Checkpoint]:
    """Those of a family that is sampled here, by name within their folder. A damaged file is not among them."""
    configs = Configs(host.model_folders)
    return [made for found in _candidates(host) if (made := _known(configs, found)) is not None]


def find(host: Folders, name: str) -> Checkpoint:
    """The checkpoint of this name, its files looked at: they are whole, and safetensors.

    Raises:
        FileMissing: there is none; names that are near are in the hint.
        NotSafetensors, DamagedFile, UnknownFamily: it is there, and what is wrong with it.
    """
    refuse_pickle(Path(name))
    found = _place(host, name)
    check(found.path)
    return _checkpoint(Configs(host.model_folders), found)


def named(host: Folders, name: str) -> Checkpoint:
    """The same by what was seen of it before: as fast as a list. Raises as :func:`find` does, mostly."""
    return _checkpoint(Configs(host.model_folders), _place(host, name))


def _place(host: Folders, name: str) -> Found:
    every = list(_candidates(host))
    found = next((each for each in every if each.name == name), None)
    if found is None:
        raise _missing("checkpoint", name, [each.name for each in every], host, KINDS)
    return found


def check(path: Path) -> None:
    """That each safetensors file of this checkpoint is whole, and none of its parts is a pickle alone.

    Raises FileMissing, NotSafetensors, DamagedFile. Reads headers only.
    """
    if not path.is_dir():
        read_header(path)
        return
    for part in sorted(each for each in path.iterdir() if each.is_dir() and each.name != "safety_checker"):
        check_part(part)


def check_part(folder: Path) -> None:
    """The same of one component of a diffusers folder."""
    inside = sorted(folder.iterdir())
    for file in inside:
        if file.name.endswith(ENDINGS):
            read_header(file)
    pickles = [each for each in inside if each.suffix in PICKLES]
    if pickles and not weights_in(folder):
        refuse_pickle(Path(folder.name, pickles[0].name))


def diffusers_folders(host: Folders) -> list[str]:
    """Names of folders that are a whole pipeline each, of whichever family."""
    return [found.name for found in _walk(host, "diffusers") if found.is_folder]


def loras(host: Folders) -> list[str]:
    """Names of LoRA files."""
    return _names(host, "loras")


def embeddings(host: Folders) -> list[str]:
    """Names of textual inversions."""
    return _names(host, "embeddings")


def upscalers(host: Folders) -> list[str]:
    """Names of upscaling networks."""
    return _names(host, "upscale_models")


def restorers(host: Folders) -> list[str]:
    """Names of networks that restore faces."""
    return _names(host, "facerestore_models")


def detectors(host: Folders) -> list[str]:
    """Names of networks that find faces: ONNX files."""
    return _names(host, "face_detection")


def controlnets(host: Folders) -> list[str]:
    """Names of ControlNets: files, and diffusers folders."""
    return _names(host, "controlnet")


def find_file(host: Folders, kind: str, name: str) -> Path:
    """The file or folder of this name and kind (``loras``, ``embeddings``, ``controlnet``, ``upscale_models``, …).

    Raises FileMissing naming near ones, and NotSafetensors for what its name says is a pickle. It is not opened.
    """
    refuse_pickle(Path(name))
    every = list(_walk(host, kind))
    for found in every:
        if found.name == name:
            return found.path
    raise _missing(_WORDS.get(kind, "file"), name, [each.name for each in every], host, (kind,))


_WORDS = {
    "loras": "LoRA",
    "embeddings": "embedding",
    "controlnet": "ControlNet",
    "upscale_models": "upscaling model",
    "facerestore_models": "face restoring model",
    "face_detection": "face detector",
}


def _names(host: Folders, kind: str) -> list[str]:
    return sorted({found.name for found in _walk(host, kind)})


def _missing(word: str, name: str, every: list[str], host: Folders, kinds: tuple[str, ...]) -> FileMissing:
    if not name:
        return FileMissing(
            f"No {word} is chosen.", hint=f"Put one into {_first(host, kinds)}, and load the page again."
        )
    near = get_close_matches(name, every, n=3, cutoff=0.5)
    hint = f"Near it are {', '.join(near)}." if near else f"Put it into {_first(host, kinds)}."
    return FileMissing(f"There is no {word} {name[:200]!r} here.", hint=hint)


def _first(host: Folders, kinds: tuple[str, ...]) -> str:
    """Where files of these kinds go: the last two folders of the path, which are enough to know it by."""
    places = [folder for kind in kinds for folder in host.model_folders(kind)[:1]]
    return " or ".join("/".join(each.parts[-2:]) for each in places) or f"the folder {kinds[0]}"


def _candidates(host: Folders) -> Iterator[Found]:
    """Everything that may be a checkpoint; of two with one name the first."""
    names: set[str] = set()
    for kind in KINDS:
        for found in _walk(host, kind):
            if (found.is_folder or kind in FILE_KINDS) and found.name not in names:
                names.add(found.name)
                yield found


def _known(configs: Configs, found: Found) -> Checkpoint | None:
    try:
        return _checkpoint(configs, found)
    except MintmarkError:
        return None


def _checkpoint(configs: Configs, found: Found) -> Checkpoint:
    family, half, wrong = _seen(str(found.path), found.is_folder, found.size, found.stamp)
    if wrong is not None:
        raise type(wrong)(wrong.message, hint=wrong.hint)
    config = configs.best(found.path, half) if half else None
    return Checkpoint(
        name=found.name,
        path=str(found.path),
        kind="folder" if found.is_folder else "file",
        family=family,
        size=found.size,
        stamp=found.stamp,
        config=str(config) if config else None,
    )


@lru_cache(maxsize=8192)
def _seen(path: str, is_folder: bool, size: int, stamp: int) -> tuple[str, Half | None, MintmarkError | None]:
    """The family and what a file has of a pipeline, or why it is none: that is remembered, too."""
    place = Path(path)
    try:
        if is_folder:
            return family_of_folder(place), None, None
        header = _header(place)
        family = family_of_file(place.name, header)
        return family, half_of_file(family, header), None
    except MintmarkError as exc:
        # Another one that says the same: what raised this one has read a whole header, and would stay with it.
        return "", None, type(exc)(exc.message, hint=exc.hint)


def _header(place: Path) -> Header:
    try:
        return glance(place)
    except (AttributeError, TypeError) as exc:  # a header whose entries are no objects
        raise DamagedFile(f"{place.name}: its header is not what the format says.", hint="Fetch it again.") from exc


def _walk(host: Folders, kind: str) -> Iterator[Found]:
    """Files and folders of this kind in all of its places, by name; a model's own files are left out."""
    for root in host.model_folders(kind):
        look = _Look(_SIGNS.get(kind, INDEX), _ENDINGS.get(kind, ENDINGS))
        yield from _below(str(root), "", look, frozenset())


_SIGNS = {"controlnet": "config.json"}
"""The file by which a folder is one model: a pipeline has an index, a network alone its configuration."""
_ENDINGS = {"face_detection": (".onnx",)}


@dataclass(frozen=True)
class _Look:
    """By what a model is known: a folder by the ``sign`` in it, a file by one of the ``endings``."""

    sign: str
    endings: tuple[str, ...]


def _below(folder: str, prefix: str, look: _Look, above: frozenset[tuple[int, int]]) -> Iterator[Found]:
    try:
        here = Path(folder).stat()
    except OSError:
        return
    if (here.st_dev, here.st_ino) in above:  # a link that leads back up
        return
    for entry in _entries(folder):
        name = f"{prefix}{entry.name}"
        try:
            if entry.is_dir():
                model = _model_folder(entry.path, name, look.sign)
                inside = above | {(here.st_dev, here.st_ino)}
                yield from (model,) if model else _below(entry.path, f"{name}/", look, inside)
            elif entry.name.lower().endswith(look.endings):
                told = entry.stat()
                yield Found(name, Path(entry.path), told.st_size, told.st_mtime_ns)
        except OSError:  # gone meanwhile, or not ours to read
            continue


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (each for each in entries if not each.name.startswith(".")), key=lambda each: each.name.lower()
            )
    except OSError:
        return []


def _model_folder(path: str, name: str, sign: str) -> Found | None:
    """This folder as one model; None where it is none."""
    if not Path(path, sign).is_file():
        return None
    told = [each.stat() for each in _files(path)]
    return Found(name, Path(path), sum(one.st_size for one in told), max(one.st_mtime_ns for one in told), True)


def _files(path: str) -> Iterator[Any]:
    """Its files and those of its components; repositories have the original's single file beside them."""
    for entry in _entries(path):
        if entry.is_dir():
            yield from (each for each in _entries(entry.path) if each.is_file())
        elif entry.is_file() and (entry.name == "diffusion_pytorch_model.safetensors" or not _is_weights(entry.name)):
            yield entry


def _is_weights(name: str) -> bool:
    return name.lower().endswith((*ENDINGS, *PICKLES))

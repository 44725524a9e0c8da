"""Which diffusers folder has what a single file lacks: the configuration, tokenizers, and parts that are not in it.

Nothing is downloaded, so it must be here: beside the file under the file's own name without its ending, in the model
folder ``configs``, or in ``diffusers``. A folder of ``configs`` needs no weights of the parts that the files have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ...errors import MintmarkError
from .families import FAMILIES
from .few_step import told
from .headers import Header
from .layouts import TEXT_KEY, parts_of, text_width
from .recognizing import family_of_folder

INDEX = "model_index.json"
KINDS = ("configs", "diffusers")
DEEPEST = 3
"""How far below such a folder a pipeline's is looked for."""
_WEIGHTLESS = ("tokenizer", "scheduler", "feature_extractor", "image_processor", "safety_checker", "image_encoder")
"""Components without weights, or that are not loaded; with a number behind them where there are several."""


@dataclass(frozen=True)
class Half:
    """What a file or a folder has of a pipeline."""

    family: str
    width: int
    """Numbers of a token that the network reads; 0 where that is not told."""
    guided: bool
    """Whether the network takes a guidance scale."""
    parts: frozenset[str]
    """Components whose weights it has."""
    wanted: frozenset[str] = frozenset()
    """Components that need weights, as a folder's index has them."""


def half_of_file(family: str, header: Header) -> Half:
    """What a single file has."""
    guided = header.ends("guidance_in.in_layer.weight")
    return Half(family, text_width(family, header), guided, frozenset(parts_of(family, header)))


class Configs:
    """The diffusers folders of a host, found when they are first asked for; for one listing."""

    def __init__(self, model_folders: Callable[[str], tuple[Path, ...]]) -> None:
        self._model_folders = model_folders
        self._found: list[tuple[Path, Half]] | None = None

    def best(self, path: Path, half: Half) -> Path | None:
        """The folder for the file that is there and has this half; None where none fits."""
        own = path.with_suffix("")
        beside = [(own, it)] if (it := _half(own)) else []
        scored = [(_fit(half, its), place) for place, its in (*beside, *self._folders())]
        # Of equals the first: one beside the file, then configs, then diffusers.
        best, place = max(scored, key=lambda each: each[0], default=(0, None))
        return place if best else None

    def _folders(self) -> list[tuple[Path, Half]]:
        if self._found is None:
            roots = (root for kind in KINDS for root in self._model_folders(kind))
            every = (place for root in roots for place in _below(root, DEEPEST))
            self._found = [(place, half) for place in every if (half := _half(place))]
        return self._found


def missing_parts(half: Half, folder: Path) -> list[str]:
    """Components whose weights are neither in the file nor in the folder, by name."""
    its = _half(folder)
    return sorted(its.wanted - its.parts - half.parts) if its else []


def weights_in(folder: Path) -> bool:
    """Whether safetensors are in it."""
    return next(folder.glob("*.safetensors"), None) is not None


def _fit(file: Half, folder: Half) -> int:
    """How well the folder serves for the file: 0 is not at all; more where it has all weights that the file lacks, and
    where it is of the same variant (a FLUX.1 schnell for a schnell)."""
    if file.family != folder.family or (file.width and folder.width and file.width != folder.width):
        return 0
    whole = not folder.wanted - folder.parts - file.parts
    return 1 + 2 * whole + (file.family != "flux" or file.guided == folder.guided)


def _half(folder: Path) -> Half | None:
    """What is told of it, which is remembered, and what is in it now: copied files may be older than those before."""
    try:
        told_of = _read(str(folder), (folder / INDEX).stat().st_mtime_ns)
    except OSError:
        return None
    if told_of is None:
        return None
    return replace(told_of, parts=frozenset(name for name in told_of.wanted if weights_in(folder / name)))


@lru_cache(maxsize=512)
def _read(folder: str, stamp: int) -> Half | None:
    place = Path(folder)
    try:
        family = family_of_folder(place)
    except MintmarkError:
        return None
    net = told(place / FAMILIES[family].net / "config.json")
    if not net:
        return None
    index = told(place / INDEX)
    named = (name for name, each in index.items() if isinstance(each, list) and each and each[0])
    wanted = frozenset(name for name in named if not name.startswith(_WEIGHTLESS))
    width = net.get(TEXT_KEY[family])
    return Half(family, width if isinstance(width, int) else 0, bool(net.get("guidance_embeds")), frozenset(), wanted)


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError:
        return []


def _below(root: Path, deep: int) -> list[Path]:
    found: list[Path] = []
    for each in _inside(root):
        found += [each] if (each / INDEX).is_file() else _below(each, deep - 1) if deep > 1 else []
    return found

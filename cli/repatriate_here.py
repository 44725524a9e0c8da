"""Whether weights are on this machine already, or on a worker of the running service; and what they are as a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import MintmarkError, ServiceUnreachable
from .remote import look, part

if TYPE_CHECKING:
    from ..config import Settings
    from ..nodes.local.recipe import Checkpoint
    from ..providers.local_model import LocalModel
    from ..providers.model import Weights
    from .model_folders import ModelFolders

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Here:
    """``checkpoint``: the one of this machine, None where there is none. ``workers``: who has which file;
    ``not_asked``: why no worker was."""

    checkpoint: Checkpoint | None
    workers: tuple[dict[str, Any], ...] = ()
    not_asked: str = ""

    @property
    def name(self) -> str | None:
        """What it is called where it is; of several places on this machine."""
        return self.checkpoint.name if self.checkpoint else next((each["file"] for each in self.workers), None)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        host = self.checkpoint
        return {
            "host": None if host is None else {"name": host.name, "path": host.path, "bytes": host.size},
            "workers": list(self.workers),
            "not_asked": self.not_asked or None,
        }


def here(folders: ModelFolders, names: Sequence[str], family: str) -> Here:
    """Look for weights under these names, the best one first; on this machine only those of the family."""
    host = _on_host(folders, names, family)
    try:
        return Here(host, tuple(worker for name in names for worker in _workers(name)))
    except ServiceUnreachable:
        return Here(host, (), "no service answers (mintmark serve)")
    except MintmarkError as exc:
        return Here(host, (), exc.message)


def own_model(
    found: Settings, folders: ModelFolders, place: Here, names: Sequence[str], weights: Weights
) -> LocalModel:
    """The local model that runs them: the checkpoint that is here, else what it will be under its usual name."""
    from ..clock import utc_now
    from ..metering.local import hour_microusd
    from ..nodes.local.checkpoints import controlnets
    from ..nodes.local.rows import row_of
    from ..providers.local_model import local_model

    if place.checkpoint is not None:
        row = row_of(place.checkpoint, controlnets(folders))
    else:
        row = _expected(place.name or names[0], str(weights.family))
    hour = hour_microusd(found.gpu_hour) if found.gpu_hour else None
    return local_model(row, hour, utc_now().date())


def folder_of(checkpoint: str, weights: Weights) -> str:
    """In which of ComfyUI's model folders it belongs: a file that is not all of a model is no checkpoint there."""
    if not checkpoint.lower().endswith(_SUFFIX):
        return "diffusers"
    return "checkpoints" if weights.whole or checkpoint not in weights.files else "diffusion_models"


def _expected(name: str, family: str) -> dict[str, Any]:
    """The row of a checkpoint that is not here: what it wants by default, only its name can tell."""
    from ..nodes.local.families import FAMILIES
    from ..nodes.local.recipe import Checkpoint
    from ..nodes.local.rows import row_of

    row = row_of(Checkpoint(name=name, path="", kind="folder", family=family, size=0, stamp=0), [])
    if family == "flux" and "schnell" not in name.lower():
        # A file of FLUX.1 says by its layers which one it is; of dev and others the name has to do.
        plain = FAMILIES[family]
        for key, value in (("steps", plain.steps), ("guidance", plain.guidance)):
            row["parameters"][key]["default"] = value
    return row


def _workers(name: str) -> list[dict[str, Any]]:
    told = look(f"/v1/model-files/{part(name)}")
    return [
        {"worker": each["name"], "file": name, "in_memory": each["in_memory"], "state": each["state"]}
        for each in told["workers"]
    ]


def _on_host(folders: ModelFolders, names: Iterable[str], family: str) -> Checkpoint | None:
    """The first of them that is a checkpoint here, in whatever folder below the models it lies."""
    from ..nodes.local.checkpoints import checkpoints

    there = [each for each in checkpoints(folders) if each.family == family]
    known = {alias.lower(): each for each in reversed(there) for alias in (each.name, each.name.rpartition("/")[2])}
    return next((known[name.lower()] for name in names if name.lower() in known), None)

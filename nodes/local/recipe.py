"""What a local pipeline is made of: plain values that nodes pass along, long before anything is loaded.

The MINTMARK_PIPELINE socket carries a :class:`Recipe`. Load Pipeline makes one; Load LoRA, Load Embedding and
ControlNet add to it. Only who samples loads it (:mod:`.slot`), so that wiring costs no memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal["folder", "file"]
Dtype = Literal["auto", "float32", "float16", "bfloat16"]
Memory = Literal["auto", "full", "offload", "sequential"]
"""Where weights are: all on the device; each model there while it works; each layer there while it works. ``auto``
takes the first of these that fits."""
Attention = Literal["auto", "sdpa", "sliced"]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights on this machine: a diffusers folder, or one safetensors file."""

    name: str
    """Below its model folder, with forward slashes: ``brand/sdxl.safetensors``."""
    path: str
    kind: Kind
    family: str
    """A key of :data:`.families.FAMILIES`."""
    size: int
    """In bytes, of all its files."""
    stamp: int
    """Changes when the files do: the newest of their times of change, in nanoseconds."""
    config: str | None = None
    """Of a file: the diffusers folder that has its configuration, tokenizers, and the parts that are not in it."""

    @property
    def model(self) -> str:
        """Its name as a model: ``local/brand/sdxl.safetensors``."""
        return f"local/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A LoRA and how much of it: 0 is none, 1 is all; negative weights push away."""

    name: str
    path: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """A textual inversion, and the word of the prompt that stands for it."""

    name: str
    path: str
    token: str


@dataclass(frozen=True, kw_only=True)
class Control:
    """A ControlNet with its map. ``image`` is float32 [B,H,W,C] in 0..1; it guides from ``start`` to ``end`` (0..1)."""

    name: str
    path: str
    image: Any = field(repr=False, compare=False)
    sha256: str
    """Of the map's pixels: two recipes are equal where their maps are."""
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A pipeline: its checkpoint, how it is held in memory, and what is added to it, in order."""

    checkpoint: Checkpoint
    dtype: Dtype = "auto"
    memory: Memory = "auto"
    attention: Attention = "auto"
    vae_tiling: bool = False
    compile: bool = False
    loras: tuple[Lora, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    controls: tuple[Control, ...] = ()

    def with_lora(self, lora: Lora) -> Recipe:
        """This and one more LoRA."""
        return replace(self, loras=(*self.loras, lora))

    def with_embedding(self, embedding: Embedding) -> Recipe:
        """This and one more embedding."""
        return replace(self, embeddings=(*self.embeddings, embedding))

    def with_control(self, control: Control) -> Recipe:
        """This and one more ControlNet."""
        return replace(self, controls=(*self.controls, control))

    @property
    def bare(self) -> Recipe:
        """What has to be loaded as a whole: the recipe without what is added to it and taken off again."""
        return replace(self, loras=(), embeddings=(), controls=())

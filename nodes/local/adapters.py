"""LoRAs and embeddings on a pipeline for one run, and off again so that its weights are what they were, bit for bit.

Nothing is ever fused into the weights: a LoRA is a branch beside the layers it changes, and is removed with its branch;
an embedding is a row more of the table of words, and the table from before is put back.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput, MissingExtra
from .embedding_files import XL_PARTS, check_embedding, check_token
from .loading import INSTALL, named, ordinary
from .lora_files import check_lora

if TYPE_CHECKING:
    from .recipe import Embedding, Lora, Recipe


@contextmanager
def applied(pipe: Any, recipe: Recipe, settle: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While this lasts the pipeline has the recipe's LoRAs, stacked and weighted, and its embeddings.

    LoRAs of weight 0 are left out: they change nothing. One that stands there twice counts twice. Weights that are
    offloaded are all brought back to be added to, and again to be restored; ``settle`` offloads them for the run.

    Raises InvalidInput where one is for another family, or a word clashes with the tokenizer's; as read_header.
    """
    loras = [lora for lora in recipe.loras if lora.weight]
    for lora in loras:
        check_lora(recipe.checkpoint, lora.path)
    for embedding in recipe.embeddings:
        check_embedding(recipe.checkpoint, embedding.path)
    if not loras and not recipe.embeddings:
        yield
        return
    with ExitStack() as added:
        try:
            with ordinary():
                pipe.remove_all_hooks()
                added.enter_context(_words(pipe, recipe.embeddings))
                added.enter_context(_branches(pipe, loras))
                settle()
            yield
        finally:
            with ordinary():
                pipe.remove_all_hooks()
                added.close()
                settle()


@contextmanager
def _branches(pipe: Any, loras: list[Lora]) -> Iterator[None]:
    try:
        _add_branches(pipe, loras)
        yield
    finally:
        _remove_branches(pipe)


def _add_branches(pipe: Any, loras: list[Lora]) -> None:
    if loras and find_spec("peft") is None:
        raise MissingExtra("LoRAs need peft, which is not installed.", hint=INSTALL)
    names = [f"mintmark_{number}" for number in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        with named(lora.name):
            pipe.load_lora_weights(lora.path, adapter_name=name, local_files_only=True, use_safetensors=True)
        if not any(name in adapters for adapters in pipe.get_list_adapters().values()):
            raise InvalidInput(
                f"lora: {lora.name} changes nothing of this pipeline.",
                hint="It may be for another family, or damaged.",
            )
    if loras:
        pipe.set_adapters(names, [lora.weight for lora in loras])


def _remove_branches(pipe: Any) -> None:
    # FLUX widens its first layer for LoRAs of another input, and narrows it again where it is asked to.
    widened = "reset_to_overwritten_params" in inspect.signature(pipe.unload_lora_weights).parameters
    pipe.unload_lora_weights(**{"reset_to_overwritten_params": True} if widened else {})


@contextmanager
def _words(pipe: Any, embeddings: tuple[Embedding, ...]) -> Iterator[None]:
    ends = [end for end in XL_PARTS.values() if getattr(pipe, f"text_encoder{end}", None) is not None]
    kept = [_Words(pipe, end) for end in ends] if embeddings else []
    try:
        for embedding in embeddings:
            for end, vectors in _vectors(embedding).items():
                _add(pipe, embedding, end, vectors)
        yield
    finally:
        for words in kept:
            words.put_back()


class _Words:
    """A text encoder's table of words and its tokenizer, as they were. The pipeline gets copies to add to."""

    def __init__(self, pipe: Any, end: str) -> None:
        self._pipe, self._name = pipe, f"tokenizer{end}"
        self._tokenizer = getattr(pipe, self._name)
        self._encoder = getattr(pipe, f"text_encoder{end}")
        self._table = self._encoder.get_input_embeddings()
        self._weight, self._count = self._table.weight, self._table.num_embeddings
        self._data = self._weight.data
        self._vocabulary = self._encoder.config.vocab_size
        setattr(pipe, self._name, copy.deepcopy(self._tokenizer))

    def put_back(self) -> None:
        # Whether a larger table replaces the old one, its parameter or only that one's data depends on the version of
        # transformers, so all three are put back.
        self._weight.data = self._data
        self._table.weight, self._table.num_embeddings = self._weight, self._count
        self._encoder.set_input_embeddings(self._table)
        self._encoder.config.vocab_size = self._vocabulary
        setattr(self._pipe, self._name, self._tokenizer)


def _vectors(embedding: Embedding) -> dict[str, Any]:
    """Its vectors by the text encoder that reads them."""
    from safetensors.torch import load_file

    tensors = load_file(embedding.path)
    named = {end: tensors[name] for name, end in XL_PARTS.items() if name in tensors}
    return named or {"": next(iter(tensors.values()))}


def _add(pipe: Any, embedding: Embedding, end: str, vectors: Any) -> None:
    tokenizer, encoder = getattr(pipe, f"tokenizer{end}"), getattr(pipe, f"text_encoder{end}")
    token = check_token(embedding.token)
    known = tokenizer.get_vocab()
    if token in known or f"{token}_1" in known:
        raise InvalidInput(
            f"token: {token} is a word of the model already, and cannot stand for {embedding.name}.",
            hint="Choose one that no text has, such as <my-style>.",
        )
    with named(embedding.name):
        pipe.load_textual_inversion(vectors, token=token, tokenizer=tokenizer, text_encoder=encoder)

"""What of a prompt a pipeline's text encoders do not get to read. diffusers cuts it off and tells only its log."""

from __future__ import annotations

from typing import Any

SHOWN = 160
"""Characters of the cut-off text that a note quotes."""
_READERS = {"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2", "tokenizer_3": "text_encoder_3"}
_LIMITS = {("flux", "tokenizer_2"): 512, ("sd35", "tokenizer_3"): 256, ("flux2-klein", "tokenizer"): 512}
"""Tokens that diffusers' pipelines let the long readers have (``max_sequence_length``); CLIP has its own, 77."""


def notes_on(pipe: Any, family: str, **prompts: str) -> list[str]:
    """One line for each prompt of which a part is read by none of the encoders; names are the request's fields."""
    found = {name: unread(pipe, family, text) for name, text in prompts.items() if text}
    return [
        f"{name}: only its first {room} tokens were read. Left out: {_shortened(rest)}"
        for name, (room, rest) in found.items()
        if rest
    ]


def unread(pipe: Any, family: str, prompt: str) -> tuple[int, str]:
    """How many tokens the encoder that reads most has room for, and the text after them; empty where it reads all."""
    left = [
        _rest(pipe, getattr(pipe, name), _LIMITS.get((family, name)), prompt)
        for name, encoder in _READERS.items()
        if getattr(pipe, name, None) is not None and getattr(pipe, encoder, None) is not None
    ]
    # One that reads all of it says so with an empty rest, however little room it has.
    return min(left, key=lambda each: len(each[1]), default=(0, ""))


def _rest(pipe: Any, tokenizer: Any, limit: int | None, prompt: str) -> tuple[int, str]:
    convert = getattr(pipe, "maybe_convert_prompt", None)
    if limit is None and convert is not None:
        prompt = convert(prompt, tokenizer)
    tokens = tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids
    room = (limit or tokenizer.model_max_length) - _frame(tokenizer)
    return room, tokenizer.decode(tokens[room:]).strip()


def _frame(tokenizer: Any) -> int:
    """Tokens around the prompt: start and end, or the chat in which a language model is asked."""
    if not getattr(tokenizer, "chat_template", None):
        return int(tokenizer.num_special_tokens_to_add())
    empty = [{"role": "user", "content": ""}]
    text = tokenizer.apply_chat_template(empty, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    return len(tokenizer(text).input_ids)


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"

"""Prompts of a usual kind, and ways in which the words of the lists could be searched in one."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable

from mintmark.moderation.matching import Lexicon, lexicon
from mintmark.moderation.normalize import Form, forms

PROMPTS = {
    "short": "a red fox at dusk, 85mm, bokeh, 8k, masterpiece",
    "typical": (
        "cinematic photo of a lighthouse on a rocky coast at golden hour, waves crashing against the cliffs, dramatic "
        "clouds, volumetric light, highly detailed, film grain, shot on portra, masterpiece, best quality, by a well "
        "known landscape photographer, trending on artstation, sharp focus, warm colours, long exposure, wide angle"
    ),
    "full of marks": (
        "cinematic photo of a light-house on a rocky coast at golden hour, 35mm film grain, shot on Portra 400, f/1.8, "
        "(masterpiece:1.2), [best quality], 8k uhd, by a well-known photographer, <lora:coast_v2:0.7>, ISO 100, 1/250s"
    ),
    "German": "Ein alter Leuchtturm an der felsigen Küste bei Sonnenuntergang, Ölgemälde, warmes Licht",
    "Japanese": "木漏れ日の中を歩く猫、水彩画、柔らかい光、高精細、美しい背景、桜の舞う公園、傑作、最高品質",
}


def ways() -> dict[str, Callable[[], object]]:
    """The shipped table of words, one compiled regex and an automaton of our own, over the same words and prompt."""
    terms = lexicon()
    form = forms(PROMPTS["typical"])[0]
    plain = [phrase for phrase in terms.words.uses if form.text.isascii()]
    pattern, automaton = one_regex(plain), Automaton(f" {phrase} " for phrase in plain)
    return {
        "the table (as it is)": lambda: _table(terms, form),
        "one compiled regex": lambda: pattern.search(form.text),
        "an Aho-Corasick automaton in Python": lambda: automaton.search(form.text),
    }


def _table(terms: Lexicon, form: Form) -> object:
    return list(terms.words.found(form.tokens, None))


def one_regex(phrases: Iterable[str]) -> re.Pattern[str]:
    """All phrases as one pattern of whole words."""
    return re.compile(rf" (?:{'|'.join(map(re.escape, sorted(phrases, key=len, reverse=True)))})(?= )")


class Automaton:
    """Aho and Corasick's, with dictionaries."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._ends: list[bool] = [False]
        for phrase in phrases:
            self._add(phrase)
        self._fail = [0] * len(self._next)
        self._link()

    def _add(self, phrase: str) -> None:
        state = 0
        for char in phrase:
            if char not in self._next[state]:
                self._next[state][char] = len(self._next)
                self._next.append({})
                self._ends.append(False)
            state = self._next[state][char]
        self._ends[state] = True

    def _link(self) -> None:
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            for char, target in self._next[state].items():
                waiting.append(target)
                back = self._fail[state]
                while back and char not in self._next[back]:
                    back = self._fail[back]
                self._fail[target] = self._next[back].get(char, 0)
                self._ends[target] |= self._ends[self._fail[target]]

    def search(self, text: str) -> list[int]:
        """Where phrases end."""
        state, found = 0, []
        for place, char in enumerate(text):
            while state and char not in self._next[state]:
                state = self._fail[state]
            state = self._next[state].get(char, 0)
            if self._ends[state]:
                found.append(place)
        return found

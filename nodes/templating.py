"""Prompt templates: text with ``{variables}``, ``{wild|cards}`` and style tokens. Pure, and the same for a seed.

| written | becomes |
|---|---|
| ``{animal}`` | the variable's value, in which all of this works too |
| ``{red\\|green\\|blue}`` | one of them |
| ``{3::red\\|green}`` | one of them, red three times as likely |
| ``{2$$red\\|green\\|blue}`` | two different ones, joined by a comma |
| ``{style:watercolor}`` | the words of that style |
| ``\\{``, ``\\}``, ``\\|``, ``\\\\`` | the character itself |

Wildcards are written as in the sd-dynamic-prompts extension, which artists know.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ..errors import InvalidInput

MAX_CHARACTERS = 32_000
"""Of the finished prompt; no provider takes more."""
_DEEPEST = 20
_MOST_BRACES = 20_000
"""How many braces are filled in for one prompt, and ``_DEEPEST_BRACES`` how many of them within each other."""
_DEEPEST_BRACES = 100
_MOST_READ = 20 * MAX_CHARACTERS
_NAME = re.compile(r"^[^\W\d]\w*$")
_ESCAPED = frozenset("{}|\\")


def expand(template: str, variables: Mapping[str, str], styles: Mapping[str, str], seed: int) -> str:
    """The template with everything in braces replaced.

    The same template, variables and seed always give the same text, on every Python version. Raises InvalidInput for
    unbalanced braces, a name that nothing defines, variables that contain each other, and a result that is too long.
    """
    if len(template) > _MOST_READ:
        raise InvalidInput(f"template: it has {len(template)} characters; {_MOST_READ} are read.", hint="Shorten it.")
    # Only random() is promised to give the same numbers in every version of Python.
    writer = _Writer(variables, styles, random.Random(seed).random)
    text = writer.write(template, ())
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(f"template: makes {len(text)} characters; {MAX_CHARACTERS} is the most.", hint="Shorten it.")
    return text


def parse_variables(lines: str) -> dict[str, str]:
    """Variables from lines of ``name = value``; empty lines and those that start with # are skipped.

    Raises InvalidInput naming the line.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(lines.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not _NAME.match(name):
            raise InvalidInput(
                f"variables: line {number} is no variable: {line.strip()[:60]!r}.", hint="Write: name = value"
            )
        if name in found:
            raise InvalidInput(f"variables: {name} is there twice (line {number}).", hint="Remove one of them.")
        found[name] = value
    return found


@dataclass
class _Writer:
    variables: Mapping[str, str]
    styles: Mapping[str, str]
    chance: Callable[[], float]
    length: int = field(default=0)
    braces: int = field(default=0)
    depth: int = field(default=0)

    def write(self, template: str, within: tuple[str, ...]) -> str:
        """The text of a template; ``within`` names the variables it stands in."""
        if len(within) > _DEEPEST:
            raise InvalidInput(f"template: more than {_DEEPEST} variables stand in each other.", hint="Flatten them.")
        out: list[str] = []
        place = 0
        while place < len(template):
            char = template[place]
            if char == "\\" and template[place + 1 : place + 2] in _ESCAPED:
                out.append(template[place + 1])
                place += 2
            elif char == "{":
                end = _closing(template, place)
                out.append(self._braces(template[place + 1 : end], within))
                place = end + 1
            elif char == "}":
                raise InvalidInput(f"template: a }} too many at character {place + 1}.", hint="Write \\} for a brace.")
            else:
                out.append(char)
                place += 1
            self._grown(out[-1])
        return "".join(out)

    def _grown(self, text: str) -> None:
        # Variables that double each other would fill the memory long before the end is reached.
        self.length += len(text)
        if self.length > MAX_CHARACTERS * (_DEEPEST + 1):
            raise InvalidInput(f"template: makes more than {MAX_CHARACTERS} characters.", hint="Shorten it.")

    def _braces(self, inside: str, within: tuple[str, ...]) -> str:
        # Also what makes no character takes time: variables that hold each other twice, and end empty.
        self.braces += 1
        if self.braces > _MOST_BRACES or self.depth >= _DEEPEST_BRACES:
            raise InvalidInput(
                f"template: more than {_MOST_BRACES} braces, or {_DEEPEST_BRACES} in each other.", hint="Shorten it."
            )
        self.depth += 1
        text = self._filled(inside, within)
        self.depth -= 1
        return text

    def _filled(self, inside: str, within: tuple[str, ...]) -> str:
        many, options = _options(inside)
        if len(options) > 1 or many is not None:
            return ", ".join(self.write(text, within) for text in self._picked(options, many or 1))
        name = inside.strip()
        if name.startswith("style:"):
            return _known(self.styles, name.removeprefix("style:").strip(), "style")
        value = _known(self.variables, name, "variable")
        if name in within:
            raise InvalidInput(f"variables: {name} contains itself.", hint="Let no variable stand in its own value.")
        return self.write(value, (*within, name))

    def _picked(self, options: Sequence[str], many: int) -> list[str]:
        """``many`` different options, each as likely as its weight says, in the order they were drawn."""
        left = [_weighted(option) for option in options]
        picked: list[str] = []
        while len(picked) < many and (sums := list(accumulate(weight for weight, _ in left))) and sums[-1] > 0:
            picked.append(left.pop(bisect_right(sums, self.chance() * sums[-1], hi=len(left) - 1))[1])
        return picked


def _closing(text: str, opening: int) -> int:
    """Where the brace that opens at ``opening`` closes."""
    depth, place = 0, opening
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text[place] in "{}":
            depth += 1 if text[place] == "{" else -1
            if depth == 0:
                return place
        place += 1
    raise InvalidInput(f"template: the {{ at character {opening + 1} is not closed.", hint="Write \\{ for a brace.")


def _options(inside: str) -> tuple[int | None, list[str]]:
    """How many to draw, where that is said, and the options between the bars of this level."""
    head, marked, rest = inside.partition("$$")
    many = int(head) if marked and re.fullmatch(r"\s*[0-9]{1,9}\s*", head) else None
    inside = rest if many is not None else inside
    options, depth, start, place = [], 0, 0, 0
    while place < len(inside):
        if inside[place] == "\\":
            place += 1
        elif inside[place] in "{}":
            depth += 1 if inside[place] == "{" else -1
        elif inside[place] == "|" and depth == 0:
            options.append(inside[start:place])
            start = place + 1
        place += 1
    return many, [*options, inside[start:]]


def _weighted(option: str) -> tuple[float, str]:
    head, marked, text = option.partition("::")
    try:
        weight = float(head) if marked else 1.0
    except ValueError:
        return 1.0, option
    return (max(0.0, weight), text) if marked and weight == weight and weight < 1e9 else (1.0, option)


def _known(among: Mapping[str, str], name: str, what: str) -> str:
    if name in among:
        return among[name]
    names = ", ".join(sorted(among)) or "none"
    raise InvalidInput(f"template: no {what} is called {name[:60]!r}.", hint=f"There are: {names}.")

"""What somebody says of a worker that is to be added, checked: each refusal names its field. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from ...addresses import check_url
from ...errors import BadSetting, ForbiddenTarget, InvalidInput

NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
WORD = r"^[a-z0-9]([a-z0-9._:=/-]{0,61}[a-z0-9])?$"
FILE = r"^[^/\\\x00-\x1f]{1,255}$"
MOST_LABELS = 32
MOST_WARM = 32
EVERY = "*"
"""In the place of a label: all workers with a GPU."""
MOST_HOUR = 10**12
"""The most that an hour may cost, in micro-dollars: a million dollars."""
_OWN = ("runner-", "comfyui-")
"""So begin the names of the workers that a service starts itself."""


def url_of(text: str) -> str:
    """The URL as it is kept: with its scheme, without a slash at its end. Raises InvalidInput and ForbiddenTarget.

    Workers mostly stand in private networks, and only an admin adds one, so their addresses may be private. What is
    never called (other services' ports, link-local addresses, those at which clouds tell credentials) is refused.
    """
    url = (text if "://" in text else f"http://{text}").rstrip("/")
    try:
        check_url(url, allow_private=True)
    except ForbiddenTarget as exc:
        hint = "For a proxy that wants a name and a password, set MINTMARK_SERVICE_WORKERS." if "@" in url else ""
        hint = hint or "Name it as http://gpu-1:8188."
        raise ForbiddenTarget(f"url: {exc.message}", hint=hint, field="url") from None
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise InvalidInput("url: it ends before ? and #.", hint="Name it as http://gpu-1:8188.", field="url")
    return url


def name_of(text: str | None, url: str) -> str:
    """The name that was given, or one made of host and port. Raises InvalidInput."""
    if text is None:
        parts = urlsplit(url)
        made = re.sub(r"[^a-z0-9._-]+", "-", f"{parts.hostname}-{parts.port or parts.scheme}{parts.path}".lower())
        text = made[:63].strip("-._")
    if not re.fullmatch(NAME, text) or text.startswith(_OWN):
        raise InvalidInput(
            f"name: {text[:80]!r} is none.",
            hint=f"Up to 63 lower-case letters, digits, dots, hyphens; {'…, '.join(_OWN)}… are the service's own.",
            field="name",
        )
    return text


def labels_of(words: Iterable[str]) -> frozenset[str]:
    """Raises InvalidInput."""
    found = frozenset(words)
    for each in sorted(found):
        _word("labels", each)
    if len(found) > MOST_LABELS:
        raise InvalidInput(f"labels: at most {MOST_LABELS}.", field="labels", allowed={"max_length": MOST_LABELS})
    return found


def warm_of(files: Iterable[str]) -> tuple[str, ...]:
    """Raises InvalidInput."""
    found = tuple(dict.fromkeys(files))
    for each in found:
        if not re.fullmatch(FILE, each):
            raise InvalidInput(
                f"warm: {each[:80]!r} is no file's name.", hint="Name it without its folder.", field="warm"
            )
    if len(found) > MOST_WARM:
        raise InvalidInput(f"warm: at most {MOST_WARM}.", field="warm", allowed={"max_length": MOST_WARM})
    return found


def groups_of(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Files by label, of ``LABEL=FILE`` each. Raises BadSetting."""
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        label, _, file = word.rpartition("=")
        if not (label == EVERY or re.fullmatch(WORD, label)) or not re.fullmatch(FILE, file):
            raise BadSetting(f"warm: {word[:80]!r} is not LABEL=FILE.", hint=f"Or {EVERY}=FILE, for all with a GPU.")
        found[label] = (*found.get(label, ()), file)
    return found


def region_of(text: str | None) -> str | None:
    """Raises InvalidInput."""
    return None if text is None else _word("region", text)


def hour_of(microusd: int | None) -> int | None:
    """Raises InvalidInput."""
    if microusd is not None and not 0 <= microusd <= MOST_HOUR:
        raise InvalidInput(
            f"hour_microusd: from 0 to {MOST_HOUR}.", field="hour_microusd", allowed={"min": 0, "max": MOST_HOUR}
        )
    return microusd


def _word(field: str, text: str) -> str:
    if not re.fullmatch(WORD, text):
        raise InvalidInput(
            f"{field}: {text[:80]!r} is no word.",
            hint="Lower-case letters, digits and . _ : = / - within.",
            field=field,
        )
    return text

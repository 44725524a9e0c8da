"""Apps that no catalog lists, by their own ids: learned from what their providers publish, and kept on disk.

What was learned is good for a day. It is asked for again after that; where nobody answers then, the old one is used, as
an app's inputs seldom change. It is kept so that a call which a crash interrupted still knows its model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .. import log
from ..clock import utc_now
from ..errors import MintmarkError, ProviderError, UnknownModel, UnsupportedTask
from ..providers.apps.asking import Publisher
from ..providers.apps.model import NAME, AppModel
from ..providers.apps.published import Published, model_of
from ..providers.base import Provider
from ..providers.local_name import is_local
from ..storage.files import write_atomic

KEPT = timedelta(days=1)

logger = log.get("generation.apps")


def is_app(name: str) -> bool:
    """Whether the name is one of an app: a provider and an id that has a slash of its own."""
    return re.fullmatch(NAME, name) is not None and not is_local(name)


class Apps:
    """The apps that were asked for. ``provider`` opens an adapter by its name; ``folder`` is where they are kept."""

    def __init__(
        self, folder: Path, provider: Callable[[str], Provider], *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._folder, self._provider, self._now = folder, provider, now

    async def model(self, name: str) -> AppModel:
        """The app as a model.

        Raises UnknownModel where there is none or its provider publishes no inputs, UnsupportedTask where it gives no
        images, MissingKey, and ProviderError where the provider cannot be asked and nothing is kept.
        """
        kept = self._kept(self._path(name))
        if kept is not None and self._now() - kept[1] < KEPT:
            return kept[0]
        try:
            published = await self._published(name)
        except ProviderError as exc:
            if kept is None:
                raise
            logger.warning("What %s takes is from %s: %s", name, kept[1].date(), exc, extra=log.action("app_stale"))
            return kept[0]
        return self._keep(name, published)

    def kept(self) -> Iterator[AppModel]:
        """Every app that is kept here. Reads files."""
        for path in sorted(self._folder.glob("*.json")):
            if (found := self._kept(path)) is not None:
                yield found[0]

    async def _published(self, name: str) -> Published:
        provider, _, app = name.partition("/")
        publisher = self._provider(provider)
        if not isinstance(publisher, Publisher):
            raise UnknownModel(
                f"{provider} has no apps beside its models here.",
                hint=f"See: mintmark models list --provider {provider}",
            )
        published = await publisher.published(app)
        if not published.gives_images:
            raise UnsupportedTask(f"{name} gives no images.", hint="Choose an app that does.")
        return published

    def _keep(self, name: str, published: Published) -> AppModel:
        read_at = self._now()
        model = model_of(name, published, read_at.date())
        plain = {"name": name, "read_at": read_at.isoformat(), "published": vars(published)}
        write_atomic(self._path(name), json.dumps(plain, ensure_ascii=False).encode())
        return model

    def _kept(self, path: Path) -> tuple[AppModel, datetime] | None:
        """The app in the file and when it was read; None where there is none that could be used."""
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            read_at = datetime.fromisoformat(told["read_at"])
            return model_of(str(told["name"]), Published(**told["published"]), read_at.date()), read_at
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, MintmarkError) as exc:
            # It can be learned again: what is broken is not worth a failure.
            logger.info("%s is of no use: %s", path, exc, extra=log.action("app_unreadable"))
            return None

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

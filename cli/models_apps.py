"""``mintmark models show`` of an app that no catalog lists: asked of its provider, or as it was kept lately."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine import sandbox_for

if TYPE_CHECKING:
    from ..config import Settings
    from ..providers.apps.model import AppModel
    from ..providers.base import Provider


async def app_model(found: Settings, name: str) -> AppModel:
    """The app as a model. Raises as :meth:`~..generation.apps.Apps.model` does."""
    from ..generation.apps import Apps
    from ..providers.accounts import options
    from ..providers.http import HttpClient
    from ..providers.keys import Keys
    from ..providers.registry import open_provider
    from ..providers.secret import NO_KEY, Secret

    keys = Keys(found)
    async with sandbox_for(found) as url, HttpClient() as http:

        def opened(provider: str) -> Provider:
            return open_provider(
                provider,
                http,
                # What fal publishes is anybody's; the sandbox takes any key, and a real one is never sent to it.
                key=Secret("sandbox-key") if url else keys.find(provider) or NO_KEY,
                sandbox_url=url,
                base_url=found.provider_urls.get(provider),
                options=options(provider, found.provider_options),
            )

        return await Apps(found.books_dir / "apps", opened).model(name)

"""``mintmark models check``: what the catalog says, held against what your accounts list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from ..clock import utc_now
from .output import Json, console, emit, plain, table
from .settings import NO_KEYS, SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..providers.listings.checking import Checked

DRIFT, NOT_ASKED = 1, 3
"""Exit codes. Where both are so, the drift is told: it is known."""


def check(
    provider: Annotated[
        list[str] | None, typer.Argument(help="Only these; all that you have keys for without.")
    ] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Compare the catalog with what your accounts list. Free. Exit code: 0 the same, 1 drift, 3 could not ask."""
    found, keyless = settings(sandbox=sandbox)
    if keyless and not as_json:
        console().print(NO_KEYS, style="yellow")
    checked = asyncio.run(_checked(found, provider or []))
    if as_json:
        emit(_document(checked))
    else:
        _show(checked)
    if checked.drift:
        raise typer.Exit(DRIFT)
    if checked.not_asked or not checked.asked:
        raise typer.Exit(NOT_ASKED)


async def _checked(found: Settings, named: list[str]) -> Checked:
    from ..providers.accounts import options
    from ..providers.http import HttpClient
    from ..providers.keys import Keys
    from ..providers.listings.base import Asking
    from ..providers.listings.checking import check as compare
    from ..providers.listings.checking import listers
    from ..providers.models import Catalog
    from ..providers.secret import Secret
    from .engine import sandbox_for

    chosen = listers(named)
    keys = Keys(found)
    if not named and not found.sandbox:
        present = await asyncio.to_thread(keys.present)
        chosen = tuple(lister for lister in chosen if lister.provider in present)
    async with sandbox_for(found) as url, HttpClient() as http:

        def account(name: str) -> Asking:
            return Asking(
                http=http,
                # The sandbox takes any key, and a real one must never be sent to it.
                key=Secret("sandbox-key") if url else keys.require(name),
                sandbox_url=url,
                base_url=found.provider_urls.get(name),
                options=options(name, found.provider_options),
            )

        return await compare(Catalog.load(), chosen, account, utc_now().date())


def _document(checked: Checked) -> dict[str, object]:
    return {
        "asked": list(checked.asked),
        "drift": [vars(each) for each in checked.drift],
        "not_asked": [{"provider": name, **error.as_dict()} for name, error in checked.not_asked],
    }


def _show(checked: Checked) -> None:
    out = console()
    if checked.drift:
        shown = table("Drift", "!model", "!what", "the catalog", "the provider")
        for each in checked.drift:
            name = each.model if each.kind != "new" else f"{each.provider}: {each.model}"
            shown.add_row(plain(name), each.kind, plain(each.ours), plain(each.theirs))
        out.print(shown)
    elif checked.asked:
        out.print(f"[green]✓[/] The catalog agrees with {', '.join(checked.asked)}.")
    for name, error in checked.not_asked:
        out.print(f"[yellow]?[/] {name}: {plain(error.message)} {plain(error.hint)}".rstrip())
    if not checked.asked and not checked.not_asked:
        out.print("[yellow]?[/] No provider that lists its models has a key here: mintmark keys list")

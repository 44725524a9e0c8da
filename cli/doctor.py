"""``mintmark doctor``: what is here, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import typer

from ..errors import MintmarkError
from .output import Json, console, emit
from .settings import SandboxFlag, settings


def doctor(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Look at this installation. Names keys, never shows them. Exit code 1 where something needs mending."""
    findings = [check() for check in (_python, _packages, _comfyui)]
    try:
        found, keyless = settings(sandbox=sandbox)
        findings += [_mode(found, keyless), _keys(found), _database(found), _signing(found), _trust(found)]
    except MintmarkError as exc:
        findings.append({"check": "settings", "ok": False, "found": exc.message, "fix": exc.hint})
    sound = all(each["ok"] for each in findings)
    if as_json:
        emit({"ok": sound, "checks": findings})
    else:
        _show(findings)
    if not sound:
        raise typer.Exit(1)


def _show(findings: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column()
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for each in findings:
        mark = Text("✓", "green") if each["ok"] else Text("✗", "red")
        shown.add_row(mark, each["check"], Text(each["found"]))
        if each["fix"]:
            shown.add_row("", "", Text(each["fix"], "dim"))
    console().print(shown)


def _finding(check: str, ok: bool, found: str, fix: str = "") -> dict[str, Any]:
    return {"check": check, "ok": ok, "found": found, "fix": fix}


def _python() -> dict[str, Any]:
    version = platform.python_version()
    return _finding("python", sys.version_info >= (3, 10), version, "" if sys.version_info >= (3, 10) else "Use 3.10+.")


def _packages() -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("c2pa-python", "aiohttp", "pydantic", "torch", "diffusers", "comfy-cli"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} –")
    return _finding("packages", True, ", ".join(found))


def _comfyui() -> dict[str, Any]:
    places = [Path(os.environ["COMFYUI_PATH"])] if os.environ.get("COMFYUI_PATH") else []
    places += [Path.home() / "comfy" / "ComfyUI", Path.home() / "Documents" / "comfy" / "ComfyUI"]
    here = next((place for place in places if (place / "main.py").is_file()), None)
    if here is None:
        fix = "Only for graphs with native nodes: pip install comfy-cli, then comfy install. Or set COMFYUI_PATH."
        return _finding("comfyui", True, "not found", fix)
    return _finding("comfyui", True, str(here))


def _mode(found: Any, keyless: bool) -> dict[str, Any]:
    why = " (no provider keys are set)" if keyless else ""
    return _finding("mode", True, f"{found.mode}{why}")


def _keys(found: Any) -> dict[str, Any]:
    from ..providers.keys import Keys

    present = Keys(found).present()
    told = ", ".join(f"{name} (from {place})" for name, place in present.items()) or "none"
    return _finding("keys", True, told, "" if present else "mintmark keys set fal")


def _database(found: Any) -> dict[str, Any]:
    from ..metering.opening import open_ledger

    try:
        open_ledger(found).close()
    except MintmarkError as exc:
        return _finding("database", False, exc.message, exc.hint)
    place = str(found.books_dir)
    if found.ledger_url is not None and not found.sandbox:
        from ..storage.postgres_store import Address

        # It has no user and no password in it.
        place = f"{Address.parse(found.ledger_url)}, the journal in {place}"
    return _finding("database", True, place)


def _signing(found: Any) -> dict[str, Any]:
    from ..provenance.keys import signing_identity

    try:
        identity = signing_identity(found)
    except MintmarkError as exc:
        return _finding("signing key", False, exc.message, exc.hint)
    own = "self-made, on no trust list" if identity.self_made else "your own certificate"
    held = f", signed by {identity.holder.name}" if identity.holder else ""
    return _finding("signing key", True, f"{identity.issuer}, {own}{held}, until {identity.expires:%Y-%m-%d}")


def _trust(found: Any) -> dict[str, Any]:
    from ..provenance.timestamps import stamping
    from ..provenance.trust import trust_of

    try:
        trust = trust_of(found)
    except MintmarkError as exc:
        return _finding("trust", False, exc.message, exc.hint)
    lists = [f"{each.shown} ({each.anchors} authorities)" for each in trust.lists]
    told = ", ".join([*(["your own anchors"] if trust.own_pem else []), *lists]) or "nobody"
    wanted = stamping(found)
    stamps = f"{wanted.authority.shown} ({wanted.policy})" if wanted else "none"
    return _finding("trust", True, f"{told}; timestamps: {stamps}")

"""The examples of the guide and of README, run as they stand there: by a shell, with curl, against a whole service.

Blocks marked ``bash curl`` are run, one after the other in one shell, so that a later one may use what an earlier one
has set. ``bash curl refused`` is one whose request must be answered with a problem.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web

from mintmark.tests.orchestrator.house import ServiceHouse, service_house

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "service.md", ROOT / "README.md")
DEFAULT = "http://127.0.0.1:8199"
"""Where the reader's service is; the test's has a port of its own."""
WITHIN_S = 120.0
_BLOCK = re.compile(r"^```bash curl( refused)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Each request must be answered well; a pipe fails with any of its parts.
PROLOGUE = """
set -euo pipefail
curl() { command curl --fail-with-body --max-time 60 --noproxy '*' "$@"; }
"""
REFUSED = """
if ( {body} ) > refused.json; then echo "it was not refused"; exit 1; fi
jq -e '.status >= 400 and (.code | length > 0)' refused.json
"""

pytestmark = pytest.mark.skipif(
    not all(shutil.which(each) for each in ("bash", "curl", "jq")), reason="not run: bash, curl and jq are needed"
)


class Block(NamedTuple):
    line: int
    refused: bool
    text: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(text.count("\n", 0, found.start()) + 1, bool(found[1]), found[2]) for found in _BLOCK.finditer(text)]


def script(page: Path) -> str:
    """The page's blocks as one program that says where it is."""
    parts = [PROLOGUE]
    for block in blocks(page):
        parts.append(f"echo '--- {page.name}:{block.line}' >&2\n")
        parts.append(REFUSED.format(body=block.text.strip()) if block.refused else block.text)
    return "\n".join(parts)


async def ran(page: Path, folder: Path, env: dict[str, str]) -> str:
    """What the page's examples print. Fails with the line of the block that failed."""
    text = script(page).replace(DEFAULT, env["MINTMARK"])
    (folder / "examples.sh").write_text(text, encoding="utf-8")
    path = {"PATH": f"{ROOT / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *("bash", "examples.sh"),
        cwd=folder,
        env={**path, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode == 0, f"{out.decode()[-3000:]}\n{err.decode()[-3000:]}"
    return out.decode()


async def told(house: ServiceHouse, name: str) -> dict[str, str]:
    """What the reader of the guide has set."""
    status, key = await house.ask("POST", "/v1/keys", {"name": name, "scopes": ["admin"]})
    assert status == 201, key
    return {
        "MINTMARK": house.url,
        "AUTH": f"Authorization: Bearer {key['token']}",
        "DATA": str(house.settings.books_dir),
    }


@asynccontextmanager
async def hook() -> AsyncIterator[tuple[str, list[str]]]:
    """A receiver's URL, and the types of what it has taken."""
    taken: list[str] = []

    async def take(request: web.Request) -> web.Response:
        taken.append((await request.json())["type"])
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hooks/mintmark", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/mintmark", taken
    finally:
        await runner.cleanup()


async def test_the_guide_s_examples_run_as_they_stand_there(tmp_path: Path) -> None:
    (tmp_path / "shell").mkdir()
    async with hook() as (url, taken), service_house(tmp_path) as house:
        printed = await ran(PAGES[0], tmp_path / "shell", {**await told(house, "guide"), "HOOK": url})
        while "job.succeeded" not in taken:
            await asyncio.sleep(0.05)
    assert "mm_test_" in printed
    assert "job.running" in taken
    assert (tmp_path / "shell" / "fox.png").read_bytes().startswith(b"\x89PNG")


async def test_the_examples_of_the_readme_run_as_they_stand_there(tmp_path: Path) -> None:
    (tmp_path / "shell").mkdir()
    async with service_house(tmp_path) as house:
        printed = await ran(PAGES[1], tmp_path / "shell", {"MINTMARK": house.url})
    assert f"{house.url}/v1/assets/" in printed


def test_every_curl_of_the_pages_is_run() -> None:
    """A block that is not marked is not run, so none with curl in it may go unmarked."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        marked = {block.text for block in blocks(page)}
        every = re.findall(r"^```\w*[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        assert [each for each in every if re.search(r"\bcurl\b", each) and each not in marked] == []
        assert marked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_other_pages_lead_somewhere(page: Path) -> None:
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [each for each in linked if not (page.parent / each).exists()] == []

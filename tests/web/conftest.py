"""A real ComfyUI page in a headless Chromium: what an artist sees and does.

Needs ``COMFYUI_PATH`` (a ComfyUI checkout), a ``chromium`` on the path and the Python package playwright, whose own
browsers are not needed. ``MINTMARK_PICTURES`` names a folder that the tests' screenshots go to, such as docs/images.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from mintmark.providers.registry import names

from .machines import Comfy, comfyui, sandbox

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LATENCY_S = 0.4
KEY = "sk-web-5f1e0c9a7b3d2846"
_log: list[Path] = []


def missing() -> str | None:
    """What keeps a browser test from running here."""
    if not os.environ.get("COMFYUI_PATH"):
        return "not run: COMFYUI_PATH is not set"
    if CHROMIUM is None:
        return "not run: there is no chromium here"
    if importlib.util.find_spec("playwright") is None:
        return "not run: playwright is not installed"
    return None


@pytest.fixture(scope="session")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comfy]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("web")
    with sandbox(folder, LATENCY_S) as sandbox_url, comfyui(folder, sandbox_url) as running:
        _log[:] = [running.log]
        yield running


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed and _log and _log[0].exists():
        report.sections.append(("ComfyUI's log, its end", _log[0].read_text(errors="replace")[-3000:]))


@dataclass
class Studio:
    """One open page. Nodes are found by their class, and asked through ComfyUI's own objects."""

    page: Any
    comfy: Comfy

    async def js(self, code: str, given: Any = None) -> Any:
        return await self.page.evaluate(code, given)

    async def add(self, kind: str, x: int = 260, y: int = 150, **values: Any) -> int:
        """Put a node on the canvas; its id."""
        node = await self.js(
            """([kind, x, y]) => {
                const node = LiteGraph.createNode(kind);
                node.pos = [x, y];
                app.graph.add(node);
                return Number(node.id);
            }""",
            [kind, x, y],
        )
        for name, value in values.items():
            await self.set(node, name, value)
        return int(node)

    async def set(self, node: int, name: str, value: Any) -> None:
        """Give a widget a value, as the artist's edit would."""
        await self.js(
            """([id, name, value]) => {
                const node = app.graph.getNodeById(id);
                const widget = node.widgets.find((each) => each.name === name);
                widget.value = value;
                widget.callback?.(value, app.canvas, node);
                node.setDirtyCanvas(true, true);
            }""",
            [node, name, value],
        )

    async def badges(self, node: int) -> list[str]:
        """What the node's badges say, in order."""
        return list(
            await self.js(
                """(id) => app.graph.getNodeById(id).badges
                    .map((each) => (typeof each === "function" ? each() : each).text).filter(Boolean)""",
                node,
            )
        )

    async def badge(self, node: int, text: str) -> None:
        """Wait until a badge of the node says this."""
        await self.page.wait_for_function(
            """([id, text]) => app.graph.getNodeById(id).badges
                .some((each) => (typeof each === "function" ? each() : each).text === text)""",
            arg=[node, text],
        )

    async def told(self, node: int) -> str:
        """The words on the node, once there are some."""
        handle = await self.page.wait_for_function(
            """(id) => app.graph.getNodeById(id).widgets
                ?.find((each) => each.name === "mintmark_told")?.element?.innerText""",
            arg=node,
        )
        return str(await handle.json_value())

    async def node(self, kind: str) -> int:
        """The id of the only node of this class."""
        found = await self.js("(kind) => app.graph._nodes.filter((n) => n.comfyClass === kind).map((n) => n.id)", kind)
        (only,) = found
        return int(only)

    async def run(self) -> str:
        """Press Run and wait for the end: the name of ComfyUI's last event."""
        await self.js(
            """() => {
                window.ended = new Promise((done) => {
                    for (const name of ["execution_success", "execution_error", "execution_interrupted"])
                        app.api.addEventListener(name, () => done(name), { once: true });
                });
            }"""
        )
        await self.page.get_by_test_id("queue-button").or_(self.page.get_by_role("button", name="Run")).first.click()
        return str(await self.js("() => window.ended"))

    async def open_keys(self) -> Any:
        """Open the keys as an artist does, from ComfyUI's settings; the dialogue."""
        await self.js("() => app.extensionManager.command.execute('Comfy.ShowSettingsDialog')")
        await self.page.locator("nav").get_by_text("Mintmark", exact=True).click()
        await self.page.get_by_role("button", name="Open the keys").click()
        dialog = self.page.locator("dialog.mintmark-keys")
        await dialog.get_by_role("button", name="Test key").first.wait_for()
        return dialog

    async def template(self, name: str) -> None:
        """Load one of the pack's templates, without the template browser."""
        await self.js(
            """async (name) => {
                const answer = await fetch(`/api/workflow_templates/mintmark/${name}.json`);
                await app.loadGraphData(await answer.json());
            }""",
            name,
        )

    async def show(self, zoom: float, x: float, y: float) -> None:
        """Look at the canvas from this place."""
        await self.js(
            """([zoom, x, y]) => {
                app.canvas.ds.scale = zoom;
                app.canvas.ds.offset = [x, y];
                app.canvas.setDirty(true, true);
            }""",
            [zoom, x, y],
        )

    async def look_at(self, node: int, zoom: float = 1.1) -> None:
        """Bring a node and what is around it into view, its badges included."""
        x, y, width, height = await self.js(
            "(id) => { const n = app.graph.getNodeById(id); return [...n.pos, ...n.size]; }", node
        )
        top = max(150, 440 - zoom * height / 2)
        await self.show(zoom, 640 / zoom - x - width / 2, top / zoom - y)

    async def fit(self) -> None:
        """Show the whole graph, as large as it can be."""
        left, top, right, bottom = await self.js(
            """() => {
                const boxes = app.graph._groups.concat(app.graph._nodes).map((each) => [...each.pos, ...each.size]);
                const side = (pick, at) => pick(...boxes.map(at));
                return [side(Math.min, (b) => b[0]), side(Math.min, (b) => b[1]),
                        side(Math.max, (b) => b[0] + b[2]), side(Math.max, (b) => b[1] + b[3])];
            }"""
        )
        zoom = min(1180 / (right - left), 660 / (bottom - top), 1.2)
        await self.show(zoom, 80 / zoom - left, (110 + (660 - zoom * (bottom - top)) / 2) / zoom - top)

    async def picture(self, name: str) -> None:
        """Keep a screenshot, where somebody asked for them."""
        if folder := os.environ.get("MINTMARK_PICTURES"):
            # ComfyUI's own news would hide what is to be seen. Nothing is tested by this pause.
            await self.page.add_style_tag(content=".p-toast, [data-testid=error-overlay] { display: none !important }")
            await self.page.get_by_text("0 active").wait_for()
            news = self.page.get_by_text(re.compile("^Job (queued|completed|failed)$"))
            await news.first.wait_for(state="hidden")
            await self.page.wait_for_timeout(700)
            await self.page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=82)

    def sandbox(self, what: str) -> Any:
        with urlopen(f"{self.comfy.sandbox_url}/_sandbox/{what}", timeout=10) as answer:
            return json.load(answer)

    def keep_key(self, provider: str, key: str | None) -> None:
        """Set or forget a key through the pack's route, as a program of this machine."""
        method, body = ("DELETE", {}) if key is None else ("PUT", {"key": key})
        request = Request(
            f"{self.comfy.url}/mintmark/keys/{provider}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urlopen(request, timeout=10) as answer:
            assert answer.status == 200


_QUIET = {
    "Comfy.ColorPalette": "dark",
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.Workflow.WarnBlueprintOverwrite": False,
    "LiteGraph.Node.TooltipDelay": 100,
}


@pytest.fixture
async def open_studio(comfy: Comfy) -> Any:
    """Opens a page: ``async with open_studio(settings) as studio``, with an empty graph and no key kept."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Studio]:
        from playwright.async_api import async_playwright

        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            try:
                page = await browser.new_page(viewport={"width": 1280, "height": 800}, device_scale_factor=1.5)
                studio = Studio(page, comfy)
                for provider in names():
                    studio.keep_key(provider, None)
                await _settle(studio, {**_QUIET, "Comfy.VueNodes.Enabled": False, **settings})
                yield studio
            finally:
                await browser.close()

    return opened


async def _settle(studio: Studio, settings: dict[str, Any]) -> None:
    studio.page.set_default_timeout(30_000)
    await studio.page.goto(studio.comfy.url)
    await studio.page.wait_for_function("() => window.app?.vueAppReady && window.app.extensionManager?.setting")
    await studio.page.wait_for_function("() => app.canvas && app.graph._nodes.length > 0")
    await studio.js("async (all) => { for (const [n, v] of all) await app.extensionManager.setting.set(n, v); }",
                    list(settings.items()))  # fmt: skip
    await studio.js("() => app.graph.clear()")
    await studio.show(1, 0, 0)


@pytest.fixture
async def studio(open_studio: Any) -> AsyncIterator[Studio]:
    """A page with ComfyUI's classic nodes."""
    async with open_studio() as opened:
        yield opened

"""What partner nodes became runs on a real ComfyUI, whose own words about our nodes it was made with."""

from __future__ import annotations

import copy
import io
import os
from typing import Any

import aiohttp
import pytest
from PIL import Image

from mintmark.workflows.importing import import_graph

from ..workflows.test_importing import CASES

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]


async def give_picture(page: Any) -> None:
    """The picture that the cases load: half of it is transparent, which is its mask."""
    image = Image.new("RGBA", (512, 512), (60, 120, 160, 255))
    image.paste((0, 0, 0, 0), (0, 0, 200, 300))
    data = io.BytesIO()
    image.save(data, "PNG")
    form = aiohttp.FormData()
    form.add_field("image", data.getvalue(), filename="a.png", content_type="image/png")
    form.add_field("overwrite", "true")
    await page.json("POST", "/upload/image", data=form)


@pytest.mark.parametrize("name", CASES)
async def test_an_imported_graph_is_accepted_and_makes_an_image(name: str, page: Any) -> None:
    await give_picture(page)
    graph = import_graph(copy.deepcopy(CASES[name][0]), await page.json("GET", "/object_info")).document
    for side in ("width", "height"):  # small ones are enough, where any will do
        if isinstance(graph["2"]["inputs"].get(side), int) and "model.aspect_ratio" not in graph["2"]["inputs"]:
            graph["2"]["inputs"][side] = 1024
    done = await page.run(graph)
    assert done["status"]["status_str"] == "success", done["status"]["messages"]
    assert len(done["outputs"]["3"]["images"]) >= 1

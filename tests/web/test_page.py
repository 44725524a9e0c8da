"""An artist's first quarter of an hour with the palette, in a real ComfyUI page."""

from __future__ import annotations

import contextlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import mintmark
from mintmark.metering.prices import Price, Quantities, quote, usd
from mintmark.providers.catalog import rows

from .conftest import KEY, missing

pytestmark = [pytest.mark.comfyui, pytest.mark.skipif(missing() is not None, reason=str(missing()))]
RULE: TypeAdapter[Any] = TypeAdapter(Price)
TEMPLATES = Path(mintmark.__file__).parent / "workflows"
_CROWDED = """() => {
    const meets = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
    const boxOf = ({ title: t, pos: [x, y], size: [w, h] }) => ({ t, x, y, w, h });
    const nodes = [...document.querySelectorAll("[data-node-id]")].map((each) => {
        const node = app.graph.getNodeById(Number(each.dataset.nodeId));
        const tall = each.getBoundingClientRect().height / app.canvas.ds.scale;
        return node && { ...boxOf(node), y: node.pos[1] - 30, h: tall };
    }).filter(Boolean);
    const crowded = nodes.flatMap((a, at) => nodes.slice(at + 1).filter((b) => meets(a, b)).map((b) => [a.t, b.t]));
    for (const group of app.graph._groups.map(boxOf))
        for (const a of nodes.filter((each) => meets(each, group)))
            if (a.y + a.h > group.y + group.h + 1) crowded.push([a.t, group.t]);
    return crowded;
}"""
PROMPT = "A fox goldsmith minting the first coin of the morning, storybook illustration"


async def test_a_node_is_found_by_what_an_artist_would_type(studio: Any) -> None:
    await open_search(studio)
    await studio.page.keyboard.type("text to image", delay=15)
    row = studio.page.get_by_text("Make images from words with a hosted model.").first
    await row.wait_for()
    await studio.picture("palette-search")
    await row.click()
    await studio.page.wait_for_function("() => app.graph._nodes.some((n) => n.comfyClass === 'MintmarkTextToImage')")


@pytest.mark.parametrize("newer", [False, True], ids=["classic", "newer"])
@pytest.mark.parametrize("palette", ["dark", "light"])
async def test_the_price_follows_what_the_artist_edits(newer: bool, palette: str, open_studio: Any) -> None:
    async with open_studio(**{"Comfy.VueNodes.Enabled": newer, "Comfy.ColorPalette": palette}) as studio:
        await with_keys(studio, "fal")
        node = await studio.add("MintmarkTextToImage", prompt=PROMPT)
        await shows(studio, newer, node, price("fal/flux-schnell", 1.048576))
        await studio.set(node, "width", 2048)
        await studio.set(node, "count", 3)
        await shows(studio, newer, node, f"{price('fal/flux-schnell', 2.097152, 3)} · 3 images")
        await studio.set(node, "model", "fal/ideogram-v3")
        await studio.set(node, "count", 1)
        await shows(studio, newer, node, price("fal/ideogram-v3", 2.097152))
        await studio.set(node, "model.rendering_speed", "QUALITY")
        await shows(studio, newer, node, price("fal/ideogram-v3", 2.097152, rendering_speed="QUALITY"))


async def test_a_call_larger_than_the_model_allows_is_priced_call_by_call(studio: Any) -> None:
    await with_keys(studio, "fal")
    node = await studio.add("MintmarkTextToImage", model="fal/flux-2-pro", count=4, width=1040)
    four = 4 * microusd("fal/flux-2-pro", 1040 * 1024 / 1_000_000)
    await shows(studio, False, node, f"{usd(four)} · 4 images")


async def test_a_price_that_only_the_run_will_tell_says_so(studio: Any) -> None:
    await with_keys(studio, "openai")
    node = await studio.add("MintmarkTextToImage", model="openai/gpt-image-2")
    bound = microusd("openai/gpt-image-2", 1.048576)
    (told,) = [text for text in await studio.badges(node) if "$" in text]
    assert told.startswith("≈ $")
    assert bound <= round(float(told.removeprefix("≈ $")) * 1_000_000) < bound + 10_000
    await studio.set(node, "model.quality", "low")
    await studio.page.wait_for_function(
        """([id, before]) => !app.graph.getNodeById(id).badges.some((each) => each().text === before)""",
        arg=[node, told],
    )


async def test_what_a_task_costs_is_told_from_the_image_that_goes_in(studio: Any) -> None:
    await with_keys(studio, "fal", "bfl")
    made = await studio.add("MintmarkTextToImage", width=2048, height=1024)
    edit = await studio.add("MintmarkEditImage", x=760, model="bfl/flux-2-pro")
    (unlinked,) = [text for text in await studio.badges(edit) if "$" in text]
    assert unlinked.startswith("≈ $"), "nobody knows yet what goes in"
    await studio.js(
        """([from, to]) => {
            const [source, target] = [from, to].map((id) => app.graph.getNodeById(id));
            source.connect(0, target, target.inputs.findIndex((each) => each.name === "image"));
        }""",
        [made, edit],
    )
    two = 2048 * 1024 / 1_000_000
    cost = microusd("bfl/flux-2-pro", two, input_megapixels=two)
    await studio.badge(edit, f"≈ {usd(-(-cost // 1000) * 1000)}")
    upscale = await studio.add("MintmarkUpscale", y=560)
    assert [text for text in await studio.badges(upscale) if "$" in text]


async def test_a_node_warns_of_missing_keys_unknown_prices_and_ends(studio: Any) -> None:
    await with_keys(studio, "fal")
    node = await studio.add("MintmarkTextToImage")
    assert "needs a key" not in await studio.badges(node)
    await studio.set(node, "model", "openai/gpt-image-1.5")
    await studio.badge(node, "needs a key")
    assert "retires 2026-12-01" in await studio.badges(node)
    await studio.set(node, "prompt", PROMPT)
    await studio.add("MintmarkTextToImage", x=90, y=190, prompt=PROMPT)
    await studio.add("MintmarkTextToImage", x=850, y=190, prompt=PROMPT, model="fal/ideogram-v3", count=4)
    await studio.js("(id) => { app.graph.getNodeById(id).pos = [470, 190]; }", node)
    await studio.js("() => { for (const node of app.graph._nodes) node.setSize([350, node.size[1]]); }")
    await studio.picture("prices")
    tooltip = await studio.js("(id) => app.graph.getNodeById(id).widgets.find((w) => w.name === 'model').tooltip", node)
    assert "Needs a key: Settings › Mintmark › Keys" in tooltip
    assert "Closed: only its provider has it" in tooltip
    await with_keys(studio, "openai")
    await studio.page.wait_for_function(
        "(id) => !app.graph.getNodeById(id).badges.some((each) => each().text === 'needs a key')", arg=node
    )


@pytest.mark.parametrize("newer", [False, True], ids=["classic", "newer"])
async def test_the_list_of_models_says_what_each_costs_and_needs(newer: bool, open_studio: Any) -> None:
    async with open_studio(**{"Comfy.VueNodes.Enabled": newer}) as studio:
        await with_keys(studio, "fal")
        node = await studio.add("MintmarkTextToImage")
        await open_models(studio, newer, node)
        ours = studio.page.locator(".litemenu-entry, [role=option]")
        dear = ours.filter(has_text="openai/gpt-image-2.6-sunburst")
        await dear.get_by_text("needs a key").wait_for()
        cheap = ours.filter(has_text="fal/flux-schnell")
        assert "open weights · $0.003 / MP" in await cheap.inner_text()
        assert "needs a key" not in await cheap.inner_text()
        if not newer:
            await studio.picture("models")
        await dear.click()
        await studio.page.wait_for_function(
            "(id) => app.graph.getNodeById(id).widgets.some((w) => w.value === 'openai/gpt-image-2.6-sunburst')",
            arg=node,
        )


async def test_a_key_is_entered_tried_and_forgotten(studio: Any) -> None:
    seen: list[str] = []
    studio.page.on("response", lambda answer: seen.append(answer.url) if "/mintmark/keys" in answer.url else None)
    dialog = await studio.open_keys()
    row = dialog.locator("[data-provider=openai]")
    await row.get_by_text("no key").wait_for()
    await row.get_by_label("Key for OpenAI").click()
    await studio.page.keyboard.type(KEY)
    await row.get_by_role("button", name="Save").click()
    await row.get_by_text("in a file only you can read", exact=True).wait_for()
    assert json.loads(studio.comfy.keys.read_text()) == {"openai": KEY}
    assert stat.S_IMODE(studio.comfy.keys.stat().st_mode) == 0o600
    await row.get_by_role("button", name="Test key").click()
    await row.get_by_text("The key works.").wait_for()
    await studio.picture("keys")
    assert KEY[:6] not in await studio.page.content()
    assert await dialog.locator("input").evaluate_all("(all) => all.every((each) => !each.value)")
    for url in seen:
        assert KEY[:6] not in url
    await row.get_by_role("button", name="Remove").click()
    await row.get_by_text("no key").wait_for()
    assert json.loads(studio.comfy.keys.read_text()) == {}
    assert KEY[:6] not in studio.comfy.log.read_text(errors="replace")


async def test_a_key_that_the_provider_refuses_is_told_apart(studio: Any) -> None:
    dialog = await studio.open_keys()
    row = dialog.locator("[data-provider=openai]")
    await row.get_by_label("Key for OpenAI").fill("bad-key-of-mine")
    await row.get_by_role("button", name="Save").click()
    await row.get_by_role("button", name="Test key").click()
    await row.get_by_text("OpenAI refuses this key.").wait_for()
    assert "bad-key" not in await dialog.inner_text()


async def test_without_a_key_the_node_says_exactly_what_to_do(studio: Any) -> None:
    await studio.template("text-to-image")
    assert await studio.run() == "execution_error"
    node = await studio.node("MintmarkTextToImage")
    assert (await studio.told(node)).startswith("A key is missing\nNo key for fal is set.")
    await studio.look_at(node)
    await studio.picture("missing-key")
    await studio.page.get_by_role("button", name="Open the keys").click()
    focused = "() => document.activeElement.closest('[data-provider]')?.dataset.provider"
    await studio.page.wait_for_function(f"() => ({focused})() === 'fal'")


async def test_a_run_ends_with_images_receipt_and_verdict_on_the_canvas(studio: Any) -> None:
    await with_keys(studio, "fal", "openai")  # the second one for looking at the images
    await studio.template("text-to-image")
    await studio.set(await studio.node("MintmarkModeratePrompt"), "text", PROMPT)
    assert await studio.run() == "execution_success"
    assert "allowed" in await studio.told(await studio.node("MintmarkModeratePrompt"))
    told = await studio.told(await studio.node("MintmarkReceipt"))
    assert "flux-schnell" in told
    assert told.count(price("fal/flux-schnell", 1.048576)) == 2, "the call and the total"
    assert "allowed" in await studio.told(await studio.node("MintmarkModerateImage"))
    saved = await studio.node("MintmarkSignAndSave")
    await studio.page.wait_for_function(
        "(id) => app.graph.getNodeById(id).imgs?.map((each) => each.naturalWidth).join() === '1024'",
        arg=saved,
    )
    assert [line["provider"] for line in studio.sandbox("bill")["lines"]][-1:] == ["fal"]
    await studio.fit()
    await studio.picture("finished")


@pytest.mark.parametrize("newer", [False, True], ids=["classic", "newer"])
async def test_a_blocked_prompt_is_said_where_it_was_written(newer: bool, open_studio: Any) -> None:
    async with open_studio(**{"Comfy.VueNodes.Enabled": newer}) as studio:
        await with_keys(studio, "fal")
        asked = len(studio.sandbox("calls"))
        await studio.template("text-to-image")
        node = await studio.node("MintmarkModeratePrompt")
        await studio.set(node, "text", "a fox in hardcore porn")
        assert await studio.run() == "execution_error"
        told = await studio.told(node)
        assert told.startswith("Blocked: the prompt")
        assert "rule " in told
        assert await studio.page.locator(".mintmark-told.is-refused").is_visible()
        assert len(studio.sandbox("calls")) == asked, "nothing was asked of a provider"
        await studio.look_at(node)
        if not newer:
            await studio.picture("blocked")


async def test_why_a_run_was_stopped_goes_away_with_the_next_that_ends_well(open_studio: Any) -> None:
    for newer in (False, True):
        async with open_studio(**{"Comfy.VueNodes.Enabled": newer}) as studio:
            await with_keys(studio, "fal", "openai")
            await studio.template("text-to-image")
            words, node = await studio.node("MintmarkModeratePrompt"), await studio.node("MintmarkTextToImage")
            await studio.set(words, "text", "")
            assert await studio.run() == "execution_error"
            assert (await studio.told(node)).startswith("An input needs a change\nprompt: is empty.")
            await studio.set(words, "text", PROMPT)
            assert await studio.run() == "execution_success"
            await studio.page.wait_for_function(
                "(id) => app.graph.getNodeById(id).widgets.every((each) => each.name !== 'mintmark_told')", arg=node
            )
            assert "mintmark-told is-refused" not in await studio.page.content()


@pytest.mark.parametrize("newer", [False, True], ids=["classic", "newer"])
async def test_the_credential_of_a_saved_file_is_one_click_away(newer: bool, open_studio: Any) -> None:
    async with open_studio(**{"Comfy.VueNodes.Enabled": newer}) as studio:
        await with_keys(studio, "fal", "openai")
        await studio.template("text-to-image")
        assert await studio.run() == "execution_success"
        assert (await studio.told(await studio.node("MintmarkSignAndSave"))).startswith("Saved in the output folder: ")
        node, asked = await studio.node("MintmarkTextToImage"), len(studio.sandbox("calls"))
        seed = await studio.js("(id) => app.graph.getNodeById(id).widgets.find((w) => w.name === 'seed').value", node)
        for _ in range(2):
            await studio.page.get_by_role("button", name="Check the credential").click()
            assert "signed by Mintmark (self-made)" in await studio.told(await studio.node("MintmarkReadCredentials"))
        await studio.fit()
        if not newer:
            await studio.picture("credential")
        assert await studio.page.locator(".mintmark-told.is-stale").count() == 0, "what the others said still holds"
        after = await studio.js("(id) => app.graph.getNodeById(id).widgets.find((w) => w.name === 'seed').value", node)
        assert (after, len(studio.sandbox("calls"))) == (seed, asked), "nothing else was run"


async def test_what_calls_no_model_has_no_price_and_an_app_says_that_none_is_known(studio: Any) -> None:
    await with_keys(studio, "fal")
    estimate, app = await studio.add("MintmarkCostEstimate"), await studio.add("MintmarkHostedApp", x=760)
    await studio.badge(app, "price unknown")
    assert not {"needs a key", "unknown model"} & set(await studio.badges(app))
    assert [text for text in await studio.badges(estimate) if "$" in text or "key" in text] == []
    await studio.set(app, "model", "replicate/somebody/their-model")
    await studio.badge(app, "needs a key")


async def test_a_budget_of_less_than_a_cent_is_a_budget(studio: Any) -> None:
    guard = await studio.add("MintmarkBudgetGuard", per_run_usd=0.004)
    value = "(id) => app.graph.getNodeById(id).widgets.find((w) => w.name === 'per_run_usd').value"
    assert await studio.js(value, guard) == 0.004


async def test_prices_that_did_not_load_say_so_and_load_again_at_a_click(open_studio: Any) -> None:
    async with open_studio() as studio:
        await studio.page.route("**/mintmark/models*", lambda route: route.abort())
        await studio.page.reload()
        await studio.page.wait_for_function("() => window.app?.vueAppReady && app.canvas && app.graph")
        node = await studio.add("MintmarkTextToImage")
        await studio.badge(node, "prices did not load: try again")
        await studio.page.unroute("**/mintmark/models*")
        click = (
            "(id) => app.graph.getNodeById(id).badges.map((each) => each()).find((e) => e.text.startsWith('prices'))"
        )
        await studio.js(f"(id) => ({click})(id).onClick()", node)
        await studio.badge(node, "$0.003")


async def test_keys_say_it_where_comfyui_does_not_answer(studio: Any) -> None:
    await studio.page.route("**/mintmark/keys*", lambda route: route.abort())
    await studio.js("() => app.extensionManager.command.execute('Mintmark.Keys')")
    await studio.page.get_by_text("ComfyUI does not answer.").wait_for()


async def test_no_node_of_a_template_lies_over_another_or_out_of_its_group(open_studio: Any) -> None:
    """The newer nodes are taller than the classic ones that the templates were laid out with."""
    async with open_studio(**{"Comfy.VueNodes.Enabled": True}) as studio:
        for name in sorted(path.stem for path in TEMPLATES.glob("*.json")):
            await studio.template(name)
            await studio.fit()
            await studio.page.wait_for_timeout(800)  # they settle their own height
            assert (name, await studio.js(_CROWDED)) == (name, [])


async def test_a_template_opens_from_the_template_browser(studio: Any) -> None:
    await studio.js("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    await studio.page.locator("nav").get_by_text("mintmark", exact=True).click()
    await studio.page.get_by_text("text-to-image", exact=False).last.click()
    await studio.page.wait_for_function("() => app.graph._nodes.some((n) => n.comfyClass === 'MintmarkSignAndSave')")


def microusd(
    name: str, megapixels: float, images: int = 1, *, input_megapixels: float | None = None, **parameters: Any
) -> int:
    """What the ledger would set aside for one call."""
    row = next(row for row in rows() if row["name"] == name)
    asked = Quantities(images=images, megapixels=megapixels, input_megapixels=input_megapixels)
    return quote(RULE.validate_python(row["price"]), asked, parameters).at_most_microusd


def price(name: str, megapixels: float, images: int = 1, **parameters: Any) -> str:
    return usd(microusd(name, megapixels, images, **parameters))


async def open_search(studio: Any) -> None:
    await clicked_until(studio, "input:focus", lambda: studio.page.mouse.dblclick(700, 420))


async def clicked_until(studio: Any, selector: str, click: Any) -> None:
    """Click, as often as it takes: a page that still settles may close at once what opened."""
    from playwright.async_api import TimeoutError as TooLate

    for _ in range(8):
        await click()
        with contextlib.suppress(TooLate):
            await studio.page.locator(selector).first.wait_for(timeout=3000)
            return
    pytest.fail(f"{selector} never opened")


async def with_keys(studio: Any, *providers: str) -> None:
    """Keep keys for these, and have the page know it."""
    for provider in providers:
        studio.keep_key(provider, KEY)
    await studio.js("() => import('/extensions/mintmark/catalog.js').then((catalog) => catalog.load())")


async def shows(studio: Any, newer: bool, node: int, text: str) -> None:
    await studio.badge(node, text)
    if newer:  # these are HTML, so that what is on the screen can be read
        await studio.page.locator("[data-node-id]").get_by_text(text, exact=True).wait_for()


async def open_models(studio: Any, newer: bool, node: int) -> None:
    if newer:
        await studio.page.locator("[data-node-id] [role=combobox]").first.click()
        return
    place = await studio.page.wait_for_function(
        """(id) => {
            const node = app.graph.getNodeById(id);
            const widget = node.widgets.find((each) => each.name === "model");
            if (widget.last_y === undefined) return null; // not drawn yet
            const { left, top } = app.canvas.canvas.getBoundingClientRect();
            const { scale, offset } = app.canvas.ds;
            const [x, y] = [node.pos[0] + node.size[0] / 2, node.pos[1] + widget.last_y + 10];
            return [left + (x + offset[0]) * scale, top + (y + offset[1]) * scale];
        }""",
        arg=node,
    )
    x, y = await place.json_value()
    await clicked_until(studio, ".litecontextmenu", lambda: studio.page.mouse.click(x, y))

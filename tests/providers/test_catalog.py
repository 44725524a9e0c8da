"""The catalog's data, row by row, and the questions asked of it."""

from __future__ import annotations

import copy
import json
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from mintmark.errors import InternalError, ModelRetired, PriceUnknown, UnknownModel
from mintmark.metering.prices import Quantities, quote
from mintmark.nodes.local.families import FAMILIES
from mintmark.providers import catalog, models
from mintmark.providers.keys import VARIABLES
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog, validated
from mintmark.providers.registry import names
from mintmark.tools.catalog_schema import PAGE, text

TODAY = date(2026, 11, 21)
ROWS = catalog.rows()
UNPRICED = (
    "replicate/qwen-image",
    "replicate/clarity-upscaler",
    "huggingface/endpoint",
    "huggingface/flux.1-kontext-dev-together",
    # Told with each call, and published nowhere.
    *("bfl/flux-erase", "bfl/flux-outpaint", "bfl/flux-deblur"),
    # Paid in generative credits, by contract.
    *(f"firefly/{name}" for name in ("image3", "image4", "image4-ultra", "image5", "fill", "expand")),
)


DATED = ("licence", "lifecycle", "governance")
"""What of every row says when and where it was read; its price does, too, where it has one."""


def test_the_published_schema_is_that_of_the_models() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "run: python tools/catalog_schema.py"


@pytest.mark.parametrize("path", catalog.files(), ids=lambda path: path.name)
def test_every_file_keeps_to_the_published_schema(path: Path) -> None:
    schema = jsonschema_rs.validator_for(json.loads(PAGE.read_text(encoding="utf-8")))
    assert [str(each) for each in schema.iter_errors(json.loads(path.read_text(encoding="utf-8")))] == []


def test_the_published_schema_refuses_what_it_does_not_know() -> None:
    schema = jsonschema_rs.validator_for(json.loads(PAGE.read_text(encoding="utf-8")))
    price = {"unit": "image", "microusd": "1500", "as_of": "2026-11-20", "source": "our contract"}
    assert schema.is_valid({"models": [{"name": "fal/flux-dev", "price": price}]})
    assert not schema.is_valid({"models": [{"price": price}]})
    assert not schema.is_valid({"models": [{"name": "fal/flux-dev", "pricee": price}]})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_row_has_a_day_and_a_place_where_it_was_read(row: dict[str, Any]) -> None:
    dated = [(name, row[name]) for name in (*DATED, *(["price"] if row["price"] else []))]
    wrong = [
        f"{row['name']}: {name}"
        for name, facts in dated
        if not facts.get("as_of")
        or not date(2025, 1, 1) <= date.fromisoformat(facts["as_of"]) <= TODAY
        or len(facts.get("source", "")) < 3
        or facts["source"].lower().startswith(("not stated where we looked", "unknown"))
    ]
    assert wrong == []


@pytest.mark.parametrize("part", [*DATED, "price"])
@pytest.mark.parametrize("field", ["as_of", "source"])
def test_a_row_without_its_day_or_its_source_is_refused_by_name(part: str, field: str) -> None:
    row = copy.deepcopy(ROWS[0])
    del row[part][field]
    with pytest.raises(ValueError, match=rf"{row['name']}: {part}\.(\w+\.)?{field}: Field required"):
        validated(row)


@pytest.mark.parametrize("source", ["", "Not stated where we looked", "unknown"])
def test_a_source_names_a_place(source: str) -> None:
    row = copy.deepcopy(ROWS[0])
    row["licence"]["source"] = source
    with pytest.raises(ValueError, match=r"licence\.source"):
        validated(row)


def test_the_catalog_does_not_load_with_a_row_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    row = copy.deepcopy(ROWS[0])
    del row["licence"]["as_of"]
    monkeypatch.setattr(catalog, "rows", lambda: [row])
    monkeypatch.setattr(models, "_loaded", None)
    with pytest.raises(InternalError, match=rf"{row['name']}: licence\.as_of"):
        Catalog.load()


def test_a_model_that_ends_has_its_day() -> None:
    row = copy.deepcopy(ROWS[0])
    row["lifecycle"] = {**row["lifecycle"], "state": "retiring", "retires_on": None}
    with pytest.raises(ValueError, match="retires_on"):
        validated(row)


OPEN = [row for row in ROWS if row["family"] == "open-weight"]


@pytest.mark.parametrize("row", OPEN, ids=lambda row: row["name"])
def test_open_weights_that_are_published_say_their_licence_and_where_they_run(row: dict[str, Any]) -> None:
    weights = row.get("weights")
    assert bool(weights) == bool(row["checkpoint"])
    for facts in (weights, weights["licence"]) if weights else ():
        assert date(2025, 1, 1) <= date.fromisoformat(facts["as_of"]) <= TODAY
        assert len(facts["source"]) > 3
    if weights and weights["family"]:
        assert weights["family"] in FAMILIES
        assert validated(row).weights.names  # type: ignore[union-attr]  # it has some
    if weights:
        assert all(file.endswith(".safetensors") for file in weights.get("files", ()))


def test_the_same_weights_are_the_same_facts_whoever_serves_them() -> None:
    told: dict[str, Any] = {}
    for row in OPEN:
        if row["checkpoint"]:
            assert told.setdefault(row["checkpoint"], row["weights"]) == row["weights"]


def test_closed_models_have_no_weights() -> None:
    assert [row["name"] for row in ROWS if row["family"] == "closed" and row.get("weights")] == []


def test_what_needs_nothing_beside_it_is_named_first() -> None:
    names = {row["name"]: validated(row).weights.names for row in OPEN if row.get("weights")}  # type: ignore[union-attr]
    assert names["huggingface/stable-diffusion-xl"][1] == "sd_xl_base_1.0.safetensors"
    assert names["fal/flux-schnell"] == ("FLUX.1-schnell", "flux1-schnell.safetensors")
    assert names["stability/sd3.5-large"][0] == "stable-diffusion-3.5-large"


@pytest.mark.parametrize("field", ["as_of", "source", "licence"])
def test_weights_without_their_day_source_or_licence_are_refused_by_name(field: str) -> None:
    row = copy.deepcopy(next(each for each in OPEN if each.get("weights")))
    del row["weights"][field]
    with pytest.raises(ValueError, match=rf"{row['name']}: weights\.{field}: Field required"):
        validated(row)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_row_is_a_model(row: dict[str, Any]) -> None:
    model = Model.model_validate(row)
    assert model.provider in VARIABLES
    assert model.provider in names()
    assert model.tasks
    assert model.lifecycle.source
    assert model.governance.source
    assert model.licence.source


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_price_has_its_day_and_source_and_can_be_quoted(row: dict[str, Any]) -> None:
    model = Model.model_validate(row)
    if model.price is None:
        # A model nobody can call any more, or one whose price we found stated nowhere.
        assert model.retired(date(2026, 12, 1)) or model.name in UNPRICED
        return
    assert date(2026, 1, 1) <= model.price.as_of <= TODAY
    assert model.price.source
    one = Quantities(images=1, megapixels=1.048576)
    assert quote(model.price, one, {}).at_most_microusd > 0


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_parameter_makes_sense(row: dict[str, Any]) -> None:
    model = Model.model_validate(row)
    for name, parameter in model.parameters.items():
        assert parameter.help
        assert (parameter.type == "choice") == bool(parameter.choices), name
        assert parameter.default is None or not parameter.choices or parameter.default in parameter.choices
        assert set(parameter.tasks or ()) <= set(model.tasks), name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_replacement_exists_and_will_live_longer(row: dict[str, Any]) -> None:
    model = Model.model_validate(row)
    if model.lifecycle.state in ("retiring", "retired"):
        assert model.lifecycle.retires_on
        successor = Catalog.load().find(str(model.lifecycle.replaced_by))
        assert successor is not None
        assert successor.lifecycle.state == "live"
        assert set(model.tasks) <= set(successor.tasks)


def test_names_are_unique() -> None:
    assert len({row["name"] for row in ROWS}) == len(ROWS)


def test_the_issue_s_models_are_there() -> None:
    assert {row["name"] for row in ROWS if row["name"].startswith(("openai/", "fal/"))} == {
        *("openai/gpt-image-2", "openai/gpt-image-2-2026-04-21", "openai/gpt-image-2.5-sunburst"),
        *("openai/gpt-image-2.5-flare", "openai/gpt-image-2.6-sunburst", "openai/gpt-image-2.6-flare"),
        *("openai/gpt-image-1.5", "openai/gpt-image-1-mini", "openai/chatgpt-image-latest"),
        *("openai/gpt-image-1", "openai/dall-e-2", "openai/dall-e-3"),
        *("fal/flux-schnell", "fal/flux-dev", "fal/flux-pro-1.1", "fal/flux-pro-1.1-ultra", "fal/flux-2-pro"),
        *("fal/flux-pro-fill", "fal/nano-banana", "fal/ideogram-v3", "fal/flux-kontext-pro", "fal/flux-kontext-max"),
        *("fal/seedream-4", "fal/flux-dev-controlnet", "fal/clarity-upscaler"),
        *("fal/nano-banana-2", "fal/nano-banana-pro"),
    }


def test_a_misspelt_field_in_a_row_is_refused() -> None:
    with pytest.raises(ValidationError):
        Model.model_validate({**ROWS[0], "licens": "MIT"})


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("gpt-image-2", "openai/gpt-image-2"),
        ("openai/gpt-image-2.6-sunbrust", "openai/gpt-image-2.6-sunburst"),
        ("firefly/flux-2-pro", "/flux-2-pro"),
        ("fal/flux-shnell", "fal/flux-schnell"),
    ],
)
def test_an_unknown_model_is_answered_with_what_was_probably_meant(asked: str, meant: str) -> None:
    with pytest.raises(UnknownModel) as told:
        Catalog.load().get(asked, TODAY)
    assert meant in told.value.hint


def test_a_retired_model_is_never_suggested() -> None:
    with pytest.raises(UnknownModel) as told:
        Catalog.load().get("openai/dall-e-4", TODAY)
    assert "dall-e" not in told.value.hint


def test_of_a_known_provider_some_models_are_named_in_any_case() -> None:
    with pytest.raises(UnknownModel) as told:
        Catalog.load().get("fal/nonsense", TODAY)
    assert told.value.hint.count("fal/") == 3 and told.value.hint.endswith("mintmark models list --provider fal")


def test_a_name_like_nothing_points_to_the_list() -> None:
    with pytest.raises(UnknownModel, match="models list"):
        Catalog.load().get("zzzzzzzzzzzz", TODAY)


def test_an_app_by_its_own_id_points_to_the_node_that_calls_apps() -> None:
    with pytest.raises(UnknownModel, match="Hosted App"):
        Catalog.load().known("fal/acme/zzzzzzzz")


def test_a_retired_model_names_its_end_and_its_replacement() -> None:
    with pytest.raises(ModelRetired) as told:
        Catalog.load().get("openai/gpt-image-1", TODAY)
    assert "2026-10-23" in told.value.message
    assert "openai/gpt-image-2.5-sunburst" in told.value.hint


@pytest.mark.parametrize("name", ["openai/gpt-image-1.5", "openai/gpt-image-1-mini", "openai/chatgpt-image-latest"])
def test_a_retiring_model_works_until_its_last_day(name: str) -> None:
    assert Catalog.load().get(name, date(2026, 11, 30)).name == name
    with pytest.raises(ModelRetired, match="2026-12-01"):
        Catalog.load().get(name, date(2026, 12, 1))


def test_models_are_listed_by_task_provider_family_and_day() -> None:
    models = Catalog.load()
    assert {model.name for model in models.list(task="inpaint", provider="fal")} == {"fal/flux-pro-fill"}
    open_weight = models.list(family="open-weight", provider="fal")
    assert {model.name for model in open_weight} == {"fal/flux-schnell", "fal/flux-dev", "fal/flux-dev-controlnet"}
    alive = models.list(today=date(2026, 12, 1), provider="openai")
    assert len(alive) == 6
    assert not any(model.retired(date(2026, 12, 1)) for model in alive)
    assert len(models.list()) == len(ROWS)


def test_an_unknown_price_is_refused_unless_it_is_allowed() -> None:
    models = Catalog.load()
    model = models.get("openai/chatgpt-image-latest", TODAY)
    with pytest.raises(PriceUnknown, match="MINTMARK_ALLOW_UNKNOWN_PRICE"):
        models.price_of(model)
    assert models.price_of(model, allow_unknown=True) is None
    known = models.get("fal/flux-schnell", TODAY)
    assert models.price_of(known) is known.price


@pytest.mark.parametrize(
    ("name", "width", "height", "microusd"),
    [
        ("fal/flux-dev", 1024, 1024, 25_000),
        ("fal/flux-dev", 512, 512, 25_000),
        ("fal/flux-dev", 1920, 1080, 50_000),
        ("fal/flux-schnell", 1024, 1024, 3_000),
        ("fal/flux-schnell", 2048, 2048, 12_000),
        ("fal/flux-pro-1.1", 1920, 1080, 80_000),
    ],
)
def test_a_megapixel_is_what_its_vendor_counts_as_one(name: str, width: int, height: int, microusd: int) -> None:
    price = Catalog.load().get(name, TODAY).price
    assert price is not None
    assert quote(price, Quantities(megapixels=width * height / 1e6), {}).at_most_microusd == microusd


def test_a_price_follows_the_parameter_it_depends_on() -> None:
    price = Catalog.load().get("fal/ideogram-v3", TODAY).price
    assert price is not None
    speeds = [quote(price, Quantities(), {"rendering_speed": s}).at_most_microusd for s in ("TURBO", "x", "QUALITY")]
    assert speeds == [30_000, 60_000, 90_000]

"""A user's own catalog file: what it may say, what comes of it, and how it is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import BadSetting
from mintmark.providers import catalog
from mintmark.providers.models import Catalog
from mintmark.providers.own_catalog import price_source, use_own

PRICE = {"unit": "image", "microusd": "1500", "as_of": "2026-11-20", "source": "our contract with fal"}


@pytest.fixture(autouse=True)
def _ours_again() -> Iterator[None]:
    yield
    use_own(None)


def file(folder: Path, document: Any) -> Path:
    path = folder / "prices.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def models(*each: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"models": list(each), **more}


def test_a_price_is_replaced_alone(tmp_path: Path) -> None:
    before = Catalog.load().known("fal/flux-schnell")
    use_own(file(tmp_path, models({"name": "fal/flux-schnell", "price": PRICE})))
    now = Catalog.load().known("fal/flux-schnell")
    assert now.price is not None and now.price.unit == "image" and now.price.microusd == Decimal(1500)
    assert now.model_dump(exclude={"price"}) == before.model_dump(exclude={"price"})
    assert len(Catalog.load().list()) == len(catalog.shipped())
    use_own(None)
    assert Catalog.load().known("fal/flux-schnell") == before


def test_it_is_said_whose_price_it_is(tmp_path: Path) -> None:
    use_own(file(tmp_path, models({"name": "fal/flux-schnell", "price": PRICE}, {"name": "fal/flux-dev", "note": "x"})))
    mine, ours = (Catalog.load().known(name) for name in ("fal/flux-schnell", "fal/flux-dev"))
    assert price_source(mine) == "your own catalog prices.json: our contract with fal (2026-11-20)"
    assert price_source(ours) is not None and "your own" not in str(price_source(ours))
    assert price_source(ours.model_copy(update={"price": None})) is None


def test_a_parameter_is_changed_or_taken_away_and_the_others_stay(tmp_path: Path) -> None:
    before = Catalog.load().known("fal/flux-dev").parameters
    changed = {"steps": {"type": "integer", "min": 1, "max": 8, "help": "Few."}, "guidance": None}
    use_own(file(tmp_path, models({"name": "fal/flux-dev", "parameters": changed})))
    now = Catalog.load().known("fal/flux-dev").parameters
    assert now["steps"].max == 8
    assert set(now) == set(before) - {"guidance"}


def test_a_model_of_ones_own_is_known_like_any_other(tmp_path: Path) -> None:
    row = {**next(row for row in catalog.shipped() if row["name"] == "fal/flux-dev"), "name": "fal/house-style"}
    shared = {name: row.pop(name) for name in ("licence", "governance", "lifecycle")}
    use_own(file(tmp_path, models({**row, "endpoint": {"text-to-image": "acme/house-style"}}, shared=shared)))
    assert Catalog.load().known("fal/house-style").endpoint == {"text-to-image": "acme/house-style"}
    assert catalog.rows()[-1]["name"] == "fal/house-style"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", ["is no JSON"]),
        ("[]", ["models", "a list is needed"]),
        ({"models": {}}, ["models", "a list is needed"]),
        (models(prices=1), ["prices: there is no such field"]),
        (models(shared=[]), ["shared: an object"]),
        (models({"price": PRICE}), ["models[0].name"]),
        (models({"name": "fal/flux-dev"}, {"name": "fal/flux-dev"}), ["fal/flux-dev: it stands there twice"]),
        (models({"name": "fal/flux-dev", "parameters": []}), ["fal/flux-dev: parameters"]),
        (models({"name": "fal/flux-dev", "pricee": PRICE}), ["fal/flux-dev: pricee:"]),
        (
            models({"name": "fal/flux-dev", "price": {**PRICE, "microusd": "cheap"}}),
            ["fal/flux-dev: price", "microusd"],
        ),
        (models({"name": "fal/flux-dev", "price": {**PRICE, "as_of": None}}), ["fal/flux-dev: price", "as_of"]),
        (
            models({"name": "fal/flux-dev", "price": {"unit": "image", "microusd": "1", "as_of": "2026-11-20"}}),
            ["fal/flux-dev: price", "source: Field required"],
        ),
        (models({"name": "fal/flux-dev", "price": {"microusd": "1"}}), ["fal/flux-dev: price.unit: Field required"]),
        (models({"name": "fal/mine"}), ["fal/mine: title: Field required", "we have no such model"]),
        (models({"name": "mine", "title": "x"}), ["mine: name:"]),
    ],
)
def test_what_is_wrong_is_refused_by_file_model_and_field(document: Any, said: list[str], tmp_path: Path) -> None:
    path = file(tmp_path, document)
    with pytest.raises(BadSetting) as told:
        use_own(path)
    assert [word for word in ("MINTMARK_CATALOG", str(path), *said) if word not in told.value.message] == []
    assert "catalog.schema.json" in told.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"no-such\.json: it cannot be read"):
        use_own(tmp_path / "no-such.json")


def test_a_refused_file_leaves_the_catalog_as_it_was(tmp_path: Path) -> None:
    use_own(file(tmp_path, models({"name": "fal/flux-schnell", "price": PRICE})))
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    with pytest.raises(BadSetting):
        use_own(bad)
    assert "your own" in str(price_source(Catalog.load().known("fal/flux-schnell")))

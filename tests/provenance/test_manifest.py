from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mintmark.errors import InternalError
from mintmark.provenance.actions import Ingredient
from mintmark.provenance.manifest import RECORD_LABEL, build

PARENT = Ingredient("answer.png", "image/png", b"the provider's bytes")
INPUT = Ingredient("sketch.png", "image/png", b"what was fed in")
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
CREATION = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation"


def actions_of(facts):
    return build(facts).definition["assertions"][0]["data"]["actions"]


def test_a_providers_image_is_opened_from_the_providers_bytes_and_never_created(facts):
    made = facts(origin="provider", provider="openai", model="gpt-image-2", model_version="2026-04", parent=PARENT)
    assert actions_of(made) == [
        {
            "action": "c2pa.opened",
            "when": "2026-11-21T06:00:00Z",
            "parameters": {"ingredientIds": ["parent"]},
            "digitalSourceType": TRAINED,
            "softwareAgent": {"name": "openai/gpt-image-2", "version": "2026-04"},
        }
    ]
    assert build(made).ingredients == (
        ({"title": "answer.png", "format": "image/png", "relationship": "parentOf", "label": "parent"}, PARENT),
    )


def test_a_providers_image_without_the_providers_bytes_is_refused(facts):
    with pytest.raises(InternalError, match="original bytes"):
        build(facts(origin="provider"))


def test_pixels_changed_afterwards_are_told_as_an_edit_of_ours(facts):
    opened, edited = actions_of(facts(origin="provider", parent=PARENT, edited=True))
    assert opened["action"] == "c2pa.opened"
    assert edited["action"] == "c2pa.edited"
    assert edited["softwareAgent"]["name"] == "Mintmark"


@pytest.mark.parametrize(
    ("origin", "source"),
    [("local_ai", TRAINED), ("ai_edited", COMPOSITE), ("not_ai", CREATION)],
)
def test_an_image_of_this_machine_is_created_with_its_source_type(facts, origin, source):
    (created,) = actions_of(facts(origin=origin))
    assert (created["action"], created["digitalSourceType"]) == ("c2pa.created", source)


def test_images_fed_to_a_local_model_are_inputs_of_the_creation(facts):
    made = facts(inputs=(INPUT, INPUT))
    assert actions_of(made)[0]["parameters"] == {"ingredientIds": ["input-1", "input-2"]}
    assert [link["relationship"] for link, _ in build(made).ingredients] == ["inputTo", "inputTo"]


def test_opening_names_the_parent_alone_even_with_inputs(facts):
    made = facts(origin="provider", parent=PARENT, inputs=(INPUT,))
    assert actions_of(made)[0]["parameters"] == {"ingredientIds": ["parent"]}
    assert [link["label"] for link, _ in build(made).ingredients] == ["parent", "input-1"]


def test_a_local_model_on_somebodys_image_makes_a_composite(facts):
    opened, edited = actions_of(facts(origin="ai_edited", parent=PARENT))
    assert "digitalSourceType" not in opened
    assert (edited["action"], edited["digitalSourceType"]) == ("c2pa.edited", COMPOSITE)


def test_saving_somebodys_image_without_a_model_claims_no_source(facts):
    assert actions_of(facts(origin="not_ai", parent=PARENT))[0].keys() == {"action", "when", "parameters"}


def test_a_model_that_already_names_its_provider_is_not_prefixed_twice(facts):
    (created,) = actions_of(facts(provider="fal", model="fal/flux"))
    assert created["softwareAgent"] == {"name": "fal/flux"}


@pytest.mark.parametrize("training", ["notAllowed", "allowed"])
def test_what_models_may_learn_is_said_when_the_owner_said_it(facts, training):
    *_, last = build(facts(training={"ai_generative_training": training})).definition["assertions"]
    assert last["label"] == "cawg.training-mining"
    assert last["data"]["entries"]["cawg.ai_generative_training"] == {"use": training}


def test_every_assertion_is_attributed_to_the_signer(facts):
    assertions = build(facts(training={"ai_training": "notAllowed"})).definition["assertions"]
    assert [assertion["label"] for assertion in assertions] == [
        "c2pa.actions.v2",
        RECORD_LABEL,
        "cawg.training-mining",
    ]
    assert all(assertion["created"] is True for assertion in assertions)


@pytest.mark.parametrize(
    ("record", "key"),
    [
        ({"seed": 2**63}, "record.seed"),
        ({"seed": -(2**63) - 1}, "record.seed"),
        ({"job": {"seeds": ["1", 2**64 - 1]}}, r"record\.job\.seeds\[1\]"),
        ({"score": float("nan")}, "record.score"),
        ({"image": b"bytes"}, "record.image is a bytes"),
        ({"inner": {7: "x"}}, "record.inner has a key"),
    ],
)
def test_what_cbor_cannot_hold_is_refused_by_the_name_of_its_key(facts, record, key):
    with pytest.raises(InternalError, match=key):
        build(facts(record=record))


def test_a_time_without_its_zone_is_refused_and_another_zone_is_turned_to_utc(facts):
    with pytest.raises(InternalError, match="zone"):
        build(facts(when=datetime(2026, 1, 1)))  # noqa: DTZ001
    east = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert actions_of(facts(when=east))[0]["when"] == "2026-01-01T00:00:00Z"

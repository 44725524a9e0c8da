"""Facts of accounts, and accounts that need no key, are found where the vendor's own tools find them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mintmark.config import Settings
from mintmark.errors import BadSetting, MissingKey
from mintmark.providers.accounts import OPTIONS, accounts, options
from mintmark.providers.keyring_store import KeyringStore
from mintmark.providers.keys import Keys


def no_keyring() -> KeyringStore:
    return KeyringStore(lambda: None)


def test_the_setting_wins_over_the_vendor_s_own_variable() -> None:
    env = {"AWS_REGION": "us-east-1"}
    assert options("bedrock", {}, env) == {"region": "us-east-1"}
    assert options("bedrock", {"bedrock.region": "us-west-2"}, env) == {"region": "us-west-2"}


def test_the_first_variable_that_is_set_counts() -> None:
    assert options("bedrock", {}, {"AWS_REGION": " ", "AWS_DEFAULT_REGION": "eu-west-1"}) == {"region": "eu-west-1"}


def test_another_provider_s_facts_are_not_told() -> None:
    assert options("google", {"bedrock.region": "us-west-2"}, {"AWS_REGION": "us-east-1"}) == {}


def test_a_family_of_facts_takes_any_name() -> None:
    given = {"azure.deployment.gpt-image-2": "pictures"}
    assert options("azure", given, {}) == {"deployment.gpt-image-2": "pictures"}


@pytest.mark.parametrize("wrong", ["bedrock.zone", "nobody.region", "azure.deployment.", "openai.region"])
def test_a_fact_that_no_provider_has_is_refused_with_those_there_are(wrong: str) -> None:
    with pytest.raises(BadSetting, match=wrong) as caught:
        options("bedrock", {wrong: "x"}, {})
    assert "bedrock.region" in str(caught.value.hint)


def test_only_vendors_that_know_machines_are_called_by_an_account() -> None:
    assert accounts(["bedrock", "google"]) == {"bedrock", "google"}
    with pytest.raises(BadSetting, match="openai"):
        accounts(["bedrock", "openai"])


def test_an_account_is_used_where_the_setting_names_it_and_a_key_wins(tmp_path: Path) -> None:
    settings = Settings(keys_dir=tmp_path, provider_accounts=("bedrock", "rekognition"))
    keys = Keys(settings, env={}, keyring=no_keyring())
    assert keys.present() == {"bedrock": "account", "rekognition": "account"}
    assert not keys.require("bedrock")
    with_key = Keys(settings, env={"AWS_BEARER_TOKEN_BEDROCK": "bedrock-key-0123"}, keyring=no_keyring())
    assert with_key.place("bedrock") == "environment"
    assert with_key.require("bedrock").reveal() == "bedrock-key-0123"


def test_an_account_that_is_merely_there_is_not_used(tmp_path: Path) -> None:
    env = {"AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    keys = Keys(Settings(keys_dir=tmp_path), env=env, keyring=no_keyring())
    assert keys.present() == {}
    with pytest.raises(MissingKey) as caught:
        keys.require("bedrock")
    assert "MINTMARK_PROVIDER_ACCOUNTS=bedrock" in str(caught.value.hint)


def test_no_option_is_named_like_a_secret() -> None:
    names = [name for facts in OPTIONS.values() for name in facts]
    assert not [name for name in names if any(word in name for word in ("secret", "key", "token", "password"))]

"""What a provider must know beside a key: facts of the account that are no secret, and accounts that need no key."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from ..errors import BadSetting

Env = Mapping[str, str]

OPTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "azure": {
        "endpoint": ("AZURE_OPENAI_ENDPOINT",),
        "api_version": ("OPENAI_API_VERSION",),
        "tenant_id": ("AZURE_TENANT_ID",),
        "client_id": ("AZURE_CLIENT_ID",),
        # deployment.<model>=<name> beside these: how the account calls its deployment of a model.
        "deployment.": (),
    },
    "bedrock": {"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
    "content-safety": {"endpoint": ("AZURE_CONTENT_SAFETY_ENDPOINT", "CONTENT_SAFETY_ENDPOINT")},
    "firefly": {"client_id": ("FIREFLY_SERVICES_CLIENT_ID",)},
    "google": {
        "project": ("GOOGLE_CLOUD_PROJECT",),
        "location": ("GOOGLE_CLOUD_LOCATION",),
        "vertex": ("GOOGLE_GENAI_USE_VERTEXAI",),
    },
    "huggingface": {"bill_to": ("HF_BILL_TO",), "endpoint.": ()},
    "rekognition": {"region": ("AWS_REGION", "AWS_DEFAULT_REGION")},
}
"""By provider or service: each fact, and the environment variables its own tools read it from. A name that ends in a
dot begins a family of facts."""


def options(name: str, given: Mapping[str, str], env: Env | None = None) -> dict[str, str]:
    """The provider's facts, of the setting ``provider_options`` (``bedrock.region=…``) or its own variables.

    Raises BadSetting for a fact that the provider does not have.
    """
    env = os.environ if env is None else env
    known = OPTIONS.get(name, {})
    found = {fact: value for fact, variables in known.items() if (value := _first(env, variables))}
    for key, value in given.items():
        provider, _, fact = key.partition(".")
        if provider != name:
            _check(provider, fact)
            continue
        _check(name, fact)
        found[fact] = value
    return found


def _check(provider: str, fact: str) -> None:
    known = OPTIONS.get(provider, {})
    families = tuple(one for one in known if one.endswith("."))
    if fact not in families and (fact in known or fact.startswith(families)):
        return
    every = ", ".join(f"{name}.{one}" for name, facts in OPTIONS.items() for one in facts)
    raise BadSetting(f"provider_options: there is no {provider}.{fact}.", hint=f"There are: {every}.")


def _first(env: Env, variables: tuple[str, ...]) -> str:
    return next((value for one in variables if (value := env.get(one, "").strip())), "")


ACCOUNTS = ("azure", "bedrock", "google", "google-vision", "rekognition")
"""Who can be called without a key, by this machine's own account, as the vendor's tools find it: Entra's client
credentials, AWS's credential chain, Google's application default credentials. It is used where the setting
``provider_accounts`` names the provider, and never merely because it is there: it may be there for other things."""


def variable(name: str, env: Env | None = None) -> str:
    """What a variable of the vendor's own tools holds, such as the secret of an account; empty where it is not set."""
    return (os.environ if env is None else env).get(name, "").strip()


def accounts(given: Iterable[str]) -> frozenset[str]:
    """Those of the setting ``provider_accounts``. Raises BadSetting for one that cannot be called so."""
    named = frozenset(given)
    if wrong := sorted(named - set(ACCOUNTS)):
        raise BadSetting(
            f"provider_accounts: {wrong[0]} cannot be called by an account of this machine.",
            hint=f"One of: {', '.join(ACCOUNTS)}. The others take a key.",
        )
    return named

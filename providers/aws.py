"""Who asks at Amazon Web Services: a Bedrock API key as a bearer, or an account's signature (SigV4) made by botocore.

The account is found where every AWS tool finds it: the environment, ``~/.aws``, a container's or machine's role. That
may read files, run a program or ask the machine's metadata service, so it happens in a thread; botocore renews what is
short-lived by itself. botocore is the extra ``aws``, and is imported where an account is used.

Wire facts: botocore 1.44.5 (auth.py, tokens.py), recorded against a local server 2026-11; "Create a signed AWS API
request" (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import log
from ..errors import BadSetting, MissingExtra, ProviderAuth, ProviderDown
from .http import Sign
from .secret import Secret
from .together import Together

USUAL_REGION = "us-west-2"
"""Where no region is named: the only one that has all of Bedrock's live image models."""
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,2}-\d{1,2}")
_HINT = "Try: aws sts get-caller-identity. For Bedrock a key does as well: AWS_BEARER_TOKEN_BEDROCK."
INSTALL = "pip install 'mintmark[aws]'"


def region_of(provider: str, options: Mapping[str, str]) -> str:
    """The region that is asked. Raises BadSetting for what cannot be one: it becomes part of a host's name."""
    region = options.get("region") or USUAL_REGION
    if not _REGION.fullmatch(region):
        raise BadSetting(
            f"{provider}.region: {region!r} is no AWS region.",
            hint=f"Name one: {provider}.region={USUAL_REGION} in provider_options, or AWS_REGION={USUAL_REGION}.",
        )
    return region


class Account:
    """This machine's AWS account, asked for its credentials when they are first needed."""

    def __init__(self, provider: str, *, patience_s: float = 60.0) -> None:
        """Raises MissingExtra without botocore. Reads nothing yet. Credentials are waited for so many seconds."""
        if importlib.util.find_spec("botocore") is None:
            raise MissingExtra("An AWS account's signature needs the botocore package.", hint=INSTALL)
        # It would write what is signed into the debug log, and a session's token is part of that.
        logging.getLogger("botocore.auth").setLevel(logging.INFO)
        self._provider = provider
        self._patience_s = patience_s
        self._found: Any = None
        self._together = Together[Any]()
        # One of its own: a program that hangs must not take the threads that the journal is written in.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mintmark-aws")

    def signer(self, method: str, url: str, *, service: str, region: str) -> Sign:
        """What signs requests of this method to this URL, for one AWS service in one region.

        Raises ProviderAuth, when it is asked to, where there are no credentials or they cannot be renewed, and
        ProviderDown where they do not come.
        """

        async def sign(headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
            credentials = await self._together.get(lambda: None, self._asked)
            return await asyncio.to_thread(self._signed, credentials, method, url, headers, body, service, region)

        return sign

    async def _asked(self) -> Any:
        found = asyncio.get_running_loop().run_in_executor(self._thread, self._credentials)
        try:
            done, _ = await asyncio.wait([found], timeout=self._patience_s)
        finally:
            found.cancel()
        if done:
            return found.result()
        raise ProviderDown(
            f"This machine's AWS account gave no credentials within {self._patience_s:g} s.",
            hint=_HINT,
            provider=self._provider,
            charged="no",
        )

    @staticmethod
    def _signed(
        credentials: Any, method: str, url: str, headers: Mapping[str, str], body: bytes, service: str, region: str
    ) -> Mapping[str, str]:
        """The headers that are the signature. Only those that are made here: the rest is covered by them."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
        SigV4Auth(credentials, service, region).add_auth(request)
        return {name: value for name, value in request.headers.items() if name not in headers}

    def _credentials(self) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._found = self._found or _session().get_credentials()
            frozen = self._found.get_frozen_credentials() if self._found else None
        except (BotoCoreError, ClientError, RuntimeError, OSError, ValueError) as error:
            # RuntimeError: what is renewed has run out already. The last two: a program that is not there, or talks
            # nonsense. By their names alone: what a credential program or a profile says is no business of a log.
            raise self._refused(f"This machine's AWS account gives no credentials ({type(error).__name__}).") from None
        if frozen is None:
            raise self._refused("This machine has no AWS credentials.")
        log.hide(frozen.secret_key)
        if frozen.token:
            log.hide(frozen.token)
        return frozen

    def _refused(self, message: str) -> ProviderAuth:
        return ProviderAuth(message, hint=_HINT, provider=self._provider, charged="no")


def bearer(key: Secret) -> Sign:
    """The header of a Bedrock API key. It is no signature, but the URL is kept to the letter just as well."""

    async def sign(_headers: Mapping[str, str], _body: bytes) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key.reveal()}"}

    return sign


def error_of(headers: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, str]:
    """(code, message) of an AWS error answer; an empty code where it names none.

    The code is in ``x-amzn-errortype`` or ``__type``, perhaps with a namespace before it or a URL behind it.
    """
    code = headers.get("x-amzn-errortype") or body.get("__type") or body.get("code") or ""
    message = body.get("message") or body.get("Message") or ""
    return str(code).partition(":")[0].rpartition("#")[2], str(message)


def _session() -> Any:
    from botocore.session import Session

    return Session()

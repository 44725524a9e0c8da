"""Signing a file's bytes. One signer and one context serve all threads; each file gets a builder of its own."""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from ..errors import InternalError, SigningFailed
from . import png
from .contexts import for_signing
from .manifest import ImageFacts, build
from .sniffing import holds_credential

if TYPE_CHECKING:
    from .keys import Identity

_HINTS = (
    ("not valid at time of signing", "The signing certificate has expired, or the clock is wrong."),
    ("certificate", "Check the signing certificate; `mintmark doctor` shows which one is used."),
    ("could not be parsed", "The image, or one that it came from, is damaged."),
    ("unsupported", "PNG, JPEG and WebP can be signed."),
)


class CredentialSigner:
    """Signs images with one identity, from any thread, until it is closed."""

    def __init__(self, identity: Identity) -> None:
        """Raises :class:`SigningFailed` where c2pa does not take the identity."""
        import c2pa

        self._c2pa = c2pa
        self.identity = identity
        info = (identity.algorithm, identity.chain_pem, identity.key_pem, None)
        try:
            self._signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(*info))
            self._context = c2pa.Context.from_dict(for_signing())
        except c2pa.C2paError as exc:
            raise _failed(exc) from exc

    def sign(self, data: bytes, media_type: str, facts: ImageFacts) -> bytes:
        """The file with its credential, checked by reading it back. Safe from many threads at once; blocks for ms.

        Whatever credential ``data`` had is replaced, so it must travel in ``facts.parent``.
        Raises :class:`SigningFailed` with the cause; unsigned bytes are never returned.
        """
        if media_type != facts.media_type:
            raise InternalError(f"{facts.media_type} was to be signed as {media_type}.")
        if facts.parent is None and _has_credential(data):
            raise InternalError("A file with a credential was to be signed without keeping it as the parent.")
        manifest = build(facts)
        signed = io.BytesIO()
        try:
            with self._c2pa.Builder(manifest.definition, context=self._context) as builder:
                for definition, item in manifest.ingredients:
                    builder.add_ingredient(definition, item.media_type, io.BytesIO(item.data))
                builder.sign(self._signer, media_type, io.BytesIO(data), signed)
        except self._c2pa.C2paError as exc:
            raise _failed(exc) from exc
        return signed.getvalue()

    def close(self) -> None:
        """Give the native handles back. May be called again; signing afterwards fails."""
        self._signer.close()
        self._context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _has_credential(data: bytes) -> bool:
    # A PNG's chunks are few and say what they are; scanning its megabytes would cost as much as half the signing.
    return png.has_credential(data) if png.is_png(data) else holds_credential(data)


def _failed(cause: Any) -> SigningFailed:
    text = " ".join(str(cause).split())
    hint = next((hint for sign, hint in _HINTS if sign in text), "The file was not delivered unsigned.")
    return SigningFailed(f"The credential could not be made: {text}.", hint=hint)

"""Signing a file's bytes. One signer and one context serve all threads; each file gets a builder of its own."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import Self

from ..errors import InternalError, SignerFailed, SigningFailed
from . import png
from .contexts import for_signing
from .formats import EMBEDS
from .manifest import ImageFacts, Manifest, build
from .sniffing import holds_credential
from .timestamps import Stamper, Stamping

if TYPE_CHECKING:
    from .keys import Identity

_HINTS = (
    ("not valid at time of signing", "The signing certificate has expired, or the clock is wrong."),
    ("certificate", "Check the signing certificate; `mintmark doctor` shows which one is used."),
    ("could not be parsed", "The image, or one that it came from, is damaged."),
    ("unsupported", "Such a file is signed with a credential beside it: `mintmark sign` does that."),
)
_ANY_KIND = "application/octet-stream"
"""To c2pa a file of no kind that it knows: then every byte is covered, and none is looked into."""


class Signed(NamedTuple):
    """A signed file. ``data`` is the file with its credential, or ``sidecar`` the credential beside it.

    ``note`` says what is missing of what was wanted (a timestamp); it is empty where nothing is.
    """

    data: bytes
    sidecar: bytes | None
    note: str


class CredentialSigner:
    """Signs files with one identity, from any thread, until it is closed."""

    def __init__(self, identity: Identity, stamping: Stamping | None = None) -> None:
        """Raises :class:`SigningFailed` where c2pa does not take the identity."""
        import c2pa

        self._c2pa = c2pa
        self.identity = identity
        self._stamper = Stamper(stamping) if stamping else None
        self._caught = threading.local()
        try:
            self._signer = self._native(None)
            self._context = c2pa.Context.from_dict(for_signing())
        except c2pa.C2paError as exc:
            raise _failed(exc) from exc

    def sign(self, data: bytes, media_type: str, facts: ImageFacts) -> bytes:
        """The file with its credential, checked by reading it back. Safe from many threads at once; blocks for ms, and
        for as long as the timestamp authority may take where there is one.

        Whatever credential ``data`` had is replaced, so it must travel in ``facts.parent``.
        Raises :class:`SigningFailed` with the cause (:class:`SignerFailed`, :class:`TimestampFailed`); unsigned bytes
        are never returned.
        """
        return self.embed(data, media_type, facts).data

    def embed(self, data: bytes, media_type: str, facts: ImageFacts) -> Signed:
        """As :meth:`sign`, told what the credential lacks."""
        _check(data, media_type, facts)
        signed, _, note = self._make(build(facts), data, media_type, beside=False)
        return Signed(signed, None, note)

    def beside(self, data: bytes, media_type: str, facts: ImageFacts) -> Signed:
        """The credential of a file that cannot hold one: the file stays as it is. Raises as :meth:`sign` does."""
        _check(data, media_type, facts)
        _, sidecar, note = self._make(build(facts), data, _ANY_KIND, beside=True)
        return Signed(data, sidecar, note)

    def whichever(self, data: bytes, media_type: str, facts: ImageFacts) -> Signed:
        """:meth:`embed` where the kind of file takes a credential in, else :meth:`beside`."""
        return (self.embed if media_type in EMBEDS else self.beside)(data, media_type, facts)

    def close(self) -> None:
        """Give the native handles back. May be called again; signing afterwards fails."""
        self._signer.close()
        self._context.close()
        if self._stamper is not None:
            self._stamper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, manifest: Manifest, data: bytes, kind: str, *, beside: bool) -> tuple[bytes, bytes, str]:
        """The file, its credential, and what that lacks."""

        def signed_by(signer: Any) -> tuple[bytes, bytes]:
            out = io.BytesIO()
            with self._c2pa.Builder(manifest.definition, context=self._context) as builder:
                if beside:
                    builder.set_no_embed()
                for definition, item in manifest.ingredients:
                    builder.add_ingredient(definition, item.media_type, io.BytesIO(item.data))
                credential: bytes = builder.sign(signer, kind, io.BytesIO(data), out)
            return out.getvalue(), credential

        if self._stamper is None:
            return *self._tried(signed_by, self._signer), ""
        return self._stamped(signed_by, self._stamper)

    def _stamped(self, signed_by: Callable[[Any], tuple[bytes, bytes]], stamper: Stamper) -> tuple[bytes, bytes, str]:
        with stamper.ticket() as ticket:
            if ticket is not None:
                try:
                    with self._native(ticket.url) as signer:
                        return *signed_by(signer), ""
                except self._c2pa.C2paError as exc:
                    self._raise_caught()
                    text = str(exc)
                    # c2pa signs first and asks for the timestamp then: what fails after an answer is the answer.
                    after = ticket.answered and isinstance(exc, self._c2pa.C2paError.Signature)
                    if not (after or ticket.problem or "http resolver" in text):
                        raise _failed(exc) from exc
                    stamper.missed(ticket.problem or f"the authority's answer is no good: {_said(text)}")
        return *self._tried(signed_by, self._signer), f"without a timestamp: {stamper.why}"

    def _tried(self, signed_by: Callable[[Any], tuple[bytes, bytes]], signer: Any) -> tuple[bytes, bytes]:
        try:
            return signed_by(signer)
        except self._c2pa.C2paError as exc:
            self._raise_caught()
            raise _failed(exc) from exc

    def _native(self, timestamp_url: str | None) -> Any:
        """c2pa's signer, with the address that it asks for timestamps."""
        identity = self.identity
        if identity.holder is None:
            info = (identity.algorithm, identity.chain_pem, identity.key_pem, timestamp_url)
            return self._c2pa.Signer.from_info(self._c2pa.C2paSignerInfo(*info))
        algorithm = self._c2pa.C2paSigningAlg[identity.algorithm.upper()]
        return self._c2pa.Signer.from_callback(self._by_holder, algorithm, identity.chain_pem.decode(), timestamp_url)

    def _by_holder(self, message: bytes) -> bytes:
        """What c2pa calls, in the thread that signs. Its own word for an error says nothing, so ours is kept; and it
        would log the text of what is raised here."""
        self._caught.error = None
        try:
            return self.identity.holder.sign(message, self.identity.algorithm) if self.identity.holder else b""
        except SignerFailed as exc:
            self._caught.error = exc
            return b""

    def _raise_caught(self) -> None:
        error: SignerFailed | None = getattr(self._caught, "error", None)
        self._caught.error = None
        if error is not None:
            raise error from None


def _check(data: bytes, media_type: str, facts: ImageFacts) -> None:
    if media_type != facts.media_type:
        raise InternalError(f"{facts.media_type} was to be signed as {media_type}.")
    if facts.parent is None and _has_credential(data):
        raise InternalError("A file with a credential was to be signed without keeping it as the parent.")


def _has_credential(data: bytes) -> bool:
    # A PNG's chunks are few and say what they are; scanning its megabytes would cost as much as half the signing.
    return png.has_credential(data) if png.is_png(data) else holds_credential(data)


def _said(text: str) -> str:
    """c2pa's word for it, without its own prefixes."""
    return " ".join(text.split()).removeprefix("Signature: ").removeprefix("internal error ").strip("()")


def _failed(cause: Any) -> SigningFailed:
    text = " ".join(str(cause).split())
    hint = next((hint for sign, hint in _HINTS if sign in text), "The file was not delivered unsigned.")
    return SigningFailed(f"The credential could not be made: {text}.", hint=hint)

"""OpenAI's Images API: generations (JSON) and edits (multipart). Both answer at once with base64; there is no queue.

Wire facts: the official SDK 3.52.0 (fields, part names, error codes, headers) and OpenAI's API reference. What a lost
call cost cannot be asked for later, so every doubt about one is ``charged="unknown"``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Mapping
from math import ceil
from typing import Any, ClassVar, NoReturn

from typing_extensions import Self

from ..errors import BadAnswer, Charged, ChargeUnknown, InternalError, InvalidInput, ResultLost
from ..metering.prices import PerToken, Quantities, charge, quote
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .hosts import base_of
from .http import Failure, HttpClient, Reply
from .imagefile import alpha_mask, is_whole, media_type, size_of
from .limits import check, check_size, megapixels
from .model import Model
from .multipart import Part
from .openai_errors import VENDOR, refusal, refused_late, surely_unprocessed
from .openai_stream import TOKENS, gathered, previewing
from .request import GenerationRequest
from .reshaping import outpainted_size, padded
from .secret import Secret
from .submission import Submission

BASE_URL = "https://api.openai.com/v1"
SANDBOX_PREFIX = "/openai/v1"

_MASK_LIMIT = 4 * 1024 * 1024
_MOST_TOKENS = 1_000_000_000
"""Of one call; what is more is no count but nonsense, and would be booked."""
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


class OpenAI(Provider):
    """See the module's text."""

    name: ClassVar[str] = "openai"
    resumable: ClassVar[bool] = False

    def __init__(self, http: HttpClient, *, key: Secret, base_url: str = BASE_URL) -> None:
        self._http, self._key, self._base_url = http, key, base_url

    @classmethod
    def open(
        cls,
        http: HttpClient,
        *,
        key: Secret,
        sandbox_url: str | None = None,
        base_url: str | None = None,
        options: Mapping[str, str] = NO_OPTIONS,
    ) -> Self:
        """Against the live API (behind ``base_url`` where that is given), or a sandbox's."""
        return cls(http, key=key, base_url=where(sandbox_url, base_url))

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        checked = check(model, request)
        request = _on_canvas(request)
        size = _size(model, request)
        fields = {"model": model.endpoint[request.task], "prompt": request.prompt, "n": request.count, **checked.wire}
        if size:
            fields["size"] = f"{size[0]}x{size[1]}"
        ignored = _streamed(fields, request.count)
        if checked.parameters.get("background") == "transparent" and checked.parameters.get("output_format") == "jpeg":
            raise InvalidInput("JPEG cannot be transparent.", hint="Set output_format to png or webp.")
        return Prepared(
            model=model,
            path="images/generations" if request.task == "text-to-image" else "images/edits",
            fields=fields,
            files=_files(request),
            ignored=checked.ignored + ignored,
            quantities=_bounds(model, request, size, fields),
            parameters={name: value for name, value in checked.parameters.items() if name not in ignored},
        )

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        # Documented by OpenAI as the caller's own id of a request: ASCII, at most 512 characters.
        if not (call_id.isascii() and call_id.isprintable() and len(call_id) <= 512):
            raise InternalError("A call id must be at most 512 printable ASCII characters.")
        submission = Submission()
        sent = self._sent(prepared, call_id, submission)
        # Its answer is the image, which takes longer than somebody who leaves can wait.
        reply = await submission.answered(sent, provider=self.name, patience_s=0.0)
        if request_id := reply.headers.get("x-request-id"):
            await on_accepted(Accepted(request_id=request_id, handle={}))
        return _answer(prepared, reply)

    async def _sent(self, prepared: Prepared, call_id: str, submission: Submission) -> Reply:
        parts = _parts(prepared) if prepared.files else None
        try:
            reply = await self._http.send(
                "POST",
                f"{self._base_url}/{prepared.path}",
                headers={**bearer(self._key), "X-Client-Request-Id": call_id},
                json=None if parts else prepared.fields,
                form=parts,
                repeat="unsent",
                again=surely_unprocessed,
                submission=submission,
                on_chunk=previewing(prepared.fields["partial_images"]) if "stream" in prepared.fields else None,
            )
        except Failure as failure:
            problem = VENDOR.submission(failure)
        else:
            if reply.status == 200:
                return reply
            problem = refusal(reply)
        raise problem

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        raise ChargeUnknown(
            "OpenAI cannot be asked about an earlier image call.",
            provider=self.name,
            charged="unknown",
            request_id=accepted.request_id,
        )

    async def fetch(self, image: ResultImage) -> bytes:
        if image.data is None:
            raise ResultLost("OpenAI's answer had no image data.", provider=self.name, charged="yes")
        return image.data

    async def cancel(self, accepted: Accepted) -> bool:
        return False


def where(sandbox_url: str | None, base_url: str | None) -> str:
    """Where the API is: the sandbox's, the user's own gateway, or OpenAI's."""
    return base_of(BASE_URL, SANDBOX_PREFIX, sandbox_url, base_url)


def bearer(key: Secret) -> dict[str, str]:
    """The header that carries the key."""
    return {"Authorization": f"Bearer {key.reveal()}"}


def _on_canvas(request: GenerationRequest) -> GenerationRequest:
    """OpenAI has no outpainting: it is the inpainting of a larger canvas, which decides the size."""
    if request.task != "outpaint":
        return request
    width, height = outpainted_size(request)
    image, mask = padded(request)
    return request.model_copy(update={"images": (image,), "mask": mask, "width": width, "height": height})


def _size(model: Model, request: GenerationRequest) -> tuple[int, int] | None:
    """The size to ask for. An inpainting keeps its image's where the model makes that one."""
    if request.task == "outpaint":
        try:
            return check_size(model, request)
        except InvalidInput as exc:
            raise InvalidInput(f"margins: {exc.message}", hint=exc.hint) from exc
    if request.task == "inpaint" and request.width is None and request.height is None:
        width, height = size_of(request.images[0])
        kept = request.model_copy(update={"width": width, "height": height})
        with contextlib.suppress(InvalidInput):
            return check_size(model, kept)
    return check_size(model, request)


def _files(request: GenerationRequest) -> tuple[tuple[str, str, str, bytes], ...]:
    # One image is the part "image", several are "image[]": recorded from the official SDK.
    name = "image" if len(request.images) == 1 else "image[]"
    files = [
        (name, f"image-{number}.{_EXTENSIONS.get(image.media_type, 'png')}", image.media_type, image.data)
        for number, image in enumerate(request.images, 1)
    ]
    if request.mask is not None:
        mask = alpha_mask(request.mask)
        if len(mask) > _MASK_LIMIT:
            raise InvalidInput("The mask is larger than OpenAI's 4 MB.", hint="Simplify the mask or scale it down.")
        files.append(("mask", "mask.png", "image/png", mask))
    return tuple(files)


def _parts(prepared: Prepared) -> list[Part]:
    plain = [Part(name=name, data=_text(value).encode()) for name, value in prepared.fields.items()]
    files = [Part(name=name, data=data, filename=file, media_type=kind) for name, file, kind, data in prepared.files]
    return plain + files


def _text(value: Any) -> str:
    """As the official client writes it into a form."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _streamed(fields: dict[str, Any], count: int) -> tuple[str, ...]:
    """Ask for a stream where previews are wanted. Of several images at once nobody says whose a preview is."""
    if "partial_images" in fields and count > 1:
        del fields["partial_images"]
        return ("previews",)
    if "partial_images" in fields:
        fields["stream"] = True
    return ()


def _bounds(
    model: Model, request: GenerationRequest, size: tuple[int, int] | None, fields: Mapping[str, Any]
) -> Quantities:
    """At most so much: no text has more tokens than bytes, and the catalog bounds an input image's."""
    per_image = model.price.input_image_tokens if isinstance(model.price, PerToken) else 0
    inputs = len(request.images) + (request.mask is not None)
    return Quantities(
        images=request.count,
        megapixels=megapixels(model, size),
        text_tokens=len(request.prompt.encode()) + _previews_as_text(model, fields.get("partial_images", 0)),
        image_tokens=inputs * per_image,
    )


def _previews_as_text(model: Model, previews: int) -> int:
    """So many tokens of text cost what the previews do, for which the price rule has no quantity of its own."""
    price = model.price
    return ceil(previews * TOKENS * price.image_out / price.text_in) if isinstance(price, PerToken) else 0


def _answer(prepared: Prepared, reply: Reply) -> Answer:
    request_id = reply.headers.get("x-request-id")
    try:
        body = gathered(reply.body) if "stream" in prepared.fields else reply.json()
    except ValueError:
        _bad("OpenAI's answer is no JSON.", "unknown", request_id)
    if "error" in body and not body.get("data"):
        raise refused_late(reply, body)
    usage = _usage(body)
    price = prepared.model.price
    paid = charge(price, usage, prepared.parameters) if price and usage else None
    data = body.get("data")
    found = [_decoded(item) for item in data] if isinstance(data, list) else []
    if not (found and all(found)):
        _bad("OpenAI's answer lacks a whole image.", "yes" if usage else "unknown", request_id, paid)
    images = tuple(ResultImage(data=image, media_type=media_type(image) or "") for image in found)
    # Without a count of its own the call is settled at the most it can have cost, never at nothing.
    bound = quote(price, prepared.quantities, prepared.parameters).at_most_microusd if price and not usage else None
    counted = (usage or prepared.quantities).model_copy(update={"images": len(images)})
    return Answer(request_id=request_id, images=images, usage=counted, charge_microusd=bound)


def _decoded(item: Any) -> bytes:
    """The image's bytes; none where there is no whole image."""
    text = item.get("b64_json") if isinstance(item, dict) else None
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
    return data if is_whole(data) else b""


def _usage(body: Mapping[str, Any]) -> Quantities | None:
    """OpenAI's own count of tokens, or None where it gives none that can be used."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("input_tokens_details")
    details = details if isinstance(details, dict) else {"text_tokens": usage.get("input_tokens")}
    counts = (details.get("text_tokens") or 0, details.get("image_tokens") or 0, usage.get("output_tokens"))
    if not all(isinstance(count, int) and 0 <= count <= _MOST_TOKENS for count in counts):
        return None
    text, image, output = counts
    return Quantities(text_tokens=text, image_tokens=image, output_tokens=output)


def _bad(message: str, charged: Charged, request_id: str | None, microusd: int | None = None) -> NoReturn:
    raise BadAnswer(
        message, provider="openai", charged=charged, microusd=microusd, status=200, request_id=request_id
    ) from None

"""What Replicate says of a prediction: its state, its output, what it used.

Wire facts: the prediction object of the HTTP API reference, the lifecycle page, the changelog of 2025-10-16
(``aborted``) and the comment in the official client's ``run``: a request that was waited for may be answered as
``processing`` although its output is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .. import log
from ..errors import BadAnswer, Charged, ResultLost
from ..metering.prices import Quantities
from .base import Accepted, Answer
from .http import Reply
from .inline import check_some, image_at
from .model import Model

_LONGEST_S = 24 * 3600
"""No prediction runs for longer than a day."""
WAITING = frozenset({"starting", "processing"})
State = Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted", "unknown"]
_STATES: dict[str, State] = {
    "starting": "starting",
    "processing": "processing",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
    "aborted": "aborted",
}


@dataclass(frozen=True)
class Prediction:
    """One prediction as answered. ``state`` is ``unknown`` for a word that the protocol did not have in 2026-11."""

    id: str
    state: State
    outputs: tuple[str, ...] = ()
    """URLs (or data URIs) of the files; one or several, the models differ."""
    error: str = ""
    """Masked and shortened."""
    seconds: float | None = None
    """``metrics.predict_time``: what a model that is billed by time costs."""
    started: bool = False
    removed: bool = False
    """Its data is gone: an hour after it was made."""
    version: str | None = None
    urls: dict[str, str] = field(default_factory=dict)


def read(reply: Reply) -> Prediction | None:
    """The prediction in an answer, or None where there is none."""
    try:
        body = reply.json()
    except ValueError:
        return None
    name, status = body.get("id"), body.get("status")
    if not isinstance(name, str) or not name or not isinstance(status, str):
        return None
    metrics, urls, version = body.get("metrics"), body.get("urls"), body.get("version")
    seconds = metrics.get("predict_time") if isinstance(metrics, dict) else None
    return Prediction(
        id=name,
        state=_STATES.get(status, "unknown"),
        outputs=_outputs(body.get("output")),
        error=log.redact(str(body.get("error") or ""))[:300],
        seconds=_seconds(seconds),
        started=bool(body.get("started_at")) or bool(seconds),
        removed=body.get("data_removed") is True,
        version=version if isinstance(version, str) and version != "hidden" else None,
        urls={key: url for key, url in urls.items() if isinstance(url, str)} if isinstance(urls, dict) else {},
    )


def _seconds(told: Any) -> float | None:
    """A time that can be meant; it is money, so nothing else is taken for one."""
    number = isinstance(told, (int, float)) and not isinstance(told, bool)
    return float(told) if number and 0 <= told <= _LONGEST_S else None


def _outputs(output: Any) -> tuple[str, ...]:
    found = output if isinstance(output, list) else [output]
    return tuple(one for one in found if isinstance(one, str) and one)


def done(prediction: Prediction, model: Model, images: int) -> bool:
    """Whether a prediction that was waited for has ended, whatever its state says.

    One that is billed by time has not: how long it took is known only afterwards.
    """
    early = prediction.state == "processing" and len(prediction.outputs) >= images
    by_time = model.price is not None and model.price.unit == "second"
    return prediction.state not in WAITING or (early and not by_time)


def answer_of(prediction: Prediction, accepted: Accepted) -> Answer:
    """The answer of a prediction that has ended well. Raises BadAnswer and ResultLost: it was worked on, so charged."""
    if not prediction.outputs:
        if prediction.removed:
            raise ResultLost(
                "Replicate has removed the prediction's files: it keeps them for an hour.",
                hint="It was made and charged; ask for it anew.",
                **_told(accepted),
            )
        raise BadAnswer("Replicate's prediction has no image.", **_told(accepted))
    used, images = accepted.handle, tuple(map(image_at, prediction.outputs))
    check_some(images, lambda file: _broken(file, accepted))
    return Answer(
        request_id=prediction.id,
        images=images,
        usage=Quantities(
            images=len(prediction.outputs),
            megapixels=_number(used.get("megapixels")),
            input_megapixels=_number(used.get("input_megapixels")),
            seconds=prediction.seconds,
        ),
        model_version=prediction.version,
    )


def _broken(file: bytes | None, accepted: Accepted) -> BadAnswer:
    return BadAnswer("Replicate's prediction holds a broken image.", file=file, **_told(accepted))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _told(accepted: Accepted) -> dict[str, Any]:
    charged: Charged = "yes"
    return {"provider": "replicate", "charged": charged, "status": 200, "request_id": accepted.request_id}

"""Rank Candidates, Deduplicate and Pick Best: from many images to the few worth keeping."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from ..errors import InvalidInput
from .base import Node
from .checking import number, one_of, whole
from .worker import current

if TYPE_CHECKING:
    from pathlib import Path

CATEGORY = "Mintmark/select"
MEASURES = ("sharpness", "exposure", "contrast", "colourfulness")
MOST_WEIGHT = 10.0
WEIGHTS = {"sharpness": 1.0, "exposure": 1.0, "contrast": 0.5, "colourfulness": 0.5}
SCORER = "scorer"
MOST = 64
OVERALL, AS_GIVEN = "overall", "as given"
RANKINGS = (OVERALL, *MEASURES, AS_GIVEN)
_SEARCHED = ["best of", "aesthetic score", "quality", "sharpness", "sort images"]


class RankCandidates(Node):
    """Sorts images, best first."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkRankCandidates",
            display_name="Rank Candidates",
            category=CATEGORY,
            description="Sort images by sharpness, exposure, contrast and colour, best first, and say why.",
            search_aliases=[*_SEARCHED, "rank", "compare"],
            inputs=[
                io.Image.Input("images", tooltip="The candidates, as one batch."),
                *(_weight(name) for name in MEASURES),
                io.AnyType.Input(
                    "embeddings",
                    optional=True,
                    tooltip="From CLIP Vision Encode of the same images, for a scorer of your own.",
                ),
                io.String.Input(
                    "scorer",
                    default="",
                    optional=True,
                    tooltip="File name of an aesthetic predictor in scorers/ of Mintmark's data folder; empty: none.",
                ),
                io.Float.Input(
                    "scorer_weight",
                    default=2.0,
                    min=0.0,
                    max=MOST_WEIGHT,
                    step=0.1,
                    optional=True,
                    tooltip="How much the scorer counts beside the measures above.",
                ),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The same images, best first."),
                io.String.Output("table", tooltip="The scores as text."),
                io.Float.Output("scores", is_output_list=True, tooltip="The scores in the new order, 0 to 1."),
            ],
        )

    @classmethod
    async def execute(
        cls, images: Any, embeddings: Any = None, scorer: str = "", scorer_weight: float = 2.0, **weights: float
    ) -> Any:
        from .batches import take

        wanted = {name: number(name, weights.get(name, WEIGHTS[name]), 0.0, MOST_WEIGHT) for name in MEASURES}
        rows = await asyncio.to_thread(_scores, images)
        if scorer.strip():
            _add_scorer(rows, _scorers(), scorer.strip(), embeddings)
            wanted[SCORER] = number("scorer_weight", scorer_weight, 0.0, MOST_WEIGHT)
        totals = overall(rows, wanted)
        order = sorted(range(len(rows)), key=lambda index: -totals[index])
        text = table([rows[index] for index in order], [totals[index] for index in order], order)
        ranked = await asyncio.to_thread(take, images, order)
        return io.NodeOutput(ranked, text, [totals[index] for index in order], ui=ui.PreviewText(text))


class Deduplicate(Node):
    """Drops images that look like one that came before."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkDeduplicate",
            display_name="Deduplicate",
            category=CATEGORY,
            description="Drop images that look like one before them, by perceptual hash.",
            search_aliases=["duplicates", "similar", "phash", "perceptual hash", "near duplicate", "unique"],
            inputs=[
                io.Image.Input("images", tooltip="The images, as one batch. The first of those alike is kept."),
                io.Int.Input(
                    "tolerance",
                    default=8,
                    min=0,
                    max=24,
                    tooltip="Bits of 64 that may differ: 0 the same picture, 8 small changes, 16 alike at a glance.",
                ),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The images that are left, in their order."),
                io.Int.Output("dropped", tooltip="How many were dropped."),
            ],
        )

    @classmethod
    async def execute(cls, images: Any, tolerance: int) -> Any:
        from .batches import take

        tolerance = whole("tolerance", tolerance, 0, MOST, "8 finds small changes.")
        kept, total = await asyncio.to_thread(_unlike, images, tolerance)
        left = images if len(kept) == total else await asyncio.to_thread(take, images, kept)
        told = f"{len(kept)} of {total} kept: {', '.join(f'#{index + 1}' for index in kept)}"
        return io.NodeOutput(left, total - len(kept), ui=ui.PreviewText(told))


class PickBest(Node):
    """Keeps the best few."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkPickBest",
            display_name="Pick Best",
            category=CATEGORY,
            description="Keep the best images of a batch, by one measure, all of them, or the order they come in.",
            search_aliases=[*_SEARCHED, "pick", "choose", "top n"],
            inputs=[
                io.Image.Input("images", tooltip="The candidates; from Rank Candidates they come best first."),
                io.Int.Input(
                    "count", default=1, min=1, max=MOST, tooltip="How many to keep; fewer where there are fewer."
                ),
                io.Combo.Input(
                    "by",
                    options=list(RANKINGS),
                    default=OVERALL,
                    tooltip="What counts. As given keeps the first ones: choose it after Rank Candidates.",
                ),
            ],
            outputs=[io.Image.Output("images", tooltip="The best, best first.")],
        )

    @classmethod
    async def execute(cls, images: Any, count: int, by: str) -> Any:
        from .batches import take

        count = whole("count", count, 1, MOST)
        one_of("by", by, RANKINGS)
        rows = await asyncio.to_thread(_scores, images)
        totals = _by(rows, by)
        order = sorted(range(len(rows)), key=lambda index: -totals[index])[:count]
        text = table([rows[index] for index in order], [totals[index] for index in order], order)
        return io.NodeOutput(await asyncio.to_thread(take, images, order), ui=ui.PreviewText(text))


def overall(rows: list[dict[str, float]], weights: dict[str, float]) -> list[float]:
    """The weighted mean of each row's scores. Raises InvalidInput where nothing is to count."""
    total = sum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise InvalidInput("weights: none is above 0.", hint="Let at least one measure count, and none below 0.")
    return [sum(row[name] * weight for name, weight in weights.items()) / total for row in rows]


def table(rows: list[dict[str, float]], totals: list[float], order: list[int]) -> str:
    """The ranking for people; ``#`` is the place in the batch that came in."""
    head = "  ".join(["  #", "score", *(f"{name:>13}" for name in rows[0])])
    lines = [
        "  ".join([f"{index + 1:>3}", f"{total:.3f}", *(f"{value:>13.3f}" for value in row.values())])
        for row, total, index in zip(rows, totals, order, strict=True)
    ]
    return "\n".join([head, *lines])


def _by(rows: list[dict[str, float]], by: str) -> list[float]:
    if by == AS_GIVEN:
        return [1.0 - index / len(rows) for index in range(len(rows))]
    return overall(rows, WEIGHTS) if by == OVERALL else [row[by] for row in rows]


def _scores(images: Any) -> list[dict[str, float]]:
    from .pixels import to_pixels
    from .scoring import scores

    return [scores(pixels) for pixels in to_pixels(images)]


def _unlike(images: Any, tolerance: int) -> tuple[list[int], int]:
    from .pixels import to_pixels
    from .scoring import fingerprint, unlike

    found = [fingerprint(pixels) for pixels in to_pixels(images)]
    return unlike(found, tolerance), len(found)


def _add_scorer(rows: list[dict[str, float]], folder: Path, name: str, embeddings: Any) -> None:
    """Put the scorer's numbers into the rows, brought to 0..1 within the batch: each scorer has a scale of its own."""
    from .scorer import scored

    if embeddings is None:
        raise InvalidInput("embeddings: a scorer needs them.", hint="Connect CLIP Vision Encode of the same images.")
    found = scored(folder, name, embeddings)
    if len(found) != len(rows):
        raise InvalidInput(
            f"embeddings: {len(found)} for {len(rows)} images.", hint="Encode the batch that is ranked, all of it."
        )
    low, high = min(found), max(found)
    for row, value in zip(rows, found, strict=True):
        row[SCORER] = (value - low) / (high - low) if high > low else 0.5


def _scorers() -> Path:
    return current().settings.data_dir / "scorers"


def _weight(name: str) -> Any:
    return io.Float.Input(
        name,
        default=WEIGHTS[name],
        min=0.0,
        max=MOST_WEIGHT,
        step=0.1,
        optional=True,
        tooltip=f"How much {name} counts; 0: not at all.",
    )

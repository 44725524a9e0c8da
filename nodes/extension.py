"""The list of nodes, and what happens when the pack is loaded."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .. import log
from ..errors import MintmarkError
from ..providers.own_catalog import use_own
from .base import known
from .control import Control
from .credentials import LoadImageWithCredentials, ReadCredentials
from .edit_image import EditImage
from .face_restore import FaceRestore
from .host import ComfyHost
from .host import current as current_host
from .hosted_app import HostedApp
from .inpaint import Inpaint
from .label import VisibleLabel
from .load_pipeline import LoadPipeline
from .local.slot import free_all
from .local_adapters import LoadEmbedding, LoadLora, LocalControlNet
from .local_latents import LocalDecode, LocalEncode
from .local_sample import LocalSample
from .local_upscale import LocalUpscale
from .moderation import ModerateImage, ModeratePrompt, ModerationGate
from .money import BudgetGuard, CostEstimate
from .outpaint import Outpaint
from .prompts import PromptTemplate, SeedBatch, StructuredPrompt
from .receipt import Receipt
from .rent_or_own import RentOrOwn
from .route import add_routes
from .route_downloads import add_download_routes
from .route_forget import add_forget_routes
from .route_keys import add_key_routes
from .route_models import add_model_routes
from .save import SignAndSave
from .selection import Deduplicate, PickBest, RankCandidates
from .text_to_image import TextToImage
from .upscale import Upscale
from .variations import Variations
from .worker import current as current_worker

logger = log.get("nodes")

NODES: tuple[type[io.ComfyNode], ...] = (
    TextToImage,
    EditImage,
    Inpaint,
    Outpaint,
    Upscale,
    Variations,
    Control,
    HostedApp,
    LoadPipeline,
    LoadLora,
    LoadEmbedding,
    LocalControlNet,
    LocalSample,
    LocalEncode,
    LocalDecode,
    LocalUpscale,
    FaceRestore,
    PromptTemplate,
    StructuredPrompt,
    SeedBatch,
    ModeratePrompt,
    ModerateImage,
    ModerationGate,
    RankCandidates,
    Deduplicate,
    PickBest,
    CostEstimate,
    BudgetGuard,
    RentOrOwn,
    Receipt,
    VisibleLabel,
    SignAndSave,
    ReadCredentials,
    LoadImageWithCredentials,
)
"""To add a node: write its class, add it here, and its help page under ``web/comfy/docs``."""


class MintmarkExtension(ComfyExtension):
    """What ComfyUI and the runner load."""

    async def on_load(self) -> None:
        """Add the worker route while the host still takes routes, and keep its cache within projects. Schemas are made
        after this, so they offer the user's own models, too."""
        host = current_host()
        _use_own_catalog()
        add_routes(host.routes, current_worker)
        add_key_routes(host.routes, current_worker)
        add_model_routes(host.routes, current_worker)
        add_download_routes(host.routes, current_worker)
        add_forget_routes(host.routes, current_worker)
        host.call_to_free(free_all)
        if isinstance(host, ComfyHost):
            host.guard_cache()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The palette. Raises InternalError naming a malformed node."""
        return known(NODES)


def _use_own_catalog() -> None:
    """The user's own catalog over ours. A file that is wrong must not cost them the whole pack."""
    try:
        use_own(current_worker().settings.catalog)
    except MintmarkError as exc:
        logger.warning("Only the shipped models are offered: %s", exc, extra=log.action("catalog_refused"))

"""What the nodes of ComfyUI and ours do to pixels, by their class: facts of the palette of ComfyUI 0.33.

A class that stands nowhere here is unknown: what it makes is told as an edit by it. So one that is missing is told less
well, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .values import By

FILES: Mapping[str, str] = {
    "LoadImage": "image",
    "LoadImageOutput": "image",
    "LoadImageMask": "image",
    "LoadVideo": "file",
    "MintmarkLoadImageWithCredentials": "image",
}
"""Nodes that load an image or a video, and the input that names its file."""

HOSTED = frozenset(
    f"Mintmark{name}"
    for name in ("Control", "EditImage", "HostedApp", "Inpaint", "Outpaint", "TextToImage", "Upscale", "Variations")
) | {"MintmarkLocalSample"}
"""Our nodes that ask a provider, or sample here, and keep a record of it."""

EMPTY = frozenset(
    {
        *("EmptyLatentImage", "EmptySD3LatentImage", "EmptyFlux2LatentImage", "EmptyHunyuanImageLatent"),
        *("EmptyHiDreamO1LatentImage", "EmptyHunyuanLatentVideo", "EmptyHunyuanVideo15Latent", "EmptyMochiLatentVideo"),
        *("EmptyLTXVLatentVideo", "EmptyCosmosLatentVideo", "EmptyARVideoLatent"),
        *("EmptyChromaRadianceLatentImage", "EmptyQwenImageLayeredLatentImage", "StableCascade_EmptyLatentImage"),
    }
)
"""Latents before any model has worked on them."""

DRAWN = frozenset({"EmptyImage", "SolidMask"})
"""Pixels that a node paints, without a model."""

SAMPLERS: Mapping[str, str] = {
    "KSampler": "latent_image",
    "KSamplerAdvanced": "latent_image",
    "SamplerCustom": "latent_image",
    "SamplerCustomAdvanced": "latent_image",
}
"""Nodes in which a model works on a latent, and the input it comes from."""

PASSES: Mapping[str, tuple[str, ...]] = {
    "VAEDecode": ("samples",),
    "VAEDecodeTiled": ("samples",),
    "VAEEncode": ("pixels",),
    "VAEEncodeTiled": ("pixels",),
    "VAEEncodeForInpaint": ("pixels",),
    "InpaintModelConditioning": ("pixels",),
    "SetLatentNoiseMask": ("samples",),
    "ImageToMask": ("image",),
    "MaskToImage": ("mask",),
    "GrowMask": ("mask",),
    "RepeatImageBatch": ("image",),
    "RepeatLatentBatch": ("samples",),
    "ImageFromBatch": ("image",),
    "LatentFromBatch": ("samples",),
    "RebatchImages": ("images",),
    "RebatchLatents": ("latents",),
    "PreviewImage": ("images",),
    "SaveImage": ("images",),
    "SaveImageAdvanced": ("images",),
    "SaveAnimatedPNG": ("images",),
    "SaveAnimatedWEBP": ("images",),
    "GetVideoComponents": ("video",),
    "CreateVideo": ("images",),
    "SaveVideo": ("video",),
    "InstructPixToPixConditioning": ("pixels",),
    "SplitImageWithAlpha": ("image",),
    "ImageDeduplication": ("images",),
    "MergeImageLists": ("images",),
    "ShuffleDataset": ("images",),
    "LatentBatchSeedBehavior": ("samples",),
    "MintmarkLocalEncode": ("image",),
    "MintmarkLocalDecode": ("latent",),
    "MintmarkModerateImage": ("images",),
    "MintmarkRankCandidates": ("images",),
    "MintmarkPickBest": ("images",),
    "MintmarkDeduplicate": ("images",),
    "MintmarkBudgetGuard": ("value",),
    "MintmarkRentOrOwn": ("local", "hosted"),
    # Several images, each as it was.
    "ImageBatch": ("image1", "image2"),
    "LatentBatch": ("samples1", "samples2"),
    "BatchImagesNode": ("images",),
    "BatchLatentsNode": ("latents",),
}
"""Nodes that hand pixels on as they are, and the inputs they come from. A picture that is only encoded and decoded
again was not edited by anybody."""


@dataclass(frozen=True)
class Change:
    """What a node does: the C2PA action, the input of the pixels it changes, and those of what it puts into them."""

    action: str
    of: str = "image"
    by: By | None = None
    places: tuple[str, ...] = ()


_RESIZED, _CROPPED, _TURNED = "c2pa.resized", "c2pa.cropped", "c2pa.orientation"
_FILTERED, _COLOURS = "c2pa.filtered", "c2pa.adjustedColor"
CHANGES: Mapping[str, Change] = {
    "ImageScale": Change(_RESIZED),
    "ImageScaleBy": Change(_RESIZED),
    "ImageScaleToTotalPixels": Change(_RESIZED),
    "ImageScaleToMaxDimension": Change(_RESIZED),
    "FluxKontextImageScale": Change(_RESIZED),
    "ResizeImagesByLongerEdge": Change(_RESIZED, "images"),
    "ResizeImagesByShorterEdge": Change(_RESIZED, "images"),
    "ResizeAndPadImage": Change(_RESIZED),
    "LatentUpscale": Change(_RESIZED, "samples"),
    "LatentUpscaleBy": Change(_RESIZED, "samples"),
    "ImageUpscaleWithModel": Change("c2pa.enhanced", by="enhanced"),
    "ImageCrop": Change(_CROPPED),
    "LatentCrop": Change(_CROPPED, "samples"),
    "ImageCropV2": Change(_CROPPED),
    "CropByBBoxes": Change(_CROPPED),
    "CenterCropImages": Change(_CROPPED, "images"),
    "RandomCropImages": Change(_CROPPED, "images"),
    "ImageCropToMask": Change(_CROPPED, "images"),
    "SplitImageToTileList": Change(_CROPPED),
    "ImageFlip": Change(_TURNED),
    "ImageRotate": Change(_TURNED),
    "LatentFlip": Change(_TURNED, "samples"),
    "LatentRotate": Change(_TURNED, "samples"),
    "ImageBlur": Change(_FILTERED),
    "ImageSharpen": Change(_FILTERED),
    "ImageQuantize": Change(_FILTERED),
    "ImageAddNoise": Change(_FILTERED),
    "Canny": Change(_FILTERED),
    "Morphology": Change(_FILTERED),
    "ImageInvert": Change(_COLOURS),
    "AdjustBrightness": Change(_COLOURS, "images"),
    "AdjustContrast": Change(_COLOURS, "images"),
    "ColorTransfer": Change(_COLOURS, "image_target"),
    "TextOverlay": Change("c2pa.addedText", "images"),
    "DrawBBoxes": Change("c2pa.drawing"),
    "Painter": Change("c2pa.drawing"),
    "ImagePadForOutpaint": Change("c2pa.edited"),
    "ImageCompositeMasked": Change("c2pa.placed", "destination", places=("source",)),
    "LatentComposite": Change("c2pa.placed", "samples_to", places=("samples_from",)),
    "LatentCompositeMasked": Change("c2pa.placed", "destination", places=("source",)),
    "ImageBlend": Change("c2pa.placed", "image1", places=("image2",)),
    "ImageStitch": Change("c2pa.placed", "image1", places=("image2",)),
    "PorterDuffImageComposite": Change("c2pa.placed", "destination", places=("source",)),
    "JoinImageWithAlpha": Change("c2pa.edited"),
    "MintmarkLocalUpscale": Change("c2pa.enhanced", by="enhanced"),
    "MintmarkFaceRestore": Change("c2pa.edited", by="composite"),
    "MintmarkVisibleLabel": Change("c2pa.addedText", "images"),
    "MintmarkModerationGate": Change(_FILTERED, "images"),
}
"""Nodes that change pixels."""

MODEL_FILES = ("ckpt_name", "unet_name", "model_name", "model")
"""Inputs that name a model's file; `model` does in ours."""
MODEL_LINKS = frozenset({"model", "guider", "upscale_model"})
"""Inputs over which a model comes."""
PIXELS = frozenset({"IMAGE", "LATENT", "MASK", "VIDEO", "*"})
"""Types of links that carry pixels, or may."""
NAMES = frozenset(
    {
        *("image", "images", "image1", "image2", "image_a", "image_b", "pixels", "samples", "latent", "latents"),
        *("latent_image", "source", "destination", "frames", "video", "picture", "pictures", "init_image"),
    }
)
"""What inputs that take pixels are usually called: asked where nobody tells the types of an unknown node's outputs."""

"""The files of Ideogram's forms: what is worked on, where, and the references, within Ideogram's limits. Pure."""

from __future__ import annotations

from ..errors import InvalidInput
from .imagefile import inverted_mask
from .model import Model
from .request import GenerationRequest, SourceImage
from .reshaping import padded

Files = tuple[tuple[str, str, str, bytes], ...]

GENERATE, INPAINT = "ideogram-v3/generate", "ideogram-v3/inpaint"
STYLE = "style_reference_images"
_CHARACTER = "character_reference_images"
_LARGEST_FILE, _LARGEST_REQUEST = 25 * 1024 * 1024, 50 * 1024 * 1024
"""Documented of v1 in its latest copy; earlier ones said 10 MB."""
_ROOM_FOR_FIELDS = 1024 * 1024
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


def placed(path: str, request: GenerationRequest) -> tuple[GenerationRequest, tuple[str, ...]]:
    """An outpainting as the service does it: as the inpainting of a larger canvas, or with the image in the middle."""
    if request.task != "outpaint" or request.margins is None:
        return request, ()
    if path == INPAINT:
        canvas, mask = padded(request)
        return request.model_copy(update={"images": (canvas, *request.images[1:]), "mask": mask}), ()
    margins = request.margins
    middle = margins.left == margins.right and margins.top == margins.bottom
    return request, (() if middle else ("margins",))


def files_of(path: str, model: Model, request: GenerationRequest) -> Files:
    """Image, mask and references as parts of the form. Raises InvalidInput where they are too large."""
    first, references = _roles(path, model, request.images)
    files = [_file("image", image) for image in first]
    if request.mask is not None and path == INPAINT:
        files.append(_file("mask", inverted_mask(request.mask)))
    files += [_file(model.wire.get("reference", STYLE), image) for image in references]
    sizes = [len(data) for *_, data in files]
    if max(sizes, default=0) > _LARGEST_FILE or sum(sizes) > _LARGEST_REQUEST - _ROOM_FOR_FIELDS:
        raise InvalidInput(
            f"images: {sum(sizes) / 2**20:.1f} MiB; Ideogram takes 25 MiB a file and 50 MiB in one request.",
            hint="Scale the images down, or save them as JPEG or WebP.",
        )
    return tuple(files)


def _roles(
    path: str, model: Model, images: tuple[SourceImage, ...]
) -> tuple[tuple[SourceImage, ...], tuple[SourceImage, ...]]:
    """What is worked on, and the references. An image that comes alone shows its own character."""
    if model.wire.get("reference") != _CHARACTER:
        return images[:1], images[1:]
    if path != GENERATE:
        return images[:1], images[-1:]
    if len(images) > 1:
        raise InvalidInput(f"{model.name} takes 1 images for variation: the character.", hint="Give fewer.")
    return (), images


def _file(name: str, image: SourceImage) -> tuple[str, str, str, bytes]:
    return name, f"{name}.{_EXTENSIONS.get(image.media_type, 'png')}", image.media_type, image.data

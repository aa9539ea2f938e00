"""How much memory a dataset takes while it is served."""

BYTES_PER_FIGURE = 1900
BYTES_PER_IMAGE = 3300
"""Vector, index, graph and places, as measured with the default models."""
BYTES_PER_DATASET = 100_000
"""What an engine takes that holds nothing."""


def memory_bytes(figures: int, images: int) -> int:
    """Return the memory of an engine, about.

    >>> memory_bytes(1_000_000, 0) // 10**6
    1900
    """
    return BYTES_PER_DATASET + figures * BYTES_PER_FIGURE + images * BYTES_PER_IMAGE

"""Content keys: what orders ties does not depend on when or how an item arrived."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors

_OF_NAME = np.uint64(2**24 - 1)


def content_keys(
    vectors: FixedVectors, names: NDArray[np.uint64] | None = None
) -> NDArray[np.uint64]:
    """Return 64 bits of a digest of each vector: equal for equal ones.

    With ``names``, ``(n, 2)``, the last 24 bits are of the name, so that not even the order among
    equal items depends on their arrival; that among different ones depends on no name.
    """
    keys = _digests(vector.tobytes() for vector in vectors)
    if names is None:
        return keys
    return (keys & ~_OF_NAME) | (_digests(name.tobytes() for name in names) & _OF_NAME)


def _digests(texts: Iterable[bytes]) -> NDArray[np.uint64]:
    joined = b"".join(blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(joined, "<u8").astype(np.uint64)

from collections.abc import Iterator

import pytest

from imm_ray.media.decoder import Decoder
from imm_ray.settings import Limits


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(Limits()) as decoder:
        yield decoder

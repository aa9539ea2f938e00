import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster import batch
from imm_ray.cluster.batch import cluster_figures
from imm_ray.model import Vectors
from tests.unit.cluster.album import Found, PeopleAlbum, Pool
from tests.unit.cluster.sample import grouped, pools
from tests.unit.cluster.test_figures import LIMITS

COUNT = 30


class Index:
    """Holds a pool, as an index would."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def within(self, vectors: Vectors, cosine: float) -> Found:
        stored = self._pool.vectors.astype(np.float32)
        cosines = vectors.astype(np.float32) @ stored.T
        rows, columns = np.nonzero(cosines >= np.float32(cosine))
        return Found(rows, columns, cosines[rows, columns])


@settings(deadline=None, max_examples=60)
@given(
    pool=pools(COUNT),
    photos=st.lists(st.integers(0, COUNT - 1), min_size=COUNT, max_size=COUNT),
    poor=st.sets(st.integers(0, COUNT - 1)),
    portion=st.sampled_from([1, 7, 512]),
)
def test_it_comes_to_what_the_incremental_engine_comes_to(
    pool: Vectors, photos: list[int], poor: set[int], portion: int
) -> None:
    faces = Pool(pool, photos=photos, poor=poor)
    album = PeopleAlbum(faces, LIMITS)
    for start in range(0, COUNT, 5):
        album.insert(range(start, start + 5))
        album.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "_AT_ONCE", portion)
        labels = cluster_figures(
            pool, limits=LIMITS, index=Index(faces), photos=faces.photos, core=faces.core
        )
    assert grouped(labels) == album.partition()
    assert sorted(set(labels.tolist())) == list(range(labels.max() + 1))


def test_without_more_being_said_all_faces_are_good_and_alone_in_their_photos() -> None:
    faces = Pool(np.repeat(np.eye(3, dtype=np.float16), 2, axis=0))
    labels = cluster_figures(faces.vectors, limits=LIMITS, index=Index(faces))
    assert grouped(labels) == {frozenset([0, 1]), frozenset([2, 3]), frozenset([4, 5])}


def test_nobody_is_nobody() -> None:
    faces = Pool(np.empty((0, 4), np.float16))
    assert cluster_figures(faces.vectors, limits=LIMITS, index=Index(faces)).tolist() == []

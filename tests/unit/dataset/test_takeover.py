"""A host takes over from a newer cluster that has died, and only after a whole lease."""

from contextlib import closing
from pathlib import Path

import pytest

from imm_ray.store import ownership
from imm_ray.store.ownership import HeldByNewer
from tests.unit.dataset.hosting import World


def test_a_host_watches_the_lease_of_a_newer_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "LEASE_S", 0.0)  # it is over as soon as it is seen again
    with closing(World(tmp_path)) as world:
        dataset_id, opening = world.make(), world.opening()
        with world.database.write() as tx:
            newer = ownership.take(tx, dataset_id, "new", 99)
        with pytest.raises(HeldByNewer):
            opening.take(dataset_id, 0)
        assert opening.take(dataset_id, 0).epoch == newer.epoch + 1

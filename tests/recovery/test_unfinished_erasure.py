"""An erasure that is stopped on its way says so, and is finished by the next."""

from pathlib import Path

import pytest

from imm_ray.dataset.erasure import Surroundings, Unfinished, erase
from imm_ray.dataset.snapshot.erasure import StoredSnapshots
from imm_ray.store.blobs import BlobError, LocalBlobs
from tests.recovery.test_erasure import GONE, around, leave, wanted
from tests.recovery.test_purge import full as full  # the fixture
from tests.unit.dataset.owner import Owner


class Away(LocalBlobs):
    """A storage that can not be reached."""

    def keys(self, folder: str) -> list[str]:
        raise BlobError(f"{folder} can not be listed")


def test_a_storage_that_is_away_is_told_as_what_it_is(full: Owner, tmp_path: Path) -> None:
    leave(full)
    whole = around(full, tmp_path)
    snapshots = StoredSnapshots(full.database, Away(tmp_path / "snapshots"))
    broken = Surroundings(
        database=whole.database,
        data=whole.data,
        thumbnails=whole.thumbnails,
        notices=whole.notices,
        clock=whole.clock,
        snapshots=snapshots,
    )
    with pytest.raises(Unfinished, match=r"has begun.*can not be listed.*Run this again"):
        erase(wanted(*GONE), broken)
    assert erase(wanted(*GONE), whole).is_complete

"""DeleteDataset is a short transaction, however long the dataset's history is."""

from pathlib import Path

import pytest

from imm_ray.model import EditKind
from imm_ray.store import edits, extent, purge, tables
from tests.wire.rig import Rig

NAMES = {"ProjectName": "p", "DatasetName": "d"}


@pytest.mark.parametrize("more", [0, 1])
def test_a_long_history_is_deleted_in_the_background(tmp_path: Path, more: int) -> None:
    with Rig(tmp_path) as rig:
        rig.call("CreateProject", ProjectName="p")
        rig.call("CreateDataset", **NAMES)
        with rig.database.write() as tx:
            dataset_id = tx.execute(tables.dataset.select()).one().dataset_id
            named = [(EditKind.NAME, {"cluster_id": "x"})] * (extent.AT_ONCE + more)
            edits.add_all(tx, dataset_id, named, rig.clock())
        rig.call("DeleteDataset", **NAMES)
        assert rig.refusal("GetDataset", **NAMES)[0] == "ResourceNotFound"
        with rig.database.read() as tx:
            assert len(purge.waiting(tx)) == more
            assert bool(tx.execute(tables.edit.select()).first()) == bool(more)
        rig.call("CreateDataset", **NAMES)


def test_rows_of_all_tables_count_together(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.call("CreateProject", ProjectName="p")
        rig.call("CreateDataset", **NAMES)
        half = extent.AT_ONCE // 2 + 1
        with rig.database.write() as tx:
            dataset_id = tx.execute(tables.dataset.select()).one().dataset_id
            edits.add_all(tx, dataset_id, [(EditKind.CONSOLIDATE, {})] * half, rig.clock())
            deleted = [
                {"dataset_id": dataset_id, "file_id": f"f{n}", "seq": n} for n in range(half)
            ]
            tx.execute(tables.tombstone.insert(), deleted)
        rig.call("DeleteDataset", **NAMES)
        with rig.database.read() as tx:
            assert purge.waiting(tx) == [dataset_id]

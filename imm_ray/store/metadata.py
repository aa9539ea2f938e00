"""What a client changes of an indexed file's own words, without indexing it again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from imm_ray.model import DatasetId, JsonObject
from imm_ray.store import searchable, tables
from imm_ray.store.database import Tx


def change_all(
    tx: Tx, dataset_id: DatasetId, changes: Mapping[str, JsonObject], now: datetime
) -> None:
    """Set attributes of files, by their URIs, each attribute as a whole; all others stay.

    A file's revision stays too: nothing of this is read by the models, so a result under way
    remains the result of this file. A URI that is not indexed is no error. It takes as many
    statements for a hundred files as for one.
    """
    said = {uri: given for uri, given in changes.items() if given}
    if not said:
        return
    f = tables.file
    known = (f.c.file_id, f.c.uri, f.c.attributes, f.c.image_score, f.c.produce_time, f.c.lat_long)
    query = select(*known).where(f.c.dataset_id == dataset_id, f.c.uri.in_(said)).with_for_update()
    rows = tx.execute(query).all()
    if not rows:
        return
    tx.execute(
        update(f).where(f.c.file_id == bindparam("changed_id")),
        [{"changed_id": row.file_id, **_changed(row, said[row.uri], now)} for row in rows],
    )
    searchable.relabel(tx, dataset_id, {row.file_id: said[row.uri] for row in rows})


def _changed(row: Any, changes: JsonObject, now: datetime) -> dict[str, Any]:
    attributes = {**row.attributes, **changes}
    return {
        "attributes": attributes,
        "updated_at": now,
        **searchable.described(row.uri, attributes, **searchable.read_from(row)),
    }

"""What a client changes of an indexed file's own words, without indexing it again."""

from datetime import datetime

from sqlalchemy import select, update

from imm_ray.model import DatasetId, JsonObject
from imm_ray.store import searchable, tables
from imm_ray.store.database import Tx


def change(tx: Tx, dataset_id: DatasetId, uri: str, changes: JsonObject, now: datetime) -> None:
    """Set attributes of a file, each as a whole; those that are not named stay.

    The file's revision stays too: nothing of this is read by the models, so a result under way
    remains the result of this file. A URI that is not indexed is no error.
    """
    f = tables.file
    known = (f.c.file_id, f.c.attributes, f.c.image_score, f.c.produce_time, f.c.lat_long)
    query = select(*known).where(f.c.dataset_id == dataset_id, f.c.uri == uri).with_for_update()
    row = tx.execute(query).first()
    if row is None or not changes:
        return
    attributes = {**row.attributes, **changes}
    tx.execute(
        update(f)
        .where(f.c.file_id == row.file_id)
        .values(
            attributes=attributes,
            updated_at=now,
            **searchable.described(uri, attributes, **searchable.read_from(row)),
        )
    )
    searchable.relabel(tx, dataset_id, {row.file_id: changes})

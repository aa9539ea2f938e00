"""what queries search by: the words, time and place of files, and their labels"""

import json
import math
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ROWS_AT_ONCE = 500
TEXTS = ("CustomId", "Title", "Artist", "AlbumArtist", "Composer", "Performer", "Album")
PARTS = ("LabelName", "LabelAlias", "ParentLabelName")
PLACES = ("AddressLine", "Country", "Province", "City", "District", "Township")


def upgrade() -> None:
    op.add_column("file", sa.Column("words", sa.Text(), server_default="", nullable=False))
    op.add_column("file", sa.Column("produced_at", sa.BigInteger(), nullable=True))
    for name in ("latitude", "longitude", "place_x", "place_y", "place_z"):
        op.add_column("file", sa.Column(name, sa.Float(), nullable=True))
    op.create_table(
        "file_label",
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.Column("label_key", sa.String(length=512), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("number", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["file.file_id"],
            name=op.f("fk_file_label_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("file_id", "label_key", name=op.f("pk_file_label")),
    )
    with op.batch_alter_table("file_label", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_file_label_dataset_id_label_key_value"),
            ["dataset_id", "label_key", "value"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_file_label_dataset_id_label_key_number"),
            ["dataset_id", "label_key", "number"],
            unique=False,
        )
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """Derive the new columns of the files that are there."""
    query = sa.text(
        "SELECT file_id, dataset_id, uri, attributes, image_score, produce_time, lat_long "
        "FROM file WHERE file_id > :after ORDER BY file_id LIMIT :many"
    )
    after = ""
    while True:
        rows = connection.execute(query, {"after": after, "many": ROWS_AT_ONCE}).all()
        if not rows:
            return
        after = rows[-1].file_id
        for row in rows:
            _fill_one(connection, row)


def _fill_one(connection: sa.Connection, row: Any) -> None:
    said = row.attributes if isinstance(row.attributes, dict) else json.loads(row.attributes)
    taken, at = ("", "") if row.image_score is None else (row.produce_time, row.lat_long)
    values = {
        "file_id": row.file_id,
        "words": _words(row.uri, said),
        "produced_at": _micros(said.get("ProduceTime") or taken),
        **_place(said.get("LatLong") or at),
    }
    connection.execute(
        sa.text(
            "UPDATE file SET words=:words, produced_at=:produced_at, latitude=:latitude, "
            "longitude=:longitude, place_x=:place_x, place_y=:place_y, place_z=:place_z "
            "WHERE file_id=:file_id"
        ),
        values,
    )
    labels = {
        key.casefold(): {
            "file_id": row.file_id,
            "label_key": key.casefold(),
            "dataset_id": row.dataset_id,
            "value": _text(value).casefold(),
            "said": _text(value),
            "number": _number(_text(value)),
        }
        for key, value in said.get("CustomLabels", {}).items()
    }
    if labels:
        connection.execute(
            sa.text(
                "INSERT INTO file_label (file_id, label_key, dataset_id, value, said, number) "
                "VALUES (:file_id, :label_key, :dataset_id, :value, :said, :number)"
            ),
            list(labels.values()),
        )


def _words(uri: str, said: dict[str, Any]) -> str:
    texts = [uri, *(said.get(name) for name in TEXTS)]
    texts += [part.get(name) for part in said.get("Labels", ()) for name in PARTS]
    texts += [place.get(name) for place in said.get("Addresses", ()) for name in PLACES]
    texts += [_text(value) for value in said.get("CustomLabels", {}).values()]
    return "\n".join(text for text in texts if text).casefold()


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str) -> float | None:
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _micros(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1_000_000)


def _place(text: str) -> dict[str, float | None]:
    names = ("latitude", "longitude", "place_x", "place_y", "place_z")
    degrees = [_number(part) for part in text.split(",")]
    if len(degrees) != 2 or degrees[0] is None or degrees[1] is None:
        return dict.fromkeys(names)
    latitude, longitude = degrees[0], degrees[1]
    across = math.cos(math.radians(latitude))
    x = across * math.cos(math.radians(longitude))
    y = across * math.sin(math.radians(longitude))
    place = (latitude, longitude, x, y, math.sin(math.radians(latitude)))
    return dict(zip(names, place, strict=True))


def downgrade() -> None:
    op.drop_table("file_label")
    with op.batch_alter_table("file", schema=None) as batch_op:
        for name in ("place_z", "place_y", "place_x", "longitude", "latitude", "produced_at"):
            batch_op.drop_column(name)
        batch_op.drop_column("words")

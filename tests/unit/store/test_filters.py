from typing import Any

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, Table, insert, select

from imm_ray.store.database import Database
from imm_ray.store.filters import labelled

THINGS = Table("things", MetaData(), Column("n", Integer), Column("labels", JSON))
LABELS: list[dict[str, Any]] = [
    {"a": "true"},
    {"a": True},
    {"a": False},
    {"a": 1},
    {"a": "x", "b c": "y"},
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": "true"}, [0, 1]),
        ({"a": "True"}, [1]),
        ({"a": "false"}, [2]),
        ({"a": "1"}, [3]),
        ({"a": "x", "b c": "y"}, [4]),
        ({"a": "x", "b c": "z"}, []),
        (None, [0, 1, 2, 3, 4]),
    ],
)
def test_labels_are_compared_as_text(
    empty_url: str, wanted: dict[str, str] | None, found: list[int]
) -> None:
    database = Database(empty_url)
    with database.write() as tx:
        THINGS.create(tx)
        tx.execute(insert(THINGS), [{"n": n, "labels": one} for n, one in enumerate(LABELS)])
        rows = tx.scalars(select(THINGS.c.n).where(*labelled(THINGS.c.labels, wanted)))
        assert sorted(rows) == found
    database.close()

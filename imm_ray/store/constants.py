"""Values that belong to one database for ever: its generation counter and its secret."""

import secrets

from sqlalchemy import insert, select, update

from imm_ray.store import tables, turn
from imm_ray.store.database import Tx


def next_generation(tx: Tx) -> int:
    """Return a number higher than that of every cluster that used this database before."""
    turn.of_thing(tx, "meta")
    generation = int(_get(tx, "generation") or 0) + 1
    _put(tx, "generation", str(generation))
    return generation


def secret(tx: Tx) -> bytes:
    """Return the key that signs page tokens, made at the first call."""
    turn.of_thing(tx, "meta")
    value = _get(tx, "secret")
    if value is None:
        value = secrets.token_hex(32)
        _put(tx, "secret", value)
    return bytes.fromhex(value)


def _get(tx: Tx, key: str) -> str | None:
    m = tables.meta.c
    return tx.scalar(select(m.value).where(m.key == key))


def _put(tx: Tx, key: str, value: str) -> None:
    m = tables.meta
    if tx.execute(update(m).where(m.c.key == key).values(value=value)).rowcount == 0:
        tx.execute(insert(m).values(key=key, value=value))

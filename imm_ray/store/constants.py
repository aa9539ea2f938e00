"""Values that belong to one database for ever: its generation counter and its secret."""

import secrets
from datetime import datetime

from sqlalchemy import insert, select, update

from imm_ray.crash_point import reached
from imm_ray.model import from_microseconds, to_microseconds
from imm_ray.store import tables, turn
from imm_ray.store.database import Tx


def next_generation(tx: Tx) -> int:
    """Return a number higher than that of every cluster that used this database before."""
    turn.of_thing(tx, "meta")
    raise_generation(tx, generation(tx) + 1)
    reached("generation.raised")
    return generation(tx)


def generation(tx: Tx) -> int:
    """Return the number of the cluster that was started last; 0 before the first."""
    return int(_get(tx, "generation") or 0)


def raise_generation(tx: Tx, to: int) -> None:
    """Have the next cluster get a number higher than ``to``; it never goes down."""
    _put(tx, "generation", str(max(to, generation(tx))))


def refuse_signed_before(tx: Tx, moment: datetime) -> None:
    """Have requests refused that were signed before: their nonces are not known any more."""
    _put(tx, "signed_from", str(to_microseconds(moment)))


def signed_from(tx: Tx) -> datetime | None:
    """Return the moment from which on signatures are accepted, None where there is none."""
    value = _get(tx, "signed_from")
    return None if value is None else from_microseconds(int(value))


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

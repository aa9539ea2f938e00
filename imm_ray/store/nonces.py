"""Nonces of signed requests: each may be used once."""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.exc import IntegrityError

from imm_ray.crash_point import reached
from imm_ray.errors import SignatureNonceUsed
from imm_ray.store.database import Tx
from imm_ray.store.tables import nonce

KEPT = timedelta(minutes=31)
"""Longer than twice the 15 minutes by which a request's date may differ from the clock."""


def remember(tx: Tx, access_key_id: str, value: str, now: datetime) -> None:
    """Record that the key's nonce was used.

    Raises
    ------
    SignatureNonceUsed
        It was used before.
    """
    try:
        with tx.begin_nested():
            tx.execute(insert(nonce).values(access_key_id=access_key_id, nonce=value, seen_at=now))
    except IntegrityError as error:
        raise SignatureNonceUsed() from error
    reached("nonce.remembered")


def require_unused(tx: Tx, access_key_id: str, value: str) -> None:
    """Return when ``tx`` sees no earlier use of the key's nonce.

    Raises
    ------
    SignatureNonceUsed
    """
    found = select(nonce.c.nonce).where(
        nonce.c.access_key_id == access_key_id, nonce.c.nonce == value
    )
    if tx.scalar(found) is not None:
        raise SignatureNonceUsed()


def purge(tx: Tx, now: datetime, *, limit: int) -> int:
    """Forget some nonces too old to be accepted again; return how many."""
    key = tuple_(nonce.c.access_key_id, nonce.c.nonce)
    old = select(nonce.c.access_key_id, nonce.c.nonce).where(nonce.c.seen_at < now - KEPT)
    return tx.execute(delete(nonce).where(key.in_(old.limit(limit)))).rowcount

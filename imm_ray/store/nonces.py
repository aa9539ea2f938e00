"""Nonces of signed requests: each may be used once."""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

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


def purge(tx: Tx, now: datetime) -> int:
    """Forget nonces too old to be accepted again; return how many."""
    return tx.execute(delete(nonce).where(nonce.c.seen_at < now - KEPT)).rowcount

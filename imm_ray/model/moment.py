"""Moments as whole numbers, in rows, page tokens and messages."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 UTC to an aware time.

    >>> to_microseconds(from_microseconds(-1))
    -1
    """
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """Return the aware time in UTC, so many microseconds after 1970.

    >>> from_microseconds(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return _EPOCH + timedelta(microseconds=microseconds)

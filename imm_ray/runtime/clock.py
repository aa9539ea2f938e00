"""The wall clock."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)

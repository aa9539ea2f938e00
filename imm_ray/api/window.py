"""The two guards against replay that a signature carries: its time and its nonce."""

import re
from datetime import UTC, datetime, timedelta

from imm_ray.errors import IncompleteSignature, InvalidTimeStampExpired, InvalidTimeStampFormat

MAX_SKEW = timedelta(minutes=15)
MAX_NONCE = 128

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def check_time(text: str, *, now: datetime, since: datetime | None = None) -> None:
    """Refuse a time that is malformed or more than 15 minutes from ``now``, in either direction.

    Also one before ``since``: which nonces were used until then is not known.
    """
    if not _TIME.fullmatch(text):
        raise InvalidTimeStampFormat()
    try:
        time = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidTimeStampFormat() from error
    if abs(now - time) > MAX_SKEW:
        raise InvalidTimeStampExpired(
            f"Specified time stamp or date value is expired: the server's time is "
            f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}."
        )
    if since is not None and time < since:
        raise InvalidTimeStampExpired(
            "Specified time stamp or date value is expired: the service was restored from a backup "
            f"at {since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}. Sign the request again."
        )


def check_nonce(nonce: str) -> str:
    """Return ``nonce`` if it can be remembered."""
    if not 1 <= len(nonce) <= MAX_NONCE:
        raise IncompleteSignature(f"The signature nonce must have 1 to {MAX_NONCE} characters.")
    return nonce

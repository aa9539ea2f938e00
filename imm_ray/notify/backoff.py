"""When to try a delivery again."""

from dataclasses import dataclass
from datetime import timedelta

from imm_ray.settings import Notifications


@dataclass(frozen=True, slots=True)
class Retry:
    """The wait before the next attempt; None when there is none."""

    wait: timedelta | None


def after_failure(attempts: int, settings: Notifications) -> Retry:
    """Return what follows the failed attempt number ``attempts`` (the first is 1).

    The wait doubles from ``first_retry_s`` to ``max_retry_s``.

    >>> after_failure(3, Notifications(first_retry_s=1)).wait
    datetime.timedelta(seconds=4)
    """
    if attempts >= settings.max_attempts:
        return Retry(None)
    seconds = min(settings.max_retry_s, settings.first_retry_s * 2.0 ** (attempts - 1))
    return Retry(timedelta(seconds=seconds))

"""When to try a delivery again."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from imm_ray.settings import Notifications


@dataclass(frozen=True, slots=True)
class Retry:
    """The wait before the next attempt; None when there is none."""

    wait: timedelta | None


def after_failure(
    attempts: int, *, age: timedelta, settings: Notifications, chance: Random
) -> Retry:
    """Return what follows the failed attempt number ``attempts`` (the first is 1).

    The wait is drawn from 0 to a limit that doubles from ``first_retry_s`` to ``max_retry_s``:
    after an outage what waits comes back spread out, not together ("full jitter").

    Parameters
    ----------
    age
        Since the message was put into the outbox; from ``give_up_after_s`` on there is no retry.
    """
    if age >= timedelta(seconds=settings.give_up_after_s):
        return Retry(None)
    doublings = min(attempts - 1, 60)  # beyond, no limit of a day or a year is reached later
    longest = min(settings.max_retry_s, settings.first_retry_s * 2.0**doublings)
    return Retry(timedelta(seconds=chance.uniform(0, longest)))

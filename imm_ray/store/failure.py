"""What can go wrong between the service and its database, apart from what it is asked."""

from imm_ray.errors import ServiceUnavailable, ThrottledUser


class DatabaseAway(ServiceUnavailable):
    """The database can not be reached now. Nothing was changed; try again."""

    in_doubt = False
    """Whether the transaction had been told to commit: then it may have been, or not."""


class InDoubt(DatabaseAway):
    """The connection was lost while the database committed: the change may have taken effect."""

    in_doubt = True


class Overtaken(ThrottledUser):
    """Another transaction was in the way of this one; nothing of it is stored. Try again."""


class TransactionLost(Exception):
    """The database has rolled back a transaction by itself; nothing of it is stored."""


def why_away(error: DatabaseAway) -> str:
    """Return in one line what the driver says; it names hosts, and is not for clients."""
    cause = error.__cause__
    said = getattr(cause, "orig", cause) or error
    return " ".join(str(said).split())

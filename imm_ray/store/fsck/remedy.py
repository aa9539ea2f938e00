"""What each invariant says, and what to do when a store breaks it."""

from dataclasses import dataclass

_RESTORE = "Stop the service, keep a copy of the data for a report, and restore the last backup."
_RUN_AGAIN = (
    "Create a clustering task of the dataset once anything in it has changed (index one file "
    "again): the run states the clusters that it touches anew. If it stays, restore the backup."
)
_INDEX_AGAIN = "Index the named file again (IndexFileMeta): its results are then made anew."
_RING = "Start the service and wait a minute: its janitor looks for such work. If it stays, report."


@dataclass(frozen=True, slots=True)
class Remedy:
    """What an invariant says, and what to do about a violation."""

    promise: str
    what_to_do: str


REMEDIES = {
    "I1": Remedy("What was acknowledged is stored.", _RESTORE),
    "I2": Remedy("An item is in one cluster at most, and the cluster is there.", _RUN_AGAIN),
    "I3": Remedy("Each acknowledged change has one change number of its own.", _RESTORE),
    "I4": Remedy("A file is indexed with all its vectors, or Failed with a reason.", _INDEX_AGAIN),
    "I5": Remedy("Every task and every edit comes to its end.", _RING),
    "I6": Remedy("One owner at a time writes results; epochs only rise.", _RESTORE),
    "I7": Remedy("Every end that is to be told is told, and nothing before it.", _RING),
    "I8": Remedy("Counts and covers are what a recount gives.", _RUN_AGAIN),
    "I9": Remedy("What was deleted is gone.", "Delete it again; if it stays, use `imm-ray erase`."),
    "I10": Remedy("Ids are stable, and the history leads to what is there.", _RESTORE),
    "I11": Remedy("Clustering does not depend on crashes.", _RUN_AGAIN),
    "I12": Remedy("No row joins two accounts or two datasets.", _RESTORE),
    "I13": Remedy("Nothing is left running, memory and handles stay flat.", "Restart the service."),
    "I14": Remedy("Every error is an IMM error.", "Report it with the RequestId."),
    "I15": Remedy("A client reads what it has written.", _RESTORE),
    "I16": Remedy("Paging shows each item that stays exactly once.", "Report it."),
}
"""By invariant."""

"""Checks a store against the invariants that hold after whatever has happened to it.

`check` reads the raw tables alone, in one read transaction, so it may run beside a service at work:
each rule holds at every commit. Rules that hold only when nothing is left to do are looked at when
the caller says that it is so. What no store can show by itself, because it is about answers that
clients got, is compared with their journals by `imm_ray.store.fsck.journal`.

Notes
-----
Each rule is a query that returns damaged rows and no others, so memory follows the damage and not
what is stored; of each rule no more than ``most`` rows are listed. Nothing of a picture, a vector
or what clients say is ever part of a `Violation`: it names rows by their ids.
"""

from imm_ray.store.database import Database
from imm_ray.store.fsck import (
    counts,
    deleted,
    indexing,
    lineage,
    messages,
    owners,
    places,
    sequence,
    tenants,
    work,
)
from imm_ray.store.fsck.remedy import REMEDIES
from imm_ray.store.fsck.rule import Rule, Violation

__all__ = ["REMEDIES", "RULES", "Rule", "Violation", "check"]

MOST = 1000

RULES: tuple[Rule, ...] = (
    *places.RULES,
    *sequence.RULES,
    *indexing.RULES,
    *work.RULES,
    *owners.RULES,
    *messages.RULES,
    *counts.RULES,
    *deleted.RULES,
    *lineage.RULES,
    *tenants.RULES,
)
"""All rules, in the order of the invariants."""


def check(database: Database, *, quiescent: bool = False, most: int = MOST) -> list[Violation]:
    """Return what is wrong in a store; nothing when it is as it has to be.

    Parameters
    ----------
    quiescent
        Nothing is left to do: no file waits, no task runs, no edit waits, no dataset is being
        purged. What would be work in progress is then a violation too.
    most
        Rows that are listed of each rule; one more stands for all others.
    """
    with database.read() as tx:
        found = [
            violation
            for rule in RULES
            if quiescent or not rule.quiescent
            for violation in rule.find(tx, most)
        ]
        return found + messages.told_too_early(tx)

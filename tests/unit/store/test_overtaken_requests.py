"""Index requests whose file was indexed again before its turn came."""

from contextlib import closing
from pathlib import Path

from imm_ray.store import fsck, outbox
from tests.recovery.test_purge import waiting_request
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits


def test_a_newer_result_answers_every_request_that_waits(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    with closing(owner.database):
        owner.index(portraits("ann", 1), request=waiting_request("E1"))
        owner.index(portraits("ann", 1), request=waiting_request("E2"))
        owner.drain()
        with owner.database.read() as tx:
            told = sorted(w.message.message_id for w in outbox.due(tx, owner.clock(), limit=9))
        assert told == ["m-E1", "m-E2"]
        assert fsck.check(owner.database, quiescent=True) == []

"""What journals of clients and watchers prove."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from imm_ray.store import tables
from imm_ray.store.fsck import journal
from imm_ray.store.fsck.journal import Acknowledged, Usage
from imm_ray.store.fsck.rule import Violation
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits, uri


def invariants(found: list[Violation]) -> list[str]:
    return [violation.invariant for violation in found]


def test_what_was_acknowledged_is_looked_for(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    with closing(owner.database):
        owner.index(portraits("ann", 2))
        task_id = owner.create_task()
        known = {str(owner.dataset_id): {uri("ann", 0), uri("ann", 1)}}
        assert list(journal.lost(owner.database, Acknowledged(files=known, tasks=[task_id]))) == []
        owner.delete(uri("ann", 0))
        promised = Acknowledged(files=known, tasks=["T"], edits=["E"])
        found = list(journal.lost(owner.database, promised))
    assert [(v.invariant, v.table) for v in found] == [("I1", n) for n in ("file", "task", "edit")]
    assert "oss://" not in repr(found)


def test_deliveries_are_compared_with_the_ends_of_tasks(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    with closing(owner.database):
        owner.cluster()
        with owner.database.write() as tx:
            tx.execute(tables.task.update().values(notification={"MNS": {"TopicName": "t"}}))
            tx.execute(tables.outbox.delete())
        body = json.dumps({"id": "e"})

        def told(*deliveries: tuple[str, str]) -> list[str]:
            return invariants(list(journal.badly_told(owner.database, deliveries, most_times=2)))

        assert told(("m", body), ("m", body)) == []
        assert told() == ["I7"]
        assert told(*[("m", body)] * 3) == ["I7"]
        assert told(("m", body), ("m", body + " ")) == ["I7"]


def test_ids_and_groups_are_compared() -> None:
    assert list(journal.moved({"a": "1", "b": "2"}, {"a": "1"})) == []
    assert invariants(list(journal.moved({"a": "1"}, {"a": "2"}))) == ["I10"]
    assert journal.differing([["a", "b"], ["c"]], [["c"], ["b", "a"]]) == []
    assert invariants(journal.differing([["a", "b"]], [["a"], ["b"]])) == ["I11"]


def test_growth_is_looked_for_in_the_last_half() -> None:
    flat = [Usage(minute=m, memory_mb=100, handles=50, threads=9) for m in range(10)]
    assert journal.grown(flat) == []
    warm = [Usage(minute=0, memory_mb=1, handles=1, threads=1), *flat[1:]]
    assert journal.grown(warm) == []
    leak = [Usage(minute=m, memory_mb=100 + 2 * m, handles=50 + m, threads=9) for m in range(20)]
    assert invariants(journal.grown(leak)) == ["I13", "I13"]
    assert journal.grown(flat[:2]) == []


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "text/html", b"<p>"),
        (200, "application/json", b"<p>"),
        (200, "application/json", b"{}"),
        (200, "application/json", b"[]"),
        (404, "application/json", b'{"RequestId":"R"}'),
        (500, "application/json", b'{"RequestId":"R","Code":"InternalError","Message":"m"}'),
    ],
)
def test_what_is_no_answer_of_imm_is_named(status: int, content_type: str, body: bytes) -> None:
    assert invariants(journal.strange_answer(status, content_type, body)) == ["I14"]


def test_answers_of_imm_are_fine() -> None:
    kind = "application/json;charset=utf-8"
    assert journal.strange_answer(200, kind, b'{"RequestId":"R"}') == []
    refused = b'{"RequestId":"R","Code":"Throttling.User","Message":"m"}'
    assert journal.strange_answer(503, kind, refused) == []


def test_reads_and_pages_are_compared_with_what_was_written() -> None:
    assert journal.not_read({"Name": "Ann"}, {"Name": "Ann", "Id": 1}) == []
    assert invariants(journal.not_read({"Name": "Ann"}, {"Name": ""})) == ["I15"]
    assert journal.badly_paged([["a", "b"], ["c"]], {"a", "b"}) == []
    assert invariants(journal.badly_paged([["a"], ["a"]], {"a", "b"})) == ["I16", "I16"]

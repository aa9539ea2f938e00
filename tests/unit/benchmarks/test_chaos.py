"""The judges of a storm see what is wrong: a check that can not fail proves nothing."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from benchmarks.chaos.availability import Watch, Window, availability, misshapen
from benchmarks.chaos.beliefs import TAG, DatasetBelief
from benchmarks.chaos.caller import outcome_of
from benchmarks.chaos.faults import FAULTS, in_turn
from benchmarks.chaos.inbox import CLOSING, REDIRECTING, REFUSING, WORKING, Inbox
from benchmarks.chaos.journal import Entry, Journal, Outcome, read_journal
from benchmarks.chaos.pictures import make_pictures
from benchmarks.chaos.run import Plan, settings_of
from benchmarks.chaos.usurper import Usurper
from benchmarks.chaos.verdict import Verdict, difference, left_to_do, wait_until_quiet
from benchmarks.chaos.verdict import _judge_messages as judge_messages
from benchmarks.chaos.verdict import _judge_tasks as judge_tasks
from imm_ray.settings import load_settings
from imm_ray.store import ownership, tables
from imm_ray.store.ownership import Fenced
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits

HERE = {"ProjectName": "p", "DatasetName": "d"}
ONE = "oss://b/1.jpg"


def entry(
    action: str,
    params: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    sent: float = 0.0,
    done: float = 1.0,
    kind: str = "write",
) -> Entry:
    told = body or {}
    return Entry(
        client="client d",
        action=action,
        kind=kind,
        params={**HERE, **params},
        outcome=outcome_of(status, told),
        status=status,
        body=told,
        sent=sent,
        done=done,
    )


def indexed(status: int = 200) -> Entry:
    return entry("BatchIndexFileMeta", {"Files": [{"URI": ONE}]}, status=status)


def deleted(status: int = 200) -> Entry:
    return entry("BatchDeleteFileMeta", {"URIs": [ONE]}, status=status)


def updated(custom: str, status: int = 200) -> Entry:
    return entry("UpdateFileMeta", {"File": {"URI": ONE, "CustomId": custom}}, status=status)


def got(files: list[dict[str, str]]) -> Entry:
    if files:
        return entry("GetFileMeta", {"URI": ONE}, {"Files": files})
    return entry("GetFileMeta", {"URI": ONE}, {"Code": "ResourceNotFound"}, status=400)


def asked(tag: str, task_id: str = "t", status: int = 200, **more: Any) -> Entry:
    params = {"Tags": {TAG: tag}, **more}
    return entry("CreateFigureClusteringTask", params, {"TaskId": task_id}, status=status)


def polled(status: str, progress: int) -> Entry:
    return entry("GetTask", {"TaskId": "t"}, {"Status": status, "Progress": progress})


def belief_of(*entries: Entry) -> DatasetBelief:
    belief = DatasetBelief()
    for each in entries:
        belief.apply(each)
    return belief


@pytest.mark.parametrize(
    ("entries", "allowed"),
    [
        ([indexed()], {True}),
        ([indexed(503)], {False, True}),
        ([indexed(), deleted()], {False}),
        ([indexed(), deleted(0)], {False, True}),
        ([indexed(), deleted(0), deleted(200)], {False}),
        ([indexed(), deleted(0), indexed()], {True}),
        ([indexed(400)], {False}),
    ],
)
def test_only_an_answer_settles_whether_a_file_is_there(
    entries: list[Entry], allowed: set[bool]
) -> None:
    belief = belief_of(*entries)
    shown = {True: {"URI": ONE}, False: None}
    assert {there for there, file in shown.items() if not belief.check(ONE, file)} == allowed


@pytest.mark.parametrize(
    ("entries", "allowed"),
    [
        ([indexed(), updated("a")], {"a"}),
        ([indexed(), updated("a"), updated("b", 500)], {"a", "b"}),
        ([indexed(), updated("a"), updated("b", 500), updated("c")], {"c"}),
        ([indexed(), updated("a"), deleted(), indexed()], {""}),
        ([indexed(), updated("a"), deleted(0), indexed()], {"a", ""}),
    ],
)
def test_a_client_reads_what_it_wrote(entries: list[Entry], allowed: set[str]) -> None:
    belief = belief_of(*entries)
    values = ("", "a", "b", "c")
    shown = {custom for custom in values if not belief.check(ONE, {"CustomId": custom})}
    assert shown == allowed
    belief.apply(got([{"CustomId": "z"}]))
    assert len(belief.violations) == 1


def test_an_acknowledged_file_that_is_not_found_is_seen() -> None:
    belief = belief_of(indexed(), got([]))
    assert belief.violations == [f"I15 {ONE} is lost"]


def test_a_task_neither_ends_twice_nor_goes_back() -> None:
    forth = belief_of(asked("x"), polled("Running", 40), polled("Succeeded", 100))
    assert forth.violations == []
    assert belief_of(asked("x"), polled("Running", 40), polled("Running", 20)).violations
    assert belief_of(asked("x"), polled("Succeeded", 100), polled("Running", 100)).violations


def test_one_request_makes_one_task() -> None:
    belief = belief_of(asked("x"), asked("y", "u", status=0), asked("z", "v", status=400))
    verdict = Verdict()
    shown = {
        task_id: {"TaskId": task_id, "Status": "Succeeded", "Tags": {TAG: tag}}
        for task_id, tag in (("t", "x"), ("u", "y"))
    }
    judge_tasks(verdict, belief, shown)
    assert verdict.all() == []
    double = {**shown, "w": {"Status": "Running", "Tags": {TAG: "x"}}}
    refused = {"v": {"Status": "Succeeded", "Tags": {TAG: "z"}}}
    judge_tasks(verdict, belief, {**double, **refused})
    assert (len(verdict.doubled), len(verdict.stuck), len(verdict.other)) == (1, 1, 1)
    judge_tasks(verdict, belief, {})
    assert verdict.lost == ["I1 the task t is lost"]


def test_a_message_comes_under_one_id_and_says_how_the_task_ended() -> None:
    belief = belief_of(asked("x", Notification={"MNS": {}}))
    task, shown = belief.tasks["t"], {"Status": "Succeeded"}
    assert task.told
    with Inbox() as inbox:
        verdict = Verdict()
        judge_messages(verdict, task, shown, inbox)
        assert verdict.lost
        inbox.messages["m"] = ["t Failed", "t Failed, again"]
        inbox.messages["n"] = ["t Succeeded"]
        judge_messages(verdict, task, shown, inbox)
        assert (len(verdict.doubled), len(verdict.other)) == (1, 2)


def test_the_inbox_fails_as_it_is_told() -> None:
    def post(inbox: Inbox) -> int:
        answer = httpx.post(inbox.url, content="body", headers={"x-mns-message-id": "m"})
        return answer.status_code

    with Inbox() as inbox:
        assert post(inbox) == 204
        for mood, status in ((REFUSING, 500), (REDIRECTING, 302)):
            inbox.become(mood)
            assert post(inbox) == status
        inbox.become(CLOSING)
        with pytest.raises(httpx.TransportError):
            post(inbox)
        inbox.become(WORKING)
        assert post(inbox) == 204
        assert (inbox.messages["m"], inbox.refused) == (["body", "body"], 3)


@pytest.mark.parametrize(
    ("status", "body", "fine"),
    [
        (0, {"Error": "ConnectError"}, True),
        (503, {"Code": "ServiceUnavailable", "Message": "", "RequestId": "r"}, True),
        (503, {"Code": "ServiceUnavailable", "RequestId": "r"}, False),
        (500, {"Code": "InternalError", "Message": "", "RequestId": "r"}, False),
        (500, {"Text": "Internal Server Error"}, True),
        (500, {"Text": "Traceback (most recent call last)"}, False),
        (404, {"Text": "Path '/' not found. Ping http"}, True),
        (404, {"Text": "<html>"}, False),
        (400, {"Text": "Bad Request"}, False),
    ],
)
def test_errors_have_the_form_of_imm(status: int, body: dict[str, Any], fine: bool) -> None:
    seen = entry("GetTask", {}, body, status=status)
    assert (misshapen(seen) == "") is fine
    watch = Watch()
    watch.see(seen)
    assert (watch.violations == []) is fine


def test_an_outage_lasts_until_the_next_answer() -> None:
    reads = [
        entry("GetTask", {}, kind="read", sent=at - 0.1, done=at) for at in (0.5, 1.0, 4.0, 9.0)
    ]
    cost = availability(reads, [Window("owner", 1.5, 5.0), Window("owner", 5.0, 6.0)])
    assert cost.unavailable_s["read"] == pytest.approx(2.5)
    assert (cost.injected, cost.answers) == (2, 1)
    assert availability(reads, [Window("owner", 5.0, 8.5)]).unavailable_s["read"] == 3.5


def test_the_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    entries = [indexed(), asked("x"), got([]), indexed(0)]
    with Journal(tmp_path / "journal.jsonl") as journal:
        for each in entries:
            journal.add(each)
    assert list(read_journal(journal.path)) == entries
    assert entries[-1].outcome is Outcome.UNKNOWN


def test_every_fault_comes_before_any_comes_again() -> None:
    names = list(FAULTS)
    first, second = (in_turn(names, Random(7)) for _ in range(2))
    order = [first().name for _ in range(2 * len(names))]
    assert order == [second().name for _ in range(2 * len(names))]
    assert set(order[: len(names)]) == set(names)


def test_the_same_seed_makes_the_same_pictures(tmp_path: Path) -> None:
    made = [make_pictures(tmp_path / name, Random(3)) for name in ("a", "b")]
    assert made[0] == made[1]
    names = [uri.rpartition("/")[2] for uri in (*made[0].good, *made[0].poison)]
    contents = [
        [(tmp_path / folder / n).read_bytes() for n in names if n != "absent.jpg"]
        for folder in ("a", "b")
    ]
    assert contents[0] == contents[1]


def test_what_is_left_to_do_is_seen(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    owner.index(portraits("ann", 3))
    assert len(left_to_do(owner.database)) == 1
    owner.drain()
    with owner.database.write() as tx:
        message = {"message_id": "m", "topic": "t", "event_type": "e", "body": "{}"}
        times = {"created_at": owner.clock(), "next_attempt_at": owner.clock()}
        tx.execute(insert(tables.outbox).values(**message, **times))
    assert wait_until_quiet(owner.database, 0.0) == ["1 messages wait"]


def test_a_usurped_owner_is_fenced_and_a_commit_of_it_would_be_seen(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    owner.index(portraits("ann", 3))
    owner.cluster()
    usurper = Usurper(owner.database, ["d"])
    taken = usurper.take()
    assert taken is not None
    owner.index(portraits("bob", 3))
    with pytest.raises(Fenced):
        owner.drain()
    with owner.database.write() as tx:
        tx.execute(tables.figure.delete())  # what a commit of the old owner would change
    usurper.watch(taken)
    assert [text[:2] for text in usurper.violations] == ["I6"]
    with owner.database.write() as tx:
        ownership.take(tx, owner.dataset_id, "usurper", 2)
    usurper.watch(taken)
    assert len(usurper.violations) == 1


def test_partitions_are_compared_without_ids() -> None:
    one = {frozenset({"a", "b"}), frozenset({"c"})}
    assert difference(one, set(one)) == ""
    assert difference(one, {frozenset({"a"}), frozenset({"b"}), frozenset({"c"})}) != ""


def test_the_server_of_a_storm_takes_its_settings(tmp_path: Path) -> None:
    """Here, and not after a quarter of an hour of other tests."""
    plan = Plan(folder=tmp_path, seed=1, seconds=1.0, faults=[])
    settings = load_settings(None, **settings_of(plan, "http://127.0.0.1:1/"))
    assert len(settings.notifications.topics) == 1
    with pytest.raises(ValueError, match="max_attempts"):
        load_settings(None, notifications={"max_attempts": 3})

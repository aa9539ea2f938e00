"""On PostgreSQL writers of one dataset take turns, and those of others do not wait for them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update

from imm_ray.errors import ThrottledUser
from imm_ray.model import EditKind
from imm_ray.store import (
    constants,
    datasets,
    door,
    edits,
    files,
    outbox,
    ownership,
    tables,
    turn,
)
from imm_ray.store.database import Database, Tx
from imm_ray.store.files import InputFile
from imm_ray.store.ownership import Fenced
from imm_ray.store.query.function import DatabaseTime
from imm_ray.store.writer import GroupWriter
from tests.postgres import Databases
from tests.unit.store.album import Album

MANY = 4
EACH = 8


@pytest.fixture
def url(postgres: Databases) -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


@pytest.fixture
def album(tmp_path: Path, url: str) -> Iterator[Album]:
    album = Album(tmp_path, url)
    yield album
    album.database.close()


def index(album: Album, tx: Tx, uri: str) -> None:
    dataset = datasets.get(tx, "a", "p", "d")
    files.index(tx, dataset, [InputFile(uri, {"URI": uri})], album.clock())


def waits_for_a_lock(database: Database) -> bool:
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with database.read() as tx:
        return bool(tx.scalar(query))


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to that")


def test_change_numbers_have_no_gap_and_are_given_once(album: Album) -> None:
    def run(thread: int) -> None:
        for number in range(EACH):
            with album.database.write() as tx:
                index(album, tx, f"{thread}/{number}")

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(run, range(MANY)))
    with album.database.read() as tx:
        seqs = sorted(tx.scalars(select(tables.file.c.seq)))
        found = datasets.get(tx, "a", "p", "d")
        assert datasets.acknowledged(tx, album.dataset_id) == MANY * EACH
    assert seqs == list(range(1, MANY * EACH + 1))
    assert found.file_count == MANY * EACH


def test_an_edit_that_waited_for_its_turn_finds_the_door_closed(album: Album) -> None:
    def add() -> object:
        with album.database.write() as tx:
            turn.of_named(tx, "a", "p", "d")
            return edits.add(tx, album.dataset_id, EditKind.NAME, {}, album.clock())

    with ThreadPoolExecutor(1) as pool:
        with album.database.write() as tx:
            door.set_held(tx, album.lease, held=True)
            late = pool.submit(add)
            wait_until(lambda: waits_for_a_lock(album.database))
        with pytest.raises(ThrottledUser, match="flow control"):
            late.result()


def test_who_writes_of_a_dataset_waits_until_its_owner_has_written(album: Album) -> None:
    """As in SQLite: an owner's transaction sees one state of the dataset, from its check on."""

    def add() -> int:
        with album.database.write() as tx:
            index(album, tx, "x")
            return datasets.acknowledged(tx, album.dataset_id)

    with ThreadPoolExecutor(1) as pool:
        with album.database.write() as tx:
            ownership.check(tx, album.lease)
            late = pool.submit(add)
            wait_until(lambda: waits_for_a_lock(album.database) or late.done())
            assert datasets.acknowledged(tx, album.dataset_id) == 0
        assert late.result() == 1


def test_an_owner_is_fenced_between_transactions_and_never_within(album: Album) -> None:
    def take() -> ownership.Lease:
        with album.database.write() as tx:
            return ownership.take(tx, album.dataset_id, "other", 2)

    with ThreadPoolExecutor(1) as pool:
        with album.database.write() as tx:
            ownership.check(tx, album.lease)
            newer = pool.submit(take)
            wait_until(lambda: waits_for_a_lock(album.database))
            tx.execute(update(tables.dataset).values(mended_seq=7))
        assert newer.result().epoch == album.lease.epoch + 1
    with pytest.raises(Fenced), album.database.write() as tx:
        ownership.check(tx, album.lease)


def test_a_lease_is_renewed_while_others_write_of_the_dataset(album: Album, url: str) -> None:
    impatient = Database(url, busy_timeout_s=0.2)
    with album.database.write() as tx:
        index(album, tx, "x")
        with impatient.write() as other:
            ownership.renew(other, album.lease)
    impatient.close()


def test_leases_are_counted_by_the_clock_of_the_server(album: Album) -> None:
    with album.database.write() as tx:
        before = tx.scalar(select(DatabaseTime()))
        tx.execute(select(func.pg_sleep(0.05)))
        ownership.renew(tx, album.lease)
        until = tx.scalar(select(tables.ownership.c.lease_until))
        after = tx.scalar(select(DatabaseTime()))
    assert before is not None
    assert until is not None
    assert after is not None
    assert before + 0.05 <= until - ownership.LEASE_S <= after


def test_who_asks_for_a_place_that_is_just_given_gets_that_one(album: Album) -> None:
    def place(tx: Tx, host: str) -> str:
        return ownership.place(tx, album.dataset_id, [host])

    def late() -> str:
        with album.database.write() as tx:
            return place(tx, "late")

    with album.database.write() as tx:
        tx.execute(tables.ownership.delete())
    with ThreadPoolExecutor(1) as pool:
        with album.database.write() as tx:
            assert place(tx, "first") == "first"
            asked = pool.submit(late)
            wait_until(lambda: waits_for_a_lock(album.database))
        assert asked.result() == "first"


def test_many_ask_for_the_secret_and_get_one(album: Album) -> None:
    start = threading.Barrier(MANY)

    def ask(_: int) -> tuple[bytes, int]:
        with album.database.write() as tx:
            start.wait()
            return constants.secret(tx), constants.next_generation(tx)

    with ThreadPoolExecutor(MANY) as pool:
        found = list(pool.map(ask, range(MANY)))
    assert len({secret for secret, _ in found}) == 1
    assert sorted(generation for _, generation in found) == [1, 2, 3, 4]


def test_writes_that_wait_for_one_another_are_parted_and_both_done(album: Album) -> None:
    """Two writers, each with the thing that the other wants next."""
    writers = [GroupWriter(album.database), GroupWriter(album.database)]
    met = threading.Barrier(2)
    runs: list[str] = []

    def write(tx: Tx, first: str, second: str) -> str:
        turn.of_thing(tx, first)
        if len(runs) < 2:
            runs.append(first)
            met.wait(10)
        turn.of_thing(tx, second)
        outbox.delivered(tx, first)
        return first

    done = [
        writers[0].submit(lambda tx: write(tx, "a", "b")),
        writers[1].submit(lambda tx: write(tx, "b", "a")),
    ]
    assert [future.result(30) for future in done] == ["a", "b"]
    for writer in writers:
        writer.close()


def test_groups_of_two_replicas_lock_in_one_order(album: Album) -> None:
    """Whatever order requests come in, so that two groups can not wait for each other."""
    writer = GroupWriter(album.database)
    begun, gate = threading.Event(), threading.Event()
    order: list[str] = []

    def block(tx: Tx) -> None:
        begun.set()
        gate.wait()

    first = writer.submit(block)
    begun.wait()
    later = [
        writer.submit(lambda tx, name=name: order.append(name), ("a", "p", name))  # type: ignore[misc]
        for name in ("c", "a", "b", "a")
    ]
    gate.set()
    for future in [first, *later]:
        future.result()
    writer.close()
    assert order == ["a", "a", "b", "c"]


def test_a_session_that_sleeps_within_a_transaction_is_ended_by_the_server(
    album: Album, url: str
) -> None:
    with album.database.read() as tx:
        assert tx.scalar(text("SHOW idle_in_transaction_session_timeout")) == "15s"
        assert tx.scalar(text("SHOW synchronous_commit")) == "on"
    relaxed = Database(url, relaxed=True)
    with relaxed.read() as tx:
        assert tx.scalar(text("SHOW synchronous_commit")) == "off"
    relaxed.close()

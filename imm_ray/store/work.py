"""What is left to do: for admission, for the owner, and for the janitor."""

from sqlalchemy import BindParameter, Select, String, delete, func, literal, select, union, update

from imm_ray.model import DatasetId, EditStatus, FileId, FileStatus, TaskStatus
from imm_ray.store import datasets, tables
from imm_ray.store.columns import unindexed
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check


def pending_of_dataset(tx: Tx, dataset_id: DatasetId) -> int:
    """Return the files to index plus the tasks to run plus the edits to apply of a dataset."""
    f, t, e = tables.file.c, tables.task.c, tables.edit.c
    files = select(func.count()).where(f.dataset_id == dataset_id, f.status == FileStatus.PENDING)
    tasks = select(func.count()).where(t.dataset_id == dataset_id, t.status == TaskStatus.RUNNING)
    edits = select(func.count()).where(e.dataset_id == dataset_id, e.status == EditStatus.PENDING)
    return sum(int(tx.scalar(query) or 0) for query in (files, tasks, edits))


def pending_of_account(tx: Tx, account: str) -> int:
    """Return the files to index plus the tasks to run plus the edits to apply of an account.

    What waits is read from indexes that hold nothing else, so the cost follows that and not how
    many datasets there are: each row finds its dataset, and no dataset looks for rows.
    """
    d, dataset = tables.dataset.c, tables.dataset
    mine = (unindexed(d.account) == account, unindexed(d.purged_at).is_(None))
    waiting = (
        (tables.file, FileStatus.PENDING),
        (tables.task, TaskStatus.RUNNING),
        (tables.edit, EditStatus.PENDING),
    )
    count = 0
    for table, status in waiting:
        query = select(func.count()).select_from(table)
        query = query.join(dataset, d.dataset_id == table.c.dataset_id)
        count += int(tx.scalar(query.where(table.c.status == _spelt(status), *mine)) or 0)
    return count


def stored(tx: Tx, dataset_id: DatasetId) -> tuple[int, int]:
    """Return how many figures and how many files a dataset has."""
    g = tables.figure.c
    figures = select(func.count()).where(g.dataset_id == dataset_id)
    return int(tx.scalar(figures) or 0), datasets.file_count(tx, dataset_id)


def datasets_with_work(tx: Tx, *, auto: bool = False) -> list[DatasetId]:
    """Return the datasets with files to index, tasks to run, edits to apply or deletes to mend.

    Also those that cluster by themselves (``auto``: also those that do not say) and have changed
    since their last run, even if that was stopped as implausible. What is left of purged datasets
    is not an owner's work.
    """
    f, t, e = tables.file.c, tables.task.c, tables.edit.c
    d, x = tables.dataset.c, tables.tombstone.c
    behind = select(x.dataset_id).join(
        tables.dataset, (d.dataset_id == x.dataset_id) & (x.seq > d.mended_seq)
    )
    query = union(
        select(f.dataset_id).where(f.status == _spelt(FileStatus.PENDING)),
        select(t.dataset_id).where(t.status == _spelt(TaskStatus.RUNNING)),
        select(e.dataset_id).where(e.status == _spelt(EditStatus.PENDING)),
        behind,
        _to_cluster_by_themselves(auto),
    ).subquery()
    purged = select(d.dataset_id).where(d.purged_at.is_not(None))
    left = select(query.c.dataset_id).where(query.c.dataset_id.not_in(purged))
    return [DatasetId(row[0]) for row in tx.execute(left)]


def _spelt(status: str) -> BindParameter[str]:
    """Return a status that stands in the SQL itself, as `columns.of_status` needs it."""
    return literal(str(status), String, literal_execute=True)


def _to_cluster_by_themselves(auto: bool) -> Select[tuple[str]]:
    d, p = tables.dataset.c, tables.project.c
    own, inherited = (
        config["SmartCluster", "Figure", "AutoClustering"].as_boolean()
        for config in (d.config, p.config)
    )
    return (
        select(d.dataset_id)
        .join(tables.project, (p.account == d.account) & (p.name == d.project))
        .where(
            d.seq > d.figure_watermark,
            d.seq > d.stopped_seq,
            func.coalesce(own, inherited, literal(auto)).is_(True),
        )
    )


def settled_until(tx: Tx, dataset_id: DatasetId) -> int:
    """Return the change number up to which no file waits: what a run without a task covers."""
    f = tables.file.c
    waiting = (f.dataset_id == dataset_id, f.status == FileStatus.PENDING)
    first = tx.scalar(select(func.min(f.seq)).where(*waiting))
    return datasets.acknowledged(tx, dataset_id) if first is None else int(first) - 1


def stopped_until(tx: Tx, dataset_id: DatasetId) -> int:
    """Return the watermark of the last run without a task that was stopped as implausible."""
    d = tables.dataset.c
    return int(tx.scalar(select(d.stopped_seq).where(d.dataset_id == dataset_id)) or 0)


def stopped(tx: Tx, lease: Lease, seq: int) -> None:
    """Record that a run up to ``seq`` was implausible: it is not made again until more has come.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    d = tables.dataset
    tx.execute(update(d).where(d.c.dataset_id == lease.dataset_id).values(stopped_seq=seq))


def deleted_since(tx: Tx, dataset_id: DatasetId, seq: int) -> list[tuple[FileId, int]]:
    """Return (file id, seq) of files deleted after ``seq``, in order."""
    x = tables.tombstone.c
    query = (
        select(x.file_id, x.seq)
        .where(x.dataset_id == dataset_id, x.seq > seq)
        .order_by(x.seq, x.file_id)
    )
    return [(FileId(row.file_id), row.seq) for row in tx.execute(query)]


def mended(tx: Tx, lease: Lease, seq: int) -> None:
    """Record that the owner's index knows every delete up to ``seq``."""
    check(tx, lease)
    d = tables.dataset
    tx.execute(update(d).where(d.c.dataset_id == lease.dataset_id).values(mended_seq=seq))


def forget_tombstones(tx: Tx, lease: Lease, *, limit: int) -> int:
    """Delete some tombstones that the owner has mended; return how many."""
    check(tx, lease)
    x, d = tables.tombstone, tables.dataset.c
    mended_seq = select(d.mended_seq).where(d.dataset_id == lease.dataset_id).scalar_subquery()
    over = (x.c.dataset_id == lease.dataset_id, x.c.seq <= mended_seq)
    some = select(x.c.file_id).where(*over).limit(limit)
    return tx.execute(delete(x).where(*over, x.c.file_id.in_(some))).rowcount

"""I4: a file is indexed with all its vectors, or Failed with a reason; nothing is in between."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, exists, func, or_, select

from imm_ray.model import FileStatus
from imm_ray.store import tables
from imm_ray.store.fsck.rule import Rule

_FILE = ("dataset_id", "file_id")
_FIGURE = ("dataset_id", "figure_id")


def _files(*where: ColumnElement[bool]) -> Select[Any]:
    f = tables.file.c
    return select(f.dataset_id, f.file_id, f.status, f.seq, f.vector_seq).where(*where)


def _of_no_status() -> Select[Any]:
    return _files(tables.file.c.status.not_in(list(FileStatus)))


def _failed_without_reason() -> Select[Any]:
    f = tables.file.c
    return _files(f.status == FileStatus.FAILED, f.reason == "")


def _indexed_with_reason() -> Select[Any]:
    f = tables.file.c
    return _files(f.status == FileStatus.SUCCEEDED, f.reason != "")


def _results_of_nothing() -> Select[Any]:
    f, g = tables.file.c, tables.figure.c
    has_figures = exists().where(g.file_id == f.file_id)
    return _files(f.content_hash == "", or_(f.vector.is_not(None), has_figures))


def _figures_of_another_analysis() -> Select[Any]:
    f, g = tables.file.c, tables.figure
    query = select(g.c.dataset_id, g.c.figure_id, g.c.seq, f.vector_seq)
    return query.join_from(g, tables.file, f.file_id == g.c.file_id).where(g.c.seq != f.vector_seq)


def _vector_newer_than_file() -> Select[Any]:
    f = tables.file.c
    return _files(f.vector_seq > f.seq)


def _odd_vectors(table: Table, key: str) -> Select[Any]:
    """Return the query of vectors that are empty, or shorter than others of the dataset.

    All vectors of one dataset are of one model, so they are equally long.
    """
    size: ColumnElement[int] = func.length(table.c.vector)
    usual = (
        select(table.c.dataset_id, func.max(size).label("bytes"))
        .where(table.c.vector.is_not(None))
        .group_by(table.c.dataset_id)
        .subquery()
    )
    return (
        select(table.c.dataset_id, table.c[key], size.label("has"), usual.c.bytes)
        .join_from(table, usual, usual.c.dataset_id == table.c.dataset_id)
        .where(table.c.vector.is_not(None), or_(size == 0, size != usual.c.bytes))
    )


def _waiting() -> Select[Any]:
    return _files(tables.file.c.status == FileStatus.PENDING)


def _impossible_numbers() -> Select[Any]:
    f = tables.file.c
    return _files(or_(f.revision < 1, f.attempts < 0, f.size < 0))


def _file(what: str, query: Any, *, quiescent: bool = False) -> Rule:
    return Rule(
        invariant="I4",
        table=tables.file,
        key=_FILE,
        query=query,
        what=what,
        quiescent=quiescent,
    )


RULES = (
    _file("the status is {status}, which there is not", _of_no_status),
    _file("the file is Failed without a reason", _failed_without_reason),
    _file("the file is Succeeded with a reason to have failed", _indexed_with_reason),
    _file("there are results of a content that is not known", _results_of_nothing),
    _file(
        "the results are of change {vector_seq}, after the file's own {seq}",
        _vector_newer_than_file,
    ),
    _file("a count of the file is negative", _impossible_numbers),
    Rule(
        invariant="I4",
        table=tables.figure,
        key=_FIGURE,
        query=_figures_of_another_analysis,
        what="the figure is of change {seq}, the file's results are of {vector_seq}",
    ),
    Rule(
        invariant="I4",
        table=tables.figure,
        key=_FIGURE,
        query=lambda: _odd_vectors(tables.figure, "figure_id"),
        what="the vector has {has} bytes, others of the dataset {bytes}",
    ),
    Rule(
        invariant="I4",
        table=tables.file,
        key=_FILE,
        query=lambda: _odd_vectors(tables.file, "file_id"),
        what="the vector has {has} bytes, others of the dataset {bytes}",
    ),
    _file("the file waits, though nothing is left to do", _waiting, quiescent=True),
)

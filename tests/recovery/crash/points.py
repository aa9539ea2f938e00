"""All named points of the package, by area, and who dies at them.

``python -m tests.recovery.crash.points`` prints them as a table.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import imm_ray

PACKAGE = Path(imm_ray.__file__).parent

AREAS = {
    "migration": "the schema, step by step and as a whole",
    "generation": "the number of the cluster, raised as it starts",
    "nonce": "a signed request may come once",
    "requests": "the group of requests that one commit makes durable",
    "request": "one request: durable, its doorbell rung, answered",
    "files": "files to index, and deleted files",
    "task": "tasks: made, due, ended, told",
    "edits": "edits by hand",
    "index_request": "a request whose files are indexed: settled, told",
    "lease": "the ownership row: taken, renewed, released",
    "engine": "an owner's memory as it starts",
    "deletes": "deletes that memory follows",
    "results": "results of indexing",
    "attempts": "files that the embedder died with",
    "portion": "every short transaction of an owner",
    "run": "a clustering run: staged, published, swept",
    "search": "a search with faces",
    "purge": "a dataset that is purged",
    "outbox": "messages: read, sent, marked",
    "topic_file": "a message in the file of a topic",
    "expiry": "tasks and nonces that are too old",
    "owner": "a dataset taken, found to fail, given up, left",
    "snapshot": "what an owner keeps of its memory",
    "blob": "a file of a snapshot",
    "duty": "a chore that one process of a cluster does",
}
"""Areas whose points `tests.recovery.test_every_crash_point` dies at."""

ELSEWHERE = {
    "backup": "a backup; `tests.unit.store.test_backup` stops at each",
    "restore": "a restore; `tests.unit.store.test_backup` stops at each",
    "erasure": "an erasure; `tests.recovery.test_erasure` and "
    "`tests.recovery.test_points_elsewhere` stop at each",
    "rebuild": "a memory without a snapshot; `tests.recovery.test_points_elsewhere` stops there",
    "receipt": "a writer at PostgreSQL; `tests.recovery.test_points_elsewhere` stops there",
}
"""Areas whose points other tests die at, and which those are."""


def places() -> Iterator[tuple[str, str]]:
    """Yield the name and the module of each point in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _is_point(node.func) and node.args:
                for name in _names(node.args[0]):
                    yield name, str(path.relative_to(PACKAGE))


def _names(said: ast.expr) -> Iterator[str]:
    """Yield the names that a point may have: one, or one of two."""
    if isinstance(said, ast.IfExp):
        yield from (*_names(said.body), *_names(said.orelse))
    elif isinstance(said, ast.Constant) and isinstance(said.value, str):
        yield said.value


def _is_point(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return called.attr == "reached"
    return isinstance(called, ast.Name) and called.id == "reached"


def table() -> str:
    """Return the points as a table in Markdown."""
    lines = ["| Point | Where | Of |", "| --- | --- | --- |"]
    of = AREAS | ELSEWHERE
    lines += [f"| `{name}` | `{at}` | {of[name.split('.')[0]]} |" for name, at in sorted(places())]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201 - it is a command

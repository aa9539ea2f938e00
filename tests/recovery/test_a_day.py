"""Some simulated hours: what must not grow does not."""

from pathlib import Path

from benchmarks.soak import GROWS, live

EMPTY = ("index_request", "index_request_file", "outbox", "tombstone")
SOME = 3
"""Connections and threads that a service makes when it first needs them."""
BOUNDED = {"dataset": 1, "ownership": 1, "meta": 2, "project": 1}


def test_hours_leave_behind_only_what_is_kept(tmp_path: Path) -> None:
    growth = live(tmp_path, hours=3, step_minutes=30)
    last = growth.hours[-1]
    assert {name: last.rows[name] for name in EMPTY} == dict.fromkeys(EMPTY, 0)
    assert {name: last.rows[name] for name in BOUNDED} == BOUNDED
    assert last.rows["file"] == 72
    assert last.rows["cluster_state"] <= last.rows["cluster"] + last.rows["retired_cluster"]
    assert set(last.rows) >= GROWS
    first = growth.hours[0]
    assert last.rows["nonce"] <= first.rows["nonce"] * 2
    assert last.handles <= first.handles + SOME
    assert last.threads <= first.threads + SOME

from datetime import timedelta

from imm_ray.dataset.measured import EngineMeasures
from imm_ray.measure import CLUSTERING_SECONDS, FILES, INDEXING_SECONDS, RUN_SECONDS
from imm_ray.model import ClusterKind, FileId, Refused
from imm_ray.store.results import PendingFile, Result
from imm_ray.testing import ManualClock, RecordedMeasures

STREAM = (CLUSTERING_SECONDS.name, "figure", "stream")


def refused(clock: ManualClock) -> Result:
    file = PendingFile(
        file_id=FileId("f"),
        uri="oss://b/k",
        revision=1,
        seq=1,
        media_type="",
        attempts=0,
        known=None,
        asked_at=clock(),
    )
    return Result(file, Refused("It is no image."))


def run(measured: EngineMeasures, kind: ClusterKind, *, covers_new: bool) -> None:
    measured.published(kind, {}, None, seconds=0.5, covers_new=covers_new)


def test_a_stream_waits_from_its_oldest_file_to_the_run_that_covers_it() -> None:
    clock, measures = ManualClock(), RecordedMeasures()
    measured = EngineMeasures(measures, clock)
    first = refused(clock)
    clock.advance(timedelta(seconds=1))
    second = refused(clock)
    clock.advance(timedelta(seconds=1))
    measured.committed([second, first])
    run(measured, ClusterKind.SIMILAR, covers_new=True)
    run(measured, ClusterKind.FIGURE, covers_new=False)
    assert STREAM not in measures.values
    clock.advance(timedelta(seconds=3))
    run(measured, ClusterKind.FIGURE, covers_new=True)
    run(measured, ClusterKind.FIGURE, covers_new=True)  # nothing new was waiting for it
    assert measures.values[STREAM] == [5.0]
    assert measures.values[(INDEXING_SECONDS.name,)] == [1.0, 2.0]
    assert measures.totals[(FILES.name, "failed")] == 2
    assert measures.values[(RUN_SECONDS.name, "figure")] == [0.5] * 3


def test_a_clock_that_is_set_back_makes_no_negative_time() -> None:
    clock, measures = ManualClock(), RecordedMeasures()
    late = refused(clock)
    clock.advance(timedelta(hours=-1))
    EngineMeasures(measures, clock).committed([late])
    assert measures.values[(INDEXING_SECONDS.name,)] == [0.0]

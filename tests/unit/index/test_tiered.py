import logging
from concurrent.futures import Executor

import numpy as np
import pytest

from imm_ray.index import tiered
from imm_ray.index.tiered import TieredIndex, TierRules
from imm_ray.index.training import TrainingStopped
from tests.unit.cluster.sample import crowd
from tests.unit.index.executors import AtOnce, OnCall

D = 16
COSINE = 0.6
STORED = crowd(5, count=2000, dimension=D, people=90)
SMALL_STEPS = 2048  # of multiply-adds: some vectors a step


def index_of(
    executor: Executor | None, *, ivf_from: int = 200, least: int = 1, recall: float = 0.97
) -> TieredIndex:
    rules = TierRules(ivf_from=ivf_from, least_probes=least, recall=recall, products=SMALL_STEPS)
    return TieredIndex(D, rules, cosine=COSINE, executor=executor)


def fill(index: TieredIndex, start: int, stop: int) -> None:
    index.add(np.arange(start, stop), STORED[start:stop])


def finish(index: TieredIndex) -> list[str]:
    """Tend until nothing is left; return the tiers it went through."""
    tiers: list[str] = [index.report().tier]
    while index.tend():
        if index.report().tier != tiers[-1]:
            tiers.append(index.report().tier)
    return tiers


def measured(index: TieredIndex, count: int) -> float:
    """The share of near pairs of the first stored vectors that it finds."""
    wide = STORED[:count].astype(np.float32)
    near = wide @ wide.T >= COSINE
    found = index.within(STORED[:count], COSINE)
    return float((len(found) - count) / (near.sum() - count))


def test_it_stays_flat_while_it_is_small() -> None:
    index = index_of(OnCall())
    fill(index, 0, 200)
    assert not index.tend()
    assert index.report().tier == "flat"
    assert index.report().recall is None


def test_it_goes_through_its_tiers_and_reports_the_recall_that_it_has() -> None:
    executor = OnCall()
    index = index_of(executor)
    fill(index, 0, 400)
    while index.tend():
        assert index.report().tier == "flat"
    assert not index.tend()
    assert executor.work() == 1
    assert finish(index) == ["flat", "flat+ivf", "ivf"]
    assert not index.tend()
    report = index.report()
    assert (report.count, report.moved, report.lists) == (400, 400, 50)
    assert 0.97 <= (report.recall or 0) == pytest.approx(measured(index, 400), abs=1e-12)
    assert report.probes <= report.lists // 4


@pytest.mark.parametrize(("recall", "probes"), [(0.5, 2), (1.0, 12)])
def test_it_probes_as_the_recall_demands_up_to_a_quarter(recall: float, probes: int) -> None:
    index = index_of(AtOnce(), recall=recall)
    fill(index, 0, 400)
    finish(index)
    report = index.report()
    assert report.probes <= probes
    assert report.recall == pytest.approx(measured(index, 400), abs=1e-12)
    assert probes == 12 or (report.recall or 0) >= recall


def test_adds_during_a_move_do_not_go_where_vectors_leave() -> None:
    index = index_of(AtOnce(), least=10**6)
    fill(index, 0, 400)
    while index.report().tier == "flat":
        index.tend()
    fill(index, 400, 450)
    steps = 0
    while index.report().tier == "flat+ivf":
        index.tend()
        steps += 1
    assert index.report().moved == 400
    assert steps > 100
    assert index.vectors(np.arange(450)).tobytes() == STORED[:450].tobytes()


def test_what_leaves_while_the_sample_is_taken_or_trained_on_is_gone() -> None:
    executor = OnCall()
    index = index_of(executor, least=10**6)
    fill(index, 0, 400)
    index.tend()
    index.remove(np.arange(0, 100))
    while index.tend():
        pass
    index.remove(np.arange(100, 200))
    executor.work()
    while index.report().moved < 50:
        index.tend()
    index.remove(np.arange(200, 300))
    finish(index)
    assert len(index) == index.report().count == 100
    assert np.unique(index.within(STORED[:400], -1.5).slots).tolist() == list(range(300, 400))


def test_lists_that_are_outgrown_are_made_anew() -> None:
    index = index_of(AtOnce(), least=10**6)
    fill(index, 0, 300)
    finish(index)
    assert index.report().lists == 37
    fill(index, 300, 600)
    assert finish(index) == ["ivf"]
    assert index.report().lists == 37
    fill(index, 600, 601)
    finish(index)
    report = index.report()
    assert (report.tier, report.lists, report.moved) == ("ivf", 75, 300 + 601)
    assert measured(index, 601) == 1
    assert index.vectors(np.arange(601)).tobytes() == STORED[:601].tobytes()


def test_recall_is_measured_again_when_the_vectors_have_doubled() -> None:
    index = index_of(AtOnce(), recall=0.5)
    fill(index, 0, 400)
    finish(index)
    before = index.report().recall
    fill(index, 400, 799)
    assert not index.tend()
    assert index.report().recall == before
    fill(index, 799, 800)
    assert finish(index) == ["ivf"]
    assert index.report().recall != before


def test_without_near_pairs_there_is_no_recall() -> None:
    rules = TierRules(ivf_from=8)
    index = TieredIndex(D, rules, cosine=0.5, executor=AtOnce())
    index.add(np.arange(D), np.eye(D, dtype=np.float16))
    finish(index)
    assert index.report().tier == "ivf"
    assert index.report().recall is None


def test_a_failed_training_is_told_and_tried_again_after_a_tenth(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room for centroids")

    index = index_of(AtOnce())
    fill(index, 0, 400)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(tiered, "train", fail)
        finish(index)
    assert "tried again from 441 vectors: no room for centroids" in caplog.text
    fill(index, 400, 440)
    assert finish(index) == ["flat"]
    assert len(index.within(STORED[:440], -1.5)) == 440 * 440
    fill(index, 440, 441)
    assert finish(index)[-1] == "ivf"


def test_closing_stops_a_training() -> None:
    executor = OnCall()
    index = index_of(executor)
    fill(index, 0, 400)
    while index.tend():
        pass
    index.close()
    executor.work()
    assert isinstance(executor.outcomes[0].exception(), TrainingStopped)


def test_it_trains_on_a_thread_of_its_own_and_closes_in_the_middle_of_it() -> None:
    index = index_of(None)
    fill(index, 0, 400)
    while index.tend():
        pass
    index.close()


def test_a_thread_ends_its_training_by_itself() -> None:
    index = index_of(None)
    fill(index, 0, 400)
    while index.report().tier != "ivf":
        index.tend()
    index.close()


def test_the_same_calls_give_the_same_answers() -> None:
    answers = []
    for _ in range(2):
        index = index_of(AtOnce(), recall=0.5)
        for start in range(0, 600, 60):
            fill(index, start, start + 60)
            index.tend()
        index.remove(np.arange(0, 600, 7))
        finish(index)
        found = index.within(STORED[:600], COSINE)
        answers.append((found.slots.tobytes(), found.cosines.tobytes(), index.report()))
    assert answers[0] == answers[1]

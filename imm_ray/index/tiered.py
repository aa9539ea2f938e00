"""The default index: flat while it is small, inverted lists once it is large."""

import logging
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Candidates, Slots, Wide, check_new, check_stored, checked
from imm_ray.index.flat import FaissFlatIndex
from imm_ray.index.ivf import IvfIndex
from imm_ray.index.kernels import PAGE
from imm_ray.index.places import NOWHERE
from imm_ray.index.recall import RecallCurve
from imm_ray.index.report import IndexReport
from imm_ray.index.training import SAMPLE_PER_LIST, Trained, lists_for, train
from imm_ray.model import Vectors
from imm_ray.model.image import Image

_log = logging.getLogger(__name__)

_OUTGROWN = 2  # times the vectors that the lists were trained for
_MEASURE_AGAIN = 2  # times the vectors at the last measurement
_QUERIES = 512
_RANKED_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRules:
    """When and how a `TieredIndex` changes tier."""

    ivf_from: int = 300_000
    """It leaves the flat tier with more vectors than this."""
    recall: float = 0.95
    """The share of near pairs that the lists shall find."""
    least_probes: int = 8
    most_probes: float = 0.25
    """The share of lists probed at most; beyond it a flat search costs as much."""
    products: int = 2**30
    """Multiply-adds of one step of a change: some 50 ms of one core."""


class TieredIndex:
    """A flat index that turns into inverted lists as it grows, while it is used.

    Notes
    -----
    Invariant: each vector is in exactly one part. There is one part, but for the time of a change,
    when vectors move from the old part to the new one in `tend`; all calls go on meanwhile, adds go
    to the new part, searches ask both. Memory that vectors leave is freed as they leave, so a
    change needs little more than one copy, and one bounded sample in fp16.

    1. `tend` copies out a sample, and a thread finds centroids on it (on the copy alone).
    2. `tend` moves the vectors, portion by portion.
    3. `tend` measures recall on the stored vectors and sets the number of probes; again whenever
       they have doubled. Until then the number comes from the sample.

    Lists that hold twice what they were trained for are replaced in the same way. A training
    that fails is logged, changes nothing, and is tried again when the index has grown by a tenth.

    The same calls give the same answers; only the moment when a training is done is the thread's.
    """

    def __init__(
        self,
        dimension: int,
        rules: TierRules,
        *,
        cosine: float,
        threads: int = 1,
        executor: Executor | None = None,
    ) -> None:
        self.dimension = dimension
        self._rules = rules
        self._cosine = cosine
        self._threads = threads
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="index-training")
        self._stop = Event()
        self._parts: list[FaissFlatIndex | IvfIndex] = [FaissFlatIndex(dimension, threads=threads)]
        self._work: Iterator[bool] | None = None
        self._train_from = rules.ivf_from + 1
        self._measure_from = 0
        self._recall: float | None = None
        self._known = np.empty(0, np.int32)
        """The list of each slot in the state that was restored."""
        self._moved = 0

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def add(self, slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` under ``slots``, none of which may be stored."""
        checked(vectors, self.dimension)
        check_new(slots, vectors, self._holds)
        self._parts[0].add(slots, vectors)

    def remove(self, slots: Slots) -> None:
        """Forget ``slots``, all of which must be stored."""
        check_stored(slots, self._holds)
        for part in self._parts:
            part.remove(slots[part.holds(slots)])

    def vectors(self, slots: Slots) -> Vectors:
        """Return the stored vectors of ``slots``, bit by bit as they were added."""
        if len(self._parts) == 1:
            return self._parts[0].vectors(slots)
        return self.wide(slots).astype(np.float16)

    def wide(self, slots: Slots) -> Wide:
        """Return the stored vectors of ``slots`` as float32."""
        if len(self._parts) == 1:
            return self._parts[0].wide(slots)
        check_stored(slots, self._holds)
        wide = np.empty((len(slots), self.dimension), np.float32)
        for part in self._parts:
            here = part.holds(slots)
            wide[here] = part.wide(slots[here])
        return wide

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item at ``cosine`` or nearer to each query, by query row and slot.

        In inverted lists some are missed: see `report`.
        """
        found = [part.within(vectors, cosine) for part in self._parts]
        return found[0] if len(found) == 1 else Candidates.join(found).by_slot()

    def nearest(self, vectors: Vectors, k: int) -> Candidates:
        """Return the ``k`` (or all, if fewer) nearest items of each query, the nearest first."""
        found = [part.nearest(vectors, k) for part in self._parts]
        return found[0] if len(found) == 1 else Candidates.join(found).best(k)

    def state(self, size: int) -> Image:
        """Return the lists, if there are any, and which of the slots below ``size`` is in which.

        What a change under way has not moved yet is in none.
        """
        newest = self._parts[0]
        if not isinstance(newest, IvfIndex):
            return Image()
        lists = np.full(size, NOWHERE, np.int32)
        slots = newest.slots()
        lists[slots] = newest.lists_of(slots)
        return Image(
            {"list": lists},
            {
                "centroids": newest.centroids,
                "probes": np.array([newest.probes]),
                "due": np.array([self._train_from, self._measure_from]),
                "recall": np.array([np.nan if self._recall is None else self._recall]),
            },
        )

    def restore(self, image: Image) -> None:
        """Forget everything, and take over a `state`; `add_restored` brings the vectors back."""
        for part in self._parts:
            part.close()
        self._work = None
        self._recall, self._known = None, image.columns.get("list", np.empty(0, np.int32))
        self._train_from, self._measure_from = self._rules.ivf_from + 1, 0
        self._parts = [FaissFlatIndex(self.dimension, threads=self._threads)]
        if "centroids" in image.facts:
            probes = int(image.facts["probes"][0])
            centroids = image.facts["centroids"]
            self._parts = [IvfIndex(centroids, probes=probes, threads=self._threads)]
            self._train_from, self._measure_from = image.facts["due"].tolist()
            recall = float(image.facts["recall"][0])
            self._recall = None if np.isnan(recall) else recall

    def add_restored(self, slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` in the lists that they were in: comparing centroids takes minutes."""
        newest = self._parts[0]
        if not isinstance(newest, IvfIndex):
            self.add(slots, vectors)
            return
        lists = self._known[slots].astype(np.int64)
        known = lists != NOWHERE
        newest.add_to(lists[known], slots[known], vectors[known])
        self.add(slots[~known], vectors[~known])

    def tend(self) -> bool:
        """Do one step of a change that is due; return whether more can be done now."""
        if self._work is None:
            self._work = self._due()
        if self._work is None:
            return False
        more = next(self._work, None)
        if more is None:
            self._work = None
            return self._due() is not None
        return more

    def report(self) -> IndexReport:
        """Return the tier, its size, and what its lists find."""
        newest = self._parts[0]
        changing = self._work is not None or self._due() is not None
        if isinstance(newest, FaissFlatIndex):
            return IndexReport(tier="flat", count=len(self), moved=self._moved, changing=changing)
        leaves_flat = isinstance(self._parts[-1], FaissFlatIndex)
        lists = newest.report()
        return IndexReport(
            tier="flat+ivf" if leaves_flat else "ivf",
            count=len(self),
            lists=lists.lists,
            probes=lists.probes,
            recall=self._recall,
            moved=self._moved,
            changing=changing,
        )

    def close(self) -> None:
        """Stop a training, wait the moment that takes, and free the memory."""
        self._stop.set()
        self._work = None
        self._executor.shutdown(wait=True, cancel_futures=True)
        for part in self._parts:
            part.close()

    def _holds(self, slots: Slots) -> NDArray[np.bool_]:
        held = self._parts[0].holds(slots)
        for part in self._parts[1:]:
            held |= part.holds(slots)
        return held

    def _due(self) -> Iterator[bool] | None:
        newest = self._parts[0]
        if isinstance(newest, IvfIndex) and len(self._parts) > 1:
            return self._move(self._parts[-1], newest)
        if len(self) >= self._train_from:
            return self._train(self._parts[0])
        if isinstance(newest, IvfIndex) and len(self) >= self._measure_from and len(self):
            return self._measure(newest)
        return None

    def _train(self, old: FaissFlatIndex | IvfIndex) -> Iterator[bool]:
        """Put new, empty lists before the old part, with True while the engine can go on."""
        count = len(self)
        lists = lists_for(count)
        chosen = _sample(old.slots(), SAMPLE_PER_LIST * lists)
        sample: Vectors = np.empty((len(chosen), self.dimension), np.float16)
        size = 0
        step = max(1, self._rules.products // (128 * self.dimension))
        for start in range(0, len(chosen), step):
            some = chosen[start : start + step]
            some = some[old.holds(some)]
            sample[size : size + len(some)] = old.vectors(some)
            size += len(some)
            yield True
        training = self._executor.submit(
            train, sample[:size], lists, cosine=self._cosine, stop=self._stop, threads=1
        )
        del sample
        _log.info("index training count=%d lists=%d sample=%d", count, lists, size)
        while not training.done():
            yield False
        self._adopt(training, count)

    def _adopt(self, training: "Future[Trained]", count: int) -> None:
        if (error := training.exception()) is not None:
            self._train_from = len(self) + len(self) // 10 + 1
            _log.error(
                "index training failed and is tried again from %d vectors: %s",
                self._train_from,
                error,
                exc_info=error,
            )
            return
        trained = training.result()
        new = IvfIndex(trained.centroids, probes=1, threads=self._threads)
        new.probes = self._probes(trained.curve, new.lists)
        self._parts.insert(0, new)
        self._train_from = _OUTGROWN * count + 1
        self._measure_from = 0
        self._recall = None

    def _move(self, old: FaissFlatIndex | IvfIndex, new: IvfIndex) -> Iterator[bool]:
        """Move everything from ``old`` to ``new``, and forget ``old``."""
        step = max(1, self._rules.products // (new.lists * self.dimension))
        while len(old):
            slots = old.tail(step)
            new.add(slots, old.vectors(slots))
            old.remove(slots)
            self._moved += len(slots)
            yield True
        self._parts.remove(old)
        old.close()
        _log.info("index moved count=%d lists=%d probes=%d", len(self), new.lists, new.probes)

    def _measure(self, lists: IvfIndex) -> Iterator[bool]:
        """Measure recall over a sample of stored vectors, and set the number of probes by it."""
        own = _sample(lists.slots(), _QUERIES)
        queries = lists.wide(own)
        ranks = []
        for start in range(0, len(own), _RANKED_AT_ONCE):
            ranks.append(lists.ranks(queries[start : start + _RANKED_AT_ONCE]))
            yield True
        curve = RecallCurve(
            queries, own, np.concatenate(ranks), cosine=self._cosine, threads=self._threads
        )
        step = max(1, self._rules.products // (len(own) * self.dimension * PAGE))
        first = 0
        while first < lists.pages:
            slots, in_lists, wide = lists.portion(first, step)
            curve.count(wide, slots, in_lists)
            first += step
            yield True
        lists.probes = self._probes(curve, lists.lists)
        self._recall = curve.recall(lists.probes)
        self._measure_from = _MEASURE_AGAIN * len(self)
        reached = self._recall is None or self._recall >= self._rules.recall
        _log.log(
            logging.INFO if reached else logging.WARNING,
            "index measured count=%d probes=%d recall=%s wanted=%s",
            len(self),
            lists.probes,
            self._recall,
            self._rules.recall,
        )

    def _probes(self, curve: RecallCurve, lists: int) -> int:
        most = max(self._rules.least_probes, int(lists * self._rules.most_probes))
        return min(
            lists, curve.probes(self._rules.recall, least=self._rules.least_probes, most=most)
        )


def _sample(slots: Slots, count: int) -> Slots:
    """Return a seeded choice of ``count`` (or all, if fewer) of ``slots``, in order."""
    random = np.random.default_rng(len(slots))
    chosen = random.choice(len(slots), min(count, len(slots)), replace=False)
    return slots[np.sort(chosen)]

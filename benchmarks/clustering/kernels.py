"""Compiled loops of the peers that look at one item after the other."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.clustering.graph import Cosines, Rows

_Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def whisper(starts: Rows, targets: Rows, weights: Cosines, order: _Ints, rounds: int) -> _Ints:
    """Return the label of each node after ``rounds``, or sooner if no label changes any more.

    One after the other in ``order``, each node takes the label with the greatest weight among its
    neighbours; ties go to the smaller label.
    """
    labels = np.arange(len(order))
    weight = np.zeros(len(order))
    for _ in range(rounds):
        changed = False
        for node in order:
            near = range(starts[node], starts[node + 1])
            for e in near:
                weight[labels[targets[e]]] += weights[e]
            best, most = labels[node], 0.0
            for e in near:
                label = labels[targets[e]]
                if weight[label] > most or (weight[label] == most and label < best):
                    best, most = label, weight[label]
            for e in near:
                weight[labels[targets[e]]] = 0.0
            changed |= best != labels[node]
            labels[node] = best
        if not changed:
            break
    return labels


@njit(cache=True, nogil=True)
def recognise(
    neighbours: Rows, cosines: Cosines, order: _Ints, least: float, min_faces: int
) -> _Ints:
    """Return the person of each face, named by its founder; -1 for none.

    Faces come in ``order``. One with ``min_faces`` within reach, itself included, is a core: it
    joins the person of the nearest face that has one, or founds one. The others wait until all
    have come, and then join the same way, but found nothing.
    """
    person = np.full(len(order), -1)
    for deferred in (False, True):
        for face in order:
            reach = 0
            while reach < neighbours.shape[1] and cosines[face, reach] >= least:
                reach += 1
            core = reach + 1 >= min_faces
            if core == deferred:
                continue
            for place in range(reach):
                if person[neighbours[face, place]] >= 0:
                    person[face] = person[neighbours[face, place]]
                    break
            if core and person[face] < 0:
                person[face] = face
    return person

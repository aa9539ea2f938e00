"""What must not enter the index, and which results of a run are implausible."""

import numpy as np

from imm_ray.model import Indexed, Outcome, Refused, Vector

_LEAST_SPREAD = 1e-4
"""Components of a unit vector that differ by less are all the same: rounding to fp16 is coarser."""


class ImplausibleRun(Exception):
    """A run was stopped before it became visible; the text says why and what to do."""


def usable(outcome: Outcome) -> Outcome:
    """Return an outcome; one with a vector that is like nothing, or like everything, is refused.

    A model that ran out of memory or into a fault answers with zeros, NaN or one constant. Such
    vectors are all alike: they would become one giant person.
    """
    if not isinstance(outcome, Indexed) or outcome.analysis is None:
        return outcome
    analysis = outcome.analysis
    vectors = [face.vector for face in analysis.faces]
    vectors += [] if analysis.vector is None else [analysis.vector]
    for vector in vectors:
        if reason := _fault(vector):
            return Refused(
                f"The model gave a vector that {reason}: it may have run out of memory. "
                "Index the file again when it is well.",
            )
    return outcome


def _fault(vector: Vector) -> str:
    wide = vector.astype(np.float64)
    if not np.isfinite(wide).all():
        return "is not finite"
    length = float(np.linalg.norm(wide))
    if length == 0:
        return "is zero"
    if len(wide) > 1 and np.ptp(wide) < _LEAST_SPREAD:
        return "is constant"
    if abs(length - 1) > 0.01:
        return f"has length {length:.3f} and not 1"
    return ""

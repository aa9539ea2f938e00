"""Times and scores as they are written, for any value."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from imm_ray.api.render import figure_body, rfc3339
from imm_ray.model import Box, ClusterId, Figure, FigureId, FileId, HeadPose

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
TIMES = st.builds(
    lambda microseconds, zone: (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone),
    st.integers(-60_000_000 * 10**9, 250_000_000 * 10**9),
    ZONES,
)
"""From the year 68 to the year 9892."""
FIGURE = Figure(
    figure_id=FigureId("f"),
    file_id=FileId("file"),
    box=Box(1, 2, 3, 4),
    confidence=0.5,
    quality=0.5,
    sharpness=0.5,
    head_pose=HeadPose(0.0, 0.0, 0.0),
    cluster_id=ClusterId("c"),
    cluster_confidence=0.5,
)


@given(TIMES)
def test_a_time_is_written_in_utc_without_trailing_zeros(time: datetime) -> None:
    text = rfc3339(time)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    assert len(whole) == len("2026-01-02T03:04:05")
    assert not fraction.endswith("0")
    assert text.endswith("Z")
    assert datetime.fromisoformat(f"{whole}.{fraction:0<6}+00:00") == time


@given(st.floats())
def test_a_score_is_between_0_and_1_or_left_out(score: float) -> None:
    body = figure_body(replace(FIGURE, quality=score))
    if math.isfinite(score):
        assert body["FaceQuality"] == round(min(max(score, 0.0), 1.0), 6)
    else:
        assert "FaceQuality" not in body

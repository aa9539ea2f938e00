"""Times and scores as they are written, for any value."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from imm_ray.api.render import figure_body, rfc3339
from imm_ray.model import Box, ClusterId, Figure, FigureId, FileId, HeadPose

ZONES = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
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


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES))
def test_a_time_is_written_in_utc_without_trailing_zeros(time: datetime) -> None:
    text = rfc3339(time)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    assert len(whole) == len("2026-01-02T03:04:05")
    assert not fraction.endswith("0")
    assert text.endswith("Z")
    read = datetime.strptime(f"{whole}.{fraction or '0'}", "%Y-%m-%dT%H:%M:%S.%f")
    assert read.replace(tzinfo=UTC) == time


@given(st.floats())
def test_a_score_is_between_0_and_1_or_left_out(score: float) -> None:
    body = figure_body(replace(FIGURE, quality=score))
    if math.isfinite(score):
        assert body["FaceQuality"] == round(min(max(score, 0.0), 1.0), 6)
    else:
        assert "FaceQuality" not in body

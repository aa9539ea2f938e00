import pytest

from tests.unit.cluster.sample import figure_limits


def test_the_limit_for_one_photo_can_not_be_below_the_threshold() -> None:
    figure_limits(threshold=0.5, same_photo=0.5)
    with pytest.raises(ValueError, match=r"same_photo \d+ is below the threshold \d+"):
        figure_limits(threshold=0.5, same_photo=0.4)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_share_is_more_than_nothing_and_at_most_all(share: float) -> None:
    figure_limits(strong_share=1.0)
    with pytest.raises(ValueError, match="is no share of 0"):
        figure_limits(strong_share=share)

from __future__ import annotations

import numpy as np
import pytest

from robbench.plots.levels import dress, places, with_gap
from robbench.plots.style import new_figure

PUBLISHED = [level / 255 for level in (0.1, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 255)]


def labels(levels: list[float], width: float, *, zero: bool = True) -> list[str]:
    ax = new_figure(width, 2).subplots()
    dress(ax, levels, width, zero=zero)
    return [text.get_text() for text in ax.get_xticklabels()]


def test_eps_stands_at_its_root_in_order_and_eps_1_apart() -> None:
    at = places([0.0, *PUBLISHED])
    np.testing.assert_allclose(at[:-1], np.sqrt([0, 0.1, 0.5, 1, 2, 3, 4, 5, 6, 7, 8]))
    assert (np.diff(at) > 0).all()
    assert at[-1] - at[-2] > np.diff(at[:-1]).max()
    assert at[-1] < np.sqrt(255) / 4
    assert places([0.0, 1.0]).tolist() == [0, 1]


@pytest.mark.parametrize("width", [1.1, 1.4, 2.6, 6.0])
def test_at_any_width_the_least_and_the_greatest_eps_are_read_and_255(width: float) -> None:
    shown = labels(PUBLISHED, width, zero=False)
    assert {shown[0], shown[-2], shown[-1]} == {"0.1", "8", "255"}
    assert len(shown) == len(PUBLISHED)


def test_with_room_every_level_is_labelled_from_0_on() -> None:
    assert labels(PUBLISHED, 6.0) == ["0", "0.1", "0.5", "1", "2", "3", "4", "5", "6", "7", "8", "255"]
    assert labels([1 / 255], 2.0) == ["0", "1"]
    assert labels([1.0], 2.0) == ["0", "255"]


def test_no_line_leads_to_eps_1() -> None:
    at, values = with_gap([0.0, 1 / 255, 1.0], np.array([0.9, 0.5, 0.1]))
    np.testing.assert_array_equal(values, [0.9, 0.5, np.nan, 0.1])
    assert len(at) == 4
    at, values = with_gap([0.0, 1 / 255], np.array([0.9, 0.5]))
    assert (len(at), values.tolist()) == (2, [0.9, 0.5])


def test_the_axis_is_broken_before_eps_1_alone() -> None:
    for levels, broken in ((PUBLISHED, True), (PUBLISHED[:-1], False), ([1.0], False)):
        ax = new_figure(3, 2).subplots()
        dress(ax, levels, 2.5)
        assert ("//" in [text.get_text() for text in ax.texts]) == broken
        low, high = ax.get_xlim()
        assert low < 0 < places(levels).max() < high

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robbench import UnknownMetric
from robbench.analysis import ceiling_of, rank_correlation
from robbench.arguments import checked_seed
from robbench.surrogates.splits import SPLITS, split


def test_a_seed_is_a_plain_integer() -> None:
    seeds: tuple[Any, ...] = (0, 7, np.int64(7), np.uint8(7), 2**100)
    for seed in seeds:
        assert checked_seed(seed) == seed
        assert type(checked_seed(seed)) is int


@pytest.mark.parametrize("seed", [-1, 0.5, True, "0", None, [0]])
def test_what_is_no_seed_is_refused_wherever_something_is_drawn(seed: Any) -> None:
    groups = np.arange(10)
    for kind in SPLITS:
        with pytest.raises(UnknownMetric, match="is not a seed; expected an integer of at least 0"):
            split(kind, groups, seed=seed)
    with pytest.raises(UnknownMetric, match="is not a seed"):
        rank_correlation(np.arange(10.0), np.arange(10.0), groups, resamples=2, seed=seed)
    with pytest.raises(UnknownMetric, match="is not a seed"):
        ceiling_of(np.arange(10.0), groups // 2, seed=seed)


def test_the_name_of_a_seed_is_in_the_message() -> None:
    with pytest.raises(UnknownMetric, match=r"^noise_seed=-1 is not a seed; expected an integer of at least 0\.$"):
        checked_seed(-1, "noise_seed")

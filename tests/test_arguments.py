from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from robbench import InvalidArgument, RobBench
from robbench.analysis import ceiling_of, correlations, pareto_front, rank_correlation
from robbench.arguments import checked_count, checked_seed, options_checked
from robbench.search.repeated import repeat
from robbench.surrogates import fit
from robbench.surrogates.splits import SPLITS, Twins, split


def test_a_seed_is_a_plain_integer() -> None:
    seeds: tuple[Any, ...] = (0, 7, np.int64(7), np.uint8(7), 2**100)
    for seed in seeds:
        assert checked_seed(seed) == seed
        assert type(checked_seed(seed)) is int


@pytest.mark.parametrize("seed", [-1, 0.5, True, "0", None, [0]])
def test_what_is_no_seed_is_refused_wherever_something_is_drawn(seed: Any) -> None:
    groups = np.arange(10)
    twins = Twins(groups, np.zeros(10, bool), np.zeros(10, bool))
    for kind in SPLITS:
        with pytest.raises(InvalidArgument, match="is not a seed; expected an integer of at least 0"):
            split(kind, twins, seed=seed)
    with pytest.raises(InvalidArgument, match="is not a seed"):
        rank_correlation(np.arange(10.0), np.arange(10.0), groups, resamples=2, seed=seed)
    with pytest.raises(InvalidArgument, match="is not a seed"):
        ceiling_of(np.arange(10.0), groups // 2, seed=seed)


def test_a_seed_may_be_too_large_for_a_library() -> None:
    assert checked_seed(2**32 - 1, bits=32) == 2**32 - 1
    with pytest.raises(InvalidArgument, match=r"^seed=4294967296 is not a seed here; expected an integer of at least 0 and below 2\^32\.$"):
        checked_seed(2**32, bits=32)


def test_the_name_of_a_seed_is_in_the_message() -> None:
    with pytest.raises(InvalidArgument, match=r"^noise_seed=-1 is not a seed; expected an integer of at least 0\.$"):
        checked_seed(-1, "noise_seed")


COUNTS: tuple[Any, ...] = (1, np.int64(7))


@pytest.mark.parametrize("count", [0, -1, 0.5, True, "3", None])
def test_a_count_that_is_none_is_refused(count: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"runs=.* is not a number of runs; expected an integer of at least 1\.$"):
        checked_count(count, "runs")
    assert [type(checked_count(one, "runs")) for one in COUNTS] == [int, int]


def test_a_misspelt_option_is_an_error_of_ours_that_names_the_nearest() -> None:
    @options_checked
    def drawn(width: float, *, dataset: str = "", eps: float = 0.0) -> float:
        return width

    assert drawn(3.0, dataset="cifar10") == 3.0
    with pytest.raises(
        InvalidArgument, match=r"^drawn has no option 'dataste'\. Did you mean 'dataset'\? Its options: width, dataset, eps\.$"
    ):
        drawn(3.0, dataste="cifar10")  # type: ignore[call-arg]


ARCH = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|"


@pytest.mark.parametrize(
    "ask",
    [
        lambda bench: bench.query(ARCH, "clean", dataste="digits"),
        lambda bench: bench.query_many([ARCH], "clean", dataste="digits"),
        lambda bench: bench.explain(ARCH, "clean", dataste="digits"),
        lambda bench: bench.curve(ARCH, "pgd", dataste="digits"),
        lambda bench: bench.table(dataste="digits"),
        lambda bench: bench.top("clean", dataste="digits"),
        lambda bench: bench.oracle("clean", dataste="digits"),
        lambda bench: bench.predict(ARCH, "clean", dataste="digits"),
        lambda bench: bench.predict_many([ARCH], "clean", dataste="digits"),
        lambda bench: bench.to_xy("clean", dataste="digits"),
        lambda bench: RobBench(dataste="digits"),  # type: ignore[call-arg]
        lambda bench: fit(bench, "clean", dataste="digits"),  # type: ignore[call-arg]
        lambda bench: correlations(bench, "clean", "synflow", dataste="digits"),  # type: ignore[call-arg]
        lambda bench: pareto_front(bench, ["clean", "pgd@16/255"], dataste="digits"),  # type: ignore[call-arg]
        lambda bench: list(repeat("random", bench, "clean", budget=1, runs=1, dataste="digits")),  # type: ignore[call-arg]
    ],
)
def test_a_misspelt_option_is_refused_wherever_options_are_taken(ask: Callable[[RobBench], Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"has no option 'dataste'\. Did you mean 'dataset'"):
        ask(RobBench())

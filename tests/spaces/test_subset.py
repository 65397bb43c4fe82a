"""The architectures a search may visit: what is drawn, what is next to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from robbench import InvalidArgument, RobBench
from robbench.spaces import Subset
from robbench.spaces.nb201 import NB201, cells
from robbench.spaces.nb201.identity import class_partition
from tests.synthetic import UNMEASURED
from tests.toy_space import TOY, Chain, ToySpace

ALL = list(cells())
CONSTANT = ALL[0]
FEW = Subset(NB201, ALL[3::10])


def test_samples_are_uniform_and_the_generators() -> None:
    space = Subset(NB201, ALL[:5])
    rng, same = np.random.default_rng(0), np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(5000)]
    assert drawn == [space.sample(same) for _ in range(5000)]
    assert all(900 < count < 1100 for count in Counter(drawn).values())
    assert len(set(drawn)) == 5


def test_mutants_are_neighbours_each_as_likely() -> None:
    space, rng = NB201, np.random.default_rng(0)
    counts = Counter(space.mutate(ALL[9000], rng) for _ in range(4800))
    assert set(counts) == set(NB201.neighbors(ALL[9000]))
    assert all(130 < count < 270 for count in counts.values())


def test_children_have_each_edge_from_a_parent() -> None:
    space, rng = NB201, np.random.default_rng(0)
    one, other = ALL[1234], ALL[14321]
    children = {space.crossover(one, other, rng) for _ in range(2000)}
    assert all(child.ops[edge] in (one.ops[edge], other.ops[edge]) for child in children for edge in range(6))
    assert len(children) == 2 ** NB201.distance(one, other)


def test_each_operation_changes_as_often_as_the_rate_says() -> None:
    space, rng = NB201, np.random.default_rng(0)
    mutants = [space.mutate_each(ALL[9000], rng, 0.25) for _ in range(4800)]
    changed = np.array([[one != was for one, was in zip(mutant.ops, ALL[9000].ops, strict=True)] for mutant in mutants])
    assert np.allclose(changed.mean(axis=0), 0.25, atol=0.03)
    assert (~changed.any(axis=1)).mean() == pytest.approx(0.75**6, abs=0.03)
    others = Counter(mutant.ops[2] for mutant in mutants if mutant.ops[2] != ALL[9000].ops[2])
    assert len(others) == 4
    assert all(220 < count < 380 for count in others.values())


def test_what_an_oracle_answers_is_a_space(bench: RobBench) -> None:
    answered = bench.oracle("clean").subset()
    group = class_partition().group
    missing = {cell for cell, one in zip(ALL, group, strict=True) if one == UNMEASURED}
    assert set(ALL) - set(answered.members) == missing
    assert missing


class Unlisted(ToySpace):
    """The toy space, which does not say how many it is of."""

    name = "unlisted"
    members: Any = None


def test_in_a_space_too_large_to_list_moves_are_drawn_among_the_subset_with_the_same_probabilities() -> None:
    """A second witness: the whole space's own draws, of which those outside the subset are thrown away."""
    few = [TOY.members[place] for place in (0, 1, 4, 6, 11)]
    listed, unlisted, rng = Subset(TOY, few), Subset(Unlisted(), few), np.random.default_rng(0)
    draws: tuple[Callable[[Subset[Chain]], Chain], ...] = (
        lambda subset: subset.mutate_each(few[0], rng, 0.4),
        lambda subset: subset.crossover(few[0], few[4], rng),
        lambda subset: subset.sample_each([np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.4]), np.array([0.1, 0.9])], rng),
    )
    for draw in draws:
        shares = [[sum(draw(subset) == arch for _ in range(1000)) / 1000 for arch in few] for subset in (listed, unlisted)]
        np.testing.assert_allclose(shares[1], shares[0], atol=0.06)
    thrown, shares = (
        [
            arch
            for arch in (TOY.sample_each([np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.4]), np.array([0.1, 0.9])], rng) for _ in range(3000))
            if arch in few
        ],
        shares,
    )
    np.testing.assert_allclose(shares[0], [thrown.count(arch) / len(thrown) for arch in few], atol=0.06)
    with pytest.raises(InvalidArgument, match="expected parents that are"):
        Subset(Unlisted(), few[:1]).crossover(TOY.members[7], TOY.members[10], rng)

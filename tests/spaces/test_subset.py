"""The architectures a search may visit: what is drawn, what is next to what."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import InvalidArgument
from robbench.spaces import Subset
from robbench.spaces.nb201 import NB201, SIZE, Cell, cells
from robbench.spaces.nb201.identity import class_partition
from tests.synthetic import UNMEASURED

ALL = list(cells())
CONSTANT = ALL[0]
FEW = Subset(NB201, ALL[3::10])


def test_all_of_it_is_the_default() -> None:
    space = Subset(NB201)
    assert space.members == NB201.members == tuple(ALL)
    assert (len(space), space.radius, NB201.size) == (SIZE, 1, SIZE)
    assert space.neighbors(ALL[777]) == NB201.neighbors(ALL[777])
    assert Cell(ALL[5].ops) in space


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


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan")])
def test_a_rate_that_is_no_probability_is_refused(rate: float) -> None:
    with pytest.raises(InvalidArgument, match=r"rate=\S+ is not how often a variable changes; expected a number between 0 and 1"):
        FEW.mutate_each(FEW.members[0], np.random.default_rng(0), rate)


def test_no_step_leaves_the_space() -> None:
    rng = np.random.default_rng(0)
    cell = FEW.sample(rng)
    for _ in range(300):
        other = FEW.sample(rng)
        steps = {FEW.mutate(cell, rng), FEW.mutate_each(cell, rng, 0.5), FEW.crossover(cell, other, rng), *FEW.neighbors(cell)}
        assert {cell, other, *steps} <= set(FEW.members)
        cell = FEW.mutate(cell, rng)


def test_every_cell_can_be_reached_within_the_radius_and_not_within_less() -> None:
    def reached(space: Subset[Any]) -> int:
        seen, left = {space.members[0]}, [space.members[0]]
        while left:
            new = set(space.neighbors(left.pop())) - seen
            seen |= new
            left += new
        return len(seen)

    assert FEW.radius > 1
    assert reached(FEW) == len(FEW)
    assert reached(Subset(NB201, FEW.members, radius=FEW.radius - 1)) < len(FEW)
    for cell in FEW.members[::50]:
        assert set(FEW.neighbors(cell)) == {other for other in FEW.members if 0 < NB201.distance(cell, other) <= FEW.radius}


def test_a_cell_alone_mutates_to_itself() -> None:
    alone, rng = Subset(NB201, [CONSTANT]), np.random.default_rng(0)
    assert alone.mutate(CONSTANT, rng) == alone.crossover(CONSTANT, CONSTANT, rng) == CONSTANT
    assert (alone.neighbors(CONSTANT), alone.radius) == ((), 1)
    far = Subset(NB201, [CONSTANT, ALL[-1]], radius=1)
    assert far.mutate(CONSTANT, rng) == CONSTANT


def test_what_an_oracle_answers_is_a_space(bench: RobBench) -> None:
    answered = bench.oracle("clean").subset()
    group = class_partition().group
    missing = {cell for cell, one in zip(ALL, group, strict=True) if one == UNMEASURED}
    assert set(ALL) - set(answered.members) == missing
    assert missing


def test_a_space_goes_to_other_processes() -> None:
    for space in (Subset(NB201), FEW, Subset(NB201, FEW.members, radius=4)):
        copy = pickle.loads(pickle.dumps(space))  # noqa: S301
        assert (copy.space, copy.members, copy.radius) == (NB201, space.members, space.radius)
    assert pickle.loads(pickle.dumps(NB201)) is NB201  # noqa: S301
    assert len(pickle.dumps(Subset(NB201))) < 200, "all of NAS-Bench-201 is not sent"


def test_an_empty_space_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="there are no architectures in the subset; expected at least one"):
        Subset(NB201, [])


@pytest.mark.parametrize("radius", [0, 7, "1"])
def test_a_radius_that_is_none_is_refused(radius: int) -> None:
    with pytest.raises(InvalidArgument, match=f"radius={radius!r} is not a number of variables; expected an integer from 1 to 6"):
        Subset(NB201, radius=radius)

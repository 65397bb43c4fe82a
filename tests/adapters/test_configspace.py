"""ConfigSpace's own configurations, there and back."""

from __future__ import annotations

import sys
from typing import Any

import pytest

pytest.importorskip("ConfigSpace")

from ConfigSpace import CategoricalHyperparameter

from robbench import RobBench
from robbench.adapters.configspace import config_space, configuration_of
from robbench.errors import InvalidArgument, MissingLibrary
from robbench.spaces import SearchSpace
from robbench.spaces.nb201 import NB201
from tests.toy_space import TOY

SPACES = pytest.mark.parametrize("space", [NB201, TOY], ids=lambda space: space.name)


@SPACES
def test_the_variables_are_the_spaces_own(space: SearchSpace[Any]) -> None:
    config = config_space(space)
    assert config.estimate_size() == space.size
    assert config.name == space.title
    for variable in space.variables:
        parameter = config[variable.name]
        assert isinstance(parameter, CategoricalHyperparameter)
        assert parameter.choices == variable.choices


def test_a_bench_has_the_space_of_its_store(bench: RobBench, toy_bench: RobBench) -> None:
    assert list(bench.config_space()) == ["edge_0_1", "edge_0_2", "edge_0_3", "edge_1_2", "edge_1_3", "edge_2_3"]
    assert list(toy_bench.config_space()) == ["edge_0_1", "edge_0_2", "edge_1_2"]


@SPACES
def test_architectures_become_configurations_and_come_back(space: SearchSpace[Any]) -> None:
    config = config_space(space)
    assert space.members is not None
    for arch in space.members[:: 1 + len(space.members) // 40]:
        configuration = configuration_of(arch, space, config)
        configuration.check_valid_configuration()
        assert space.from_assignment(configuration) == arch


def test_sampling_is_that_of_the_seed_and_can_be_asked_of_an_oracle(toy_bench: RobBench) -> None:
    space = toy_bench.space
    drawn = [[space.from_assignment(one) for one in toy_bench.config_space(seed=seed).sample_configuration(20)] for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    oracle = toy_bench.oracle("pgd@1/255")
    assert [oracle(arch) for arch in drawn[0]] == [toy_bench.query(arch, "pgd@1/255") for arch in drawn[0]]


def test_a_seed_that_is_none_is_refused(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match="seed=-1 is not a seed"):
        bench.config_space(seed=-1)
    with pytest.raises(InvalidArgument, match=r"seed=4294967296 is not a seed here; expected an integer of at least 0 and below 2\^32"):
        bench.config_space(seed=2**32)


def test_without_configspace_the_extra_is_named(bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ConfigSpace", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs ConfigSpace: pip install 'robbench\[configspace\]'"):
        bench.config_space()

"""ConfigSpace's own configurations, there and back."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("ConfigSpace")

from robbench import RobBench
from robbench.adapters import cell_of
from robbench.adapters.configspace import config_space, configuration_of
from robbench.errors import MissingLibrary
from robbench.spaces.nb201 import SIZE, cells


def test_the_space_has_all_cells(bench: RobBench) -> None:
    space = bench.config_space()
    assert space.estimate_size() == SIZE
    assert len(space) == 6


def test_cells_become_configurations_and_come_back() -> None:
    space = config_space()
    for cell in list(cells())[::401]:
        configuration = configuration_of(cell, space)
        configuration.check_valid_configuration()
        assert cell_of(configuration) == cell


def test_sampling_is_that_of_the_seed_and_can_be_asked_of_an_oracle(bench: RobBench) -> None:
    drawn = [[cell_of(one) for one in bench.config_space(seed=seed).sample_configuration(20)] for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    oracle = bench.oracle("pgd@1/255", dataset="toy100")
    assert [oracle(cell) for cell in drawn[0]] == [bench.query(cell, "pgd@1/255", dataset="toy100") for cell in drawn[0]]


def test_without_configspace_the_extra_is_named(bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ConfigSpace", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs ConfigSpace: pip install 'robbench\[configspace\]'"):
        bench.config_space()

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pandas", "scipy", "sklearn", "torch", "matplotlib", "xgboost", "click", "tqdm", "moocore")


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_a_first_answer_loads_numpy_and_nothing_heavier() -> None:
    """Not even h5py: a store is read without the HDF5 library, and written with it."""
    loaded = loaded_after("from robbench import RobBench; RobBench().query(RobBench().architectures[0], 'pgd', eps=16 / 255)")
    assert {"numpy", "robbench.bench", "robbench.store.hdf5"} <= loaded
    assert not loaded & {*HEAVY, "h5py"}


def test_analyses_and_figures_load_what_they_need_when_they_are_called() -> None:
    assert not loaded_after("from robbench import analysis, plots") & set(HEAVY)


def test_a_search_space_alone_loads_as_little() -> None:
    assert not loaded_after("from robbench.spaces.nb201 import NB201; len(NB201.members)") & set(HEAVY)


def test_the_command_line_loads_what_a_command_needs_when_it_is_called() -> None:
    assert not loaded_after("from robbench.cli import main") & (set(HEAVY) - {"click", "tqdm"})


def test_the_commands_of_builders_are_there_without_torch() -> None:
    assert not loaded_after("from robbench_builders.cli import build, proxies") & (set(HEAVY) - {"click", "tqdm"})


def test_the_list_is_of_modules_that_would_be_seen_there() -> None:
    """A second witness: what is imported where it is used does show."""
    assert {"pandas", "click"} <= loaded_after("import pandas, click")

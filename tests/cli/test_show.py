"""`robbench show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.spaces.nb201 import NB201, Cell
from robbench.store.arrays import Array
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests import synthetic
from tests.cli.running import ARCH, FIRST, Run, answer, refusal
from tests.sources.published import CELL, evaluated, isomorphic
from tests.toy_space import TOY


def facts(run: Run, *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer(run("show", *arguments, "--json")))
    return found


@pytest.fixture
def store_without_index(synthetic_arrays: list[Array], tmp_path: Path) -> Path:
    extend(tmp_path / "plain.h5", synthetic.ROWS, synthetic_arrays[:1])
    return tmp_path / "plain.h5"


def test_show_draws_and_names_an_architecture(run: Run, small_store: Path, bench: RobBench) -> None:
    text = answer(run("show", ARCH, "--store", small_store))
    assert text.startswith("from \\ to        node 1           node 2           node 3 (output)\nnode 0 (input)   conv 3×3")
    assert f"\narch                {ARCH}\n" in text
    assert f"\npublished index     {bench.published_index(ARCH)}\n" in text
    assert f"\nclass key           {NB201.key(Cell.parse(ARCH))}\n" in text
    assert f"\ntwin key            {NB201.twin_key(Cell.parse(ARCH))}\n" in text


def test_show_in_a_store_without_index_says_so(run: Run, store_without_index: Path) -> None:
    assert facts(run, ARCH, "--store", store_without_index)["published index"] is None
    assert "\npublished index     not in this store\n" in answer(run("show", ARCH, "--store", store_without_index))
    assert "plain.h5 carries no published index" in refusal(run("show", "3456", "--store", store_without_index))


def test_show_knows_its_class_and_twins(run: Run, small_store: Path) -> None:
    found = facts(run, FIRST, "--store", small_store)
    assert found["published index"] == FIRST
    assert found["members in store"] == len(isomorphic(FIRST))
    assert found["representative"] == str(CELL[isomorphic(FIRST)[0]])
    assert found["naslib"] == str(CELL[FIRST].to_naslib())
    mine = NB201.twin_key(CELL[FIRST])
    twins = [str(CELL[index]) for index in evaluated() if NB201.twin_key(CELL[index]) == mine and index != FIRST]
    assert sorted(found["twins"]) == sorted(twins)
    assert len(twins) > 3
    text = answer(run("show", FIRST, "--store", small_store))
    assert all(twin in text for twin in twins)


def test_show_of_every_spelling_has_one_class_and_its_own_index(run: Run, small_store: Path) -> None:
    found = [facts(run, CELL[index], "--store", small_store) for index in isomorphic(FIRST)[:4]]
    assert [fact["published index"] for fact in found] == isomorphic(FIRST)[:4]
    assert len({(fact["class key"], fact["representative"], tuple(fact["twins"])) for fact in found}) == 1


def test_show_without_twins_says_none(run: Run, small_store: Path) -> None:
    alone = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    assert facts(run, alone, "--store", small_store)["twins"] == []
    assert "\ntwins               none\n" in answer(run("show", alone, "--store", small_store))


def test_show_of_nonsense_is_refused(run: Run, small_store: Path) -> None:
    assert "UnknownArchitecture: '|x~0|' has 1 parts" in refusal(run("show", "|x~0|", "--store", small_store))
    assert "UnknownArchitecture: 99999 is not a published index" in refusal(run("show", "99999", "--store", small_store))


def test_any_space_shows_its_architectures(run: Run, toy_store: Path, toy_bench: RobBench) -> None:
    """A chain whose short way is open and whose long way is dead, and its twin the other way round."""
    found = facts(run, "none/nor_conv_1x1/skip_connect", "--store", toy_store)
    space = toy_bench.space
    assert found == {
        "arch": "none/nor_conv_1x1/skip_connect",
        "published index": None,
        "class key": space.key(space.parse("none/nor_conv_1x1/skip_connect")),
        "twin key": space.twin_key(space.parse("nor_conv_1x1/none/skip_connect")),
        "form": "(0)@nor_conv_1x1+#",
        "members in store": 2,
        "representative": "none/nor_conv_1x1/skip_connect",
        "twins": ["skip_connect/none/nor_conv_1x1"],
        "kernel_parameters": 1,
        "depends on input": True,
    }
    assert answer(run("show", "none/none/skip_connect", "--store", toy_store)).startswith(
        "none/none/skip_connect\n\narch                none/"
    )
    assert facts(run, "none/none/skip_connect", "--store", toy_store)["depends on input"] is False


def test_what_the_store_does_not_hold_is_shown_all_the_same(run: Run, toy_store: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.h5"
    held = Rows.of(TOY, TOY.members[:2])
    extend(few, held, [synthetic.array("toy10 standard clean accuracy", np.full(len(held.keys), 0.5))])
    found = facts(run, TOY.members[-1], "--store", few)
    assert (found["members in store"], found["representative"], found["twins"]) == (0, None, [])
    assert "\nrepresentative      not in this store\n" in answer(run("show", TOY.members[-1], "--store", few))

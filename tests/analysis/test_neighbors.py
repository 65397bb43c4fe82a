from __future__ import annotations

import numpy as np
import pytest

from robbench import InvalidArgument, NotMeasured, RobBench, UnknownArchitecture
from robbench.analysis import neighbors
from robbench.spaces.nb201 import EDGES, NB201, Cell
from robbench.spaces.nb201.identity import class_key
from tests.synthetic import UNMEASURED

ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


def test_every_single_change_is_there_with_its_effect(bench: RobBench) -> None:
    found = neighbors(bench, ARCH, "pgd", eps=1 / 255)
    cell = Cell.parse(ARCH)
    assert found["arch"].tolist() == list(map(str, NB201.neighbors(cell)))
    assert found.columns.tolist() == ["edge", "from", "to", "arch", "value", "difference", "same_class"]
    for _, row in found.iterrows():
        edge = [f"{source}→{target}" for source, target in EDGES].index(row["edge"])
        other = Cell([*cell.ops[:edge], row["to"], *cell.ops[edge + 1 :]])
        assert (str(other), row["from"]) == (row["arch"], cell.ops[edge])
        assert row["value"] == bench.query(other, "pgd", eps=1 / 255)
        assert row["difference"] == pytest.approx(row["value"] - bench.query(cell, "pgd", eps=1 / 255))
        assert row["same_class"] == (class_key(other) == class_key(cell))


def test_within_a_class_nothing_changes(bench: RobBench) -> None:
    found = neighbors(bench, ["none", "skip_connect", "nor_conv_1x1", "none", "avg_pool_3x3", "skip_connect"], "clean")
    same = found[found["same_class"]]
    assert len(same) > 4
    assert (same["difference"] == 0).all()
    assert (neighbors(bench, ARCH, "synflow")["difference"].dropna() != 0).all()


def test_what_was_not_measured_is_nan(bench: RobBench) -> None:
    unmeasured = bench.classes[UNMEASURED]
    assert neighbors(bench, unmeasured, "clean")["difference"].isna().all()
    beside = neighbors(bench, NB201.neighbors(unmeasured)[0], "clean").set_index("arch")
    assert np.isnan(beside.loc[str(unmeasured), "value"])  # type: ignore[arg-type]
    assert beside["value"].notna().any()


def test_wrong_questions_say_so(bench: RobBench) -> None:
    with pytest.raises(UnknownArchitecture, match="has 1 parts"):
        neighbors(bench, "|none~0|", "clean")
    with pytest.raises(NotMeasured, match="needs a level"):
        neighbors(bench, ARCH, "pgd")
    with pytest.raises(InvalidArgument, match=r"neighbors has no option 'ebs'\. Did you mean 'eps'"):
        neighbors(bench, ARCH, "pgd", ebs=1 / 255)  # type: ignore[call-arg]

"""Tables that scikit-learn takes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from robbench import RobBench
from robbench.errors import CannotFit, InvalidArgument, NotMeasured
from tests import toy_store


def test_rows_are_classes_with_their_features_and_values(few_bench: RobBench) -> None:
    x, y, groups, train = few_bench.to_xy("clean", dataset="toy100")
    assert x.shape == (len(few_bench.classes), 128)
    assert x.index.equals(y.index)
    assert train.all()
    assert y.name == "clean"
    assert x.columns[0] == "computed:1"
    assert list(y) == few_bench.query_many(few_bench.classes, "clean", dataset="toy100").tolist()
    keys = [few_bench.space.twin_key(few_bench.parse(arch)) for arch in x.index]
    assert len(set(keys)) == len(set(groups.tolist())) == len(set(zip(keys, groups.tolist(), strict=True)))


def test_a_curve_or_several_metrics_are_columns(few_bench: RobBench) -> None:
    y = few_bench.to_xy("clean+pgd", features="operations", dataset="toy100").y
    assert isinstance(y, pd.DataFrame)
    assert list(y.columns) == ["clean", "pgd@0.5/255", "pgd@1/255", "pgd@2/255", "pgd@8/255"]


def test_missing_values_are_refused_or_dropped(few_bench: RobBench) -> None:
    with pytest.raises(
        NotMeasured, match=rf"1 of {len(few_bench.classes)} classes lack clean, or one of the features paths; missing='drop'"
    ):
        few_bench.to_xy("clean", features="paths")
    with pytest.raises(
        NotMeasured, match=f"of {len(few_bench.architectures)} architectures lack edgegpu_latency, or one of the features structure"
    ):
        few_bench.to_xy("edgegpu_latency", features="structure+proxies")
    x, y, *_ = few_bench.to_xy("clean", features="proxies", missing="drop")
    assert not x.isna().any(axis=None)
    assert not y.isna().any()
    assert len(x) == int((~np.isnan(few_bench.query_many(few_bench.classes, "synflow", missing="nan"))).sum()) - 1
    with pytest.raises(InvalidArgument, match=r"missing='nan' has no meaning\. Expected 'raise' or 'drop'"):
        few_bench.to_xy("clean", missing="nan")


def test_twins_are_on_one_side_of_the_split(few_bench: RobBench) -> None:
    _, _, groups, train = few_bench.to_xy("clean", features="operations", dataset="toy100", split="twin", seed=2)
    assert 0.75 < train.mean() < 0.85
    assert not set(groups[train]) & set(groups[~train])
    with pytest.raises(InvalidArgument, match=r"split='half' has no meaning\. Expected 'twin' or 'random'"):
        few_bench.to_xy("clean", dataset="toy100", split="half")


def test_any_space_has_a_table(toy_bench: RobBench) -> None:
    x, y, groups, _ = toy_bench.to_xy("clean+pgd")
    assert list(x.columns) == ["terms", "convolutions", "depth"]
    assert isinstance(y, pd.DataFrame)
    assert y["pgd@2/255"].tolist() == toy_bench.query_many(toy_bench.classes, "pgd@2/255").tolist()
    assert (len(y), len(set(groups.tolist()))) == (toy_store.CLASSES, 7)
    x, latency, *_ = toy_bench.to_xy("edgegpu_latency", features="structure+proxies")
    assert list(x["synflow"]) == toy_bench.query_many(toy_bench.architectures, "synflow").tolist()
    assert list(latency) == toy_bench.query_many(toy_bench.architectures, "edgegpu_latency").tolist()


def test_metrics_of_classes_and_of_exact_architectures_are_not_mixed(toy_bench: RobBench) -> None:
    with pytest.raises(CannotFit, match="mixes metrics of classes with metrics of exact architectures"):
        toy_bench.to_xy("clean+kernel_parameters")


def test_scikit_learn_takes_it_as_it_is(published: RobBench) -> None:
    forest, selection = pytest.importorskip("sklearn.ensemble"), pytest.importorskip("sklearn.model_selection")
    x, y, groups, _ = published.to_xy("clean")
    found = selection.cross_val_score(forest.RandomForestRegressor(5, random_state=0), x, y, groups=groups, cv=selection.GroupKFold(3))
    assert found.min() > 0.7

from __future__ import annotations

import pytest

from robbench import NotMeasured, RobBench, UnknownMetric
from robbench.measurements.metrics import TABLE, Metric
from robbench.measurements.wording import NAMES, feature, setting, several, threat, unit, words


@pytest.mark.parametrize(
    ("metric", "said", "briefly"),
    [
        ("clean", "clean accuracy", "clean accuracy"),
        ("pgd@1/255", "accuracy under PGD, eps 1/255", "PGD, eps 1/255"),
        ("aa_apgd-ce@0.5/255", "accuracy under APGD-CE, eps 0.5/255", "APGD-CE, eps 0.5/255"),
        ("pgd", "accuracy under PGD", "PGD"),
        ("gaussian_noise@3", "accuracy under Gaussian noise, severity 3", "Gaussian noise, severity 3"),
        ("clean:validation_accuracy", "clean validation accuracy", "clean validation accuracy"),
        ("fog@2:confusion", "confusion under fog, severity 2", "confusion under fog, severity 2"),
        ("mean_corruption", "mean accuracy under corruptions", "mean of corruptions"),
        ("worst_case@8/255", "worst-case accuracy, eps 8/255", "worst case, eps 8/255"),
        ("hrs-pgd@1/255", "harmonic robustness score under PGD, eps 1/255", "harmonic robustness score under PGD, eps 1/255"),
        ("edgegpu_latency", "latency on an edge GPU (ms)", "edge GPU latency"),
        ("params", "parameters (millions)", "parameters"),
        ("training_loss", "training loss (nats)", "training loss"),
        ("eyeriss_arithmetic_intensity", "arithmetic intensity on Eyeriss (operations per byte)", "Eyeriss intensity"),
        ("nwot", "NWOT", "NWOT"),
        ("attack-mine@1/255", "accuracy under attack-mine, eps 1/255", "attack-mine, eps 1/255"),
    ],
)
def test_metrics_are_said_in_words_with_level_and_unit(metric: str, said: str, briefly: str) -> None:
    assert words(metric) == said
    assert words(metric, brief=True) == briefly


def test_every_metric_has_words_of_its_own_without_underscores() -> None:
    for brief in (False, True):
        said = [words(Metric(name, None, entry.measure), brief=brief) for name, entry in TABLE.items()]
        assert len(set(said)) == len(said)
        assert not any("_" in text for text in said)
    assert set(NAMES) - TABLE.keys() == {f"hrs-{name}" for name, entry in TABLE.items() if entry.kind == "attack"} - TABLE.keys()


def test_units_names_and_features() -> None:
    assert [unit(name) for name in ("edgegpu_latency", "params", "clean", "synflow")] == ["ms", "millions", "", ""]
    assert several("clean+pgd@1/255") == "clean accuracy and PGD, eps 1/255"
    assert several("pgd@1/255") == "accuracy under PGD, eps 1/255"
    assert [feature(name) for name in ("synflow", "pgd@1/255", "edge 0→1: conv 3×3", "own_name")] == [
        "SynFlow",
        "PGD, eps 1/255",
        "edge 0→1: conv 3×3",
        "own_name",
    ]
    assert (threat("jpeg_compression"), threat("zoom_blur")) == ("JPEG compression", "zoom blur")
    with pytest.raises(UnknownMetric, match="'pdg' is not a metric"):
        words("pdg")


def test_the_setting_names_the_data_set_and_what_is_not_the_default(bench: RobBench, published: RobBench) -> None:
    assert setting(bench.measurements, ["clean", "synflow"]) == "toy10"
    assert setting(bench.measurements, ["pgd", "synflow"], training="pgd-8/255") == "toy10, training pgd-8/255"
    assert setting(published.measurements, ["clean"], dataset="cifar100") == "CIFAR-100"
    assert setting(RobBench().measurements, ["clean"], dataset="digits") == "handwritten digits"
    with pytest.raises(NotMeasured, match="dataset 'cifar' is not in"):
        setting(published.measurements, ["clean"], dataset="cifar")

"""Confidences and confusion matrices: as a second, plain computation has them, of every threat, and in a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders.attacks import FGSM, PGD
from robbench_builders.confidences import SUMMARIES, summed_up
from robbench_builders.corruptions import corrupt
from robbench_builders.datasets import Dataset
from robbench_builders.definitions import read_evaluation
from robbench_builders.errors import BuildError
from robbench_builders.evaluate import Answers
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.measure import Measured, measure
from robbench_builders.plan import Plan
from robbench_builders.plan_file import read_plan, write_plan
from robbench_builders.results import merge as merging
from robbench_builders.results.built import Built
from robbench_builders.results.merge import merge
from robbench_builders.results.storing import About, Origin, store_measured, stored
from robbench_builders.results.verify import verify
from robbench_builders.run import run
from robbench import RobBench
from robbench.errors import InvalidArgument
from robbench.measurements.metrics import MEASURES
from robbench.store.blockwise import Blocks
from tests.builders.toy_networks import Stack, linear

ARCHS = (
    "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|",
    "|skip_connect~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|",
)
CLASSES, EPS = 3, (0.0, 0.05, 0.3)
ALL = Evaluation("all", {"fgsm": FGSM(), "pgd": PGD(steps=2)}, EPS, ("contrast",), images=14, measures=tuple(SUMMARIES))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Images that one of the networks mostly knows."""
    images = np.random.default_rng(0).random((20, 1, 8, 8)).astype(np.float32)
    labels = linear(0)(torch.from_numpy(images)).argmax(1).numpy()
    labels[::5] = (labels[::5] + 1) % CLASSES
    return Dataset("mine", images, labels, images, labels, CLASSES)


def plainly(network: Any, images: Any, labels: Any) -> dict[str, np.ndarray]:
    """All four, image by image, of what a network says of these images."""
    confusion, by_label, by_prediction = (np.zeros((CLASSES, CLASSES)) for _ in range(3))
    groups: list[list[float]] = [[], []]
    with torch.no_grad():
        for image, label in zip(images, labels, strict=True):
            probabilities = torch.softmax(network(image[None])[0].double(), 0).numpy()
            prediction = int(probabilities.argmax())
            confusion[label, prediction] += 1
            by_label[label] += probabilities
            by_prediction[prediction] += probabilities
            groups[int(prediction != label)].append(probabilities.max())
    with np.errstate(invalid="ignore"):
        return {
            "confusion": confusion,
            "confidence_label": by_label / confusion.sum(1)[:, None],
            "confidence_argmax": by_prediction / confusion.sum(0)[:, None],
            "confidence_prediction": np.array([np.mean(group) if group else np.nan for group in groups]),
        }


def attacked(network: Any, dataset: Dataset, eps: float) -> Any:
    """FGSM on the images that the network knows: one step of the gradient's sign."""
    images, labels = torch.from_numpy(dataset.test_images[:14]), torch.from_numpy(dataset.test_labels[:14])
    images.requires_grad_()
    logits = network(images)
    gradient = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"), images)[0]
    known = (logits.argmax(1) == labels)[:, None, None, None]
    return torch.where(known, (images + eps * gradient.sign()).clamp(0, 1), images).detach()


@pytest.mark.parametrize("stacked", [False, True])
def test_summaries_are_those_of_a_plain_computation(dataset: Dataset, stacked: bool) -> None:
    networks = [linear(0), linear(1)] if stacked else [linear(0)]
    found = measure(Stack(*networks) if stacked else networks[0], dataset, ALL)
    labels = dataset.test_labels
    for k, network in enumerate(networks):
        expected = {
            "clean": [plainly(network, torch.from_numpy(dataset.test_images), labels)],
            "fgsm": [plainly(network, attacked(network, dataset, eps), labels[:14]) for eps in EPS],
            "contrast": [
                plainly(network, torch.from_numpy(corrupt(dataset.test_images, "contrast", severity))[:14], labels[:14])
                for severity in range(1, 6)
            ],
        }
        for threat, levels in expected.items():
            for name in SUMMARIES:
                ours = found.summaries[name][threat]
                theirs = np.array([one[name] for one in levels])
                assert np.allclose((ours[k] if stacked else ours).reshape(theirs.shape), theirs, atol=1e-6, equal_nan=True), (threat, name)
                assert ours.dtype == (np.uint16 if name == "confusion" else np.float32)


def test_the_diagonal_is_the_accuracy_and_outcomes_stay(dataset: Dataset) -> None:
    """Under every threat; and whoever asks for no summaries gets the same outcomes, to the bit."""
    network = Stack(linear(0), linear(1))
    whole, plain = measure(network, dataset, ALL), measure(network, dataset, replace(ALL, measures=()))
    assert not plain.summaries
    for threat, outcomes in plain.outcomes.items():
        assert np.array_equal(whole.outcomes[threat], outcomes)
        confusion = whole.summaries["confusion"][threat]
        assert np.array_equal(confusion.trace(axis1=-2, axis2=-1), outcomes.sum(-1))
        assert (confusion.sum((-2, -1)) == outcomes.shape[-1]).all()


def test_a_mean_over_nothing_and_images_without_probabilities() -> None:
    logits = torch.tensor([[0.0, 1.0, -torch.inf], [torch.nan, 0.0, 0.0], [0.0, 2.0, 0.0]])
    labels = torch.tensor([1, 1, 1])
    found = summed_up(Answers(np.array([True, False, True]), logits), labels, list(SUMMARIES))
    expected = (torch.tensor([0.0, 1.0, -torch.inf]).softmax(0) + torch.tensor([0.0, 2.0, 0.0]).softmax(0)) / 2
    assert np.allclose(found["confidence_label"][1], expected)
    assert np.isnan(found["confidence_label"][[0, 2]]).all()
    assert np.isnan(found["confidence_argmax"][2]).all()
    assert np.isnan(found["confidence_prediction"][1])
    assert found["confidence_prediction"][0] == pytest.approx(float(expected[1]))


def test_measures_are_said_by_name_and_leave_older_evaluations_as_they_are(tmp_path: Path) -> None:
    assert set(SUMMARIES) <= set(MEASURES)
    assert "measures" not in EVALUATIONS["published"].settings() | EVALUATIONS["published"].record()
    path = tmp_path / "mine.toml"
    path.write_text('[evaluation]\nname = "mine"\nlike = "digits-light"\nmeasures = ["confusion", "confidence_argmax"]\n')
    mine = read_evaluation(path)
    assert mine.measures == ("confusion", "confidence_argmax")
    assert mine.settings()["measures"] == ["confusion", "confidence_argmax"]
    assert mine.label != replace(mine, measures=("confusion",)).label
    path.write_text('[evaluation]\nname = "mine"\nlike = "digits-light"\nmeasures = "all"\n')
    assert read_evaluation(path).measures == tuple(SUMMARIES)
    for wrong, message in (
        ('["confidence"]', "has the measure 'confidence'.*Known: confusion"),
        ('["confusion", "confusion"]', "a measure twice"),
    ):
        path.write_text(f'[evaluation]\nname = "mine"\nlike = "digits-light"\nmeasures = {wrong}\n')
        with pytest.raises((BuildError, InvalidArgument), match=message):
            read_evaluation(path)


def test_a_build_stores_what_it_measured(tmp_path: Path, tiny_images: str) -> None:
    """One plan with summaries, and one of another seed without: both in one store, and merging again changes nothing."""
    store = tmp_path / "store.h5"
    plan = Plan(tiny_images, "digits", replace(ALL, name="mine"), None, 0, (0, 1), 2, archs=ARCHS)
    write_plan(tmp_path / "build", plan)
    assert read_plan(tmp_path / "build") == plan
    list(run(tmp_path / "build", device="cpu"))
    merge(tmp_path / "build", store)
    bench = RobBench(store)
    for seed in plan.seeds:
        asked: dict[str, Any] = {"seed": seed}
        for arch in ARCHS:
            for metric, images in (("clean", 12), ("pgd@0.3", 12), ("contrast@3", 12)):
                confusion = bench.query(arch, metric, measure="confusion", **asked)
                assert confusion.shape == (2, 2)
                assert confusion.sum() == images
                assert confusion.trace() / images == pytest.approx(bench.query(arch, metric, **asked))
                by_label = bench.query(arch, metric, measure="confidence_label", **asked)
                assert np.allclose(by_label.sum(1), 1, atol=1e-6)
                assert bench.query(arch, metric, measure="confidence_prediction", **asked).shape == (2,)
    assert not merge(tmp_path / "build", store).added
    arrays = merging._of_the_trained(Built.read(tmp_path / "build", plan, merging._rows(plan)), "standard")
    assert {type(array.values) for array in arrays if array.name.measure in SUMMARIES} == {Blocks}  # never whole in memory
    (found,) = verify(store, sample=1, device="cpu")
    assert (found.succeeded, found.differing_summaries) == (True, 0)
    write_plan(tmp_path / "more", replace(plan, evaluation=replace(ALL, name="few", measures=()), seeds=(2,)))
    list(run(tmp_path / "more", device="cpu"))
    merge(tmp_path / "more", store)
    again = RobBench(store)
    assert again.query(ARCHS[0], "clean", seed=2) >= 0
    assert np.array_equal(
        again.query(ARCHS[0], "clean", measure="confusion", seed=0), bench.query(ARCHS[0], "clean", measure="confusion", seed=0)
    )


def test_what_is_measured_from_python_is_stored_too(tmp_path: Path, dataset: Dataset) -> None:
    store, origins = tmp_path / "store.h5", [Origin("nb201", ARCHS[0], 3, {"file": "mine"})]
    less, about = (About.of(dataset, one, "mine", {}) for one in (replace(ALL, measures=()), ALL))
    measured: Measured = measure(linear(0), dataset, ALL)
    store_measured(store, measured, origins, less)
    assert (stored(store, origins, less), stored(store, origins, about)) == ([True], [False])
    store_measured(store, measured, origins, about)
    assert stored(store, origins, about) == [True]
    bench = RobBench(store)
    for name in SUMMARIES:
        found = bench.query(ARCHS[0], "fgsm", eps=0.3, measure=name, training="mine", dataset="mine")
        assert np.array_equal(found, measured.summaries[name]["fgsm"][2], equal_nan=True)

"""The evaluator keeps the threat model, whatever an attack does, and says what is wrong with what it is given."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from robbench_builders.attacks import ATTACKS, FGSM, PGD, AttackError
from robbench_builders.corruptions import Corrupted, corrupt
from robbench_builders.errors import CorruptionError
from robbench_builders.evaluate import accuracy, clean_outcomes, corruption_outcomes, robust_outcomes, transfer_outcomes
from robbench_builders.rules import project
from robbench.errors import InvalidArgument, RobBenchError
from robbench.measurements.metrics import SEVERITIES
from tests.builders.toy_networks import Stack, digits, trained, untrained

IMAGES, LABELS = digits()[0][1200:1300], digits()[1][1200:1300]


class Cheat:
    """Returns what it was told to; remembers what it was given."""

    def __init__(self, returns: Any) -> None:
        self.returns = returns
        self.given: list[Any] = []

    def __call__(self, network: Any, images: Any, labels: Any, eps: Any, *, streams: Any) -> Any:
        self.given.append((images, labels, eps, streams))
        return self.returns(images)

    def settings(self) -> Any:
        return {"attack": "cheat"}


class Witness:
    """A network that remembers the images it sees."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.seen: list[Any] = []

    def __call__(self, images: Any) -> Any:
        self.seen.append(images)
        return self.network(images)


@settings(max_examples=50)
@given(
    eps=st.floats(0, 1),
    scale=st.sampled_from([0.0, 0.5, 10.0, 1e30]),
    bad=st.sampled_from([torch.nan, torch.inf, -torch.inf]),
    seed=st.integers(0, 99),
)
def test_nothing_leaves_the_ball_or_the_unit_interval(eps: Any, scale: Any, bad: Any, seed: Any) -> None:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(IMAGES.shape, generator=generator)
    noise[torch.rand(IMAGES.shape, generator=generator) < 0.1] = bad
    network = Witness(trained(0))
    outcomes = robust_outcomes(network, IMAGES, LABELS, Cheat(lambda images: images + scale * noise[: len(images)]), [eps])
    for images in network.seen[1:]:
        assert images.min() >= 0
        assert images.max() <= 1
        clean = IMAGES[clean_outcomes(trained(0), IMAGES, LABELS)]
        assert (images - clean).abs().max() <= eps + 1e-6
    if eps == 0:
        assert (outcomes == clean_outcomes(trained(0), IMAGES, LABELS)).all()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_eps_0_gives_clean_accuracy(attack: Any) -> None:
    outcomes = robust_outcomes(trained(0), IMAGES, LABELS, attack, [0])
    assert outcomes.shape == (1, 100)
    assert outcomes.dtype == np.bool_
    assert (outcomes[0] == clean_outcomes(trained(0), IMAGES, LABELS)).all()
    assert accuracy(outcomes)[0] == (trained(0)(IMAGES).argmax(1) == LABELS).double().mean()


def test_pixels_that_are_nan_fall_back_to_the_image() -> None:
    outcomes = robust_outcomes(trained(0), IMAGES, LABELS, Cheat(lambda images: images * torch.nan), [0.1])
    assert (outcomes[0] == clean_outcomes(trained(0), IMAGES, LABELS)).all()
    half = IMAGES[:1].clone()
    half[..., :4] = torch.nan
    assert torch.equal(project(half, IMAGES[:1], torch.tensor([0.1])), IMAGES[:1])


def test_only_correct_images_are_attacked_each_once_an_eps() -> None:
    network = untrained(3)
    labels = network(IMAGES).argmax(1)
    labels[40:] = (labels[40:] + 1) % 10
    cheat = Cheat(lambda images: images)
    outcomes = robust_outcomes(network, IMAGES, labels, cheat, [0.1, 0, 0.2], batch_size=30)
    assert (outcomes == (np.arange(100) < 40)).all()
    images, given_labels, eps, streams = (torch.cat(parts) for parts in zip(*cheat.given, strict=True))
    assert torch.equal(images, IMAGES[:40].repeat_interleave(2, 0))
    assert torch.equal(given_labels, labels[:40].repeat_interleave(2))
    assert torch.equal(eps, torch.tensor([0.1, 0.2]).repeat(40))
    assert torch.equal(streams[::2], streams[1::2])
    assert [len(images) for images, *_ in cheat.given] == [27, 27, 26]


def test_nothing_to_attack() -> None:
    network = untrained(3)
    wrong = (network(IMAGES).argmax(1) + 1) % 10
    cheat = Cheat(lambda images: images)
    assert not robust_outcomes(network, IMAGES, wrong, cheat, [0.1, 0.2]).any()
    assert not cheat.given


def test_a_stack_where_networks_have_different_images_to_attack() -> None:
    network = Stack(trained(0), untrained(0))
    clean = clean_outcomes(network, IMAGES, LABELS)
    assert clean.shape == (2, 100)
    assert clean[0].sum() != clean[1].sum()
    outcomes = robust_outcomes(network, IMAGES, LABELS, Cheat(lambda images: images), [0, 0.1])
    assert (outcomes == clean[:, None]).all()
    for seed, own in enumerate((trained(0), untrained(0))):
        assert (clean[seed] == clean_outcomes(own, IMAGES, LABELS, batch_size=33)).all()


def test_logits_that_are_not_finite_are_wrong() -> None:
    def broken(images: Any) -> Any:
        return torch.full((*images.shape[:-3], 10), torch.nan)

    assert not clean_outcomes(broken, IMAGES, LABELS).any()
    assert not robust_outcomes(broken, IMAGES, torch.zeros_like(LABELS), PGD(), [0.1]).any()


def test_same_seed_same_outcomes_and_another_seed_another_start() -> None:
    cheat = Cheat(lambda images: images)
    for seed in (0, 0, 1):
        robust_outcomes(trained(0), IMAGES, LABELS, cheat, [0.1], seed=seed)
    first, again, other = (streams for *_, streams in cheat.given)
    assert torch.equal(first, again)
    assert not (first == other).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps_grid": [-0.1]}, "eps -0.1; expected 0 to 1"),
        ({"eps_grid": [8]}, "eps 8; expected 0 to 1, in units of images in .0, 1.: one grey level is eps=1/255"),
        ({"eps_grid": [float("nan")]}, "eps nan"),
        ({"eps_grid": []}, "eps_grid is empty"),
        ({"images": IMAGES * 255}, r"images run from 0 to 255; expected \[0, 1\]"),
        ({"images": IMAGES - 0.5}, "images run from -0.5 to 0.5"),
        ({"images": IMAGES * torch.nan}, "images run from nan"),
        ({"images": IMAGES[0]}, r"images of shape \(1, 8, 8\).* expected floats, \(images, channels, height, width\)"),
        ({"images": (IMAGES * 255).byte()}, "torch.uint8; expected floats"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "at least one image"),
        ({"labels": LABELS[:50]}, r"labels of shape \(50,\) .* for 100 images"),
        ({"labels": LABELS.float()}, r"torch.float32 .*expected \(100,\) and torch.int64"),
        ({"labels": LABELS - 5}, "label -5; labels run from 0"),
        ({"labels": LABELS + 5}, "label 14 for a network of 10 classes; labels run from 0 to 9"),
        ({"network": lambda images: images.mean((1, 2, 3))}, r"logits of shape \(100,\) for 100 images"),
        ({"attack": Cheat(lambda images: images[:1])}, r"the attack returned images of shape \(1, 1, 8, 8\); expected one for each"),
    ],
)
def test_what_does_not_fit_is_refused(change: Any, message: Any) -> None:
    arguments = {"network": trained(0), "images": IMAGES, "labels": LABELS, "attack": FGSM(), "eps_grid": [0.1]} | change
    with pytest.raises(AttackError, match=message):
        robust_outcomes(**arguments)
    assert issubclass(AttackError, RobBenchError)


def test_no_images_at_a_time_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"batch_size=0 .*expected an integer of at least 1"):
        clean_outcomes(trained(0), IMAGES, LABELS, batch_size=0)


def test_a_network_in_training_mode_is_refused() -> None:
    network = untrained(0).train()
    with pytest.raises(AttackError, match=r"training mode, where batch normalisation mixes images; call network.eval\(\)"):
        clean_outcomes(network, IMAGES, LABELS)


def test_corruption_outcomes_are_clean_outcomes_on_corrupted_images() -> None:
    stack, corrupted = Stack(trained(0), trained(1)), Corrupted(IMAGES.numpy(), seed=4)
    outcomes = corruption_outcomes(stack, corrupted, LABELS, "contrast", batch_size=30)
    assert outcomes.shape == (2, 5, 100)
    for k, severity in enumerate(SEVERITIES):
        images = torch.from_numpy(corrupt(IMAGES.numpy(), "contrast", severity, seed=4))
        assert (outcomes[:, k] == clean_outcomes(stack, images, LABELS)).all()
    assert (corruption_outcomes(trained(1), corrupted, LABELS, "contrast", [5, 2]) == outcomes[1, [4, 1]]).all()
    few = corruption_outcomes(trained(1), corrupted, LABELS, "contrast", [5], first=13)
    assert (few == outcomes[1, [4], :13]).all()
    clean = accuracy(clean_outcomes(trained(0), IMAGES, LABELS))
    assert accuracy(outcomes)[0, -1] < clean


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": "frog"}, CorruptionError, "'frog' is not a corruption"),
        ({"severities": [0]}, CorruptionError, "severity=0; expected an integer from 1 to 5"),
        ({"severities": []}, AttackError, "severities is empty; expected at least one"),
        ({"labels": LABELS[:50]}, AttackError, "for 100 images"),
    ],
)
def test_corruptions_that_do_not_fit_are_refused(change: Any, error: Any, message: str) -> None:
    arguments = {"network": trained(0), "corrupted": Corrupted(IMAGES.numpy()), "labels": LABELS, "name": "fog"} | change
    with pytest.raises(error, match=message):
        corruption_outcomes(**arguments)


# Transfer


def test_a_network_that_is_its_own_target_has_its_robust_outcomes() -> None:
    stack = Stack(trained(0), untrained(0), trained(1))
    found = transfer_outcomes(stack, stack, IMAGES, LABELS, PGD(steps=10), 0.1, batch_size=40)
    assert found.shape == (3, 3, 100)
    robust = robust_outcomes(stack, IMAGES, LABELS, PGD(steps=10), [0.1])[:, 0]
    assert (found[[0, 1, 2], [0, 1, 2]] != robust).sum() <= 1  # a batch of another size may round differently
    clean = clean_outcomes(stack, IMAGES, LABELS)
    assert (found <= clean).all()
    assert accuracy(robust)[0] < accuracy(found)[0, 2] < accuracy(clean)[2]  # what is made for one network fools another less


def test_transfer_between_plain_networks_is_a_cell_of_the_matrix() -> None:
    stack = Stack(trained(0), trained(1))
    matrix = transfer_outcomes(stack, stack, IMAGES, LABELS, FGSM(), 0.1)
    assert (transfer_outcomes(trained(0), trained(1), IMAGES, LABELS, FGSM(), 0.1) == matrix[0, 1]).all()
    assert (transfer_outcomes(trained(0), stack, IMAGES, LABELS, FGSM(), 0.1) == matrix[0]).all()
    adversarial = FGSM()(trained(0), IMAGES, LABELS, 0.1, streams=torch.arange(100))
    attacked = torch.from_numpy(clean_outcomes(trained(0), IMAGES, LABELS))
    by_hand = trained(1)(torch.where(attacked[:, None, None, None], adversarial, IMAGES)).argmax(1) == LABELS
    assert (matrix[0, 1] == (by_hand.numpy() & clean_outcomes(trained(1), IMAGES, LABELS))).all()


def test_transfer_at_eps_0_is_clean_for_every_source() -> None:
    stack = Stack(trained(0), untrained(0))
    assert (transfer_outcomes(stack, trained(1), IMAGES, LABELS, PGD(), 0) == clean_outcomes(trained(1), IMAGES, LABELS)).all()


def test_transfer_keeps_the_threat_model() -> None:
    witness = Witness(trained(1))
    transfer_outcomes(trained(0), witness, IMAGES, LABELS, Cheat(lambda images: images + 5), 0.1)
    clean = clean_outcomes(trained(0), IMAGES, LABELS)
    moved = (witness.seen[-1] - IMAGES).abs().amax((1, 2, 3)).numpy()
    assert moved.max() <= 0.1 + 1e-6
    assert (moved[~clean] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": 8}, "eps 8; expected 0 to 1"),
        ({"targets": lambda images: images.mean((1, 2, 3))}, r"logits of shape \(100,\) for 100 images"),
        ({"targets": untrained(0).train()}, "training mode"),
        ({"attack": Cheat(lambda images: images[:1])}, "the attack returned images of shape"),
    ],
)
def test_transfers_that_do_not_fit_are_refused(change: Any, message: str) -> None:
    arguments = {"sources": trained(0), "targets": trained(1), "images": IMAGES, "labels": LABELS, "attack": FGSM(), "eps": 0.1} | change
    with pytest.raises(AttackError, match=message):
        transfer_outcomes(**arguments)


def test_a_gpu_would_compute_as_in_a_build() -> None:
    """No convolution in TF32, and none that differs from run to run."""
    seen = set()
    network = trained(0)

    def watched(images: Any) -> Any:
        seen.add((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic))
        return network(images)

    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    clean_outcomes(watched, IMAGES, LABELS)
    robust_outcomes(watched, IMAGES, LABELS, PGD(steps=1), [0.1])
    transfer_outcomes(watched, watched, IMAGES, LABELS, PGD(steps=1), 0.1)
    assert seen == {(False, True)}
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic) == before

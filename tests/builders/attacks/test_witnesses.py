"""Our attacks against Foolbox's and torchattacks', on the same trained networks, over a whole eps grid."""

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders.attacks import APGD, APGDDLR, APGDT, FABT, FGSM, PGD, SPSA, AutoAttack, DeepFool, SquareRescaled
from robbench_builders.attacks.streams import image_streams
from robbench_builders.evaluate import accuracy, robust_outcomes
from tests.builders.toy_networks import digits, trained

GRID = [0, 0.02, 0.05, 0.1, 0.15, 0.25]
IMAGES, LABELS = digits()[0][1200:1350], digits()[1][1200:1350]
NETWORKS = [0, 1]


def importorskip(name: str) -> Any:
    with warnings.catch_warnings():  # Foolbox 3.3.4 imports names that SciPy has moved
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed: no second witness")


def foolbox_outcomes(seed: int, attack: Any) -> Any:
    model = importorskip("foolbox").PyTorchModel(trained(seed), bounds=(0, 1), device="cpu")
    _, _, success = attack(model, IMAGES, LABELS, epsilons=GRID)
    return ~success.numpy()


def torchattacks_accuracy(seed: int, attack: Any, **options: Any) -> Any:
    """Their adversarial images, judged here."""

    def one(eps: float) -> float:
        adversarial = attack(trained(seed), eps=eps, **options)(IMAGES, LABELS) if eps else IMAGES
        assert (adversarial - IMAGES).abs().max() <= eps + 1e-6
        return float((trained(seed)(adversarial).argmax(1) == LABELS).float().mean())

    with torch.random.fork_rng(devices=[]):  # torchattacks seeds globally
        return np.array([one(eps) for eps in GRID])


@pytest.mark.parametrize("seed", NETWORKS)
def test_fgsm_has_foolbox_outcomes(seed: Any) -> None:
    foolbox = importorskip("foolbox")
    theirs = foolbox_outcomes(seed, foolbox.attacks.LinfFastGradientAttack())
    assert (robust_outcomes(trained(seed), IMAGES, LABELS, FGSM(), GRID) == theirs).all()


@pytest.mark.parametrize("seed", NETWORKS)
def test_pgd_has_foolbox_outcomes_from_the_same_random_start(seed: Any) -> None:
    """Iterate by iterate the same: all but images whose gradient is zero to rounding.  Stopping early costs no more either."""
    foolbox = importorskip("foolbox")
    streams = image_streams(0, torch.arange(len(IMAGES)))

    class FromOurStart(foolbox.attacks.LinfPGD):  # type: ignore[misc,name-defined]
        def get_random_start(self, x0: Any, epsilon: float) -> Any:
            return type(x0)(PGD(steps=0)(trained(seed), x0.raw, LABELS, epsilon, streams=streams))

    theirs = foolbox_outcomes(seed, FromOurStart(rel_stepsize=1 / 30, steps=40))
    last_iterate = robust_outcomes(trained(seed), IMAGES, LABELS, PGD(early_stop=False), GRID)
    any_iterate = robust_outcomes(trained(seed), IMAGES, LABELS, PGD(), GRID)
    assert (last_iterate != theirs).sum() <= 2
    np.testing.assert_allclose(accuracy(any_iterate), accuracy(theirs), atol=0.01)


@pytest.mark.parametrize("seed", NETWORKS)
def test_apgd_is_at_most_a_point_weaker_than_torchattacks(seed: Any) -> None:
    theirs = torchattacks_accuracy(seed, importorskip("torchattacks").APGD, steps=100)
    ours = accuracy(robust_outcomes(trained(seed), IMAGES, LABELS, APGD(), GRID))
    assert (ours <= theirs + 0.01).all()
    assert (ours >= theirs - 0.02).all()


@pytest.mark.parametrize("seed", NETWORKS)
def test_square_is_at_most_a_point_weaker_than_torchattacks(seed: Any) -> None:
    """With 200 queries.  The rescaled one is stronger on images this small: its squares go everywhere, theirs never to the last row and column."""
    theirs = torchattacks_accuracy(seed, importorskip("torchattacks").Square, n_queries=200)
    ours = accuracy(robust_outcomes(trained(seed), IMAGES, LABELS, SquareRescaled(queries=200), GRID))
    assert (ours <= theirs + 0.01).all()


@pytest.mark.parametrize("seed", NETWORKS)
def test_deepfool_has_foolbox_outcomes(seed: Any) -> None:
    foolbox = importorskip("foolbox")
    theirs = foolbox_outcomes(seed, foolbox.attacks.LinfDeepFoolAttack())
    assert (robust_outcomes(trained(seed), IMAGES, LABELS, DeepFool(), GRID) != theirs).sum() <= 2


def torchattacks_robust(name: str, n: int, eps: float, seed: int = 0, **options: Any) -> float:
    """Robust accuracy of their adversarial images of the first n, judged here."""
    attack = getattr(importorskip("torchattacks"), name)(trained(1), eps=eps, **options)
    with torch.random.fork_rng(devices=[]):  # torchattacks seeds globally
        torch.manual_seed(seed)
        adversarial = attack(IMAGES[:n], LABELS[:n])
    assert (adversarial - IMAGES[:n]).abs().max() <= eps + 1e-6
    return float((trained(1)(adversarial).argmax(1) == LABELS[:n]).float().mean())


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "n"),
    [
        (APGDDLR(steps=50), "APGD", {"steps": 50, "loss": "dlr"}, 150),
        (APGDT(steps=20, targets=9), "APGDT", {"steps": 20}, 150),
        (FABT(steps=20), "FAB", {"steps": 20, "multi_targeted": True}, 100),
        (AutoAttack(steps=20, queries=50), "AutoAttack", {}, 40),
    ],
    ids=["apgd-dlr", "apgd-t", "fab-t", "autoattack"],
)
def test_the_stronger_attacks_are_at_most_a_point_weaker_than_torchattacks(ours: Any, theirs: str, options: Any, n: int) -> None:
    """AutoAttack is theirs at its defaults, ours at a fifth of them."""
    witness = torchattacks_robust(theirs, n, 0.1, **options)
    found = accuracy(robust_outcomes(trained(1), IMAGES[:n], LABELS[:n], ours, [0.1]))[0]
    assert witness - 0.025 <= found <= witness + 0.01


def test_spsa_is_at_most_a_point_weaker_than_torchattacks_over_seeds() -> None:
    """Directions are random, so the means of three seeds are compared."""
    ours = SPSA(steps=10, samples=32, learning_rate=0.02)
    theirs = [torchattacks_robust("SPSA", 150, 0.1, seed, nb_iter=10, nb_sample=32, lr=0.02) for seed in range(3)]
    found = [accuracy(robust_outcomes(trained(1), IMAGES, LABELS, ours, [0.1], seed=seed))[0] for seed in range(1, 4)]
    np.testing.assert_allclose(np.mean(found), np.mean(theirs), atol=0.01)

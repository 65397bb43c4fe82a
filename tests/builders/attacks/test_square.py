"""Square in both schedules against second implementations: torchattacks' where it is installed, and a plain one of the paper's algorithms."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders.attacks import AttackError, Square, SquareRescaled
from robbench_builders.evaluate import robust_outcomes
from tests.builders.attacks.test_witnesses import importorskip
from tests.builders.toy_networks import digits, trained

IMAGES, LABELS = digits()[0][1200:1350], digits()[1][1200:1350]
NETWORKS, SEEDS, QUERIES, EPS = (0, 1), range(4), 200, 0.12


def square_plainly(network: Any, eps: float, seed: int, *, rescaled: bool, everywhere: bool) -> Any:
    """Algorithms 1 and 2, from the paper; the schedule of its section 4.1, in queries or in shares of the queries allowed."""
    random, images = np.random.default_rng(seed), IMAGES.numpy()
    size, labels = images.shape[-1], LABELS.numpy()

    def margin(points: Any) -> Any:
        logits = network(torch.from_numpy(points)).numpy()
        own = logits[np.arange(len(labels)), labels].copy()
        logits[np.arange(len(labels)), labels] = -np.inf
        return own - logits.max(axis=1)

    best = np.clip(images + eps * random.choice([-1, 1], (len(images), 1, 1, size)), 0, 1).astype(np.float32)
    loss = margin(best)
    for query in range(QUERIES):
        p = 0.8
        for after in (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8):
            p = p / 2 if query > after * (QUERIES if rescaled else 10_000) else p
        side = max(round(np.sqrt(p) * size), 1)
        row, column = random.integers(0, size - side + everywhere, (2, len(images), 1, 1, 1))
        below, right = np.arange(size)[:, None] - row, np.arange(size) - column
        square = (below >= 0) & (below < side) & (right >= 0) & (right < side)
        tried = best + 2 * eps * square * random.choice([-1, 1], (len(images), 1, 1, 1))
        tried = np.clip(np.clip(tried, images - eps, images + eps), 0, 1).astype(np.float32)
        new = margin(tried)
        accepted = (loss > 0) & (new < loss)
        best[accepted], loss[accepted] = tried[accepted], new[accepted]
    return loss > 0


def differences(ours: Square, theirs: Any) -> tuple[float, float]:
    """Mean difference of robust accuracy, ours − theirs, and its standard error.

    Over the images, which networks and seeds share; and over their seeds, since torchattacks draws one square for all images of a batch.
    Ours draws for each image, so that its noise is that of the images.
    """
    our = [[robust_outcomes(trained(n), IMAGES, LABELS, ours, [EPS], seed=seed)[0] for seed in SEEDS] for n in NETWORKS]
    their = [[theirs(trained(n), seed) for seed in SEEDS] for n in NETWORKS]
    apart, by_seed = np.mean(our, (0, 1)) - np.mean(their, (0, 1)), np.mean(their, (0, 2))
    errors = (values.std(ddof=1) / np.sqrt(len(values)) for values in (apart, by_seed))
    return float(apart.mean()), float(np.hypot(*errors))


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("schedule", ["published", "rescaled"])
def test_square_is_as_strong_as_a_plain_second_one(schedule: str, everywhere: bool) -> None:
    ours = Square(queries=QUERIES, schedule=schedule, everywhere=everywhere)

    def plainly(network: Any, seed: int) -> Any:
        return square_plainly(network, EPS, seed, rescaled=schedule == "rescaled", everywhere=everywhere)

    apart, error = differences(ours, plainly)
    assert abs(apart) <= 2 * error
    assert error < 0.015


@pytest.mark.parametrize("schedule", ["published", "rescaled"])
def test_square_is_as_strong_as_torchattacks(schedule: str) -> None:
    witness = importorskip("torchattacks").Square

    def theirs(network: Any, seed: int) -> Any:
        attack = witness(network, eps=EPS, n_queries=QUERIES, resc_schedule=schedule == "rescaled", seed=seed)
        with torch.random.fork_rng(devices=[]):  # it seeds globally
            return (network(attack(IMAGES, LABELS)).argmax(1) == LABELS).numpy()

    apart, error = differences(Square(queries=QUERIES, schedule=schedule), theirs)
    assert abs(apart) <= 2 * error
    assert error < 0.02


def test_the_rescaled_one_is_stronger_and_not_the_published_attack() -> None:
    published, rescaled = (
        np.mean([robust_outcomes(trained(n), IMAGES, LABELS, attack, [EPS])[0] for n in NETWORKS], 0)
        for attack in (Square(queries=QUERIES), SquareRescaled(queries=QUERIES))
    )
    apart = published - rescaled
    assert apart.mean() > 3 * apart.std(ddof=1) / np.sqrt(len(apart))


def test_another_schedule_is_refused() -> None:
    with pytest.raises(AttackError, match="schedule='linear' is not one of Square's; expected 'published' or 'rescaled'"):
        Square(schedule="linear")

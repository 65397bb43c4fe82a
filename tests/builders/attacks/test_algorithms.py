"""Each attack against small independent computations: a linear model by hand, the papers' schedules, one attack from another."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders.attacks import APGD, FGSM, PGD, Square, SquareRescaled
from robbench_builders.attacks.apgd import checkpoints
from robbench_builders.attacks.base import ascent, least_likely
from robbench_builders.attacks.square import _square, share, side
from robbench_builders.attacks.streams import image_streams, uniform
from tests.builders.toy_networks import Stack, digits, trained, untrained


def linear(seed: int, shape: tuple[int, ...], classes: int) -> Any:
    """A linear model as numpy weights (classes, pixels), and as a network."""
    weights = np.random.default_rng(seed).normal(size=(classes, int(np.prod(shape)))).astype(np.float32)
    tensor = torch.tensor(weights)
    return weights, lambda images: images.flatten(-3) @ tensor.T


def batch(seed: int, n: int, shape: tuple[int, ...], classes: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, *shape, generator=generator), torch.randint(classes, (n,), generator=generator), image_streams(0, torch.arange(n))


def test_fgsm_on_a_linear_model_by_hand() -> None:
    """∇ₓ L = Wᵀ(softmax(Wx) − onehot(y)); no autograd here."""
    shape, classes, eps = (2, 4, 5), 3, 0.07
    weights, network = linear(0, shape, classes)
    images, labels, streams = batch(1, 8, shape, classes)
    x = images.numpy().reshape(8, -1)
    logits = x @ weights.T
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for targeted, classes_, sign in [(False, labels.numpy(), 1), (True, logits.argmin(1), -1)]:
        gradient = (probabilities - np.eye(classes)[classes_]) @ weights
        expected = np.clip(x + sign * eps * np.sign(gradient), 0, 1)
        found = FGSM(targeted=targeted)(network, images, labels, eps, streams=streams)
        np.testing.assert_allclose(found.numpy().reshape(8, -1), expected, atol=1e-6)


class Counting:
    """A network that counts the rows it is asked about."""

    def __init__(self, network: Any) -> None:
        self.network, self.asked = network, 0

    def __call__(self, images: Any) -> Any:
        self.asked += images.shape[:-3].numel()
        return self.network(images)


@pytest.mark.parametrize("targeted", [False, True])
def test_fgsm_takes_one_gradient_of_an_image_at_several_eps(targeted: bool) -> None:
    """Neighbours with the same image and another label have their own; a row's step is the one it has alone."""
    images, labels = digits()
    networks = Stack(trained(0), trained(1))
    given = torch.stack([images[[7, 7, 7, 8, 8, 7]], images[[1, 2, 3, 4, 5, 6]]])
    labels, eps = torch.tensor([[1, 1, 2, 2, 2, 2], [3] * 6]), torch.linspace(0.01, 0.1, 6).expand(2, -1)
    streams = image_streams(0, torch.arange(6)).expand(2, -1)
    counting = Counting(networks)
    found = FGSM(targeted=targeted)(counting, given, labels, eps, streams=streams)
    assert counting.asked == 2 * 6 * (1 + targeted)  # as many as the network that has most
    counting = Counting(Stack(trained(0)))
    assert torch.equal(FGSM(targeted=targeted)(counting, given[:1], labels[:1], eps[:1], streams=streams[:1]), found[:1])
    assert counting.asked == 4 * (1 + targeted)
    for row in range(6):
        _, _, gradient = ascent(networks, given, least_likely(networks, given) if targeted else labels)
        step = eps[:, row, None, None, None] * gradient[:, row].sign() * (-1 if targeted else 1)
        torch.testing.assert_close(found[:, row], (given[:, row] + step).clamp(0, 1))


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("eps", [0.01, 0.1, 0.3])
def test_pgd_with_one_full_step_and_no_random_start_is_fgsm(eps: Any, targeted: Any) -> None:
    images, labels = digits()
    pgd = PGD(steps=1, relative_step=1, random_start=False, targeted=targeted, early_stop=False)
    streams = image_streams(0, torch.arange(50))
    found = pgd(trained(0), images[:50], labels[:50], eps, streams=streams)
    assert torch.equal(found, FGSM(targeted=targeted)(trained(0), images[:50], labels[:50], eps, streams=streams))


def test_pgd_starts_uniformly_in_the_ball() -> None:
    _, network = linear(0, (1, 16, 16), 3)
    images = torch.full((40, 1, 16, 16), 0.5)
    start = PGD(steps=0)(network, images, torch.zeros(40, dtype=torch.int64), 0.1, streams=image_streams(0, torch.arange(40)))
    offset = (start - images) / 0.1
    assert offset.abs().max() <= 1 + 1e-5
    counts = torch.histc(offset, 20, -1, 1)
    assert ((counts - counts.mean()).square() / counts.mean()).sum() < 45  # chi-square, 19 degrees of freedom


def test_every_row_has_its_own_eps() -> None:
    images, labels, streams = batch(0, 6, (1, 8, 8), 10)
    eps = torch.linspace(0, 0.3, 6)
    for attack in (FGSM(), PGD(steps=5), APGD(steps=5), Square(queries=5)):
        together = attack(untrained(0), images, labels, eps, streams=streams)
        for row in range(6):
            alone = attack(untrained(0), images[[row]], labels[[row]], float(eps[row]), streams=streams[[row]])
            torch.testing.assert_close(together[[row]], alone)
        assert torch.equal(together[0], images[0])


def test_apgd_checkpoints_are_the_papers() -> None:
    """p = 0, 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99, of 100 iterations."""
    assert checkpoints(100) == (22, 41, 57, 70, 80, 87, 93, 99)
    assert checkpoints(1000) == (220, 410, 570, 700, 800, 870, 930, 990)
    assert checkpoints(10) == (3, 5, 6, 7, 8, 9, 10)
    assert checkpoints(1) == (1,)


def apgd_plainly(network: Any, image: Any, label: Any, eps: Any, start: Any, steps: Any) -> Any:
    """Algorithm 1 for one image, line by line; f is the cross-entropy.  The misclassified point, if one comes up, else the best."""

    def f(x: Any) -> Any:
        logits = network(x[None])
        return float(torch.nn.functional.cross_entropy(logits, label[None])), int(logits.argmax()) == int(label)

    def direction(x: Any) -> Any:
        x = x.clone().requires_grad_()
        torch.nn.functional.cross_entropy(network(x[None]), label[None]).backward()
        return x.grad.sign()

    def project(x: Any) -> Any:
        return torch.minimum(torch.maximum(x, image - eps), image + eps).clamp(0, 1)

    checks, eta, previous, x = [0, *checkpoints(steps)], 2 * eps, start, start
    values, etas, bests = [f(x)[0]], {0: eta}, {0: f(x)[0]}
    best, f_best, ascended, fooling = x, values[0], [], None if f(x)[1] else x
    for k in range(1, steps + 1):
        z = project(x + eta * direction(x))
        new = z if k == 1 else project(x + 0.75 * (z - x) + 0.25 * (x - previous))
        previous, x = x, new
        value, right = f(x)
        fooling = fooling if right else x
        ascended.append(value > values[-1])
        values.append(value)
        if value > f_best:
            best, f_best = x, value
        if k in checks[1:]:
            last = checks[checks.index(k) - 1]
            rarely = sum(ascended[last:k]) <= 0.75 * (k - last)
            stuck = last > 0 and etas[last] == etas[checks[checks.index(last) - 1]] and bests[last] == f_best
            if rarely or stuck:
                eta, x = eta / 2, best
            etas[k], bests[k] = eta, f_best
    return best if fooling is None else fooling


def test_apgd_against_algorithm_1_written_plainly_for_one_image() -> None:
    images, labels = digits()
    images, labels, streams = images[1200:1212], labels[1200:1212], image_streams(0, torch.arange(12))
    network = trained(0)
    eps = torch.linspace(0.01, 0.12, 12)
    start = APGD(steps=0, early_stop=False)(network, images, labels, eps, streams=streams)
    found = APGD(steps=60, early_stop=False)(network, images, labels, eps, streams=streams)
    assert 0 < (network(found).argmax(1) != labels).sum() < 12
    plain = torch.stack([apgd_plainly(network, images[row], labels[row], float(eps[row]), start[row], 60) for row in range(12)])
    same = (plain - found).abs().amax((1, 2, 3)) < 1e-4
    assert same.sum() >= 11  # a gradient within rounding of zero may take either sign


def test_apgd_returns_the_highest_loss_it_has_seen() -> None:
    images, labels = digits()
    images, labels, streams = images[1200:1230], labels[1200:1230], image_streams(0, torch.arange(30))
    losses = []
    for steps in (0, 20, 100):
        found = APGD(steps=steps)(trained(0), images, labels, 0.02, streams=streams)
        robust = trained(0)(found).argmax(-1) == labels
        losses.append(ascent(trained(0), found, labels)[1][robust])
    assert losses[0].mean() < losses[1].mean() <= losses[2].mean()


def test_apgd_on_a_linear_model_finds_the_corner() -> None:
    """With two classes the loss is monotone in every pixel: the best point is x + eps · sign(w_other − w_label), clipped."""
    weights, network = linear(3, (1, 6, 6), 2)
    images, labels, streams = batch(4, 20, (1, 6, 6), 2)
    toward = np.sign(weights[1 - labels.numpy()] - weights[labels.numpy()]).reshape(20, 1, 6, 6)
    found = APGD(early_stop=False)(network, images, labels, 0.1, streams=streams)
    robust = (network(found).argmax(-1) == labels).numpy()
    assert robust.any()
    np.testing.assert_allclose(found.numpy()[robust], np.clip(images.numpy() + 0.1 * toward, 0, 1)[robust], atol=1e-5)


def test_square_schedule_is_the_authors() -> None:
    """p is halved at 10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000 of 10,000 queries."""

    def halved(queries: int, schedule: str) -> list[int]:
        shares = [share(query, queries, 0.8, schedule) for query in range(queries)]
        return [query for query in range(1, queries) if shares[query] < shares[query - 1]]

    for schedule in ("published", "rescaled"):
        assert halved(10_000, schedule) == [11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001]
        assert share(0, 10_000, 0.8, schedule) == 0.8
        assert share(9_999, 10_000, 0.8, schedule) == 0.8 / 512
    assert halved(1000, "rescaled") == [2, 6, 21, 51, 101, 201, 401, 601, 801]
    assert halved(5000, "published") == [11, 51, 201, 501, 1001, 2001, 4001]  # so 5,000 queries never see the smallest squares


def test_square_sides() -> None:
    assert [side(0.8 / 2**k, 32, 32) for k in range(10)] == [29, 20, 14, 10, 7, 5, 4, 3, 2, 1]
    assert side(0.8, 8, 8) == 7
    assert side(0.8, 4, 40) == 4
    assert side(1e-6, 8, 8) == 1


def test_squares_reach_every_place_equally() -> None:
    draws = uniform(image_streams(0, torch.arange(6000)), 0, 2)
    squares = _square(draws[:, 0], draws[:, 1], 3, 8, 6, everywhere=True)
    assert squares.shape == (6000, 1, 8, 6)
    assert (squares.sum((1, 2, 3)) == 9).all()
    corners = squares[:, 0].flatten(1).float().argmax(1).bincount(minlength=48).view(8, 6)[:6, :4]
    assert ((corners - 250.0).square() / 250).sum() < 50  # chi-square, 23 degrees of freedom


def test_squares_of_the_authors_code_never_reach_the_last_row_and_column() -> None:
    """There, the first row is floor((h − s) · u), u in [0, 1): from 0 to h − s − 1, and all of these are as likely."""
    draws = uniform(image_streams(0, torch.arange(6000)), 0, 2)
    squares = _square(draws[:, 0], draws[:, 1], 3, 8, 6, everywhere=False)
    assert (squares.sum((1, 2, 3)) == 9).all()
    assert not squares[..., -1, :].any()
    assert not squares[..., -1].any()
    corners = squares[:, 0].flatten(1).float().argmax(1).bincount(minlength=48).view(8, 6)[:5, :3]
    assert ((corners - 400.0).square() / 400).sum() < 36  # chi-square, 14 degrees of freedom
    whole = _square(draws[:5, 0], draws[:5, 1], 4, 4, 9, everywhere=False)
    assert (whole.sum((1, 2, 3)) == 16).all()  # one that fills the height has but one place there


def test_square_starts_with_stripes_and_changes_one_square_a_query() -> None:
    network = Stack(untrained(0, channels=3))
    images = torch.full((1, 5, 3, 8, 8), 0.5)
    labels = network(images).argmax(-1)
    streams = image_streams(0, torch.arange(5))
    points = [Square(queries=queries, early_stop=False)(network, images, labels, 0.1, streams=streams) for queries in (0, 1)]
    offset = points[0] - images
    torch.testing.assert_close(offset.abs(), torch.full_like(offset, 0.1))
    assert (offset == offset[..., :1, :]).all()
    assert offset.unique().numel() == 2
    changed = (points[0] != points[1])[0].any(1)
    assert changed.any()
    assert changed.any(-1).sum(-1).max() <= 7
    assert changed.any(-2).sum(-1).max() <= 7


def test_square_asks_only_about_squares_that_move_a_pixel() -> None:
    images, labels = digits()
    images, labels, streams = images[1200:1230], labels[1200:1230], image_streams(0, torch.arange(30))
    asked = []
    for early_stop in (True, False):
        counting = Counting(trained(0))
        found = SquareRescaled(queries=100, early_stop=early_stop)(counting, images, labels, 0.01, streams=streams)
        asked.append((counting.asked, found))
    (few, quick), (all_of_them, slow) = asked
    assert all_of_them == 30 * 101
    assert few < 0.7 * all_of_them  # at so small an eps hardly any image breaks
    assert (trained(0)(quick).argmax(-1) == labels).sum() > 25
    torch.testing.assert_close(quick, slow)


def test_square_never_raises_its_loss() -> None:
    images, labels = digits()
    images, labels, streams = images[1200:1230], labels[1200:1230], image_streams(0, torch.arange(30))

    def margin(queries: int) -> Any:
        logits = trained(0)(replace(Square(), queries=queries)(trained(0), images, labels, 0.03, streams=streams))
        label = logits.gather(-1, labels[:, None])[:, 0]
        return (label - logits.scatter(-1, labels[:, None], -torch.inf).amax(-1)).clamp(min=0)

    assert (margin(200) <= margin(0) + 1e-5).all()
    assert margin(200).mean() < margin(0).mean()


def test_targets_are_the_least_likely_classes() -> None:
    images, _ = digits()
    assert torch.equal(least_likely(trained(0), images[:20]), trained(0)(images[:20]).argmin(-1))
    labels = trained(0)(images[:20]).argmax(-1)
    target = least_likely(trained(0), images[:20])
    before = ascent(trained(0), images[:20], target)[1]
    streams = image_streams(0, torch.arange(20))
    for attack in (FGSM(targeted=True), PGD(targeted=True), APGD(targeted=True), Square(targeted=True, queries=100)):
        after = ascent(trained(0), attack(trained(0), images[:20], labels, 0.02, streams=streams), target)[1]
        assert (after < before).all()

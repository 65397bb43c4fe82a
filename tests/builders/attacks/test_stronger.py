"""The losses and the stronger attacks against small independent computations: loops over rows, a linear program, one attack from another."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders.attacks import (
    APGD,
    APGDDLR,
    APGDT,
    CW,
    FABT,
    FGSM,
    PGD,
    SPSA,
    AttackError,
    AutoAttack,
    DeepFool,
    InPrecision,
    Square,
)
from robbench_builders.attacks.base import correct, likely
from robbench_builders.attacks.cascade import InTurn
from robbench_builders.attacks.fab import to_hyperplane
from robbench_builders.attacks.losses import dlr, margin
from robbench_builders.attacks.streams import image_streams, uniform
from robbench_builders.errors import AttackWarning
from robbench_builders.evaluate import accuracy, robust_outcomes
from tests.builders.toy_networks import Stack, digits, trained, untrained

IMAGES, LABELS = digits()[0][1200:1240], digits()[1][1200:1240]
STREAMS = image_streams(0, torch.arange(40))


def random_logits(classes: int) -> Any:
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(2, 30, classes, generator=generator)
    labels, targets = torch.randint(classes, (2, 2, 30), generator=generator)
    return logits, labels, torch.where(targets == labels, (targets + 1) % classes, targets)


@pytest.mark.parametrize("classes", [4, 10])
def test_the_losses_row_by_row(classes: int) -> None:
    logits, labels, targets = random_logits(classes)
    found = {
        "margin": margin(logits, labels),
        "margin to": margin(logits, labels, targets),
        "dlr": dlr(logits, labels),
        "dlr to": dlr(logits, labels, targets),
    }
    for row in np.ndindex(2, 30):
        z, y, t = logits[row].tolist(), int(labels[row]), int(targets[row])
        others = [value for k, value in enumerate(z) if k != y]
        first, _, third, fourth = sorted(z, reverse=True)[:4]
        expected = {
            "margin": max(others) - z[y],
            "margin to": z[t] - max(value for k, value in enumerate(z) if k != t),
            "dlr": -(z[y] - max(others)) / (first - third),
            "dlr to": -(z[y] - z[t]) / (first - (third + fourth) / 2),
        }
        for name, value in expected.items():
            assert abs(float(found[name][row]) - value) < 1e-4, name
    assert ((found["dlr"] > 0) == (logits.argmax(-1) != labels)).all()


@pytest.mark.parametrize("targeted", [False, True])
def test_dlr_ignores_the_scale_and_shift_of_logits(targeted: bool) -> None:
    logits, labels, targets = random_logits(10)
    aim = targets if targeted else None
    torch.testing.assert_close(dlr(100 * logits - 7, labels, aim), dlr(logits, labels, aim), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("attack", "classes", "message"),
    [
        (APGDDLR(), 2, "the DLR loss was given 2 classes; expected at least 3: attack networks of fewer by cross-entropy or margin"),
        (APGDDLR(targeted=True), 3, "the targeted DLR loss was given 3 classes; expected at least 4"),
        (APGDT(), 3, "the targeted DLR loss was given 3 classes; expected at least 4"),
    ],
)
def test_dlr_needs_enough_classes(attack: Any, classes: int, message: str) -> None:
    network = untrained(0, classes=classes)
    labels = network(IMAGES).argmax(-1)
    with pytest.raises(AttackError, match=message):
        attack(network, IMAGES, labels, 1e-6, streams=STREAMS)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_autoattack_goes_without_dlr_on_fewer_than_four_classes_and_says_so(classes: int) -> None:

    def network(images: Any) -> Any:
        return trained(0)(images)[..., :classes]

    labels = network(IMAGES).argmax(-1)
    attack = AutoAttack(steps=5, queries=20)
    with pytest.warns(AttackWarning, match="AutoAttack goes without APGD-T on this network, whose DLR loss takes 4 classes"):
        together = robust_outcomes(network, IMAGES, labels, attack, [0.2])
    parts = (APGD(steps=5), FABT(steps=5), Square(queries=20))
    assert attack.white_box_for(classes).attacks == parts[:2]
    apart = np.logical_and.reduce([robust_outcomes(network, IMAGES, labels, part, [0.2]) for part in parts])
    assert (together != apart).sum() <= 1
    assert apart.all() == (classes == 1)


def test_the_fewest_classes_that_attacks_serve() -> None:
    for attack, classes in ((APGDDLR(steps=3), 3), (APGDT(steps=3), 4), (FABT(steps=3), 1), (CW(steps=3), 1), (DeepFool(steps=3), 1)):
        network = untrained(0, classes=classes)
        labels = network(IMAGES).argmax(-1)
        assert attack(network, IMAGES, labels, 0.1, streams=STREAMS).shape == IMAGES.shape


def test_cw_with_one_full_step_is_one_signed_step_on_the_margin() -> None:
    x = IMAGES.clone().requires_grad_()
    logits = trained(0)(x)
    value = sum(max(logits[row, k] for k in range(10) if k != LABELS[row]) - logits[row, LABELS[row]] for row in range(len(x)))
    torch.autograd.backward(value)
    assert x.grad is not None
    expected = (IMAGES + 0.05 * x.grad.sign()).clamp(0, 1)
    found = CW(steps=1, relative_step=1, random_start=False, early_stop=False)(trained(0), IMAGES, LABELS, 0.05, streams=STREAMS)
    torch.testing.assert_close(found, expected)


def test_cw_beats_a_network_so_sure_that_cross_entropy_has_no_gradient() -> None:
    def sure(images: Any) -> Any:
        return 1e4 * trained(0)(images)

    by_loss = {type(attack): accuracy(robust_outcomes(sure, IMAGES, LABELS, attack, [0.15]))[0] for attack in (PGD(), CW(), APGDDLR())}
    assert by_loss[CW] < by_loss[PGD] - 0.2
    assert by_loss[APGDDLR] < by_loss[PGD] - 0.2


def test_apgd_t_is_targeted_dlr_towards_each_likely_class_in_turn() -> None:
    network, eps = trained(0), 0.08
    ranked = likely(network, IMAGES, LABELS, 3)
    assert (ranked == network(IMAGES).argsort(-1, descending=True)[:, 1:4])[correct(network(IMAGES), LABELS)].all()
    broken = torch.zeros(40, dtype=torch.bool)
    for rank in range(3):
        found = APGDDLR(steps=20).climb(network, IMAGES, LABELS, ranked[:, rank], eps, STREAMS)
        broken |= ~correct(network(found), LABELS)
    together = ~correct(network(APGDT(targets=3, steps=20)(network, IMAGES, LABELS, eps, streams=STREAMS)), LABELS)
    assert (together != broken).sum() <= 1  # a batch of another size may round differently
    assert broken.any()
    assert not broken.all()


def test_more_targets_than_classes_are_all_of_them() -> None:
    network = untrained(1, classes=5)
    labels = network(IMAGES).argmax(-1)
    assert likely(network, IMAGES, labels, 9).shape == (40, 4)
    all_four, many = (APGDT(targets=n, steps=4)(network, IMAGES, labels, 0.02, streams=STREAMS) for n in (4, 9))
    assert torch.equal(all_four, many)


# DeepFool and FAB


def deepfool_plainly(network: Any, image: Any, label: int, steps: int, overshoot: float) -> Any:
    """Algorithm 2 for one image, with the L∞ step, 10⁻⁴ longer; all classes are candidates."""
    x, total = image.clone(), torch.zeros_like(image)
    for _ in range(steps):
        x = x.clone().requires_grad_()
        logits = network(x[None])[0]
        if int(logits.argmax()) != label:
            break
        best = None
        for k in range(len(logits)):
            if k == label:
                continue
            (w,) = torch.autograd.grad(logits[k] - logits[label], x, retain_graph=True)
            distance = float((logits[k] - logits[label]).abs().detach() / w.abs().sum())
            if best is None or distance < best[0]:
                best = distance, w
        assert best is not None
        total = total + (best[0] + 1e-4) * best[1].sign()
        x = (image + (1 + overshoot) * total).clamp(0, 1)
    return x.detach()


def test_deepfool_against_algorithm_2_written_plainly_for_one_image() -> None:
    found = DeepFool()(trained(0), IMAGES, LABELS, 1.0, streams=STREAMS)
    plain = torch.stack([deepfool_plainly(trained(0), image, int(label), 50, 0.02) for image, label in zip(IMAGES, LABELS, strict=True)])
    assert ((found - plain).abs().amax((1, 2, 3)) < 1e-3).sum() >= 38  # a gradient within rounding of zero may take either sign
    assert (~correct(trained(0)(found), LABELS)).float().mean() > 0.9


def test_deepfool_and_fab_on_a_linear_model_take_the_shortest_way() -> None:
    """Between two classes of a linear model, the boundary is ``|f| / ‖w‖₁`` away, where no pixel meets 0 or 1."""
    rng = np.random.default_rng(0)
    weights = torch.tensor(rng.normal(size=(2, 36)), dtype=torch.float32)

    def network(images: Any) -> Any:
        return images.flatten(-3) @ weights.T

    images = torch.tensor(0.5 + 0.02 * rng.standard_normal((20, 1, 6, 6)), dtype=torch.float32)
    labels = network(images).argmax(-1)
    lead = network(images).gather(1, labels[:, None])[:, 0] - network(images).gather(1, 1 - labels[:, None])[:, 0]
    shortest = lead / (weights[0] - weights[1]).abs().sum()
    assert shortest.max() < 0.4
    for attack, slack in ((DeepFool(), 1.025), (FABT(early_stop=False), 1.006)):
        found = attack(network, images, labels, 1.0, streams=image_streams(0, torch.arange(20)))
        assert (network(found).argmax(-1) != labels).all()
        distance = (found - images).abs().amax((1, 2, 3))
        assert (distance >= shortest - 1e-5).all()
        assert (distance <= slack * shortest + 1e-5).all()


class Counted:
    """A network that counts the images it sees."""

    def __init__(self, network: Any) -> None:
        self.network, self.seen = network, 0

    def __call__(self, images: Any) -> Any:
        self.seen += len(images)
        return self.network(images)


@pytest.mark.parametrize("attack", [DeepFool(steps=15), FABT(targets=3, steps=15), FABT(targets=3, steps=15, early_stop=False)])
def test_one_walk_serves_all_eps(attack: Any) -> None:
    grid = [0.02, 0, 0.05, 0.08, 0.12]
    network = Counted(trained(0))
    together = robust_outcomes(network, IMAGES, LABELS, attack, grid)
    apart = np.concatenate([robust_outcomes(trained(0), IMAGES, LABELS, attack, [eps]) for eps in grid])
    assert (together != apart).sum() <= 1  # batches of other sizes may round differently
    assert 0 < together[-1].sum() < together[2].sum() < together[1].sum()
    alone = Counted(trained(0))
    robust_outcomes(alone, IMAGES, LABELS, attack, grid[:1])
    assert network.seen <= alone.seen + 40 * len(grid)


@pytest.mark.parametrize("attack", [DeepFool(steps=5), FABT(targets=2, steps=5)])
def test_one_walk_serves_all_eps_in_any_precision(attack: Any) -> None:
    grid, plain, named, fast = [0.02, 0.05, 0.12], Counted(trained(0)), Counted(trained(0)), Counted(trained(0))
    exact = robust_outcomes(plain, IMAGES, LABELS, attack, grid)
    assert (robust_outcomes(named, IMAGES, LABELS, InPrecision(attack, "float32"), grid) == exact).all()
    assert named.seen == plain.seen
    outcomes = robust_outcomes(fast, IMAGES, LABELS, InPrecision(attack, "bfloat16"), grid)
    assert 0 < (outcomes != exact).sum() < exact.size / 5
    assert fast.seen < 1.5 * plain.seen


@pytest.mark.parametrize("attack", [DeepFool(steps=15), FABT(targets=3, steps=15)])
def test_an_image_is_broken_at_the_eps_that_reach_the_nearest_point_found(attack: Any) -> None:
    grid = np.linspace(0.02, 0.16, 8)
    found = attack.nearest(trained(0), IMAGES, LABELS, 0.02, streams=STREAMS)
    distance = (found - IMAGES).abs().amax((1, 2, 3)).numpy()
    wrong = (~correct(trained(0)(found), LABELS)).numpy()
    survived = robust_outcomes(trained(0), IMAGES, LABELS, attack, list(grid))
    assert not survived[(distance <= grid[:, None] - 1e-6) & wrong].any()
    # A point farther away, clipped to the ball, seldom is still misclassified: it lies just beyond the boundary.
    assert survived[(distance > grid[:, None] + 1e-6) & (distance > 0)].mean() > 0.9


def test_fab_t_keeps_the_nearest_point_of_all_targets() -> None:
    attack, ranked = FABT(targets=3, steps=15, early_stop=False), likely(trained(0), IMAGES, LABELS, 3)

    def distance(points: Any) -> Any:
        apart = (points - IMAGES).abs().amax((1, 2, 3))
        return torch.where(apart > 0, apart, torch.inf)

    walks = [distance(attack._walk(trained(0), IMAGES, LABELS, ranked[:, rank], torch.full((40,), 0.02))) for rank in range(3)]
    nearest = distance(attack.nearest(trained(0), IMAGES, LABELS, 0.02, streams=STREAMS))
    torch.testing.assert_close(nearest, torch.stack(walks).amin(0))
    assert any((nearest < walk).any() for walk in walks)


@pytest.mark.parametrize("seed", range(6))
def test_the_way_to_a_hyperplane_is_the_linear_programs(seed: int) -> None:
    """Smallest λ with |δ| ≤ λ, start + δ in [0, 1] and value + gradient · (start + δ − x) = 0, by scipy's solver."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    start, x, gradient = (
        torch.tensor(array) for array in (rng.random((5, 1, 3, 4)), rng.random((5, 1, 3, 4)), rng.normal(size=(5, 1, 3, 4)))
    )
    gradient[:, :, 0, :2] = 0
    start[:, :, 1] = start[:, :, 1].round()  # pixels without room on one side
    value = torch.tensor(rng.normal(scale=4, size=5))
    found = to_hyperplane(start, x, value, gradient)
    assert ((start + found).clamp(0, 1) - start - found).abs().max() < 1e-9
    reached = value + (gradient * (start + found - x)).sum((1, 2, 3))
    for row in range(5):
        w, s = gradient[row].flatten().numpy(), start[row].flatten().numpy()
        missing = -float(value[row]) - float(w @ (s - x[row].flatten().numpy()))
        n = len(w)
        within = np.block([[np.eye(n), -np.ones((n, 1))], [-np.eye(n), -np.ones((n, 1))]])
        program = linprog(
            [0] * n + [1],
            A_ub=within,
            b_ub=np.zeros(2 * n),
            A_eq=[[*w, 0]],
            b_eq=[missing],
            bounds=[*zip(-s, 1 - s, strict=True), (0, None)],
        )
        if program.status == 2:  # out of reach in [0, 1]: as near as it gets
            assert abs(float(reached[row])) <= abs(missing)
            gained = np.where(w * missing > 0, 1 - s, s) * np.abs(w)
            assert abs(abs(missing) - gained.sum() - abs(float(reached[row]))) < 1e-9
        else:
            assert abs(float(reached[row])) < 1e-9
            assert abs(float(found[row].abs().max()) - program.fun) < 1e-9


def test_fab_with_one_step_by_the_formula() -> None:
    network, (eta, alpha_max) = trained(0), (1.05, 0.1)
    ranked = likely(network, IMAGES, LABELS, 1)[:, 0]
    attack = FABT(targets=1, steps=1, eta=3.0, early_stop=False)
    found = attack(network, IMAGES, LABELS, 1.0, streams=STREAMS)
    moved = (found != IMAGES).flatten(1).any(1)
    assert moved.any()
    for row in moved.nonzero().flatten().tolist():
        x = IMAGES[row].clone().requires_grad_()
        logits = network(x[None])[0]
        lead = logits[ranked[row]] - logits[LABELS[row]]
        (w,) = torch.autograd.grad(lead, x)
        step = to_hyperplane(x.detach()[None], x.detach()[None], lead.detach()[None], w[None])[0]
        # The iterate is the image: both projections are the same, and so is any mixture.
        torch.testing.assert_close(found[row], (IMAGES[row] + 3.0 * step).clamp(0, 1), rtol=1e-4, atol=1e-5)
    assert (FABT().eta, FABT().alpha_max) == (eta, alpha_max)


# SPSA


def test_spsa_against_the_same_steps_written_plainly_for_one_image() -> None:
    steps, samples, delta, rate, eps = 3, 4, 0.01, 0.02, 0.05
    attack = SPSA(steps, samples, delta, rate)
    network = trained(0)
    for row in range(4):
        image, label = IMAGES[row], int(LABELS[row])
        x, m, v = image.clone(), torch.zeros_like(image), torch.zeros_like(image)

        def loss(at: Any, label: int = label) -> Any:
            z = network(at[None])[0]
            return max(float(z[k]) for k in range(10) if k != label) - float(z[label])

        for t in range(steps):
            if loss(x) > 0:
                break
            gradient = torch.zeros_like(image)
            for k in range(samples):
                draws = uniform(STREAMS[row], (t * samples + k) * 64, 64).view(1, 8, 8)
                signs = torch.where(draws < 0.5, -1.0, 1.0)
                gradient += (loss(x + delta * signs) - loss(x - delta * signs)) / (2 * delta) * signs / samples
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            step = rate * (m / (1 - 0.9 ** (t + 1))) / ((v / (1 - 0.999 ** (t + 1))).sqrt() + 1e-8)
            x = torch.minimum(torch.maximum(x + step, image - eps), image + eps).clamp(0, 1)
        found = attack(network, IMAGES[[row]], LABELS[[row]], eps, streams=STREAMS[[row]])[0]
        torch.testing.assert_close(found, x, rtol=1e-3, atol=1e-3)


def test_spsa_estimates_the_gradient() -> None:
    weights = torch.randn(2, 36, generator=torch.Generator().manual_seed(0))

    def network(images: Any) -> Any:
        return images.flatten(-3) @ weights.T

    x, labels = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(1)), torch.tensor([0])
    estimate = SPSA(samples=4000)._estimate(network, x, labels, STREAMS[:1], 0).flatten()
    torch.testing.assert_close(estimate, weights[1] - weights[0], rtol=0, atol=0.7)
    assert torch.corrcoef(torch.stack([estimate, weights[1] - weights[0]]))[0, 1] > 0.98


# Cascades


@pytest.mark.parametrize("network", [trained(0), Stack(trained(0), trained(1))], ids=["plain", "stacked"])
def test_a_cascade_breaks_what_any_of_its_attacks_breaks(network: Any) -> None:
    attacks = (FGSM(), APGD(steps=10), Square(queries=40), DeepFool(steps=5))
    grid = [0.03, 0.08, 0.12]
    together = robust_outcomes(network, IMAGES, LABELS, InTurn(attacks), grid)
    apart = np.logical_and.reduce([robust_outcomes(network, IMAGES, LABELS, attack, grid) for attack in attacks])
    assert (together != apart).sum() <= 1  # a batch of another size may round differently


def test_autoattack_is_its_four_attacks_in_turn() -> None:
    attack = AutoAttack(steps=8, targets=2, queries=40)
    grid = [0.05, 0.1]
    parts = (*attack.white_box.attacks, attack.black_box)
    assert [part.settings()["attack"] for part in parts] == str(attack.settings()["attacks"]).split(", ")
    apart = np.logical_and.reduce([robust_outcomes(trained(0), IMAGES, LABELS, part, grid) for part in parts])
    assert (robust_outcomes(trained(0), IMAGES, LABELS, attack, grid) != apart).sum() <= 1


def test_later_attacks_see_only_what_is_left() -> None:
    class Watcher:
        seen: Any = None

        def __call__(self, network: Any, images: Any, labels: Any, eps: Any, *, streams: Any) -> Any:
            self.seen = images
            return images

        def settings(self) -> Any:
            return {"attack": "watcher"}

    watcher = Watcher()
    network, half = trained(0), 20
    wrong = (LABELS + (torch.arange(40) < half)) % 10
    InTurn((FGSM(), watcher))(network, IMAGES, wrong, 1e-6, streams=STREAMS)
    right = correct(network(IMAGES), wrong)
    assert torch.equal(watcher.seen, IMAGES[right])

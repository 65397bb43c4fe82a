"""Networks as people bring them: each is put right for the while, or refused by name with the way out."""

from __future__ import annotations

from collections import namedtuple
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

from robbench_builders.attacks import APGD, APGDDLR, APGDT, CW, FABT, FGSM, PGD, SPSA, AttackError, AutoAttack, DeepFool, Square
from robbench_builders.attacks.losses import dlr, margin
from robbench_builders.classifiers import LogitsOf, Normalised, fit_for_attacks
from robbench_builders.evaluate import accuracy, clean_outcomes, robust_outcomes
from robbench_builders.reliability import reliability
from tests.builders.toy_networks import Stack, digits, trained, untrained

IMAGES, LABELS = digits()[0][1200:1300], digits()[1][1200:1300]
ATTACKS: tuple[Any, ...] = (
    FGSM(), PGD(steps=10, relative_step=0.2), APGD(steps=15), APGDDLR(steps=15), APGDT(targets=2, steps=8), FABT(targets=2, steps=8),
    CW(steps=10, relative_step=0.2), DeepFool(steps=6, candidates=4), Square(queries=60), SPSA(steps=5, samples=8, learning_rate=0.06),
    AutoAttack(steps=6, targets=2, queries=30), FGSM(targeted=True), PGD(steps=10, relative_step=0.2, targeted=True),
)  # fmt: skip
each_attack = pytest.mark.parametrize(
    "attack", ATTACKS, ids=lambda attack: attack.settings()["attack"] + "-ll" * getattr(attack, "targeted", 0)
)
SHORT = AutoAttack(steps=4, targets=1, queries=20)


def normal(attack: Any, eps: float = 0.1) -> Any:
    return robust_outcomes(trained(0), IMAGES, LABELS, attack, [eps])


class ChangesItsInput(nn.Module):
    """Normalises in place, as (x − ½) / ½ and back, and leaves noise behind."""

    def __init__(self, data: bool) -> None:
        super().__init__()
        self.network, self.data = trained(0), data
        self.eval()

    def forward(self, x: Any) -> Any:
        logits = self.network(x * 1.0)
        (x.data if self.data else x).zero_()
        return logits


@each_attack
@pytest.mark.parametrize("data", [False, True], ids=["in place", "behind autograd's back"])
def test_a_network_that_changes_its_input_gets_copies(attack: Any, data: bool) -> None:
    images = IMAGES.clone()
    assert (robust_outcomes(ChangesItsInput(data), images, LABELS, attack, [0.1]) == normal(attack)).all()
    assert torch.equal(images, IMAGES)


def batch_normed(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Sequential(nn.ReLU(), nn.BatchNorm2d(8)), nn.Flatten(), nn.Linear(288, 10)
    )
    for _ in range(20):
        network(IMAGES + 0.3 * torch.randn_like(IMAGES))
    return network.eval()


def inside(network: Any) -> Any:
    """A callable whose network only its closure knows."""
    return lambda images: network(images)


@pytest.mark.parametrize("hidden", [False, True], ids=["module", "closure"])
def test_batch_norms_in_train_mode_inside_are_in_eval_mode_for_the_while(hidden: bool) -> None:
    network = batch_normed()
    labels = network(IMAGES).argmax(1)
    expected = robust_outcomes(network, IMAGES, labels, PGD(steps=5), [0.05])
    (network if hidden else network[2]).train()
    before, modes = deepcopy(network.state_dict()), [module.training for module in network.modules()]
    for batch_size in (7, 100):
        found = robust_outcomes(inside(network) if hidden else network, IMAGES, labels, PGD(steps=5), [0.05], batch_size=batch_size)
        assert (found != expected).sum() <= 1  # a batch of another size may round differently
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    report = reliability(inside(network) if hidden else network, IMAGES[:20], labels[:20], [0.02], SHORT)
    assert f"{sum(modes)} modules in training mode were in eval mode for the while." in report.warnings
    assert not report.mixes_images


def test_modes_come_back_after_an_error() -> None:
    network = batch_normed()
    network[1].train()
    with pytest.raises(AttackError, match="for a network of 10 classes"):
        clean_outcomes(network, IMAGES, LABELS + 5)
    assert network[1].training
    assert not network.training


def test_other_threads_and_other_networks_keep_their_modes() -> None:
    import threading

    other = untrained(1).train()
    with fit_for_attacks(trained(0)) as fit:
        fit(IMAGES[:2])
        thread = threading.Thread(target=lambda: other(IMAGES[:2]))
        thread.start()
        thread.join()
    assert other.training
    assert not fit.switched


def test_batch_norms_without_running_statistics_are_refused() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), trained(0)).eval()
    with pytest.raises(
        AttackError, match="BatchNorm2d without running statistics, so its answer to an image depends on the rest of the batch"
    ):
        clean_outcomes(inside(network), IMAGES, LABELS)


def test_reliability_tells_of_a_network_that_mixes_images() -> None:
    def mixing(images: Any) -> Any:
        return trained(0)((images - images.mean(-4, keepdim=True)).clamp(0, 1))

    report = reliability(mixing, IMAGES[:20], LABELS[:20], [0.02], SHORT)
    assert report.mixes_images
    assert "the network is mixing images: an answer depends on the rest of the batch, so outcomes do, too." in report.warnings


# Precision


def autocast(dtype: Any) -> Any:
    def network(images: Any) -> Any:
        with torch.autocast("cpu", dtype=dtype):
            return trained(0)(images)

    return network


def autocast_and_back(images: Any) -> Any:
    return autocast(torch.float16)(images).float()


def low(kind: str) -> Any:
    return {
        "half": deepcopy(trained(0)).half(),
        "bfloat16": deepcopy(trained(0)).bfloat16(),
        "half inside": inside(deepcopy(trained(0)).half()),
        "autocast half": autocast(torch.float16),
        "autocast bfloat16": autocast(torch.bfloat16),
        "autocast and back": autocast_and_back,
    }[kind]


@each_attack
@pytest.mark.parametrize("kind", ["half", "bfloat16", "half inside", "autocast half", "autocast bfloat16", "autocast and back"])
def test_networks_of_less_precision_are_attacked_as_well_as_others(kind: str, attack: Any) -> None:
    found = accuracy(robust_outcomes(low(kind), IMAGES, LABELS, attack, [0, 0.1]))
    assert abs(found[0] - accuracy(clean_outcomes(trained(0), IMAGES, LABELS))) <= 0.01
    assert abs(found[1] - accuracy(normal(attack))[0]) <= (0.05 if "bfloat" in kind else 0.03)


def sure(network: Any) -> Any:
    return lambda images: 3 * network(images)


@pytest.mark.parametrize("kind", ["half", "autocast half", "autocast and back"])
def test_gradients_do_not_underflow_in_half_precision(kind: str) -> None:
    """Where a network is sure, cross-entropy's slopes are below 6e-8, which is nothing in float16."""
    logits = sure(trained(0))(IMAGES).double()
    slopes = (logits.softmax(-1) - nn.functional.one_hot(LABELS, 10)).abs().amax(-1)
    assert (slopes < 6e-8).any()
    expected = accuracy(robust_outcomes(sure(trained(0)), IMAGES, LABELS, FGSM(), [0.1]))[0]
    found = accuracy(robust_outcomes(sure(low(kind)), IMAGES, LABELS, FGSM(), [0.1]))[0]
    assert abs(found - expected) <= 0.03


def test_images_of_half_precision_and_networks_of_double() -> None:
    expected = robust_outcomes(trained(0), IMAGES.half().float(), LABELS, PGD(), [0.1])
    assert (robust_outcomes(trained(0), IMAGES.half(), LABELS, PGD(), [0.1]) == expected).all()
    double = robust_outcomes(deepcopy(trained(0)).double(), IMAGES, LABELS, PGD(), [0.1])
    assert (double != normal(PGD())).sum() <= 1
    assert (robust_outcomes(trained(0), IMAGES.double(), LABELS, PGD(), [0.1]) != normal(PGD())).sum() <= 1


def test_a_stack_of_less_precision() -> None:
    stack = Stack(deepcopy(trained(0)).half(), deepcopy(trained(1)).half())
    for attack in (FGSM(), PGD(steps=10)):
        found = accuracy(robust_outcomes(stack, IMAGES, LABELS, attack, [0.1]))
        expected = accuracy(robust_outcomes(Stack(trained(0), trained(1)), IMAGES, LABELS, attack, [0.1]))
        assert np.abs(found - expected).max() <= 0.03
    assert any("computes in float16" in warning for warning in reliability(stack, IMAGES[:20], LABELS[:20], [0.02], SHORT).warnings)


# Masked classes


def masking(*masked: int) -> Any:
    hidden = torch.zeros(10, dtype=torch.bool)
    hidden[list(masked)] = True
    return lambda images: trained(0)(images).masked_fill(hidden, -torch.inf)


@each_attack
@pytest.mark.parametrize("kept", [2, 3, 5, 9])
def test_masked_classes_are_left_out(attack: Any, kept: int) -> None:
    """The same as a network without them, where the losses need no more classes than are kept."""
    some = kept > LABELS
    images, labels = IMAGES[some], LABELS[some]
    masked, cut = masking(*range(kept, 10)), lambda x: trained(0)(x)[..., :kept]
    assert accuracy(clean_outcomes(masked, images, labels)) > 0.95
    found = robust_outcomes(masked, images, labels, attack, [0.15])
    needs = {"apgd-dlr": 3, "apgd-t": 4, "autoattack": 4}.get(attack.settings()["attack"], 1)
    if kept >= needs:
        assert (found != robust_outcomes(cut, images, labels, attack, [0.15])).sum() <= 1
    else:  # no worse than the margin alone
        assert accuracy(found)[0] <= accuracy(robust_outcomes(cut, images, labels, CW(steps=10, relative_step=0.2), [0.15]))[0] + 0.1


def test_losses_of_masked_classes_and_their_gradients() -> None:
    logits = torch.tensor([[3.0, 1.0, 0.5, -1.0, -torch.inf], [3.0, 1.0, -torch.inf, -torch.inf, -torch.inf]], requires_grad=True)
    labels, targets = torch.tensor([0, 0]), torch.tensor([1, 1])
    for loss, expected in (
        (margin(logits, labels), [-2.0, -2.0]),
        (dlr(logits, labels), [-2 / 2.5, -2.0]),
        (dlr(logits, labels, targets), [-2 / (3 - (0.5 - 1) / 2), -2.0]),
    ):
        assert loss.tolist() == pytest.approx(expected)
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert gradient.isfinite().all()
        assert gradient[0].any()
        assert gradient[1].any()


def test_a_label_that_is_masked_is_wrong_and_reliability_tells() -> None:
    assert not clean_outcomes(masking(*LABELS.unique().tolist()), IMAGES, LABELS).any()
    found = clean_outcomes(masking(3), IMAGES, LABELS)
    assert not found[LABELS == 3].any()
    report = reliability(masking(3, 4), IMAGES[:30], LABELS[:30], [0.02], SHORT)
    assert "up to 2 of 10 classes are masked with -inf, and were left out." in report.warnings
    assert report.not_finite == 0
    assert not report.randomized
    assert not report.probabilities


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_logits_that_are_nan_or_infinite_are_wrong_and_reliability_tells(bad: float) -> None:
    def network(images: Any) -> Any:
        return torch.where(images.mean((-3, -2, -1)).gt(0.3)[..., None], trained(0)(images), bad)

    fine = (IMAGES.mean((1, 2, 3)) > 0.3).numpy()
    assert 0 < fine[:30].sum() < 30
    assert (clean_outcomes(network, IMAGES, LABELS) == fine & clean_outcomes(trained(0), IMAGES, LABELS)).all()
    report = reliability(network, IMAGES[:30], LABELS[:30], [0.001], SHORT)
    assert report.not_finite == pytest.approx(1 - fine[:30].mean())
    assert any(text.startswith("the network is answering with NaN or infinity, on up to") for text in report.warnings)


# Outputs of other forms

Output = namedtuple("Output", ["loss", "logits"])


@pytest.mark.parametrize(
    ("output", "message", "which"),
    [
        (lambda z: (z.mean((0, 1)), z), r"returned a tuple of 2; expected logits: robbench_builders.classifiers.LogitsOf\(network, 1\)", 1),
        (lambda z: [z, z], r"returned a list of 2; .*LogitsOf\(network, 0\)", 0),
        (lambda z: {"features": z, "logits": z}, r"returned a dict of 'features', 'logits'; .*LogitsOf\(network, 'logits'\)", "logits"),
        (lambda z: {"out": z}, r"returned a dict of 'out'; .*LogitsOf\(network, 'out'\)", "out"),
        (lambda z: Output(None, z), r"returned a Output of 2; .*LogitsOf\(network, 1\)", "logits"),
        (lambda z: None, r"returned a NoneType; .*LogitsOf\(network, 'logits'\)", None),
        (lambda z: z.detach().numpy(), r"returned a ndarray; .*LogitsOf", None),
        (lambda z: z.argmax(-1), r"returned torch.int64 of shape \(100,\); expected logits, not predictions", None),
        (lambda z: z[..., None], r"logits of shape \(100, 10, 1\) for 100 images; expected \(…, 100, classes\)", None),
        (lambda z: z[:50], r"logits of shape \(50, 10\) for 100 images", None),
        (lambda z: z[:, :0], r"logits of shape \(100, 0\)", None),
        (lambda z: z[:, :5], "label 9 for a network of 5 classes", None),
        (lambda z: z.to("meta"), "the network is on meta and the images are on cpu; move one: images.to", None),
    ],
)
def test_other_outputs_are_refused_with_the_way_out(output: Any, message: str, which: Any) -> None:
    def network(images: Any) -> Any:
        return output(trained(0)(images))

    with pytest.raises(AttackError, match=message):
        robust_outcomes(network, IMAGES, LABELS, PGD(steps=2), [0.1])
    if which is not None:
        assert (robust_outcomes(LogitsOf(network, which), IMAGES, LABELS, PGD(steps=2), [0.1]) == normal(PGD(steps=2))).all()
        with pytest.raises(AttackError, match="which has no 7"):
            clean_outcomes(LogitsOf(network, 7), IMAGES, LABELS)


def test_another_number_of_classes_at_a_later_call_is_refused() -> None:
    calls = iter(range(99))

    def network(images: Any) -> Any:
        return trained(0)(images)[..., : 10 - (next(calls) > 0)]

    with pytest.raises(AttackError, match=r"logits of shape \(\d+, 9\) for \d+ images; expected \(…, \d+, 10\)"):
        robust_outcomes(network, IMAGES, LABELS, FGSM(), [0.1])


def test_a_network_on_another_device_is_refused() -> None:
    with pytest.raises(AttackError, match="the network is on meta and the images are on cpu"):
        clean_outcomes(untrained(0).to("meta"), IMAGES, LABELS)
    with pytest.raises(AttackError, match="the labels are on meta and the images on cpu"):
        clean_outcomes(trained(0), IMAGES, LABELS.to("meta"))


def test_networks_that_want_integers_are_refused() -> None:
    def network(images: Any) -> Any:
        return nn.functional.embedding(images, torch.eye(256)).mean((-4, -3, -2))[..., :10]

    with pytest.raises(AttackError, match=r"takes images of none of the types torch\.float32, torch\.float16"):
        clean_outcomes(network, IMAGES, LABELS)
    with pytest.raises(AttackError, match=r"expected floats.*whole grey levels are images / 255"):
        clean_outcomes(trained(0), (IMAGES * 255).byte(), LABELS)


def test_errors_of_the_network_itself_are_its_own() -> None:
    with pytest.raises(RuntimeError, match="size"):
        clean_outcomes(trained(0), IMAGES.expand(-1, 3, -1, -1), LABELS)
    with torch.inference_mode():
        held = deepcopy(trained(0))

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def network(images: Any) -> Any:
        return held(images)

    assert (robust_outcomes(network, IMAGES, LABELS, PGD(steps=2), [0.1])[0] <= clean_outcomes(trained(0), IMAGES, LABELS)).all()


def test_normalised() -> None:
    first = nn.Conv2d(1, 1, 1)
    first.load_state_dict({"weight": torch.full((1, 1, 1, 1), 0.5), "bias": torch.tensor([0.25])})
    inner = nn.Sequential(first, trained(0)).eval()
    network = Normalised(inner, [0.25], [0.5])
    assert network.settings() == {"mean": [0.25], "std": [0.5]}
    torch.testing.assert_close(network(IMAGES), trained(0)((IMAGES - 0.25) / 0.5 * 0.5 + 0.25))
    assert (robust_outcomes(network, IMAGES, LABELS, PGD(), [0.1]) != normal(PGD())).sum() <= 1
    for mean, std in (([0.5], [0.5, 0.5]), ([], []), ([0.5], [0.0]), ([0.5], [float("nan")])):
        with pytest.raises(AttackError, match="expected one of each a channel, and positive ones of std"):
            Normalised(inner, mean, std)
    with pytest.raises(AttackError, match="images of 1 channels for the mean and std of 2"):
        Normalised(inner, [0.5, 0.5], [0.5, 0.5])(IMAGES)


def test_an_ordinary_network_needs_nothing() -> None:
    with fit_for_attacks(trained(0)) as fit:
        assert torch.equal(fit(IMAGES), trained(0)(IMAGES))
        assert fit.notes() == []
        with fit_for_attacks(fit) as again:
            assert again is fit


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_reliability_goes_without_dlr_on_few_classes_and_says_so(classes: int) -> None:
    def network(images: Any) -> Any:
        return trained(0)(images)[..., :classes]

    some = classes > LABELS
    report = reliability(network, IMAGES[some], LABELS[some], [0.05], SHORT)
    assert report.without_dlr == (classes < 4)
    assert any("AutoAttack goes without APGD-T" in text for text in report.warnings) == (classes < 4)

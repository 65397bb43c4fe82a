"""What attacks do differently on a GPU, tried on a CPU: they read few values back, and find the same; and precisions by name."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode

from robbench_builders.attacks import APGD, APGDT, FABT, FGSM, PGD, SPSA, AutoAttack, DeepFool, InPrecision, Square, base, square
from robbench_builders.attacks.base import ActiveRows, correct
from robbench_builders.attacks.streams import image_streams
from robbench_builders.errors import BuildError
from robbench_builders.evaluate import clean_outcomes, robust_outcomes
from robbench_builders.precision import computing, exact_convolutions
from tests.builders.toy_networks import Stack, digits, trained

IMAGES, LABELS = digits()[0][1200:1240], digits()[1][1200:1240]
STREAMS = image_streams(0, torch.arange(40))
EPS = torch.tensor([0.02, 0.06, 0.1, 0.2]).repeat(10)
ATTACKS: dict[str, Any] = {
    "fgsm": FGSM(),
    "pgd": PGD(steps=25, relative_step=0.2),
    "apgd-ce": APGD(steps=25),
    "apgd-t": APGDT(targets=2, steps=12),
    "fab-t": FABT(targets=2, steps=12),
    "deepfool": DeepFool(steps=12, candidates=4),
    "spsa": SPSA(steps=11, samples=4, learning_rate=0.06),
    "square": Square(queries=120),
    "square-ll": Square(queries=120, targeted=True),
    "autoattack": AutoAttack(steps=11, targets=2, queries=60),
}


class Reads(TorchDispatchMode):
    """Counts the operations that a program waits for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = Counter[str]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))

    @property
    def waits(self) -> int:
        return sum(self.count[name] for name in ("_local_scalar_dense", "nonzero", "masked_select", "_unique2"))


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at values cost, as on a GPU."""
    for module in (base, square):
        monkeypatch.setattr(module, "looks_are_free", lambda device: False)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_that_seldom_looks_finds_the_same(name: str, costly: None, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Stack(trained(0), trained(1))
    given, labels = IMAGES.expand(2, *IMAGES.shape), LABELS.expand(2, -1)
    seldom = ATTACKS[name](network, given, labels, EPS, streams=STREAMS)
    monkeypatch.undo()
    often = ATTACKS[name](network, given, labels, EPS, streams=STREAMS)
    broken = ~correct(network(often), labels)
    assert 0 < broken.float().mean() < 1
    assert (~correct(network(seldom), labels) != broken).sum() <= 1  # batches of other sizes may round differently


@pytest.mark.parametrize(("attack", "most"), [(PGD(), 4), (APGD(steps=60), 6), (Square(queries=300), 6), (FGSM(), 1)])
def test_few_steps_wait_for_the_device(attack: Any, most: int, costly: None) -> None:
    with Reads() as reads:
        attack(trained(0), IMAGES, LABELS, 0.06, streams=STREAMS)
    assert reads.count["convolution"] > 0
    assert reads.waits <= 2 * most


def test_batches_only_halve(costly: None) -> None:
    rows = ActiveRows(torch.zeros(64, 1, 2, 2), patience=2)
    live = torch.arange(64) < 9
    assert not rows.can_shrink(live)  # not yet
    assert rows.can_shrink(live)
    (kept,) = rows.shrink(live, torch.ones(64, 1, 2, 2), torch.arange(64))
    assert kept.tolist() == list(range(16))
    none = torch.zeros(16, dtype=torch.bool)
    rows.can_shrink(none)
    assert rows.can_shrink(none)
    (left,) = rows.shrink(none, torch.full((16, 1, 2, 2), 2.0), kept)
    assert left.numel() == 0
    assert rows.all_results(torch.zeros(0, 1, 2, 2))[:, 0, 0, 0].tolist() == [2.0] * 16 + [1.0] * 48


def test_an_attack_in_another_precision_is_judged_exactly() -> None:
    types = set()

    def network(images: Any) -> Any:
        logits = trained(0)(images)
        types.add((logits.dtype, images.requires_grad))
        return logits.float()

    exact = robust_outcomes(trained(0), IMAGES, LABELS, PGD(), [0.02, 0.1])
    fast = robust_outcomes(network, IMAGES, LABELS, InPrecision(PGD(), "bfloat16"), [0.02, 0.1])
    assert types == {(torch.float32, False), (torch.bfloat16, True)}
    assert (exact != fast).mean() < 0.1
    assert (fast <= clean_outcomes(trained(0), IMAGES, LABELS)).all()
    assert InPrecision(PGD(), "bfloat16").settings() == {**PGD().settings(), "precision": "bfloat16"}
    assert (robust_outcomes(trained(0), IMAGES, LABELS, InPrecision(PGD(), "float32"), [0.02, 0.1]) == exact).all()


def test_precisions_that_there_are_not() -> None:
    with pytest.raises(BuildError, match="'half' is not a precision; expected one of float32, tf32, bfloat16"):
        robust_outcomes(trained(0), IMAGES, LABELS, InPrecision(PGD(), "half"), [0.1])
    with pytest.raises(BuildError, match="tf32 was asked for on cpu; only CUDA devices have it"):
        robust_outcomes(trained(0), IMAGES, LABELS, InPrecision(PGD(), "tf32"), [0.1])


def test_what_was_computed_fast_is_not_kept_for_the_exact() -> None:
    """A frozen stack keeps matrices of small images: those that it made first while attacked in bfloat16 are exact, too."""
    from robbench_builders.networks.frozen import FrozenStack
    from robbench_builders.networks.plain import Skeleton
    from robbench_builders.proxies import initialised
    from robbench.spaces.nb201 import Cell

    cells = [Cell.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|")] * 2
    stack = initialised(cells, Skeleton(4, 1, 1, 10)).eval()
    fast_first, exact_only = FrozenStack(stack), FrozenStack(stack)
    with torch.no_grad(), computing("bfloat16", torch.device("cpu")):
        fast = fast_first(IMAGES)
    with torch.no_grad(), exact_convolutions():
        assert torch.equal(fast_first(IMAGES), exact_only(IMAGES))
        assert not torch.equal(fast.float(), exact_only(IMAGES))
        np.testing.assert_allclose(fast.float(), exact_only(IMAGES), atol=0.05)

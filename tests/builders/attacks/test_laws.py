"""What holds for every attack, whatever its algorithm: nothing mixes, nothing depends on company, parameters are left alone."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from robbench_builders.attacks import (
    APGD,
    APGDDLR,
    APGDT,
    ATTACKS,
    CW,
    FABT,
    FGSM,
    LGV,
    PGD,
    SPSA,
    AutoAttack,
    DeepFool,
    Square,
    SquareRescaled,
)
from robbench_builders.attacks.base import ActiveRows, live_first, put, take
from robbench_builders.attacks.streams import bits, image_streams, uniform
from robbench_builders.evaluate import accuracy, robust_outcomes
from robbench_builders.rules import project
from robbench.measurements.metrics import TABLE
from tests.builders.toy_networks import Stack, digits, trained, untrained

ATTACKS_SHORT: dict[str, Any] = {
    "fgsm": FGSM(),
    "pgd": PGD(steps=10, relative_step=0.2),
    "apgd-ce": APGD(steps=15),
    "square": Square(queries=60),
    "square-rescaled": SquareRescaled(queries=60),
    "apgd-dlr": APGDDLR(steps=15),
    "apgd-t": APGDT(targets=2, steps=8),
    "fab-t": FABT(targets=2, steps=8),
    "cw": CW(steps=10, relative_step=0.2),
    "deepfool": DeepFool(steps=6, candidates=4),
    "spsa": SPSA(steps=5, samples=8, learning_rate=0.06),
    "autoattack": AutoAttack(steps=6, targets=2, queries=30),
    "fgsm-ll": FGSM(targeted=True),
    "pgd-ll": PGD(steps=10, relative_step=0.2, targeted=True),
    "apgd-ce-ll": APGD(steps=15, targeted=True),
    "square-ll": Square(queries=60, targeted=True),
    "apgd-dlr-ll": APGDDLR(steps=15, targeted=True),
    "cw-ll": CW(steps=10, relative_step=0.2, targeted=True),
}
GRID = [0.02, 0.06, 0.1, 0.2]
N = 60
"""Images."""
each_attack = pytest.mark.parametrize("attack", ATTACKS_SHORT.values(), ids=ATTACKS_SHORT.keys())


@pytest.fixture(scope="module")
def images() -> Any:
    return digits()[0][1200 : 1200 + N]


@pytest.fixture(scope="module")
def labels() -> Any:
    return digits()[1][1200 : 1200 + N]


@pytest.fixture(scope="module")
def streams() -> Any:
    return image_streams(0, torch.arange(N))


def test_every_attack_has_a_name_in_the_store_and_is_tried_here() -> None:
    assert ATTACKS.keys() | {LGV.name} == {
        name for name, entry in TABLE.items() if entry.kind == "attack"
    }  # it is made with its surrogates
    assert ATTACKS.keys() <= ATTACKS_SHORT.keys()
    assert all(type(attack) is type(ATTACKS_SHORT[name]) for name, attack in ATTACKS.items())


@each_attack
def test_a_stack_is_attacked_as_each_of_its_networks_alone(attack: Any, images: Any, labels: Any) -> None:
    networks = [trained(0), trained(1), untrained(2)]
    together = robust_outcomes(Stack(*networks), images, labels, attack, GRID)
    assert together.shape == (3, len(GRID), N)
    for network, outcomes in zip(networks, together, strict=True):
        alone = robust_outcomes(network, images, labels, attack, GRID)
        assert (outcomes != alone).sum() <= 1  # a batch of another size may round differently


@each_attack
def test_an_image_is_attacked_the_same_whatever_the_rest_of_the_batch(attack: Any, images: Any, labels: Any, streams: Any) -> None:
    # In double precision, since a batch of another size may round differently.
    network, images = deepcopy(trained(0)).double(), images.double()
    together = attack(network, images, labels, 0.05, streams=streams)
    some = torch.tensor([3, 50, 4, N - 1, *range(20, 40)])
    apart = attack(network, images[some], labels[some], 0.05, streams=streams[some])
    torch.testing.assert_close(together[some], apart)


@each_attack
def test_batch_size_order_and_grid_do_not_change_outcomes(attack: Any, images: Any, labels: Any) -> None:
    outcomes = robust_outcomes(trained(0), images, labels, attack, GRID)
    small_batches = robust_outcomes(trained(0), images, labels, attack, GRID, batch_size=37)
    one_by_one = [robust_outcomes(trained(0), images, labels, attack, [eps])[0] for eps in GRID]
    assert (outcomes != small_batches).sum() <= 1
    assert (outcomes != one_by_one).sum() <= 1


@pytest.mark.parametrize(
    "attack",
    [
        APGD(steps=30),
        APGD(steps=30, targeted=True),
        APGDDLR(steps=30),
        Square(queries=100),
        SquareRescaled(queries=100),
        PGD(steps=20, relative_step=0.1),
        CW(steps=20, relative_step=0.1),
        SPSA(steps=6, samples=6),
        APGDT(targets=2, steps=10),
    ],
    ids=lambda attack: attack.settings()["attack"],
)
@pytest.mark.parametrize("networks", [1, 3])
def test_leaving_broken_images_out_does_not_touch_those_that_remain(
    attack: Any, networks: Any, images: Any, labels: Any, streams: Any
) -> None:
    network = Stack(*(trained(seed) for seed in range(networks)))
    given = images.expand(networks, *images.shape)
    eps = torch.linspace(0.01, 0.2, N)  # some break at once, some never
    quick = attack(network, given, labels, eps, streams=streams)
    slow = replace(attack, early_stop=False)(network, given, labels, eps, streams=streams)
    robust = network(quick).argmax(-1) == labels
    assert 0 < robust.sum() < robust.numel()
    changed = (quick - slow).abs().amax((-3, -2, -1)) > 1e-5
    assert (changed & robust).sum() <= 1
    assert (robust != (network(slow).argmax(-1) == labels)).sum() <= 1


@each_attack
def test_attacks_weaken_networks_and_larger_eps_weakens_more(attack: Any, images: Any, labels: Any) -> None:
    robust = accuracy(robust_outcomes(trained(0), images, labels, attack, [0, *GRID]))
    assert robust[0] > 0.9
    assert robust[-1] < 0.6
    assert (robust[1:] <= robust[:-1] + 0.02).all()


@each_attack
def test_other_channels_and_rectangles(attack: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(6, 3, 9, 5, generator=generator)
    network = untrained(0, channels=3, classes=4)
    adversarial = attack(network, pictures, network(pictures).argmax(-1), 0.1, streams=image_streams(0, torch.arange(6)))
    assert adversarial.shape == pictures.shape
    torch.testing.assert_close(project(adversarial, pictures, torch.full((6,), 0.1)), adversarial)


@each_attack
def test_parameters_and_global_random_numbers_are_left_alone(attack: Any, images: Any, labels: Any, streams: Any) -> None:
    network = untrained(0)
    before = torch.random.get_rng_state()
    attack(network, images, labels, 0.1, streams=streams)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(before, torch.random.get_rng_state())


@each_attack
def test_a_network_that_ignores_its_input_keeps_its_accuracy(attack: Any, images: Any, labels: Any) -> None:
    constant = torch.eye(10)[3]
    outcomes = robust_outcomes(lambda x: constant.expand(*x.shape[:-3], 10), images, labels, attack, GRID)
    assert (outcomes == (labels == 3).numpy()).all()


@each_attack
def test_settings_record_every_field(attack: Any) -> None:
    settings = attack.settings()
    assert settings["norm"] == "Linf"
    assert {name: settings[name] for name in vars(attack)} == vars(attack)


def test_the_published_settings() -> None:
    assert {name: attack.settings()["attack"] for name, attack in ATTACKS.items()} == {name: name for name in ATTACKS}
    assert ATTACKS["pgd"].settings().items() >= {"steps": 40, "relative_step": 1 / 30, "random_start": True}.items()
    assert ATTACKS["apgd-ce"].settings().items() >= {"steps": 100, "restarts": 1, "momentum": 0.75, "rho": 0.75}.items()
    assert (
        ATTACKS["square"].settings().items()
        >= {"queries": 5000, "initial_share": 0.8, "schedule": "published", "everywhere": False}.items()
    )
    assert not any(attack.settings().get("targeted", False) for attack in ATTACKS.values())


def test_the_authors_settings() -> None:
    """Of AutoAttack's standard version, and Foolbox's DeepFool."""
    assert ATTACKS["autoattack"].settings().items() >= {"version": "standard", "steps": 100, "targets": 9, "queries": 5000}.items()
    assert ATTACKS["apgd-t"].settings().items() >= {"steps": 100, "targets": 9, "restarts": 1}.items()
    assert ATTACKS["fab-t"].settings().items() >= {"steps": 100, "targets": 9, "alpha_max": 0.1, "eta": 1.05, "beta": 0.9}.items()
    assert ATTACKS["deepfool"].settings().items() >= {"steps": 50, "candidates": 10, "overshoot": 0.02}.items()
    assert AutoAttack().black_box == Square()
    assert ATTACKS["autoattack"].settings().items() >= {"square/schedule": "published", "square/everywhere": False}.items()
    assert ATTACKS["square-rescaled"].settings().items() >= {"queries": 5000, "schedule": "rescaled", "everywhere": True}.items()
    assert AutoAttack().white_box.attacks == (APGD(), APGDT(), FABT())
    parts = AutoAttack().white_box.settings()
    assert parts["attack"] == "apgd-ce, apgd-t, fab-t"
    assert parts["apgd-t/targets"] == 9


def test_streams_are_splitmix64() -> None:
    """The first outputs for seed 1234567, as printed by the reference implementation."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [int(bits(torch.tensor(1234567), n)) % 2**64 for n in range(5)] == published


def test_streams_are_uniform_and_differ_between_images_and_seeds() -> None:
    numbers = uniform(image_streams(0, torch.arange(500)), 7, 200)
    assert numbers.shape == (500, 200)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = torch.histc(numbers, 50, 0, 1)
    assert ((counts - 2000).square() / 2000).sum() < 100  # chi-square, 49 degrees of freedom
    assert len(set(numbers.flatten().tolist())) > 99_000
    assert torch.corrcoef(numbers).fill_diagonal_(0).abs().max() < 0.4
    assert not torch.equal(numbers, uniform(image_streams(1, torch.arange(500)), 7, 200))
    assert torch.equal(numbers[:, 50:60], uniform(image_streams(0, torch.arange(500)), 57, 10))


def test_take_put_and_live_first() -> None:
    live = torch.tensor([[True, False, True, False], [False, False, False, True]])
    index = live_first(live)
    assert index.tolist() == [[0, 2], [3, 0]]
    values = torch.arange(8).view(2, 4)
    assert take(values, index).tolist() == [[0, 2], [7, 4]]
    put(values, index, torch.tensor([[-1, -2], [-3, -4]]))
    assert values.tolist() == [[-1, 1, -2, 3], [-4, 5, 6, -3]]


def test_active_return_every_result_to_its_place() -> None:
    x = torch.arange(10.0).view(10, 1, 1, 1)
    active = ActiveRows(x)
    (x,) = active.shrink(torch.arange(10) % 2 == 0, x, x)
    (x,) = active.shrink(x.flatten() > 3, x + 100, x)
    assert active.all_results(-x).flatten().tolist() == [100, 1, 102, 3, -4, 5, -6, 7, -8, 9]
    assert active.can_shrink(torch.tensor([True, False, False]))
    assert not active.can_shrink(torch.tensor([[True, True, True], [False, False, False]]))

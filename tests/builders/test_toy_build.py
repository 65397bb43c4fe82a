"""A whole build of the toy space, with real networks: nothing of builders but the registry knows which spaces there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from robbench_builders.attacks import FGSM
from robbench_builders.errors import BuildError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.networks import CELLS, cell_of
from robbench_builders.networks.frozen import FrozenStack
from robbench_builders.networks.graph import CellGraph
from robbench_builders.networks.plain import Network, Skeleton, flops, parameters
from robbench_builders.networks.stacked import StackedNetwork
from robbench_builders.plan import Plan
from robbench_builders.plan_file import read_plan, write_plan
from robbench_builders.proxies import PROXIES, initialised, score
from robbench_builders.recipes import RECIPES, Recipe
from robbench_builders.results import shards
from robbench_builders.results.merge import merge
from robbench_builders.results.verify import verify
from robbench_builders.run import run
from robbench.errors import RobBenchError
from robbench.spaces import SPACES
from robbench.store import Store
from robbench.store.arrays import Name
from robbench.store.embedded import embedded_store
from tests.toy_space import Chain, ToySpace, register

SMALL = Skeleton(channels=3, cells=2, image_channels=2, classes=4)
EPS = 16 / 255


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToySpace:
    return known(monkeypatch)


def known(monkeypatch: pytest.MonkeyPatch) -> ToySpace:
    """The toy space, with a recipe and an evaluation of a second."""
    monkeypatch.setitem(RECIPES, "tiny", Recipe("tiny", epochs=1, channels=4, cells=1, batch_size=64, flip=False, crop=0.0))
    proxies = {name: PROXIES[name] for name in ("snip", "synflow")}
    monkeypatch.setitem(EVALUATIONS, "tiny", Evaluation("tiny", {"fgsm": FGSM()}, (EPS,), ("contrast",), proxies, images=60))
    return register(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of all eight classes, run; to be read only."""
    folder = tmp_path_factory.mktemp("toy") / "build"
    with pytest.MonkeyPatch.context() as monkeypatch:
        known(monkeypatch)
        write_plan(folder, Plan("digits", "tiny", "tiny", classes=8, sample_seed=0, seeds=(0, 5), stack=3, space="toy"))
        assert len(list(run(folder, device="cpu"))) == 6
    return folder


def test_a_build_of_another_space_goes_from_the_plan_to_a_store_and_comes_out_again(folder: Path, toy: ToySpace, tmp_path: Path) -> None:
    merge(folder, tmp_path / "toy.h5")
    with Store(tmp_path / "toy.h5") as store:
        assert (store.space.name, store.rows.exact) == ("toy", tuple(map(str, toy.members)))
        accuracy = store.read(Name("digits", "standard", "fgsm", "accuracy"))
        clean = store.read(Name("digits", "standard", "clean", "accuracy"))
        snip, params = (store.read(Name("digits", "untrained", metric, "value")) for metric in ("snip", "params"))
        assert accuracy.shape == (8, 1, 2)
        assert not np.isnan(clean).any()
        for unit in read_plan(folder).units():
            shard, seed = shards.read(shards.path_of(folder, unit)), (0, 5).index(unit.seed)
            for k, arch in enumerate(map(toy.parse, unit.archs)):
                assert accuracy[store.rows.class_row[toy.key(arch)], 0, seed] == shard.outcomes["fgsm"][k, 0].mean()
                # Proxies are of the exact architecture; a dead one has no SNIP.
                value = snip[store.rows.exact_row[str(arch)], seed]
                assert np.isnan(value) if toy.is_constant(arch) else value == shard.proxies["snip"][k]
        assert np.isnan(snip).sum() == 2 * (12 - 7)  # five architectures were not built, or are dead
        assert params.tolist() == [parameters(arch, Skeleton(4, 1, 1, 10)) / 1e6 for arch in toy.members]
    found = list(verify(tmp_path / "toy.h5", sample=2, device="cpu"))
    assert all(one.succeeded and one.same_environment for one in found)
    assert {one.unit.space for one in found} == {"toy"}


def test_stores_of_two_spaces_are_not_brought_together(folder: Path, toy: ToySpace, tmp_path: Path) -> None:
    store = tmp_path / "nb201.h5"
    store.write_bytes(Path(embedded_store()).read_bytes())
    with pytest.raises(RobBenchError, match=r"of the search space nb201, and .* of toy"):
        merge(folder, store)
    assert store.read_bytes() == Path(embedded_store()).read_bytes()


def networks(archs: tuple[Chain, ...]) -> list[Network]:
    return [Network(arch, SMALL, generator=torch.Generator().manual_seed(seed)).double() for seed, arch in enumerate(archs)]


@pytest.mark.parametrize("training", [True, False])
def test_a_stack_is_its_networks(toy: ToySpace, training: bool) -> None:
    plain = [network.train(training) for network in networks(toy.members)]
    stack, x = StackedNetwork(plain), torch.rand(5, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    expected = torch.stack([network(x) for network in plain])
    torch.testing.assert_close(stack(x), expected, rtol=1e-10, atol=1e-12)
    if not training:
        torch.testing.assert_close(FrozenStack(stack)(x), expected, rtol=1e-9, atol=1e-11)
    assert stack.extract(7).arch == toy.members[7]


def test_isomorphic_architectures_compute_the_same_with_the_same_weights(toy: ToySpace) -> None:
    """The 1×1 convolution of one is on 0→1, that of the other on 1→2."""
    here, there = networks((Chain(("nor_conv_1x1", "none", "skip_connect")), Chain(("skip_connect", "none", "nor_conv_1x1"))))
    there.load_state_dict({name.replace("1x1_01", "1x1_12"): tensor for name, tensor in here.state_dict().items()})
    x = torch.rand(5, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    torch.testing.assert_close(here.eval()(x), there.eval()(x))


def test_dead_architectures_give_constant_logits_and_have_no_score(toy: ToySpace) -> None:
    dead = tuple(arch for arch in toy.members if toy.is_constant(arch))
    logits = networks(dead)[0].eval()(torch.rand(5, 2, 8, 8, dtype=torch.float64))
    assert torch.equal(logits, logits[:1].expand(5, -1))
    images, labels = torch.rand(16, 2, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 4
    found = score(initialised((*dead, toy.members[-1]), SMALL), images, labels, ["nwot", "croze", "params"])
    assert np.isnan(found.values["nwot"]).tolist() == np.isnan(found.values["croze"]).tolist() == [True, True, False]
    assert found.failures["nwot"] == {"the output ignores the input": 2}


def test_size_grows_with_the_convolutions(toy: ToySpace) -> None:
    for arch in toy.members:
        network = Network(arch, SMALL)
        assert parameters(arch, SMALL) == sum(weight.numel() for weight in network.parameters())
        assert len(cell_of(arch).edges) == sum(op != "none" for op in arch.ops)
    assert flops(toy.members[0], SMALL, 8) < flops(toy.members[-1], SMALL, 8)


def test_an_operation_without_a_layer_is_named(toy: ToySpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "toy", lambda arch: CellGraph.of(2, [(0, 1, "nor_conv_5x5")]))
    with pytest.raises(
        BuildError, match=r"'nor_conv_5x5' is not an operation that networks can be built of; expected one of none, skip_conn"
    ):
        Network(toy.members[0], SMALL)


def test_cells_of_different_numbers_of_nodes_are_not_stacked(toy: ToySpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "toy", lambda arch: CellGraph.of(2 + toy.members.index(arch), [(0, 1, "skip_connect")]))
    with pytest.raises(BuildError, match=r"cells of 2 and of 3 nodes cannot be stacked; expected as many in all"):
        StackedNetwork(networks(toy.members[:2]))


def test_a_space_that_cannot_be_listed_has_no_classes_to_draw(toy: ToySpace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(ToySpace):
        title = "an endless space"
        members = None  # type: ignore[assignment]

    monkeypatch.setitem(SPACES, "toy", Endless())
    with pytest.raises(
        BuildError, match=r"an endless space has too many architectures to draw classes from; expected a search space whose"
    ):
        Plan("digits", "tiny", "tiny", classes=1, sample_seed=0, seeds=(0,), stack=1, space="toy")

"""Weights of DARTS networks under the names of the released code: loaded to the same logits, in the genotype's own order, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from torch import Tensor

from robbench_builders.attacks import FGSM
from robbench_builders.datasets import load
from robbench_builders.errors import WeightsError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.networks.darts import DartsNetwork, DartsSkeleton
from robbench_builders.train import generator
from robbench_builders.weights.checkpoints import identified, loaded
from robbench_builders.weights.files import read
from robbench_builders.weights.loading import network_of
from robbench import RobBench
from robbench.cli import main
from robbench.spaces.darts import DARTS, Genotype
from tests.genotypes import drawn

NORMAL = [
    ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 0), ("dil_conv_5x5", 1),
    ("max_pool_3x3", 2), ("sep_conv_5x5", 0), ("dil_conv_3x3", 3), ("dil_conv_3x3", 1),
]  # fmt: skip
REDUCE = [
    ("skip_connect", 1), ("skip_connect", 0), ("avg_pool_3x3", 0), ("skip_connect", 2),
    ("sep_conv_3x3", 2), ("sep_conv_3x3", 1), ("max_pool_3x3", 0), ("skip_connect", 1),
]  # fmt: skip
WRITTEN = f"Genotype(normal={NORMAL}, normal_concat=range(2, 6), reduce={REDUCE}, reduce_concat=range(2, 6))"
GENOTYPE = DARTS.parse(WRITTEN)
SKELETON = DartsSkeleton(2, 4, 1, 2, auxiliary=True)
PARTS = {"depthwise": (1, 5), "pointwise": (2, 6), "bn": (3, 7)}
"""Of a depthwise block, and of the second of two: their numbers in ``op``."""


def network(arch: Genotype = GENOTYPE, skeleton: DartsSkeleton = SKELETON) -> DartsNetwork:
    """With statistics of some images, so that what its layers compute reaches the logits."""
    made = DartsNetwork(arch, skeleton, [0.5], [0.25], generator=generator(0, "weights"))
    for layer in made.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        made.train()(torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1)))
    return made.eval()


def released(found: DartsNetwork, pairs: dict[str, list[tuple[str, int]]]) -> dict[str, Tensor]:
    """The tensors of a network as the released code saves them, for a genotype that is written in this order."""
    tensors: dict[str, Tensor] = {}

    def put(name: str, module: Any) -> None:
        tensors.update({f"{name}.{part}": tensor.clone() for part, tensor in module.state_dict().items()})

    put("stem", found.stem)
    put("classifier", found.classifier)
    if found.skeleton.auxiliary:
        head: Any = found.auxiliary
        for name, module in {"2": head.conv_1, "3": head.bn_1, "5": head.conv_2, "6": head.bn_2}.items():
            put(f"auxiliary_head.features.{name}", module)
        put("auxiliary_head.classifier", head.classifier)
    cell: Any
    for number, cell in enumerate(found.body):
        for which, brought in enumerate((cell.brought_0, cell.brought_1)):
            if hasattr(brought, "conv"):
                put(f"cells.{number}.preprocess{which}.op.1", brought.conv)
                put(f"cells.{number}.preprocess{which}.op.2", brought.bn)
            else:
                put(f"cells.{number}.preprocess{which}", brought)
        reduction = number in found.skeleton.reductions
        for place, (op, source) in enumerate(pairs["reduce" if reduction else "normal"]):
            layer = cell.edges[f"{op}_{source}{place // 2 + 2}"]
            prefix = f"cells.{number}._ops.{place}"
            if op.startswith("sep"):
                for half in (0, 1):
                    for part, numbers in PARTS.items():
                        put(f"{prefix}.op.{numbers[half]}", getattr(layer[half], part))
            elif op.startswith("dil"):
                for part, numbers in PARTS.items():
                    put(f"{prefix}.op.{numbers[0]}", getattr(layer, part))
            else:
                put(prefix, layer)
    return tensors


def pairs_of(arch: Genotype) -> dict[str, list[tuple[str, int]]]:
    return {name: [(op, source) for edges in cell.nodes for source, op in edges] for name, cell in arch.cells.items()}


def logits(found: Any) -> Tensor:
    with torch.no_grad():
        out: Tensor = found(torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(2)))
    return out


def test_names_are_those_of_the_released_code() -> None:
    names = released(network(), {"normal": NORMAL, "reduce": REDUCE})
    assert {"stem.0.weight", "stem.1.running_mean", "classifier.bias", "auxiliary_head.features.5.weight"} <= names.keys()
    of_normal = sorted(name.removeprefix("cells.0.") for name in names if name.startswith("cells.0.") and name.endswith("weight"))
    sep = [1, 2, 3, 5, 6, 7]
    assert of_normal == sorted(
        [f"preprocess{k}.op.{part}.weight" for k in (0, 1) for part in (1, 2)]
        + [f"_ops.{place}.op.{part}.weight" for place in (0, 1, 5) for part in sep]
        + [f"_ops.{place}.op.{part}.weight" for place in (3, 6, 7) for part in (1, 2, 3)]
    )
    of_reduction = sorted(name.removeprefix("cells.2.") for name in names if name.startswith("cells.2.") and name.endswith("weight"))
    assert of_reduction == sorted(
        [f"{module}.{part}.weight" for module in ("preprocess0", "_ops.0", "_ops.1", "_ops.7") for part in ("conv_1", "conv_2", "bn")]
        + [f"preprocess1.op.{part}.weight" for part in (1, 2)]
        + [f"_ops.{place}.op.{part}.weight" for place in (4, 5) for part in sep]
    )


def test_released_weights_are_the_network_that_they_are_of() -> None:
    expected = network()
    found = network_of(GENOTYPE, released(expected, {"normal": NORMAL, "reduce": REDUCE}), "it", mean=[0.5], std=[0.25], written=WRITTEN)
    assert found.skeleton == SKELETON
    compared = {name: tensor for name, tensor in expected.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert all(torch.equal(tensor, found.state_dict()[name]) for name, tensor in compared.items())
    assert torch.equal(logits(found), logits(expected))


def test_the_order_of_a_nodes_edges_is_that_of_the_text() -> None:
    """The same tensors under two texts of one genotype are two networks."""
    tensors = released(network(), {"normal": NORMAL, "reduce": REDUCE})
    swapped = WRITTEN.replace(str(NORMAL), str([NORMAL[1], NORMAL[0], *NORMAL[2:]]))
    assert DARTS.parse(swapped) == GENOTYPE
    other = network_of(GENOTYPE, tensors, "it", mean=[0.5], std=[0.25], written=swapped)
    assert not torch.equal(logits(other), logits(network()))
    with pytest.raises(
        WeightsError, match=r"it does not say which of sep3~0 and sep3~1, into node 2 of the normal cell, is numbered first; .*wrote it"
    ):
        network_of(GENOTYPE, tensors, "it", written=str(GENOTYPE))


def test_where_edges_are_of_two_forms_the_tensors_say_the_order() -> None:
    arch = DARTS.parse("sep3~0+sep5~1|skip~0+dil3~1|max~0+sep3~1|dil3~0+dil5~4//sep3~0+skip~1|avg~0+max~1|skip~1+skip~2|dil5~0+sep5~1")
    expected, pairs = network(arch), pairs_of(arch)
    for _ in range(2):
        found = network_of(arch, released(expected, pairs), "it", mean=[0.5], std=[0.25])
        assert torch.equal(logits(found), logits(expected))
        pairs = {name: [edges[place ^ 1] for place in range(8)] for name, edges in pairs.items()}


@pytest.mark.parametrize("seed", range(3))
def test_any_genotype_in_its_own_order(seed: int) -> None:
    (arch,) = drawn(1, seed=seed)
    expected = network(arch, DartsSkeleton(2, 3, 1, 2))
    text = DARTS.spellings(arch)["genotype"]
    assert torch.equal(
        logits(network_of(arch, released(expected, pairs_of(arch)), "it", mean=[0.5], std=[0.25], written=text)), logits(expected)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("cells.1._ops.4.op.6.weight"), r"lacks cells\.1\._ops\.4\.op\.6\.weight, expected \(4, 4, 1, 1\)"),
        (lambda t: t.update({"cells.0._ops.2.op.1.weight": torch.zeros(2, 1, 3, 3)}), r"has cells\.0\._ops\.2\.op\.1\.weight, .* no place"),
        (
            lambda t: t.update({"cells.0._ops.0.op.1.weight": torch.zeros(2, 1, 5, 5)}),
            r"_ops\.0\.op\.1\.weight is \(2, 1, 5, 5\); expected \(2, 1, 3, 3\)",
        ),
        (lambda t: t["stem.1.running_var"].fill_(-1), r"stem\.1\.running_var has negative values"),
        (lambda t: [t.pop(name) for name in list(t) if name.startswith(("cells.2.", "cells.3."))], r"weights of 2 cells"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: Any, message: str) -> None:
    tensors = released(network(), {"normal": NORMAL, "reduce": REDUCE})
    change(tensors)
    with pytest.raises(WeightsError, match=message):
        network_of(GENOTYPE, tensors, "it", written=WRITTEN)


def test_a_file_is_evaluated_from_the_shell(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As data-parallel training saves it; the normalisation, which it does not hold, is said."""
    monkeypatch.setitem(EVALUATIONS, "light", Evaluation("light", {"fgsm": FGSM()}, (0.1,), images=6))
    expected = network()
    tensors = released(expected, {"normal": NORMAL, "reduce": REDUCE})
    torch.save({f"module.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "weights.pt")
    command = ["build", "evaluate", str(tmp_path / "weights.pt"), "--space", "darts", "--dataset", tiny_images, "--evaluation", "light"]
    command += ["--into", str(tmp_path / "store.h5"), "--arch", WRITTEN]
    refused = CliRunner().invoke(main, command)
    assert "does not say how its network normalises images" in refused.stderr
    assert CliRunner().invoke(main, [*command, "--normalise", "0.5/0.25"]).exit_code == 0
    dataset = load(tiny_images)
    right = expected(torch.from_numpy(dataset.test_images)).argmax(1) == torch.from_numpy(dataset.test_labels)
    assert RobBench(tmp_path / "store.h5").query(GENOTYPE, "clean", training="published") == pytest.approx(float(right.float().mean()))
    (entry,) = read(tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="is numbered first"):
        loaded(identified(entry, space="darts", arch=str(GENOTYPE)), dataset, ((0.5,), (0.25,)))

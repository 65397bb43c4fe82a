"""Transfer attacks: images crafted on one network, shown to others; a matrix of source by target.

    found = transfer_matrix({"one": network, "other": another}, dataset, TRANSFER)
    found.accuracy["pgd"]      (levels, sources, targets), fractions in [0, 1]; on the diagonal each network is attacked itself

Source: Yang et al. (2025), tables 4 and 5.  They say which attacks they evaluate with (section 4.2), and not which of them, nor whether images that the source
misclassifies are attacked; here every image is, by the 20 steps of their PGD.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from builders.attacks import PGD
from builders.datasets import Dataset
from builders.errors import AttackError, BuildError, WeightsError
from builders.evaluate import accuracy, clean_outcomes, transfer_outcomes
from builders.evaluations import Evaluation
from builders.measure import BATCH
from builders.memory import halved
from builders.units import environment_of, settings_of_evaluation
from builders.weights.checkpoints import Checkpoint, Normalisation, loaded
from builders.weights.planned import key_of
from robbench.store.atomic import replacing

TRANSFER = Evaluation("transfer", {"pgd": PGD(steps=20, relative_step=1 / 4, early_stop=False)}, (8 / 255,))
"""Steps of 2/255 within 8/255, all 20 of them: an attack that ends where its source is fooled fools few others."""

Notice = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Transfer:
    """What networks keep of their accuracy under attacks on others."""

    names: tuple[str, ...]
    """Of the networks, which are sources and targets."""
    clean: NDArray[np.float64]
    """``(targets,)``, fractions in [0, 1], on the images that are attacked."""
    accuracy: dict[str, NDArray[np.float64]]
    """For each attack, ``(levels, sources, targets)``."""


def transfer_matrix(
    networks: Mapping[str, nn.Module],
    dataset: Dataset,
    evaluation: Evaluation = TRANSFER,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    notice: Notice = lambda text: None,
    progress: Callable[[str], object] = lambda source: None,
) -> Transfer:
    """Every network, attacked on every other; an attack is run once for each source and level.

    Arguments:
        networks: by name, in eval mode, on the device; each normalises images itself.
        dataset: whose test images are attacked; as many as the evaluation says.
        evaluation: its attacks and levels; corruptions and proxies are left out.
        seed: of the attacks' random numbers.
        device: where the images are put.
        notice: called when a batch is halved.
        progress: called with a source's name when it is done.

    Raises:
        BuildError: fewer than two networks, or no attack.
        AttackError: a network is not of the data set's classes, cannot take its images, or is not fit for attacks.
    """
    if len(networks) < 2 or not evaluation.attacks:
        raise BuildError(f"{len(networks)} networks and {len(evaluation.attacks)} attacks; expected two networks at least, and an attack.")
    device, names = torch.device(device), tuple(networks)
    images, labels = (torch.from_numpy(array[: evaluation.images]).to(device) for array in (dataset.test_images, dataset.test_labels))
    for name, network in networks.items():
        _refuse_unfit(name, network, images[:1], dataset)
    targets, batch = _SideBySide(list(networks.values())), BATCH[device.type]
    clean = halved(lambda size: clean_outcomes(targets, images, labels, batch_size=size), batch, "clean", notice)
    found = {name: np.zeros((len(evaluation.levels(name)), len(names), len(names))) for name in evaluation.attacks}
    for row, source in enumerate(networks.values()):
        for name, attack in evaluation.attacks.items():
            for level, eps in enumerate(evaluation.levels(name)):

                def outcomes(size: int, source: nn.Module = source, attack: Any = attack, eps: float = eps) -> NDArray[np.bool_]:
                    return transfer_outcomes(source, targets, images, labels, attack, eps, every=True, seed=seed, batch_size=size)

                found[name][level, row] = accuracy(halved(outcomes, batch, name, notice))
        progress(names[row])
    return Transfer(names, accuracy(clean), found)


class _SideBySide(nn.Module):
    """Networks as one: logits ``(networks, batch, classes)``."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([network(images) for network in self.networks])


@torch.no_grad()
def _refuse_unfit(name: str, network: nn.Module, image: Tensor, dataset: Dataset) -> None:
    shape = "×".join(map(str, dataset.image_shape))
    if network.training:
        raise AttackError(f"{name} is in training mode, where batch normalisation mixes images; call network.eval() first.")
    try:
        logits = network(image)
    except RuntimeError as error:
        said = str(error).partition("\n")[0]
        raise AttackError(
            f"{name} cannot take images of {shape} ({said:.200}); attacks transfer between networks for the same images."
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (1, dataset.num_classes):
        got = f"logits of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise AttackError(f"{name} gives {got} for one image; expected (1, {dataset.num_classes}), the classes of {dataset.name}.")


def transfer(
    checkpoints: Sequence[Checkpoint],
    dataset: Dataset,
    evaluation: Evaluation = TRANSFER,
    *,
    normalisation: Normalisation | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    notice: Notice = lambda text: None,
    progress: Callable[[str], object] = lambda source: None,
) -> dict[str, Any]:
    """`transfer_matrix` of networks whose weights are in files, with where all of it is from, as JSON has it.

    Networks may be of several widths and normalisations, each its own; all are of the data set's classes and images.

    Arguments:
        normalisation: of networks that were published without theirs; by default as published for the data set.
        others: as for `transfer_matrix`.

    Raises:
        WeightsError: tensors that do not fit the architecture or the data set, or a network twice.
        BuildError, AttackError: as `transfer_matrix`.
    """
    device = torch.device(device)
    networks, said = _loaded(checkpoints, dataset, normalisation, device)
    done = transfer_matrix(networks, dataset, evaluation, seed=seed, device=device, notice=notice, progress=progress)
    found = {
        "dataset": {"name": dataset.name, "checksum": dataset.checksum, "images": len(dataset.test_images[: evaluation.images])},
        "networks": said,
        "clean": done.clean.tolist(),
        "attacks": _of_each_level(done, dataset, evaluation),
        "rows": "sources, on which every image is attacked",
        "columns": "targets",
        "seed": seed,
        "environment": environment_of(device),
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def _loaded(
    checkpoints: Sequence[Checkpoint], dataset: Dataset, normalisation: Normalisation | None, device: torch.device
) -> tuple[dict[str, nn.Module], list[dict[str, Any]]]:
    """The networks by name, and what is said of each."""
    networks, said = dict[str, nn.Module](), list[dict[str, Any]]()
    for one in checkpoints:
        if str(one.entry) in (str(other.entry) for other in checkpoints[: len(networks)]):
            raise WeightsError(f"{one.entry} is given twice; a network is a source and a target once.")
        found = loaded(one, dataset, None if one.entry.says_normalisation else normalisation)
        name = key_of(str(one.arch), one.seed)
        if name in networks:  # trained in another way
            name = f"{name}, {one.entry}"
        networks[name] = found.to(device)
        normalises = {"mean": found.mean.flatten().tolist(), "std": found.std.flatten().tolist()}
        said.append(
            {
                "name": name,
                "arch": str(one.arch),
                "seed": one.seed,
                **one.record,
                "skeleton": asdict(found.skeleton),
                "normalisation": normalises,
            }
        )
    return networks, said


def _of_each_level(done: Transfer, dataset: Dataset, evaluation: Evaluation) -> list[dict[str, Any]]:
    """What is said of each attack at each eps, with its matrix."""
    settings = settings_of_evaluation(evaluation, dataset)
    code = {name: {"code": settings["code"][name]} for name in settings["code"]}  # an attack of one's own has a source among its settings
    return [
        {
            "attack": name,
            "settings": settings["attacks"][name],
            **code.get(name, {}),
            "eps": eps,
            "accuracy": done.accuracy[name][level].tolist(),
        }
        for name in evaluation.attacks
        for level, eps in enumerate(evaluation.levels(name))
    ]


def write_transfer(path: Path, found: Mapping[str, Any]) -> None:
    """Write what `transfer` found as JSON, whole or not at all; raises BuildError where the file cannot be written."""
    try:
        with replacing(path) as file:
            file.write((json.dumps(found, indent=1) + "\n").encode())
    except OSError as error:
        raise BuildError(f"{path} cannot be written ({error}); name another file (--out).") from error


def as_text(found: Mapping[str, Any]) -> str:
    """The matrices as text, in percent, networks by number."""
    lines = [f"{number}: {one['name']} ({one['file']})" for number, one in enumerate(found["networks"], 1)]
    header = "source \\ target " + "".join(f"{number:>8}" for number in range(1, len(lines) + 1))
    for one in found["attacks"]:
        lines += ["", f"{one['attack']}, eps {one['eps'] * 255:g}/255", header]
        lines += [f"{number:>15} " + "".join(f"{100 * value:8.2f}" for value in row) for number, row in enumerate(one["accuracy"], 1)]
    lines += ["", f"{'clean':>15} " + "".join(f"{100 * value:8.2f}" for value in found["clean"])]
    return "\n".join(lines)

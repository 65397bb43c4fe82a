"""Transfer attacks: images crafted on one network, shown to others; a matrix of source by target.

    found = transfer_matrix({"one": network, "other": another}, dataset, TRANSFER)
    found.accuracy["pgd"]      (levels, sources, targets), fractions in [0, 1]; on the diagonal each network is attacked itself

`robbench_builders.transfer_file` does it for weights in files, and writes it down.

Source: Yang et al. (2025), tables 4 and 5.  They say which attacks they evaluate with (section 4.2), and not which of them, nor whether images that the source
misclassifies are attacked; here every image is, by the 20 steps of their PGD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robbench_builders.attacks import PGD, Attack
from robbench_builders.datasets import Dataset
from robbench_builders.errors import AttackError, BuildError
from robbench_builders.evaluate import accuracy, clean_outcomes, transfer_outcomes
from robbench_builders.evaluations import Evaluation
from robbench_builders.measure import BATCH
from robbench_builders.memory import halved
from robbench.arguments import SEED_BITS, checked_seed

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
    shown = Shown(networks, dataset, evaluation, seed, device, notice)
    rows = []
    for source in networks:
        rows.append(shown.row(source))
        progress(source)
    return Transfer(
        tuple(networks), shown.clean(), {attack: np.stack([row[attack] for row in rows], axis=1) for attack in evaluation.attacks}
    )


class Shown:
    """Networks to which images are shown that were crafted on one of them; arguments and errors as of `transfer_matrix`."""

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        dataset: Dataset,
        evaluation: Evaluation,
        seed: int,
        device: torch.device | str,
        notice: Notice,
    ) -> None:
        if len(networks) < 2 or not evaluation.attacks:
            raise BuildError(
                f"{len(networks)} networks and {len(evaluation.attacks)} attacks; expected two networks at least, and an attack."
            )
        device = torch.device(device)
        checked_seed(seed, bits=SEED_BITS)
        self._networks, self._evaluation, self._seed, self._notice = networks, evaluation, seed, notice
        arrays = (dataset.test_images, dataset.test_labels)
        self._images, self._labels = (torch.from_numpy(array[: evaluation.images]).to(device) for array in arrays)
        for name, network in networks.items():
            _refuse_unfit(name, network, self._images[:1], dataset)
        self._targets, self._batch = _SideBySide(list(networks.values())), BATCH[device.type]

    def clean(self) -> NDArray[np.float64]:
        """Accuracy of every network, ``(targets,)``."""

        def outcomes(size: int) -> NDArray[np.bool_]:
            return clean_outcomes(self._targets, self._images, self._labels, batch_size=size)

        return accuracy(halved(outcomes, self._batch, "clean", self._notice))

    def row(self, source: str) -> dict[str, NDArray[np.float64]]:
        """For each attack on a network, the accuracy of every network, ``(levels, targets)``."""
        levels = self._evaluation.levels
        return {
            name: np.array([self._attacked(source, name, attack, eps) for eps in levels(name)])
            for name, attack in self._evaluation.attacks.items()
        }

    def _attacked(self, source: str, name: str, attack: Attack, eps: float) -> NDArray[np.float64]:
        given = self._networks[source], self._targets, self._images, self._labels, attack, eps

        def outcomes(size: int) -> NDArray[np.bool_]:
            return transfer_outcomes(*given, every=True, seed=self._seed, batch_size=size)

        return accuracy(halved(outcomes, self._batch, name, self._notice))


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

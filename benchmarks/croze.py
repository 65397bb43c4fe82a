"""CRoZe before and after training, and how far features move: Ha et al. (2023), Figures 4, 5 and 7, on networks of a size that a CPU trains.

    python benchmarks/croze.py [--cells 60] [--dataset digits] [--recipes digits digits-pgd]

1. Predictiveness (Figures 5 and 7): Spearman's ρ, over cells drawn at random from all 15,625, between CRoZe of a network as drawn (whose own single step
   is in the measure), after ten steps of training, and fully trained; of CRoZe and each of its parts, by the released code and by the equations.
2. Feature variance (Figure 4): the standard deviation of a network's features over 18 versions of an image (clean, FGSM, PGD, 15 corruptions at severity
   3), mean over features and images, of the networks that withstand FGSM best, PGD best, and that CRoZe, of the network as drawn, puts first.
   Features are what the classifier takes; the paper does not say which it took.  Features of a larger scale vary more, so the deviation is given as a
   share of the one over the clean images, too.

Networks are trained by the recipe `digits` (8 channels, one cell a stage, 4 epochs on 8×8 images) and, adversarially, by `digits-pgd`; the paper trains
300 cells of full size on CIFAR-10.  eps is 16/255.  The measure takes the first training images.

Cost: about eight minutes of one CPU core for 60 cells.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr
from torch import Tensor

from robbench_builders.attacks import FGSM, PGD
from robbench_builders.attacks.streams import image_streams
from robbench_builders.corruptions import CORRUPTIONS, corrupt
from robbench_builders.datasets import Dataset, load
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.networks.frozen import FrozenStack
from robbench_builders.networks.stacked import StackedNetwork
from robbench_builders.proxies import KNOWN, initialised, score
from robbench_builders.proxies.anatomy import AnyStack
from robbench_builders.proxies.croze import EQUATIONS, PARTS, Croze
from robbench_builders.recipes import RECIPES, Recipe
from robbench_builders.train import fit
from robbench.spaces.nb201 import Cell, cells

NAMES = {"CRoZe": "all"} | {f"{part} alone": part for part in PARTS}
MEASURES = {name: Croze(part=part) for name, part in NAMES.items()} | {
    f"{name}, equations": Croze(EQUATIONS, part) for name, part in NAMES.items()
}
EPS, SEVERITY, STEPS, STACK = 16 / 255, 3, 10, 20
STATES = ("as drawn", "after 10 steps", "trained")
Values = npt.NDArray[np.float64]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cells", type=int, default=60)
    arguments.add_argument("--dataset", default="digits", help="as for robbench_builders.datasets.load")
    arguments.add_argument("--recipes", nargs="+", default=["digits", "digits-pgd"], choices=sorted(RECIPES))
    given = arguments.parse_args()
    dataset, every = load(given.dataset), list(cells())
    found = [every[number] for number in np.random.default_rng(0).choice(len(every), given.cells, replace=False)]
    for name in given.recipes:
        stacks = [followed(found[at : at + STACK], dataset, RECIPES[name]) for at in range(0, len(found), STACK)]
        measured = {state: {name: np.concatenate([scores[state][name] for scores, _ in stacks]) for name in MEASURES} for state in STATES}
        print(f"\n## Trained by {name}: {len(found)} cells on {dataset.name}\n")
        predictiveness(measured)
        features(measured["as drawn"]["CRoZe"], [network for _, network in stacks], dataset)


def followed(archs: Sequence[Cell], dataset: Dataset, recipe: Recipe) -> tuple[dict[str, dict[str, Values]], AnyStack]:
    """CRoZe of networks in every state, by state and measure, and the trained networks."""
    stack = initialised(archs, recipe.skeleton(dataset), *recipe.normalisation(dataset), seed=0)
    scores = {STATES[0]: scored(stack, dataset)}

    def after_step(done: int) -> None:
        if done == STEPS:
            scores[STATES[1]] = scored(copy.deepcopy(stack).eval(), dataset)

    fit(stack, len(stack), dataset, recipe, 0, after_step=after_step)
    stack.eval().requires_grad_(False)
    return {**scores, STATES[2]: scored(stack, dataset)}, stack


def scored(stack: AnyStack, dataset: Dataset) -> dict[str, Values]:
    images, labels = torch.from_numpy(dataset.train_images[:8]), torch.from_numpy(dataset.train_labels[:8])
    proxies = {name: replace(KNOWN["croze"], compute=compute) for name, compute in MEASURES.items()}
    return score(stack, images, labels, proxies=proxies).values


def predictiveness(measured: dict[str, dict[str, Values]]) -> None:
    print("| Spearman's ρ with the measure as drawn | " + " | ".join(STATES[1:]) + " | cells |\n|---|---|---|---|")
    for name in MEASURES:
        values = np.array([measured[state][name] for state in STATES])
        whole = np.isfinite(values).all(0)
        rhos = [spearmanr(values[0, whole], later[whole]).statistic for later in values[1:]]
        print(f"| {name} | " + " | ".join(f"{rho:.3f}" for rho in rhos) + f" | {whole.sum()} |")


def features(croze: Values, stacks: Sequence[AnyStack], dataset: Dataset) -> None:
    images, labels = torch.from_numpy(dataset.test_images), torch.from_numpy(dataset.test_labels)
    attacks: dict[str, FGSM | PGD] = {"FGSM": FGSM(), "PGD": PGD()}
    chosen = {
        f"best under {name}": np.concatenate(
            [robust_outcomes(FrozenStack(stack), images, labels, attack, [EPS]).mean((1, 2)) for stack in stacks]
        )
        for name, attack in attacks.items()
    } | {"first by CRoZe": croze}
    print("\n| network | " + " | ".join(chosen) + " |\n|---|" + "---|" * len(chosen))
    networks = [stacks[best // STACK].extract(best % STACK) for best in (int(np.nanargmax(values)) for values in chosen.values())]
    accuracies = {name: [chosen[f"best under {name}"][int(np.nanargmax(values))] for values in chosen.values()] for name in attacks}
    for name, row in accuracies.items():
        print(f"| accuracy under {name} at 16/255 | " + " | ".join(f"{100 * value:.1f}%" for value in row) + " |")
    deviations = [deviation(StackedNetwork([network]), images, labels, list(attacks.values())) for network in networks]
    print("| deviation of features over 18 versions of an image | " + " | ".join(f"{each:.3f}" for each, _ in deviations) + " |")
    print("| as a share of that over clean images | " + " | ".join(f"{each / over:.3f}" for each, over in deviations) + " |")


def deviation(stack: StackedNetwork, images: Tensor, labels: Tensor, attacks: Sequence[FGSM | PGD]) -> tuple[float, float]:
    """Of the features of one network: over versions of an image, and over clean images; means over images and features, and over features."""
    seen: list[Tensor] = []
    hook = stack.classifier.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][:, 0]))
    streams = image_streams(0, torch.arange(len(images)))
    versions = [images, *(attack(stack, images[None], labels[None], EPS, streams=streams[None])[0] for attack in attacks)]
    versions += [torch.from_numpy(corrupt(images, name, SEVERITY)) for name in CORRUPTIONS]
    seen.clear()  # what the attacks asked
    with torch.no_grad():
        for version in versions:
            stack(version)
    hook.remove()
    found = torch.stack(seen)  # (versions, images, features)
    return float(found.std(0).mean()), float(found[0].std(0).mean())


if __name__ == "__main__":
    main()

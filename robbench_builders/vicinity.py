"""Networks around a trained one, for attacks that transfer: collected along SGD with a constant, high learning rate.

    surrogates = collect(network, dataset)                  40 of them, 10 epochs
    robust_outcomes(target, images, labels, LGV(surrogates), [4 / 255])

Source: Gubri et al. (2022), algorithm 1 and section 4.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from torch import nn

from robbench_builders.attacks.lgv import Surrogates
from robbench_builders.datasets import Dataset
from robbench_builders.errors import BuildError
from robbench_builders.recipes import Recipe, digest
from robbench_builders.schedules import Constant
from robbench_builders.train import fit
from robbench.arguments import checked_count

VICINITY = Recipe("lgv", epochs=10, batch_size=256, learning_rate=0.05, weight_decay=1e-4, nesterov=False, schedule=Constant())
"""As the authors collect from a ResNet-50 on ImageNet, with this package's mirroring and cropping."""


def collect(
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe = VICINITY,
    *,
    models: int = 40,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Surrogates:
    """Copies of a network at equal distances along more training of it, the last at the end; in eval mode, with their running statistics.

    Arguments:
        network: trained, from images ``(batch, channels, height, width)`` in [0, 1] to logits; it is not changed.
        dataset: whose training images it is trained on.
        recipe: how; the fields that make networks do not count.
        models: how many.
        seed: of the order and the augmentation of the images.
        progress: called after every epoch with the epochs that are done, and how many there are.

    Raises:
        InvalidArgument: models is no integer of at least 1.
        BuildError: more models than steps, or training left the finite numbers.
    """
    steps = recipe.epochs * -(-len(dataset.train_images) // recipe.batch_size)
    if checked_count(models, "models") > steps:
        raise BuildError(
            f"{models} models were asked of {steps} steps of training; expected at most as many: train longer, or in smaller batches."
        )
    after = {(k + 1) * steps // models for k in range(models)}
    found: list[nn.Module] = []

    def keep(done: int) -> None:
        if done in after:
            found.append(_as_it_is(trained))

    trained = copy.deepcopy(network).requires_grad_()
    _, _, first_bad = fit(trained, 1, dataset, recipe, seed, progress=progress, after_step=keep)
    if int(first_bad) >= 0 or not all(tensor.isfinite().all() for network in found for tensor in network.state_dict().values()):
        raise BuildError(
            f"the training left the finite numbers, so there are no surrogates; try a learning rate below {recipe.learning_rate}."
        )
    about: dict[str, str | int | float | bool] = {
        "dataset": dataset.name,
        "recipe": recipe.name,
        "recipe_digest": digest(recipe.settings()),
        "learning_rate": recipe.learning_rate,
        "epochs": recipe.epochs,
        "models": models,
        "seed": seed,
    }
    return Surrogates(tuple(found), about)


def _as_it_is(network: nn.Module) -> nn.Module:
    copied = copy.deepcopy(network)
    copied.zero_grad(set_to_none=True)
    return copied.eval().requires_grad_(False)

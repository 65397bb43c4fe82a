"""R-Score: the number of linear regions of a network, and its consistency under perturbation.  Yang et al. (2025).

The paper's equations and its authors' implementation differ, as CRoZe's do.  Two numbers, Ψ and Φ, are stored for a network; the score itself
is normalised over a population (`robbench.measurements.rscore`) and has no meaning for one network alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from robbench_builders.errors import ProxyError
from robbench_builders.networks.darts import StackedDarts
from robbench_builders.proxies.anatomy import feature_number
from robbench_builders.proxies.croze import RELEASED, Form, Pair, Side, consistency, pair
from robbench_builders.proxies.initialise import initialised
from robbench_builders.proxies.passes import Passes, layers, record, standardised, total, weights
from robbench.arguments import checked_count

_EPSILON = 1e-8  # added to every probability by the released code
_MOST_IMAGES = 31  # a pattern is an int32 without its sign
_SHORT = 18  # images of which all patterns can be listed


@dataclass(frozen=True)
class Psi:
    """Ψ: the number of distinct activation patterns, averaged over Gaussian initialisations; it does not depend on the network's own weights.

    A ReLU's pattern is the set of images for which it is active, so there are at most 2^images.  As released, patterns of the whole network
    are counted; the released noise on the ReLUs' outputs, a factor 1 + 0.05·N(0, 1), would have to lie 20 standard deviations off to change
    a pattern, and is left out.  By the equations, the patterns of each layer are counted as a share of its ReLUs, and the mean of the shares is
    taken; we read the paper's normalisation so, since counted per image instead of per ReLU every count would be the number of images.

    Arguments:
        by_layer: by the equations.
        repeats: initialisations.
        images: how many, the first of the batch; at most 31.

    Raises:
        InvalidArgument: repeats or images is not an integer of at least 1.
        ProxyError: more images than an activation pattern has bits.

    Source: Yang et al. (2025), Ψ of equations 2 to 6.
    """

    by_layer: bool = False
    repeats: int = 32
    images: int = 16

    def __post_init__(self) -> None:
        checked_count(self.repeats, "repeats", of="initialisations")
        if checked_count(self.images, "images") > _MOST_IMAGES:
            raise ProxyError(f"Ψ was given {self.images} images; expected at most {_MOST_IMAGES}, the bits of a pattern.")

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, float64."""
        counted = passes.once(("psi", self.repeats, self.images), lambda: _counted(passes, self.repeats, self.images))
        return counted[:, int(self.by_layer)]


@torch.no_grad()
def _counted(passes: Passes, repeats: int, n: int) -> Tensor:
    """Distinct patterns of each network, and the mean share of its layers, averaged over initialisations: ``(stack, 2)``, float64."""
    given, images = passes.stack, passes.images[:n]
    mean, std = given.mean.flatten().tolist(), given.std.flatten().tolist()
    found = torch.zeros(len(given), 2, dtype=torch.float64)
    for repeat in range(repeats):
        draw = partial(initialised, given.archs, given.skeleton, mean, std, seed=passes.seed, init="gaussian")
        passed = record(draw(purpose=f"r_score/{repeat}").to(images), images)
        for k in range(len(given)):
            own = [activation.value[activation.members.index(k)] for activation in passed.relu_inputs if k in activation.members]
            found[k] += torch.tensor(_regions(own), dtype=torch.float64) / repeats
    return found


def _regions(relu_inputs: list[Tensor]) -> tuple[float, float]:
    """Distinct patterns of all ReLUs ``(batch, …)``, and the mean share of distinct ones among those of each layer."""
    seen = [_patterns(values) for values in relu_inputs]
    distinct = [_distinct(patterns, len(relu_inputs[0])) for patterns in seen]
    shares = [len(some) / len(patterns) for some, patterns in zip(distinct, seen, strict=True)]
    return float(len(torch.cat(distinct).unique())), sum(shares) / len(shares)


def _patterns(values: Tensor) -> Tensor:
    """For which images each ReLU is active, as bits of an integer."""
    bits = 1 << torch.arange(len(values), device=values.device, dtype=torch.int32)
    return ((values.flatten(1) > 0) * bits[:, None]).sum(0, dtype=torch.int32)


def _distinct(patterns: Tensor, images: int) -> Tensor:
    """The different ones, ascending; ticked off a list of all that there can be, where that is short, which is faster than sorting them."""
    if images > _SHORT:
        found: Tensor = patterns.unique()
        return found
    seen = torch.zeros(2**images, dtype=torch.bool, device=patterns.device)
    seen[patterns.long()] = True
    return seen.nonzero().flatten()


@dataclass(frozen=True)
class Phi:
    """Φ: Σ over layers of V·Θ, the consistency of features and of parameters under an adversarial perturbation.

    As released: 1 / (1 + divergence) of softmaxed whole tensors, on CRoZe's released networks.  By the equations: 1 + cosine of whole
    tensors, on the networks of CRoZe's equations, with each layer's own features and the weights compared as they are.

    The released code for DARTS counts cells of a class that its network has none of, so it pairs every convolution with the network's input, and the classifier
    with the first cell's output; a layer that got no gradient has no term.  So it is here for networks of DARTS.  `phi_of_cells` pairs as was meant.

    Arguments:
        form: of the networks; what is compared is said by `cosines`.
        cosines: by the equations.

    Source: Yang et al. (2025), Φ of equations 2 to 6.
    """

    form: Form = RELEASED
    cosines: bool = False

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, float64."""
        networks = pair(passes, self.form)
        if not self.cosines:
            released = _agreements_with_the_input if isinstance(passes.stack, StackedDarts) else _agreements
            return total(passes.stack, released(networks))
        found = consistency(networks, replace(self.form, learning_rate=0.0))
        return total(passes.stack, {path: z * found.parameters[path] for path, z in found.features.items()})


def phi_of_cells(passes: Passes) -> Tensor:
    """Φ as released, but that each layer is compared by the feature that it belongs to (`robbench_builders.proxies.anatomy`): ``(stack,)``, float64.

    In NAS-Bench-201 this is what `Phi` computes.

    Source: Yang et al. (2025), as their released code seems to be meant.
    """
    return total(passes.stack, _agreements(pair(passes, RELEASED)))


def _agreements(networks: Pair) -> dict[str, Tensor]:
    """Of each layer, with the feature that it belongs to."""
    features = _agreements_of([side.record.features for side in networks])
    return _times_weights(networks, {path: features[feature_number(networks.clean.stack, path)] for path in layers(networks.clean.stack)})


def _agreements_with_the_input(networks: Pair) -> dict[str, Tensor]:
    """Of each layer that got a gradient, with the network's input; of the classifier, with the first cell's output."""
    image, cell = _agreements_of([[_input(side), side.record.features[1]] for side in networks])
    found = _times_weights(networks, {path: cell if path == "classifier" else image for path in layers(networks.clean.stack)})
    gradients = networks.clean.gradients.weights
    return {path: value * gradients[path].flatten(1).ne(0).any(1) for path, value in found.items()}


def _input(side: Side) -> Tensor:
    return standardised(side.stack, side.record.images)


def _agreements_of(features: list[list[Tensor]]) -> list[Tensor]:
    """Of the features of two networks, one by one: ``(stack,)`` each."""
    return [_agreement(one.detach(), other.detach()) for one, other in zip(*features, strict=True)]


def _times_weights(networks: Pair, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """The agreement of each layer's weights, times that of a feature: ``(members,)``."""
    stack = networks.clean.stack
    one, other = (weights(side.stack) for side in networks)
    return {
        path: _agreement(one[path].detach(), other[path].detach()) * features[path][torch.tensor(layer.members)]
        for path, layer in layers(stack).items()
    }


def _agreement(one: Tensor, other: Tensor) -> Tensor:
    """1 / (1 + D), ``(members,)``; D is ½ KL(m‖p) + ½ KL(m‖q) with m between p and q, which the released code takes for Jensen–Shannon's."""
    p, q = (tensor.flatten(1).softmax(1) + _EPSILON for tensor in (one, other))
    middle = (p + q) / 2
    one_way, other_way = ((middle * (middle.log() - side.log())).sum(1) for side in (p, q))
    return 1 / (1 + (one_way + other_way) / 2)

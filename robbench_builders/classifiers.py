"""Networks that people bring, made fit for attacks: what is put right, and what is refused by name.

    network                                         here
    changes its input in place                      gets a copy
    modules in training mode inside                 in eval mode for the while; running statistics stay
    half precision, autocast, double                gets images of its type; logits are float32 at least; gradients do not underflow
    classes masked with −∞                          the attacks' losses leave them out
    a tuple or a dict of outputs                    refused: `LogitsOf` takes the logits out
    batch norm without running statistics           refused: an answer would depend on the rest of the batch
    integers for logits, logits of another shape    refused
    on another device                               refused

A network takes images in [0, 1] and normalises them itself; `Normalised` does so for one that does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from robbench_builders.attacks.base import Classifier, pixels
from robbench_builders.errors import AttackError

TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
LOW = (torch.float16, torch.bfloat16)


class LogitsOf(nn.Module):
    """A network of several outputs as one of logits: the output of that index, or name.

    NAS-Bench-201's published networks return features and logits: ``LogitsOf(network, 1)``; a network of `transformers` an object with
    logits: ``LogitsOf(network, "logits")``.

    Arguments:
        network: from images to a tuple, a list, a mapping, or an object with attributes.
        which: an index, a key, or the name of an attribute.

    Raises:
        AttackError: when called, and the network's output has nothing there.
    """

    def __init__(self, network: Callable[[Tensor], Any], which: int | str) -> None:
        super().__init__()
        self.network, self.which = network, which
        self.training = bool(getattr(network, "training", False))

    def forward(self, images: Tensor) -> Tensor:
        """The logits; images as for the network."""
        output = self.network(images)
        try:
            named = isinstance(self.which, str) and not isinstance(output, Mapping)
            found: Tensor = getattr(output, str(self.which)) if named else output[self.which]
        except (AttributeError, LookupError, TypeError) as error:
            raise AttackError(f"the network returned {_described(output)}, which has no {self.which!r}.") from error
        return found


class Normalised(nn.Module):
    """A network for normalised images as one for images in [0, 1]: ``network((images − mean) / std)``.

    Arguments:
        network: from normalised images to logits.
        mean, std: of each channel, in units of images in [0, 1].

    Raises:
        AttackError: mean and std of different lengths, or a std that is not positive; when called, images of other channels.
    """

    mean: Tensor
    """``(channels, 1, 1)``, float32."""
    std: Tensor
    """As the mean."""

    def __init__(self, network: Classifier, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not mean or not all(value > 0 for value in std):
            raise AttackError(f"mean {list(mean)} and std {list(std)}; expected one of each a channel, and positive ones of std.")
        self.network = network
        self.training = bool(getattr(network, "training", False))
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(list(values), dtype=torch.float32)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Logits; images ``(…, channels, height, width)``, in [0, 1]."""
        if images.shape[-3] != len(self.mean):
            raise AttackError(f"images of {images.shape[-3]} channels for the mean and std of {len(self.mean)}.")
        return self.network((images - self.mean.to(images)) / self.std.to(images))

    def settings(self) -> dict[str, list[float]]:
        """The normalisation, for the provenance of what is measured."""
        return {"mean": self.mean.flatten().tolist(), "std": self.std.flatten().tolist()}


@contextmanager
def fit_for_attacks(network: Classifier) -> Iterator[FitClassifier]:
    """A network as attacks and evaluations need it, for the while; afterwards its modules are in the modes that they were in.

    Modules are found wherever the network calls them in this thread, in closures and globals, too.

    Raises:
        AttackError: the network is in training mode itself; in use, whatever the table above refuses.
    """
    if isinstance(network, FitClassifier):
        yield network
        return
    if getattr(network, "training", False):
        raise AttackError("the network is in training mode, where batch normalisation mixes images; call network.eval() first.")
    fit, here = FitClassifier(network), threading.get_ident()

    def before(module: nn.Module, args: Any) -> None:
        if threading.get_ident() == here:
            fit.meet(module)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dtype in LOW and threading.get_ident() == here:
            fit.low.add(output.dtype)

    handles = register_module_forward_pre_hook(before), register_module_forward_hook(after)
    try:
        for module in network.modules() if isinstance(network, nn.Module) else ():
            fit.meet(module)
        yield fit
    finally:
        for handle in handles:
            handle.remove()
        for module in fit.switched:
            module.training = True


class FitClassifier:
    """A network that is given copies of its type and gives float logits; made by `fit_for_attacks`.  Remembers what it had to put right."""

    def __init__(self, network: Classifier) -> None:
        self.network = network
        self.dtype: torch.dtype | None = None
        """What images are given as, once the network has answered."""
        self.switched: list[nn.Module] = []
        """Modules that were in training mode."""
        self.low: set[torch.dtype] = set()
        """Types of less than single precision, of any output inside."""
        self.changes_images = False
        self.classes = 0
        self.masked = 0
        """At most so many classes were masked at the first call."""
        self._met: set[nn.Module] = set()

    def __call__(self, images: Tensor) -> Tensor:
        """Logits ``(…, batch, classes)``, float32 or float64; images ``(…, batch, channels, height, width)``."""
        if self.dtype is None:
            return self._first(images)
        return self._answer(images, self.dtype)[0]

    def meet(self, module: nn.Module) -> None:
        """See a module before it is called: put it into eval mode, or refuse it."""
        if module.training:
            module.training = False
            self.switched.append(module)
        if module not in self._met:
            self._met.add(module)
            if isinstance(module, _BatchNorm) and module.running_mean is None:
                raise AttackError(
                    f"the network has a {type(module).__name__} without running statistics, so its answer to an image depends on the rest of"
                    " the batch; make it with track_running_stats=True, and train it."
                )

    def notes(self) -> list[str]:
        """A sentence for each thing that was put right."""
        found = []
        if self.switched:
            found.append(f"{len(self.switched)} modules in training mode were in eval mode for the while.")
        if self.changes_images:
            found.append("the network changes its input in place, and was given copies.")
        if self.low:
            types = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in self.low))
            found.append(f"the network computes in {types}: logits were made float32, which does not give back the digits that are lost.")
        if self.masked:
            found.append(f"up to {self.masked} of {self.classes} classes are masked with -inf, and were left out.")
        return found

    def _first(self, images: Tensor) -> Tensor:
        """The first answer, which shows what the network wants: images of the type they have, or else of another."""
        refusals = []
        for dtype in dict.fromkeys((images.dtype, *TYPES)):
            try:
                logits, given = self._answer(images, dtype)
            except RuntimeError as error:
                if "type" not in str(error).lower() or isinstance(error, torch.OutOfMemoryError):
                    self._refuse_another_device(images, error)
                    raise
                refusals.append(error)
                continue
            self.dtype, self.classes = dtype, logits.shape[-1]
            self.masked = int(logits.isneginf().sum(-1).max())
            self.changes_images = not torch.equal(given, images.to(dtype))
            return logits
        self._refuse_another_device(images, refusals[0])
        raise AttackError(f"the network takes images of none of the types {', '.join(map(str, TYPES))}: {refusals[0]}.") from refusals[0]

    def _answer(self, images: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The logits, and what the network was given and may have changed."""
        given = images.to(dtype, copy=True)
        if not (torch.float16 in self.low and images.requires_grad and torch.is_grad_enabled()):
            return self._checked(self.network(given), images), given
        # A gradient of float16 has no numbers below 6e-8, which a sure network's would be: the network passes on that of a loss as steep as 1.
        steepness: list[Tensor] = []
        smooth = images.clone()
        smooth.register_hook(lambda gradient: gradient * pixels(steepness[-1]).to(gradient.dtype))
        given = smooth.to(dtype, copy=True)
        logits = self._checked(self.network(given), images)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: gradient / _steepness(gradient, images.ndim - 3, steepness)[..., None])
        return logits, given

    def _checked(self, logits: Any, images: Tensor) -> Tensor:
        if not isinstance(logits, Tensor):
            raise AttackError(
                f"the network returned {_described(logits)}; expected logits: robbench_builders.classifiers.LogitsOf(network, {_some_key(logits)!r})"
                " takes an output out."
            )
        if not logits.is_floating_point():
            raise AttackError(f"the network returned {logits.dtype} of shape {tuple(logits.shape)}; expected logits, not predictions.")
        if logits.device != images.device:
            self._refuse_another_device(images, None, logits.device)
        batch = images.shape[-4]
        if logits.ndim < 2 or logits.shape[-2] != batch or not logits.shape[-1] or (self.classes and logits.shape[-1] != self.classes):
            classes = str(self.classes or "classes")
            raise AttackError(
                f"the network gave logits of shape {tuple(logits.shape)} for {batch} images; expected (…, {batch}, {classes})."
            )
        if logits.dtype in LOW:
            self.low.add(logits.dtype)
        single: Tensor = logits.float() if logits.dtype in LOW else logits
        return single.clone() if single.is_inference() else single

    def _refuse_another_device(self, images: Tensor, error: RuntimeError | None, found: torch.device | None = None) -> None:
        """Raise AttackError if the network's weights, or what it answered, are not where the images are."""
        weights = (tensor.device for module in self._met for tensor in chain(module.parameters(False), module.buffers(False)))
        places = {device for device in (found, *weights) if device is not None and device != images.device}
        if places:
            place = sorted(map(str, places))[0]
            raise AttackError(
                f"the network is on {place} and the images are on {images.device}; move one: images.to({place!r}), and the labels."
            ) from error


def _steepness(gradient: Tensor, rows: int, kept: list[Tensor]) -> Tensor:
    """The largest slope of each row's loss in any logit, ``(…, batch)``, and 1 where there is none; kept for the way back."""
    found = gradient.abs().amax(-1)
    if found.ndim > rows:  # a stack on images that all its networks share
        found = found.amax(tuple(range(found.ndim - rows)))
    kept[:] = [torch.where((found > 0) & found.isfinite(), found, 1.0)]
    return kept[0]


def _described(output: Any) -> str:
    kind = type(output).__name__
    if isinstance(output, Mapping):
        return f"a {kind} of {', '.join(map(repr, list(output)[:4]))}"
    return f"a {kind} of {len(output)}" if isinstance(output, tuple | list) else f"a {kind}"


def _some_key(output: Any) -> Any:
    """What probably are the logits."""
    if isinstance(output, Mapping):
        return next((key for key in output if "logits" in str(key)), next(iter(output), "logits"))
    if isinstance(output, tuple | list):
        return next((k for k, one in enumerate(output) if isinstance(one, Tensor) and one.ndim == 2), 0)
    return "logits"

"""What can be asked of a store: one table of names, one grammar.

    name[@level][:measure]        pgd@1/255    fog@3    clean    clean:confusion    mean_corruption    hrs-pgd@1/255    synflow

An attack's level is its eps, in units of images in [0, 1]; a corruption's is its severity, 1 to 5; nothing else has a level.
The measure is the accuracy of a threat, and the value of a proxy or a cost, unless another is named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from numbers import Real
from typing import NamedTuple

from robbench.arguments import nearest
from robbench.errors import InvalidArgument, UnknownMetric

GREY_LEVELS = 255
WORST_CASE = "worst_case"
SEVERITIES = (1, 2, 3, 4, 5)
_FEW = tuple(level / GREY_LEVELS for level in (0.1, 0.5, 1, 2, 3, 4, 8))
PUBLISHED_EPS: dict[str, tuple[float, ...]] = {
    "fgsm": (*_FEW[:6], *(level / GREY_LEVELS for level in (5, 6, 7, 8, 255))),
    "pgd": _FEW,
    "apgd-ce": _FEW,
    "square": _FEW,
}
"""The attacks of the published dataset and their levels (Jung et al., 2023, section 3.2).  Their Table 2 lists 255/255 for all four, which the data have of
FGSM alone."""
EXTRA_CORRUPTIONS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""Those that Hendrycks and Dietterich (2019) publish beside the fifteen that are usually evaluated."""
LEVEL_TOLERANCE = 1e-6
"""Relative: two eps are the same level when they agree so far (so 0.003921569 is 1/255, and 0.0039 is not)."""


class Entry(NamedTuple):
    """One name that can be asked for."""

    kind: str
    """clean, attack, corruption, derived, proxy, cost or attribute."""
    axis: str | None
    """What its levels are called: eps, severity, or None where it has no level."""
    unit: str
    higher_is_better: bool
    about: str

    @property
    def measure(self) -> str:
        """The measure meant when none is named."""
        return "value" if self.kind in ("proxy", "cost", "attribute") else "accuracy"


def _clean() -> Entry:
    return Entry("clean", None, "fraction", True, "no perturbation")


def _attack(about: str) -> Entry:
    return Entry("attack", "eps", "fraction", True, about)


def _corruption(family: str) -> Entry:
    return Entry("corruption", "severity", "fraction", True, f"common corruption, {family} (Hendrycks and Dietterich, 2019)")


def _derived(axis: str | None, about: str) -> Entry:
    return Entry("derived", axis, "fraction", True, about)


def _proxy(about: str, unit: str = "1", *, higher_is_better: bool = True) -> Entry:
    return Entry("proxy", None, unit, higher_is_better, about)


def _cost(device: str, quantity: str, unit: str) -> Entry:
    return Entry("cost", None, unit, False, f"{quantity} of one image on {device} (Li et al., 2021)")


_ENTRIES: dict[str, Entry] = {
    "clean": _clean(),
    "fgsm": _attack("one signed gradient step (Goodfellow et al., 2015)"),
    "pgd": _attack("projected gradient descent, L∞ (Madry et al., 2018)"),
    "apgd-ce": _attack("Auto-PGD on the cross-entropy (Croce and Hein, 2020)"),
    "square": _attack("black-box random search (Andriushchenko et al., 2020)"),
    "square-rescaled": _attack("Square with a schedule rescaled to its queries, and squares anywhere: stronger than the published attack"),
    "autoattack": _attack("the AutoAttack cascade (Croce and Hein, 2020)"),
    "apgd-dlr": _attack("Auto-PGD on the difference of logits ratio (Croce and Hein, 2020)"),
    "apgd-t": _attack("Auto-PGD on the targeted difference of logits ratio, class by class (Croce and Hein, 2020)"),
    "fab-t": _attack("fast adaptive boundary attack, class by class (Croce and Hein, 2020)"),
    "cw": _attack("projected gradient descent on the logits' margin, L∞ (Carlini and Wagner, 2017)"),
    "deepfool": _attack("steps to the nearest linearised boundary, L∞ (Moosavi-Dezfooli et al., 2016)"),
    "spsa": _attack("gradients estimated by random directions (Uesato et al., 2018)"),
    "lgv": _attack("gradients of networks collected around a surrogate (Gubri et al., 2022)"),
    "gaussian_noise": _corruption("noise"),
    "shot_noise": _corruption("noise"),
    "impulse_noise": _corruption("noise"),
    "defocus_blur": _corruption("blur"),
    "glass_blur": _corruption("blur"),
    "motion_blur": _corruption("blur"),
    "zoom_blur": _corruption("blur"),
    "snow": _corruption("weather"),
    "frost": _corruption("weather"),
    "fog": _corruption("weather"),
    "brightness": _corruption("weather"),
    "contrast": _corruption("digital"),
    "elastic_transform": _corruption("digital"),
    "pixelate": _corruption("digital"),
    "jpeg_compression": _corruption("digital"),
    "speckle_noise": _corruption("noise"),
    "gaussian_blur": _corruption("blur"),
    "spatter": _corruption("weather"),
    "saturate": _corruption("digital"),
    "mean_adversarial": _derived(None, "mean over the attacks and levels of the published dataset (Jung et al., 2023, section 3.2)"),
    "mean_adversarial_measured": _derived(None, "mean over all attacks and levels in the store"),
    "mean_corruption": _derived(None, "mean over all corruptions and severities in the store (Jung et al., 2023)"),
    WORST_CASE: _derived("eps", "correct under every attack at this eps, image by image"),
    "hrs-fgsm": _derived("eps", "harmonic mean of clean and FGSM accuracy (Devaguptapu et al., 2021)"),
    "hrs-pgd": _derived("eps", "harmonic mean of clean and PGD accuracy (Devaguptapu et al., 2021)"),
    "hrs-apgd-ce": _derived("eps", "harmonic mean of clean and APGD-CE accuracy"),
    "hrs-square": _derived("eps", "harmonic mean of clean and Square accuracy"),
    "hrs-square-rescaled": _derived("eps", "harmonic mean of clean and rescaled Square accuracy"),
    "hrs-autoattack": _derived("eps", "harmonic mean of clean and AutoAttack accuracy"),
    "croze": _proxy("consistency under perturbation, as released (Ha et al., 2023)"),
    "croze_features": _proxy("CRoZe's features alone"),
    "croze_parameters": _proxy("CRoZe's parameters alone"),
    "croze_gradients": _proxy("CRoZe's gradients alone"),
    "croze_features_parameters": _proxy("CRoZe's features times its parameters, layer by layer"),
    "croze_features_gradients": _proxy("CRoZe's features times its gradients, layer by layer"),
    "croze_parameters_gradients": _proxy("CRoZe's parameters times its gradients, layer by layer"),
    "croze_gaussian": _proxy("CRoZe under random perturbation"),
    "croze_gaussian_features": _proxy("CRoZe's features alone, under random perturbation"),
    "croze_gaussian_parameters": _proxy("CRoZe's parameters alone, under random perturbation"),
    "croze_gaussian_gradients": _proxy("CRoZe's gradients alone, under random perturbation"),
    "croze_gaussian_input": _proxy("CRoZe with Gaussian noise in place of the perturbation of its input (Ha et al., 2023, appendix B.2)"),
    "croze_equations": _proxy("consistency under perturbation, by the paper's equations (Ha et al., 2023)"),
    "epe_nas": _proxy("class-wise correlation of input Jacobians (Lopes et al., 2021)"),
    "fisher": _proxy("Fisher information of activations (Turner et al., 2020)"),
    "flops": _proxy("operations of one forward pass", "10^6"),
    "grad_norm": _proxy("norm of the loss gradient (Abdelfattah et al., 2021)"),
    "grasp": _proxy("gradient signal preservation (Wang et al., 2020)"),
    "hessian": _proxy("largest eigenvalue of the loss's input Hessian (Zhao et al., 2020)", higher_is_better=False),
    "hessian_10x256": _proxy(
        "largest eigenvalue of the mini-batch loss's input Hessian, mean of 10 mini-batches of 256 (Jung et al., 2023)",
        higher_is_better=False,
    ),
    "hessian_weights_10x256": _proxy(
        "largest eigenvalue of the mini-batch loss's Hessian of the weights, mean of 10 mini-batches of 256 (Jung et al., 2023)",
        higher_is_better=False,
    ),
    "jacob_fro": _proxy("norm of the input-output Jacobian (Hoffman et al., 2019)", higher_is_better=False),
    "jacob_fro_10x256": _proxy(
        "norm of the input-output Jacobian, mean of 10 mini-batches of 256 (Jung et al., 2023)", higher_is_better=False
    ),
    "jacov": _proxy("correlations of input Jacobians (Mellor et al., 2020)"),
    "l2_norm": _proxy("norm of the weights (Abdelfattah et al., 2021)"),
    "nwot": _proxy("NAS without training: overlap of activation patterns (Mellor et al., 2021)"),
    "params": _proxy("trainable parameters", "10^6"),
    "plain": _proxy("weights times their gradients (Abdelfattah et al., 2021)"),
    "r_score_psi": _proxy("Ψ of R-Score: distinct activation patterns, as released (Yang et al., 2025)"),
    "r_score_phi": _proxy("Φ of R-Score: consistency under perturbation, as released (Yang et al., 2025)"),
    "r_score_psi_equations": _proxy("Ψ of R-Score, by the paper's equations (Yang et al., 2025)"),
    "r_score_phi_equations": _proxy("Φ of R-Score, by the paper's equations (Yang et al., 2025)"),
    "r_score_phi_cells": _proxy("Φ of R-Score as released, but each layer compared by its own cell or stage (Yang et al., 2025)"),
    "snip": _proxy("connection sensitivity (Lee et al., 2019)"),
    "swap": _proxy("sample-wise activation patterns (Peng et al., 2024)"),
    "swap_regularised": _proxy("sample-wise activation patterns, less where a network is larger or smaller than most (Peng et al., 2024)"),
    "synflow": _proxy("synaptic flow (Tanaka et al., 2020)"),
    "zcprob": _proxy("bound on the adversarial loss by the robust neural tangent kernel, as released (Feng et al., 2025)"),
    "zcprob_equations": _proxy(
        "bound on the adversarial loss by the robust neural tangent kernel, by the paper's equation (Feng et al., 2025)"
    ),
    "zen": _proxy("Zen-score: expressivity of a network of Gaussian weights (Lin et al., 2021)"),
    "macs": Entry("cost", None, "10^6", False, "multiply-accumulates of convolutions and linear layers in one forward pass"),
    "training_seconds": Entry("cost", None, "s", False, "wall-clock time of training, a network's share of its stack"),
    "training_loss": Entry("cost", None, "nat", False, "mean loss over the last training epoch"),
    "training_accuracy": Entry("cost", None, "fraction", True, "accuracy on the training images over the last epoch"),
    "edgegpu_latency": _cost("an edge GPU", "latency", "ms"),
    "edgegpu_energy": _cost("an edge GPU", "energy", "mJ"),
    "raspi4_latency": _cost("a Raspberry Pi 4", "latency", "ms"),
    "edgetpu_latency": _cost("an edge TPU", "latency", "ms"),
    "pixel3_latency": _cost("a Pixel 3", "latency", "ms"),
    "eyeriss_latency": _cost("Eyeriss", "latency", "ms"),
    "eyeriss_energy": _cost("Eyeriss", "energy", "mJ"),
    "eyeriss_arithmetic_intensity": _cost("Eyeriss", "operations a byte moved", "1/byte")._replace(higher_is_better=True),
    "fpga_latency": _cost("an FPGA", "latency", "ms"),
    "fpga_energy": _cost("an FPGA", "energy", "mJ"),
    "kernel_parameters": Entry(
        "attribute", None, "1", True, "1 for each 1×1 and 9 for each 3×3 convolution of a NAS-Bench-201 cell (Jung et al., 2023)"
    ),
    "cell_depth": Entry("attribute", None, "1", True, "edges on the longest way through the normal cell of DARTS (Shu et al., 2020)"),
    "cell_width": Entry(
        "attribute", None, "1", True, "inner nodes of the normal cell, by their share of edges from its inputs (Shu et al., 2020)"
    ),
    "skip_connections": Entry("attribute", None, "1", True, "skip connections in the normal cell of DARTS"),
    "network_depth": Entry("attribute", None, "1", True, "layers of a WideResNet, as its name counts them: 34 of WRN-34-10"),
    **{f"depth_{stage}": Entry("attribute", None, "1", True, f"residual blocks of stage {stage} of a WideResNet") for stage in (1, 2, 3)},
    **{f"width_{stage}": Entry("attribute", None, "1", True, f"width factor of stage {stage} of a WideResNet") for stage in (1, 2, 3)},
}
_OWN = re.compile(r"(attack|proxy)-[a-z0-9][a-z0-9_.-]*")


class Table(dict[str, Entry]):
    """The names that can be asked for, and ``attack-NAME`` and ``proxy-NAME`` of anyone's own attacks and proxies, which it knows and does not list."""

    def __missing__(self, name: str) -> Entry:
        found = _OWN.fullmatch(name)
        if found is None:
            raise KeyError(name)
        return _attack("an attack of one's own") if found[1] == "attack" else _proxy("a proxy of one's own")

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and _OWN.fullmatch(name) is not None)


TABLE = Table(_ENTRIES)
"""Attributes follow from an architecture's structure, so no store needs to hold them; which a space has, its `attributes` say."""

MEASURES: dict[str, str] = {
    "accuracy": "fraction of the test images classified correctly",
    "validation_accuracy": "fraction of the validation images classified correctly",
    "confidence_label": "mean softmax probability of each class (columns) over the images of each label (rows)",
    "confidence_argmax": "the same over the images of each prediction (rows); NaN for a class that was never predicted",
    "confidence_prediction": "mean probability of the predicted class, over the images that are classified correctly and over the others",
    "confusion": "images of each label (rows) that got each prediction (columns)",
    "outcomes": "for each test image, whether it was classified correctly",
    "value": "the number itself, in the unit of the table",
    "learning_curve": "fraction of the test images classified correctly after each epoch of training",
    "training_curve": "fraction of the training images classified correctly over each epoch of training",
    "loss_curve": "mean loss on the test images after each epoch of training",
    "training_loss_curve": "mean loss on the training images over each epoch of training",
    "validation_curve": "fraction of the validation images classified correctly after each epoch of training",
    "validation_loss_curve": "mean loss on the validation images after each epoch of training",
}
CURVES = ("learning_curve", "training_curve", "loss_curve", "training_loss_curve", "validation_curve", "validation_loss_curve")
"""Measures with a value for each epoch; `epoch` picks one."""
CURVE_OF = {"accuracy": "learning_curve", "validation_accuracy": "validation_curve"}
"""Of an accuracy after the last epoch, or the chosen one: where it stands epoch by epoch."""

CONFIDENCES = {scheme: f"confidence_{scheme}" for scheme in ("label", "argmax", "prediction")}
"""The measure of each scheme of Jung et al. (2023), appendix A.5."""

# Spellings of the published files, and what people type.
_ALIASES = {"aa_apgd-ce": "apgd-ce", "apgd": "apgd-ce", "aa_square": "square", "aa": "autoattack", "auto_attack": "autoattack"}
_MEASURE_ALIASES = {"cm": "confusion", "acc": "accuracy"}
_NUMBER = re.compile(r"\s*(-?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(?:/\s*([0-9]*\.?[0-9]+))?\s*")


class Metric(NamedTuple):
    """A name with its level and measure: what one number, or one array, of an architecture is."""

    name: str
    level: float | None
    """eps or severity; None where the name has no level, or where none was given."""
    measure: str

    @property
    def entry(self) -> Entry:
        """What the table says of this name."""
        return TABLE[self.name]

    def __str__(self) -> str:
        level = "" if self.level is None else f"@{level_text(self.name, self.level)}"
        measure = "" if self.measure == self.entry.measure else f":{self.measure}"
        return f"{self.name}{level}{measure}"


def parse(text: str | Metric, *, eps: float | str | None = None, severity: int | None = None, measure: str | None = None) -> Metric:
    """The metric that a name and its options mean; aliases and the published spellings are understood.

    Arguments:
        text: a name, or the whole grammar: ``"pgd@1/255:accuracy"``.
        eps: level of an attack, in units of images in [0, 1]: a number, or a string such as ``"1/255"``.
        severity: level of a corruption, 1 to 5.
        measure: one of `MEASURES`; by default the accuracy of a threat, the value of a proxy or cost.

    Raises:
        UnknownMetric: a name that is none.
        InvalidArgument: a level or measure that means nothing, or that is given twice.
    """
    if isinstance(text, Metric):
        if eps is None and severity is None and measure is None and text.name in TABLE:
            return text
        canonical_name(text.name)
        text = str(text)
    if not isinstance(text, str):
        raise InvalidArgument(f"{text!r} is a {type(text).__name__}; expected a metric's name, such as 'pgd@1/255'.")
    rest, colon, written_measure = text.partition(":")
    written_name, at, written_level = rest.replace("@Linf", "").partition("@")
    name = canonical_name(written_name)
    if at:
        if eps is not None or severity is not None:
            raise InvalidArgument(f"{text!r} already names a level; leave eps and severity out.")
        if TABLE[name].axis == "severity":
            severity = _severity_from_text(name, written_level)
        else:
            eps = written_level
    if colon:
        if measure is not None:
            raise InvalidArgument(f"{text!r} already names a measure; leave measure={measure!r} out.")
        measure = written_measure
    return Metric(name, _level(name, eps, severity), _measure(name, measure))


def canonical_name(name: str) -> str:
    """The table's spelling of a name; raises UnknownMetric with the nearest names where there is none."""
    found = _ALIASES.get(name, name)
    if found not in TABLE:
        raise UnknownMetric(f"{name!r} is not a metric.{nearest(name, TABLE)} Known: {', '.join(TABLE)}.")
    return found


def level_text(name: str, level: float) -> str:
    """A level as people write it: ``1/255`` for an eps, ``3`` for a severity."""
    return f"{level:g}" if TABLE[name].axis == "severity" else f"{level * GREY_LEVELS:.9g}/{GREY_LEVELS}"


def same_level(one: float, other: float) -> bool:
    """Whether two levels are the same up to rounding."""
    return math.isclose(one, other, rel_tol=LEVEL_TOLERANCE)


def parse_eps(eps: float | str) -> float:
    """An eps in [0, 1] from a number or a string such as ``"1/255"``.

    Raises:
        InvalidArgument: not a number, not finite, negative, or above 1 (then it was meant in grey levels: the message says so).
    """
    if isinstance(eps, str):
        match = _NUMBER.fullmatch(eps)
        if match is None or (match[2] is not None and float(match[2]) == 0):
            raise InvalidArgument(f"eps={eps!r} is not a number; expected one such as '1/255' or 0.00392.")
        value = float(match[1]) / float(match[2] or 1)
    elif isinstance(eps, Real):
        try:
            value = float(eps)
        except OverflowError:
            value = math.inf
    else:
        raise InvalidArgument(f"eps={eps!r} is a {type(eps).__name__}; expected a number, or a string such as '1/255'.")
    if math.isnan(value) or value < 0:
        raise InvalidArgument(f"eps={eps} is not a distance; expected a number in [0, 1], such as 1/255.")
    if value > 1:
        raise InvalidArgument(
            f"eps={eps} is outside [0, 1]: images are in [0, 1], so {value:g} grey levels are eps={value:g}/{GREY_LEVELS}."
        )
    return value


def _level(name: str, eps: float | str | None, severity: int | None) -> float | None:
    axis = TABLE[name].axis
    if eps is not None and axis != "eps":
        hint = "it has a severity from 1 to 5: severity=…" if axis == "severity" else "it has no level: leave eps out"
        raise InvalidArgument(f"{name} is not an attack, so eps={eps} has no meaning; {hint}.")
    if severity is not None and axis != "severity":
        hint = "it has an eps in [0, 1]: eps=1/255, for example" if axis == "eps" else "it has no level: leave severity out"
        raise InvalidArgument(f"{name} is not a corruption, so severity={severity} has no meaning; {hint}.")
    if eps is not None:
        return parse_eps(eps)
    if severity is None:
        return None
    if not isinstance(severity, Hashable) or severity not in SEVERITIES:  # by equality, as a dict compares: 3 and 3.0 are the same question
        raise InvalidArgument(f"severity={severity!r} is not a severity; expected an integer from 1 to 5.")
    return SEVERITIES[SEVERITIES.index(severity)]


def _severity_from_text(name: str, text: str) -> int:
    if text not in map(str, SEVERITIES):
        raise InvalidArgument(f"{text!r} is not a level of {name}; expected a severity from 1 to 5, as in '{name}@3'.")
    return int(text)


def _measure(name: str, measure: str | None) -> str:
    default = TABLE[name].measure
    if measure is None:
        return default
    found = _MEASURE_ALIASES.get(measure, measure) if isinstance(measure, str) else measure
    if found == "confidence":
        raise InvalidArgument(f"confidences are means over one of three groups of images; say which: {', '.join(CONFIDENCES.values())}.")
    if not isinstance(found, str) or found not in MEASURES:
        raise InvalidArgument(f"{measure!r} is not a measure.{nearest(measure, MEASURES)} Known: {', '.join(MEASURES)}.")
    if (default == "value" or TABLE[name].kind == "derived") and found != default:
        raise InvalidArgument(f"{name} has only the measure {default!r}; {measure!r} belongs to threats.")
    return found

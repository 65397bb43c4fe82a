"""Metrics and data sets in words, as the axes of a figure say them: the one place that words them for people.

words("pgd@1/255")                 accuracy under PGD, eps 1/255
words("pgd@1/255", brief=True)     PGD, eps 1/255
words("edgegpu_latency")           latency on an edge GPU (ms)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Unpack

from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import TABLE, Metric, level_text, parse
from robbench.measurements.question import STANDARD, UNTRAINED, Question, Where

_ATTACKS = {
    "fgsm": "FGSM",
    "pgd": "PGD",
    "apgd-ce": "APGD-CE",
    "square": "Square",
    "square-rescaled": "rescaled Square",
    "autoattack": "AutoAttack",
    "apgd-dlr": "APGD-DLR",
    "apgd-t": "APGD-T",
    "fab-t": "FAB-T",
    "cw": "CW",
    "deepfool": "DeepFool",
    "spsa": "SPSA",
    "lgv": "LGV",
}
NAMES: Mapping[str, str] = MappingProxyType(
    {
        **_ATTACKS,
        **{f"hrs-{attack}": f"harmonic robustness score under {name}" for attack, name in _ATTACKS.items()},
        "gaussian_noise": "Gaussian noise",
        "jpeg_compression": "JPEG compression",
        "mean_adversarial": "mean accuracy under attacks",
        "mean_adversarial_measured": "mean accuracy under all measured attacks",
        "mean_corruption": "mean accuracy under corruptions",
        "worst_case": "worst-case accuracy",
        "croze": "CRoZe",
        "croze_features": "CRoZe, features",
        "croze_parameters": "CRoZe, parameters",
        "croze_gradients": "CRoZe, gradients",
        "croze_features_parameters": "CRoZe, features × parameters",
        "croze_features_gradients": "CRoZe, features × gradients",
        "croze_parameters_gradients": "CRoZe, parameters × gradients",
        "croze_gaussian": "CRoZe, random",
        "croze_gaussian_features": "CRoZe, random, features",
        "croze_gaussian_parameters": "CRoZe, random, parameters",
        "croze_gaussian_gradients": "CRoZe, random, gradients",
        "croze_gaussian_input": "CRoZe, Gaussian input",
        "croze_equations": "CRoZe (equations)",
        "epe_nas": "EPE-NAS",
        "fisher": "Fisher",
        "flops": "FLOPs",
        "grad_norm": "gradient norm",
        "grasp": "GraSP",
        "hessian": "Hessian",
        "hessian_10x256": "Hessian, 10 × 256 images",
        "hessian_weights_10x256": "Hessian of weights, 10 × 256 images",
        "jacob_fro": "Jacobian norm",
        "jacob_fro_10x256": "Jacobian norm, 10 × 256 images",
        "jacov": "Jacobian covariance",
        "l2_norm": "L2 norm",
        "nwot": "NWOT",
        "params": "parameters",
        "plain": "Plain",
        "r_score_psi": "R-Score Ψ",
        "r_score_phi": "R-Score Φ",
        "r_score_psi_equations": "R-Score Ψ (equations)",
        "r_score_phi_equations": "R-Score Φ (equations)",
        "r_score_phi_cells": "R-Score Φ (by cells)",
        "snip": "SNIP",
        "swap": "SWAP",
        "swap_regularised": "SWAP, regularised",
        "synflow": "SynFlow",
        "zcprob": "ZCPRob",
        "zcprob_equations": "ZCPRob (equations)",
        "zen": "Zen-score",
        "training_seconds": "training time",
        "edgegpu_latency": "latency on an edge GPU",
        "edgegpu_energy": "energy on an edge GPU",
        "raspi4_latency": "latency on a Raspberry Pi 4",
        "edgetpu_latency": "latency on an edge TPU",
        "pixel3_latency": "latency on a Pixel 3",
        "eyeriss_latency": "latency on Eyeriss",
        "eyeriss_energy": "energy on Eyeriss",
        "eyeriss_arithmetic_intensity": "arithmetic intensity on Eyeriss",
        "fpga_latency": "latency on an FPGA",
        "fpga_energy": "energy on an FPGA",
        "kernel_parameters": "kernel parameters of the cell",
        "cell_depth": "depth of the normal cell",
        "cell_width": "width of the normal cell",
        "skip_connections": "skip connections of the normal cell",
        "macs": "MACs",
        **{f"{size}_{stage}": f"{size} of stage {stage}" for size in ("depth", "width") for stage in (1, 2, 3)},
    }
)
"""What papers call a metric, where that is not its name with spaces."""
_BRIEF = MappingProxyType(
    {
        "mean_adversarial": "mean of attacks",
        "mean_adversarial_measured": "mean of all measured attacks",
        "mean_corruption": "mean of corruptions",
        "worst_case": "worst case",
        "edgegpu_latency": "edge GPU latency",
        "edgegpu_energy": "edge GPU energy",
        "raspi4_latency": "Raspberry Pi latency",
        "edgetpu_latency": "edge TPU latency",
        "pixel3_latency": "Pixel 3 latency",
        "eyeriss_latency": "Eyeriss latency",
        "eyeriss_energy": "Eyeriss energy",
        "eyeriss_arithmetic_intensity": "Eyeriss intensity",
        "fpga_latency": "FPGA latency",
        "fpga_energy": "FPGA energy",
        "kernel_parameters": "kernel parameters",
        "cell_depth": "cell depth",
        "cell_width": "cell width",
        "skip_connections": "skip connections",
    }
)
"""Where it is clear that accuracies of architectures are meant."""
UNITS = MappingProxyType({"1": "", "fraction": "", "10^6": "millions", "nat": "nats", "1/byte": "operations per byte"})
"""Units in words, where these are others."""
DATASETS = MappingProxyType({"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "digits": "handwritten digits"})
"""Data sets as papers write them, where that is not their name."""


def words(metric: str | Metric, *, brief: bool = False) -> str:
    """A metric in words, with its level and its unit.

    Arguments:
        metric: as for a query; of an attack or corruption, the level may be left out.
        brief: without "accuracy under", where it is clear that accuracies are meant, and without its unit (see `unit`).

    Raises:
        UnknownMetric, InvalidArgument: as `metrics.parse`.
    """
    asked = parse(metric)
    entry, measure = asked.entry, asked.measure.replace("_", " ")
    name = (_BRIEF.get(asked.name) if brief else None) or NAMES.get(asked.name, asked.name.replace("_", " "))
    if entry.kind == "clean":
        return f"clean {measure}"
    level = "" if asked.level is None else f", {entry.axis} {level_text(asked.name, asked.level)}"
    if entry.kind in ("attack", "corruption"):
        return f"{name}{level}" if brief and measure == "accuracy" else f"{measure} under {name}{level}"
    return f"{name}{level}" + (f" ({unit(asked)})" if unit(asked) and not brief else "")


def unit(metric: str | Metric) -> str:
    """The unit of a metric in words, such as ``"ms"``; empty where it has none, and of fractions."""
    found = parse(metric).entry.unit
    return UNITS.get(found, found)


def several(target: str) -> str:
    """A metric in words, or several that are joined by ``+``, such as a surrogate predicts together."""
    names = target.split("+")
    return words(target) if len(names) == 1 else " and ".join(words(name, brief=True) for name in names)


def feature(name: str) -> str:
    """A feature that a surrogate learns from, in words where it is a metric."""
    return words(name, brief=True) if re.split("[@:]", name)[0] in TABLE else name


def threat(name: str) -> str:
    """An attack or a corruption as papers call it: ``"PGD"``, ``"Gaussian noise"``."""
    return words(Metric(name, None, "accuracy"), brief=True)


def setting(measurements: Measurements, metrics: Iterable[str | Metric], **where: Unpack[Where]) -> str:
    """Where metrics were measured: the data set, and the training and the seed unless they are the standard one and the mean over all.

    "CIFAR-10"; "CIFAR-10, training pgd-8/255, seed 777".

    Raises:
        NotMeasured: the store holds no such data set.
    """
    asked = [measurements.without_training(Question(parse(metric), **where)) for metric in metrics]
    resolved = list(map(measurements.resolve, asked))
    named = resolved[0].dataset if resolved else where.get("dataset") or measurements.default_dataset
    seed = where.get("seed")
    trainings = dict.fromkeys(question.training for question in resolved if question.training not in (STANDARD, UNTRAINED))
    parts = [DATASETS.get(str(named), str(named)), *(f"training {name}" for name in trainings)]
    return ", ".join(parts if seed is None else [*parts, f"seed {seed}"])

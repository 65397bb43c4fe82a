"""Tiny-RobustBench (Feng et al., ICLR 2025): networks of DARTS genotypes after adversarial training on cifar10, with their learning curves.

robust_bench_seed_*.json: a list of records

    net           genotype {normal, normal_concat, reduce, reduce_concate}, width, depth, aux, drop_prob
    optim         total_epochs, …;   adversarial_param   adv_loss, epsilon, num_steps, step_size
    max_test_top1_original, max_test_top1_adv            percent; the highest over all epochs, on the test images
    train_ep_…, test_ep_…   top1 in percent, loss        a value for each epoch, counted from 0

What was not measured of an epoch (the test attack, in the first 99) is 0 in accuracy and in loss.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robbench.errors import SourceError, UnknownArchitecture
from robbench.measurements.levels import EPOCHS_FROM_0
from robbench.measurements.metrics import GREY_LEVELS
from robbench.references import SOURCES as REFERENCES
from robbench.sources.reading import LEVELS, Curve, Reading, fraction, number, shown
from robbench.spaces.darts import DARTS, Genotype
from robbench.store.arrays import Array, Header, Name

DATASET = "cifar10"
TRAINING = "pgd-8/255"
EPS = 8 / GREY_LEVELS
DECIMALS = 7
"""Of a fraction: percent are published with up to five decimals."""
TEXT = 2000
"""Characters of what is said of networks and their training; published ones have 200."""
IMAGES = {"test": 10_000, "train": 50_000}
FILES = "robust_bench_seed_*.json"

CITATION = REFERENCES["tiny_robustbench"].line
_BEST = {"clean": "max_test_top1_original", "pgd": "max_test_top1_adv"}


CURVES = (
    Curve("test_ep_top1_original", "clean", "learning_curve", "test"),
    Curve("test_ep_top1_adv", "pgd", "learning_curve", "test"),
    Curve("train_ep_top1_original", "clean", "training_curve", "train"),
    Curve("train_ep_top1_adv", "pgd", "training_curve", "train"),
    Curve("test_ep_loss_original", "clean", "loss_curve", "test"),
    Curve("test_ep_loss_adv", "pgd", "loss_curve", "test"),
    Curve("train_ep_loss_adv", "pgd", "training_loss_curve", "train"),
)
_KNOWN = {"seed", "net", "optim", "cutout", "adversarial_param", *_BEST.values(), *(curve.field for curve in CURVES)}


class Record(NamedTuple):
    """One network."""

    where: str
    """File and position, for messages."""
    path: Path
    genotype: Genotype
    fields: dict[str, Any]


def architectures(path: Path, reading: Reading) -> Sequence[Genotype]:
    """The genotypes of all records, in their order."""
    return [record.genotype for record in _records(path, reading)]


def read(path: Path, reading: Reading) -> Iterator[Array]:
    """The accuracies and the learning curves."""
    records = _records(path, reading)
    protocol = _protocol(records)
    provenance = {"source": "tiny_robustbench", "citation": CITATION, "file": _file(path, records), **protocol}
    for metric, field in _BEST.items():
        highest = np.array([_fraction(record.path, f"{field} of {record.where}", record.fields.get(field)) for record in records])
        of_highest = {**provenance, "images": IMAGES["test"], "selection": "the highest over all epochs, on the test images"}
        yield _array(metric, "accuracy", highest, of_highest, [])
    curves = {curve.field: _curve(records, curve, reading) for curve in CURVES}
    _check_agreement(records, curves)
    for curve in CURVES:
        values = curves[curve.field]
        epochs = np.flatnonzero(~np.isnan(values).all(axis=0))
        of_curve = {**provenance, "images": IMAGES[curve.split], "split": curve.split}
        yield _array(curve.metric, curve.measure, values[:, epochs], of_curve, epochs.tolist())


def _records(path: Path, reading: Reading) -> list[Record]:
    """Every record of the files, each of another architecture."""
    files = sorted(path.glob(FILES)) if path.is_dir() else [path]
    if not files:
        raise SourceError(f"{path} has no {FILES}; expected the folder with these files of Tiny-RobustBench, or one of them.")
    records: list[Record] = []
    seen: dict[str, str] = {}
    for file in files:
        for position, fields in enumerate(_listed(file, reading)):
            where = f"record {position} of {file.name}"
            genotype = _genotype(file, where, fields)
            for field in fields.keys() - _KNOWN:
                reading.ignore(field)
            if other := seen.get(DARTS.key(genotype)):
                raise SourceError(f"{file}: {where} is of the same architecture as {other}; expected each once.")
            seen[DARTS.key(genotype)] = where
            records.append(Record(where, file, genotype, fields))
    if not records:
        raise SourceError(f"{path} holds no records; expected some with net, {', '.join(_BEST.values())}.")
    return records


def _listed(file: Path, reading: Reading) -> list[dict[str, Any]]:
    listed = next(value for _, value in reading.members(file, 0))
    if not isinstance(listed, list) or not all(isinstance(record, dict) for record in listed):
        raise SourceError(f"{file} holds {shown(listed)}; expected a list of records, as Tiny-RobustBench publishes them.")
    return listed


def _genotype(file: Path, where: str, fields: dict[str, Any]) -> Genotype:
    net = fields.get("net")
    if not isinstance(net, dict) or not isinstance(net.get("genotype"), dict):
        raise SourceError(f"{file}: {where} has no net with a genotype; expected a record of Tiny-RobustBench.")
    try:
        return DARTS.parse(net["genotype"])
    except UnknownArchitecture as error:
        raise SourceError(f"{file}: {where}: {error}") from error


def _protocol(records: Sequence[Record]) -> dict[str, Any]:
    """How the networks were built, trained and attacked, which is the same of all; what is not said is named."""
    said = [
        {name: record.fields.get(name) for name in ("optim", "cutout", "adversarial_param")} | {"net": _size(record)} for record in records
    ]
    for record, one in zip(records, said, strict=True):
        if one != said[0]:
            raise SourceError(f"{record.path}: {record.where} was trained by {shown(one)}; expected as the others, {shown(said[0])}.")
    path, adversary, cutout = records[0].path, said[0]["adversarial_param"], said[0]["cutout"]
    if (
        not isinstance(adversary, dict)
        or adversary.get("adv_loss") != "pgd"
        or not np.isclose(number(path, "epsilon", adversary.get("epsilon")), EPS, rtol=1e-6)
    ):
        raise SourceError(f"{path}: the networks were trained against {shown(adversary)}; expected PGD at eps 8/255.")
    steps, step = adversary.get("num_steps"), number(path, "step_size", adversary.get("step_size"))
    if type(steps) is not int or not 0 < steps <= LEVELS or not 0 < step <= 1:
        raise SourceError(f"{path}: the networks were trained against {shown(adversary)}; expected some steps, each in (0, 1].")
    if type(cutout) is not bool:
        raise SourceError(f"{path}: cutout is {shown(cutout)}; expected true or false.")
    return {
        "adversarial_training": f"PGD-{steps}, eps 8/255, step {step}",
        "network": _text(path, "net", said[0]["net"]),
        "optimiser": _text(path, "optim", said[0]["optim"]),
        "augmentation": f"cutout {'on' if cutout else 'off'}; others not said",
        "test_attack": "not said; taken to be the PGD of training",
        "seeds": "one training a network; its seed is not said",
        "epochs": EPOCHS_FROM_0,
    }


def _text(path: Path, where: str, value: object) -> str:
    """A value as provenance has it."""
    text = json.dumps(value)
    if not isinstance(value, dict) or len(text) > TEXT:
        raise SourceError(f"{path}: {where} is {shown(value)}; expected an object of at most {TEXT} characters, as those published.")
    return text


def _check_agreement(records: Sequence[Record], curves: dict[str, np.ndarray]) -> None:
    """Raise SourceError where the numbers of a network contradict each other."""
    for metric, best in _BEST.items():
        accuracy, loss = (
            next(one.field for one in CURVES if one[1:] == (metric, f"{kind}_curve", "test")) for kind in ("learning", "loss")
        )
        for record, values, losses in zip(records, curves[accuracy], curves[loss], strict=True):
            if not np.array_equal(np.isnan(values), np.isnan(losses)):
                raise SourceError(f"{record.path}: {accuracy} and {loss} of {record.where} were not measured at the same epochs.")
            highest = np.nanmax(values, initial=-np.inf)
            if highest != (given := _fraction(record.path, best, record.fields[best])):
                raise SourceError(
                    f"{record.path}: {best} of {record.where} is {100 * given:g}; expected the highest of its {accuracy}, {100 * highest:g}."
                )


def _size(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record.fields["net"].items() if name != "genotype"}


def _curve(records: Sequence[Record], curve: Curve, reading: Reading) -> np.ndarray:
    """``(records, epochs)``, NaN where nothing was measured."""
    rows: list[list[float]] = []
    for record in records:
        given = record.fields.get(curve.field)
        if not isinstance(given, list) or not 0 < len(given) <= LEVELS:
            raise SourceError(f"{record.path}: {curve.field} of {record.where} is {shown(given)}; expected a number for each epoch.")
        if len(given) != len(rows[0] if rows else given):
            raise SourceError(
                f"{record.path}: {curve.field} of {record.where} has {len(given)} epochs; expected {len(rows[0])}, as the others."
            )
        convert = number if curve.is_loss else _fraction
        rows.append([convert(record.path, f"epoch {epoch} of {curve.field} of {record.where}", value) for epoch, value in enumerate(given)])
    values = np.array(rows)
    if curve.is_loss and (values < 0).any():
        row, epoch = np.argwhere(values < 0)[0]
        raise SourceError(
            f"{records[row].path}: epoch {epoch} of {curve.field} of {records[row].where} is below 0; expected a cross-entropy."
        )
    if curve.metric == "pgd" and curve.split == "test":
        values[values == 0] = np.nan  # an accuracy of 0 after a loss of 0 would be no accuracy; neither is ever reached
        reading.sentinels[f"{curve.metric}:{curve.measure}"] += int(np.isnan(values).sum())
    return values


def _array(metric: str, measure: str, values: np.ndarray, provenance: dict[str, Any], epochs: list[int]) -> Array:
    axes: dict[str, list[float | int | str]] = {}
    if metric == "pgd":
        axes["eps"], values = [EPS], values[:, np.newaxis]
    if epochs:
        axes["epoch"] = list(epochs)
    unit = "nat" if "loss" in measure else "fraction"
    return Array(Name(DATASET, TRAINING, metric, measure), Header("class", axes, unit, provenance), values)


def _fraction(path: Path, where: str, value: object) -> float:
    return round(fraction(path, where, value, percent=True), DECIMALS)


def _file(path: Path, records: Sequence[Record]) -> str:
    return path.name if path.is_file() else ", ".join(dict.fromkeys(record.path.name for record in records))

"""NARes (Zheng et al., 2025): 15,625 WideResNets after adversarial training on cifar10, with corruptions and validation curves.

cifar10.jsonl: a record a line

    arch_id, arch {D1, W1, D2, W2, D3, W3}, MACs, Params
    train      [one: seed, training_time (GPU days), gpu_type, timestamp, best_epoch,
                train_loss, train_acc, val_loss, val_acc, pgd, pgd_loss, cw, cw_loss, …     a value for each epoch, counted from 0]
    test_best  [one: test_clean_acc, test_loss, Linf_fgsm_acc, Linf_pgd_acc, Linf_cw_acc, Linf_aa_acc, …_stable, …_lip,
                corruptions {name: {"1": {acc, loss}, …, "5": …}}]

Tests are of the network after best_epoch, which validation chose.  What is not there, or null, was not measured.  Accuracies are percent; a field whose highest
value is at most 1 is one of fractions.

This is the form that the authors' code reads; no real file was at hand when this was written.  What neither files nor code say, the protocol, is as summaries of
the paper have it (`PROTOCOL`); provenance says so.  There is no place for stable accuracies, Lipschitz constants and losses of tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robbench.errors import SourceError, UnknownArchitecture
from robbench.measurements.metrics import GREY_LEVELS, SEVERITIES, TABLE
from robbench.references import SOURCES as REFERENCES
from robbench.sources.reading import LEVELS, Curve, Reading, number, shown
from robbench.spaces.wrn import WRN, WideResNet
from robbench.store.arrays import Array, Header, Name

DATASET = "cifar10"
TRAINING = "pgd-8/255"
EPS = 8 / GREY_LEVELS
DECIMALS = 9
"""Of a fraction: what division by 100 leaves behind them is rounding."""
DAY = 86_400.0
IMAGES = {"test": 10_000, "train": 50_000, "validation": 2_000}

CITATION = REFERENCES["nares"].line
PROTOCOL = {
    "adversarial_training": "PGD at eps 8/255, 100 epochs, the rate falls tenfold after 75 and 90; as summaries of the paper say, the files do not",
    "selection": "the epoch with the highest validation accuracy under cw; as summaries of the paper say, the files say which epoch",
    "validation_images": "CIFAR-10.1, 2,000 images; as summaries of the paper say, the files do not",
}
ATTACKS = {
    "fgsm": "one step, eps 8/255",
    "pgd": "20 steps of 0.8/255, eps 8/255",
    "cw": "PGD on the margin of logits, 40 steps, eps 8/255",
    "autoattack": "AA-Compact: APGD-CE and targeted APGD, without FAB and Square, eps 8/255",
}
"""As summaries of the paper say."""
TESTS = {
    "clean": "test_clean_acc",
    "fgsm": "Linf_fgsm_acc",
    "pgd": "Linf_pgd_acc",
    "cw": "Linf_cw_acc",
    "autoattack": "Linf_aa_acc",
}


CURVES = (
    Curve("val_acc", "clean", "validation_curve", "validation"),
    Curve("pgd", "pgd", "validation_curve", "validation"),
    Curve("cw", "cw", "validation_curve", "validation"),
    Curve("val_loss", "clean", "validation_loss_curve", "validation"),
    Curve("pgd_loss", "pgd", "validation_loss_curve", "validation"),
    Curve("cw_loss", "cw", "validation_loss_curve", "validation"),
    Curve("train_acc", "pgd", "training_curve", "train"),
    Curve("train_loss", "pgd", "training_loss_curve", "train"),
)
"""Training is on adversarial images: its accuracy and loss are those under its PGD."""
_KNOWN = {
    "": {"arch_id", "arch", "MACs", "Params", "train", "test_best"},
    "train": {"seed", "gpu_type", "timestamp", "training_time", "best_epoch", *(curve.field for curve in CURVES)},
    "test_best": {"corruptions", *TESTS.values()},
}


class Column(NamedTuple):
    """Numbers of one kind, of all networks."""

    path: Path
    field: str
    values: np.ndarray
    """``(networks, …)``, as the file has them; NaN where there is none."""
    archs: Sequence[WideResNet]

    def accuracies(self) -> np.ndarray:
        """As fractions.

        Raises:
            SourceError: some are neither percent nor fractions.
        """
        wrong = (self.values < 0) | (self.values > 100)
        if wrong.any():
            first = next(zip(*np.nonzero(wrong), strict=True))
            raise SourceError(
                f"{self.path}: {self.field} of {self.archs[first[0]]} is {self.values[first]:g}; expected an accuracy, 0 to 100 percent."
            )
        highest = np.nanmax(self.values, initial=0)
        return np.round(self.values / (100 if highest > 1 else 1), DECIMALS)


class Table(NamedTuple):
    """All that is kept of a file."""

    archs: list[WideResNet]
    columns: dict[str, Column]
    """By field; of a corruption by ``"corruptions.NAME"``."""
    seeds: set[Any]


def architectures(path: Path, reading: Reading) -> Sequence[WideResNet]:
    """Those of all records, in their order."""
    return [arch for _, arch, _ in _records(path, reading)]


def read(path: Path, reading: Reading) -> Iterator[Array]:
    """Accuracies of tests and of validation at the best epoch, corruptions, curves, and what training took."""
    table = _table(path, reading)
    provenance = {
        "source": "nares",
        "citation": CITATION,
        "file": path.name,
        **PROTOCOL,
        "seeds": f"one training a network; seed {', '.join(sorted(map(str, table.seeds))[:5])}{', …' if len(table.seeds) > 5 else ''}",
        "size": _sizes(table),
    }
    columns = {field: column for field, column in table.columns.items() if not np.isnan(column.values).all()}
    for metric, field in TESTS.items():
        if field in columns:
            yield _array(metric, "accuracy", columns[field].accuracies(), _of_split(provenance, "test", metric))
    for name in [name for name, entry in TABLE.items() if entry.kind == "corruption" and f"corruptions.{name}" in columns]:
        yield _array(name, "accuracy", columns[f"corruptions.{name}"].accuracies(), _of_split(provenance, "test", name))
    for curve in CURVES:
        if curve.field in columns:
            values = columns[curve.field].values if curve.is_loss else columns[curve.field].accuracies()
            said = {**_of_split(provenance, curve.split, curve.metric), "epochs": "counted from 0"}
            yield _array(curve.metric, curve.measure, values, said, epochs=values.shape[1])
            if curve.measure == "validation_curve":
                best = values[np.arange(len(values)), table.columns["best_epoch"].values.astype(np.intp)]
                yield _array(curve.metric, "validation_accuracy", best, _of_split(provenance, "validation", curve.metric))
    if "training_time" in columns:
        said = {**provenance, "time": "GPU days of the file, on whatever GPU it was"}
        yield Array(
            Name(DATASET, TRAINING, "training_seconds", "value"),
            Header("class", {}, "s", said),
            np.round(columns["training_time"].values * DAY, 3),
        )


def _records(path: Path, reading: Reading) -> Iterator[tuple[str, WideResNet, dict[str, Any]]]:
    """Every record, each of another architecture: where it is, for messages, its architecture and its fields."""
    seen: dict[WideResNet, str] = {}
    for line, record in reading.documents(path):
        where = f"line {line}"
        if not isinstance(record, dict) or not isinstance(record.get("arch"), dict):
            raise SourceError(f"{path}: {where} is {shown(record)}; expected a record of NARes, with an arch of D1, W1, D2, W2, D3 and W3.")
        try:
            arch = WRN.parse(record["arch"])
        except UnknownArchitecture as error:
            raise SourceError(f"{path}: {where}: {error}") from error
        if (other := seen.setdefault(arch, where)) != where:
            raise SourceError(f"{path}: {where} is of the same architecture as {other}; expected each once.")
        yield where, arch, record
    if not seen:
        raise SourceError(f"{path} holds no records; expected one a line, with arch, train and test_best.")


def _table(path: Path, reading: Reading) -> Table:
    archs: list[WideResNet] = []
    seeds: set[Any] = set()
    rows: dict[str, list[Any]] = defaultdict(list)
    epochs: int | None = None
    for where, arch, record in _records(path, reading):
        parts = {"": record} | {part: _only(path, where, part, record.get(part)) for part in ("train", "test_best")}
        for part, fields in parts.items():
            for field in fields.keys() - _KNOWN[part]:
                reading.ignore(field)
        trained, tested = parts["train"], parts["test_best"]
        found = {curve.field: _curve(path, where, curve.field, trained.get(curve.field)) for curve in CURVES}
        lengths = {len(values) for values in found.values()} | ({epochs} if epochs else set())
        if len(lengths) > 1:
            raise SourceError(
                f"{path}: {where} has curves of {' and of '.join(map(str, sorted(lengths)))} epochs; expected as many of all."
            )
        (epochs,) = lengths
        row: dict[str, Any] = {**found, "best_epoch": _best(path, where, trained.get("best_epoch"), epochs)}
        row |= {field: _measured(path, f"{field} of {where}", record.get(field)) for field in ("MACs", "Params")}
        row["training_time"] = _measured(path, f"training_time of {where}", trained.get("training_time"))
        row |= {field: _measured(path, f"{field} of {where}", tested.get(field)) for field in TESTS.values()}
        row |= _corruptions(path, where, tested.get("corruptions"), reading)
        seeds.add(trained.get("seed"))
        for field in row.keys() | rows.keys():
            column = rows[field]
            column += [np.nan] * (len(archs) - len(column))  # of those before, which have none
            column.append(row.get(field, np.nan))
        archs.append(arch)
    return Table(archs, {field: Column(path, field, _filled(column), archs) for field, column in rows.items()}, seeds)


def _filled(column: list[Any]) -> np.ndarray:
    """``(networks, …)``: NaN in place of what is not there."""
    shape = next((value.shape for value in column if isinstance(value, np.ndarray)), ())
    return np.stack([value if np.shape(value) == shape else np.full(shape, np.nan) for value in column])


def _only(path: Path, where: str, part: str, given: object) -> dict[str, Any]:
    """The one training, or the one test, of a network."""
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        raise SourceError(f"{path}: {part} of {where} is {shown(given)}; expected a list of one, as every network was trained once.")
    return given[0]


def _measured(path: Path, where: str, value: object) -> float:
    return np.nan if value is None else number(path, where, value)


def _curve(path: Path, where: str, field: str, given: object) -> np.ndarray:
    """``(epochs,)``."""
    if not isinstance(given, list) or not 0 < len(given) <= LEVELS:
        raise SourceError(f"{path}: {field} of {where} is {shown(given)}; expected a number for each epoch.")
    if set(map(type, given)) == {float} and np.isfinite(found := np.array(given)).all():  # as most are: without a message ready for each
        return found
    return np.array([_measured(path, f"epoch {epoch} of {field} of {where}", value) for epoch, value in enumerate(given)])


def _best(path: Path, where: str, given: object, epochs: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < epochs:
        raise SourceError(f"{path}: best_epoch of {where} is {shown(given)}; expected one of its epochs, 0 to {epochs - 1}.")
    return given


def _corruptions(path: Path, where: str, given: object, reading: Reading) -> dict[str, np.ndarray]:
    """Of each corruption, its accuracies: ``(severities,)``."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise SourceError(f"{path}: corruptions of {where} are {shown(given)}; expected some by name.")
    found = {}
    for name, levels in given.items():
        if name not in TABLE or TABLE[name].kind != "corruption":
            reading.ignore(f"corruptions.{name}")
            continue
        if (
            not isinstance(levels, dict)
            or set(levels) != set(map(str, SEVERITIES))
            or not all(isinstance(one, dict) for one in levels.values())
        ):
            raise SourceError(f"{path}: {name} of {where} is {shown(levels)}; expected acc and loss at each severity, 1 to 5.")
        found[f"corruptions.{name}"] = np.array(
            [_measured(path, f"acc of {name}@{severity} of {where}", levels[str(severity)].get("acc")) for severity in SEVERITIES]
        )
    return found


def _sizes(table: Table) -> str:
    """What Params and MACs of the file are, as multiples of those by arithmetic: whether the networks are what their names are taken for."""
    told = []
    for field, metric in (("Params", "params"), ("MACs", "macs")):
        values = table.columns[field].values
        if np.isnan(values).all():
            told.append(f"{field} are not in the file")
            continue
        cost = WRN.costs(DATASET)[metric]
        ratios = values / np.array([cost(arch) * 1e6 for arch in table.archs])
        told.append(f"{field} of the file are {np.nanmin(ratios):.4g} to {np.nanmax(ratios):.4g} times those by arithmetic")
    return "; ".join(told)


def _of_split(provenance: dict[str, Any], split: str, metric: str) -> dict[str, Any]:
    attack = {"test_attack": f"{ATTACKS[metric]}; as summaries of the paper say"} if metric in ATTACKS and split != "train" else {}
    return {**provenance, **attack, "split": split, "images": IMAGES[split]}


def _array(metric: str, measure: str, values: np.ndarray, provenance: dict[str, Any], *, epochs: int = 0) -> Array:
    axes: dict[str, list[float | int | str]] = {}
    if TABLE[metric].axis == "eps":
        axes["eps"], values = [EPS], values[:, np.newaxis]
    elif TABLE[metric].axis == "severity":
        axes["severity"] = list(SEVERITIES)
    if epochs:
        axes["epoch"] = list(range(epochs))
    return Array(
        Name(DATASET, TRAINING, metric, measure), Header("class", axes, "nat" if "loss" in measure else "fraction", provenance), values
    )

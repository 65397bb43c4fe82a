"""Ha, Kim and Hwang (NeurIPS 2023), "Generalizable lightweight proxy for robust NAS against diverse perturbations": CRoZe on NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.errors import NotMeasured
from robbench.measurements.metrics import SEVERITIES
from robbench.measurements.tables import held_proxies
from robbench.papers import wu2024
from robbench.papers.entry import BUILD, Entry, Need, Ours, Setting, lacking, remedy
from robbench.papers.jung2023 import DATASET, needs
from robbench.sources.jung2023 import CORRUPTIONS
from robbench.sources.nasrobbench201 import TRAINING
from robbench.store.arrays import Name

if TYPE_CHECKING:
    from robbench.bench import RobBench

PAPER = "Ha, Kim, Hwang (NeurIPS 2023)"
FAMILIES = {
    "weather": ("snow", "frost", "fog"),
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "digital": ("brightness", "contrast", "jpeg_compression"),
}
"""Not listed in the paper.  With these, the number of parameters gives its row of parameters to the last digit; with the families of Hendrycks and
Dietterich they do not."""
CLEAN = {"clean": ("clean",)}
OF_FAMILIES = {family: tuple(f"{name}@{severity}" for name in names for severity in SEVERITIES) for family, names in FAMILIES.items()}
EVERY_CORRUPTION = {"cc": tuple(f"{name}@{severity}" for name in CORRUPTIONS for severity in SEVERITIES)}
TRAINED_ON_ATTACKS = {
    "clean": ("clean",),
    "fgsm": ("fgsm@8/255",),
    "pgd": ("pgd@8/255",),
    "hrs-fgsm": ("hrs-fgsm@8/255",),
    "hrs-pgd": ("hrs-pgd@8/255",),
    "autoattack": ("autoattack@8/255",),
}
AVERAGE = "avg"
POOL, LEAST, EXTREMES = 300, 0.2, 5
"""Of Table 6: architectures, the robust accuracy below which one is left out, how many the best and the worst are."""

Targets = Mapping[str, tuple[str, ...]]
"""The paper's name of a column → the metrics whose correlations it is the mean of."""


class Column(NamedTuple):
    """A proxy's scores over all cells."""

    proxy: str
    source: str
    scores: np.ndarray


def _attacked(*levels: int) -> Targets:
    return {f"fgsm@{level}/255": (f"fgsm@{level}/255",) for level in levels}


TABLE_2_TARGETS: Mapping[str, Targets] = {
    "cifar10": {**CLEAN, **_attacked(8, 4), **OF_FAMILIES},
    "cifar100": {**CLEAN, **_attacked(4), **OF_FAMILIES},
    "ImageNet16-120": {**CLEAN, **_attacked(4)},
}
TABLE_9_TARGETS: Mapping[str, Targets] = {
    "cifar10": {**CLEAN, **_attacked(8, 4, 2), **EVERY_CORRUPTION},
    "cifar100": {**CLEAN, **_attacked(4), **EVERY_CORRUPTION},
    "ImageNet16-120": {**CLEAN, **_attacked(4)},
}
PARTS = {
    "croze_features": "F",
    "croze_parameters": "P",
    "croze_gradients": "G",
    "croze_features_parameters": "F·P",
    "croze_features_gradients": "F·G",
    "croze_parameters_gradients": "P·G",
    "croze": "F·P·G",
}
NOISES = {"croze_gaussian_input": "gaussian noise", "croze": "adversarial"}


def table_1(bench: RobBench, setting: Setting) -> Ours:
    """Proxies against accuracies of adversarially trained networks."""
    return _ranked(bench, {DATASET: TRAINED_ON_ATTACKS}, TRAINING, _all_proxies, average=False)


def table_2(bench: RobBench, setting: Setting) -> Ours:
    """Proxies against accuracies of networks trained in the standard way; a family's is the mean of all its ρ."""
    return _ranked(bench, TABLE_2_TARGETS, "standard", _all_proxies)


def table_7(bench: RobBench, setting: Setting) -> Ours:
    """The parts of CRoZe, under both trainings."""
    import pandas as pd

    standard = _ranked(bench, {DATASET: {**CLEAN, **_attacked(8), **EVERY_CORRUPTION}}, "standard", _croze(PARTS))
    attacked = {name: TRAINED_ON_ATTACKS[name] for name in ("clean", "fgsm", "pgd", "hrs-fgsm", "hrs-pgd")}
    adversarial = _ranked(bench, {DATASET: attacked}, TRAINING, _croze(PARTS), average=False)
    tables = [found.table.assign(training=name) for found, name in ((standard, "standard"), (adversarial, "adversarial"))]
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "parts", table.pop("proxy").map(PARTS))
    return Ours(table[["training", *table.columns.drop("training")]], (*standard.differs, *adversarial.differs))


def table_9(bench: RobBench, setting: Setting) -> Ours:
    """CRoZe with noise and with an adversarial perturbation of the input."""
    return _ranked(bench, TABLE_9_TARGETS, "standard", _croze(NOISES))


def table_10(bench: RobBench, setting: Setting) -> Ours:
    """The same against adversarially trained networks."""
    return _ranked(bench, {DATASET: TRAINED_ON_ATTACKS}, TRAINING, _croze(NOISES), average=False)


def table_12(bench: RobBench, setting: Setting) -> Ours:
    """CRoZe beside ensembles that vote."""
    targets = {**CLEAN, **_attacked(8), "pgd@1/255": ("pgd@1/255",), **EVERY_CORRUPTION}
    without = {name: metrics for name, metrics in targets.items() if name != "cc"}
    return _ranked(bench, {"cifar10": targets, "cifar100": targets, "ImageNet16-120": without}, "standard", _voting, average=False)


def table_6(bench: RobBench, setting: Setting) -> Ours:
    """Mean accuracies of the best and of the worst of a pool by CRoZe, mean over pools."""
    import pandas as pd

    scores = {cell: score for cell, score in zip(bench.architectures, _scores(bench, DATASET, "croze"), strict=True) if score == score}
    asked: dict[str, dict[str, str]] = {
        "standard": {"clean": "clean", "cc": "mean_corruption", "pgd": "pgd@1/255", "fgsm": "fgsm@8/255"},
        TRAINING: {name: metrics[0] for name, metrics in TRAINED_ON_ATTACKS.items() if name != "autoattack"},
    }
    records = []
    missing = {"standard": _STANDARD, TRAINING: _ADVERSARIAL}
    answered = [training for training in asked if not lacking(bench, missing[training])]
    for training in answered:
        found: dict[tuple[str, str], list[float]] = {}
        for seed in range(setting.seed, setting.seed + setting.runs):
            drawn = list(scores)
            pool = [drawn[place] for place in np.random.default_rng(seed).permutation(len(drawn))[:POOL]]
            robust = bench.query_many(pool, asked[training]["fgsm"], training=training, dataset=DATASET)
            ranked = sorted((cell for cell, value in zip(pool, robust, strict=True) if value >= LEAST), key=scores.__getitem__)
            for group, cells in ((f"top-{EXTREMES}", ranked[-EXTREMES:]), (f"bottom-{EXTREMES}", ranked[:EXTREMES])):
                for name, metric in asked[training].items():
                    values = bench.query_many(cells, metric, training=training, dataset=DATASET)
                    found.setdefault((group, name), []).append(float(values.mean()))
        place = "standard" if training == "standard" else "adversarial"
        records += [
            {"training": place, "group": group, "metric": name, "ours": np.mean(values), "sd": np.std(values), "pools": setting.runs}
            for (group, name), values in found.items()
        ]
    return Ours(
        pd.DataFrame.from_records(records),
        tuple(_left_out(bench, training, missing[training]) for training in asked if training not in answered),
    )


def _ranked(bench: RobBench, targets: Mapping[str, Targets], training: str, columns: Any, *, average: bool = True) -> Ours:
    """Spearman's ρ of proxies with accuracies over the exact cells that have both; of each dataset of which the store has the accuracies."""
    import pandas as pd
    from scipy.stats import spearmanr

    records, differs = [], []
    for dataset, wanted in targets.items():
        asked = {name: metrics for name, metrics in wanted.items() if _answered(bench, metrics, dataset, training)}
        if not asked:
            differs.append(_left_out(bench, dataset, _of_dataset(dataset, training)))
            continue
        values = {
            metric: bench.query_many(bench.architectures, metric, dataset=dataset, training=training, missing="nan")
            for metrics in asked.values()
            for metric in metrics
        }
        found = list(columns(bench, dataset))
        for column in found:
            ranked = {}
            for name, metrics in asked.items():
                both = ~np.isnan([column.scores, *(values[metric] for metric in metrics)]).any(axis=0)
                ranked[name] = (
                    np.mean([spearmanr(column.scores[both], values[metric][both]).statistic for metric in metrics]),
                    int(both.sum()),
                )
            if average and len(asked) == len(wanted):
                ranked[AVERAGE] = np.mean([rho for rho, _ in ranked.values()]), min(cells for _, cells in ranked.values())
            place = {"dataset": dataset, "proxy": column.proxy, "computed by": column.source}
            records += [{**place, "target": name, "ours": rho, "cells": cells} for name, (rho, cells) in ranked.items()]
        if not any(column.proxy == "croze" for column in found):
            differs.append(f"Of {dataset}, the store lacks {remedy([_CROZE._replace(dataset=dataset)])}.")
    if not records:
        raise NotMeasured(f"there is nothing to rank: {' '.join(differs)}")
    table = pd.DataFrame.from_records(records)
    return Ours(table[["dataset", "proxy", "target", "computed by", "ours", "cells"]], tuple(differs))


def _all_proxies(bench: RobBench, dataset: str) -> Iterator[Column]:
    """Parameters and FLOPs of all cells, and what else the store holds."""
    sizes = bench.space.costs(dataset)
    for name in sizes:
        yield Column(name, "arithmetic", _scores(bench, dataset, name))
    for name in (name for name in held_proxies(bench.measurements, dataset) if name not in sizes):
        yield Column(name, _source(bench, dataset, name), _scores(bench, dataset, name))


def _croze(names: Iterable[str]) -> Any:
    def columns(bench: RobBench, dataset: str) -> Iterator[Column]:
        for name in names:
            if name in held_proxies(bench.measurements, dataset):
                yield Column(name, _source(bench, dataset, name), _scores(bench, dataset, name))

    return columns


def _voting(bench: RobBench, dataset: str) -> Iterator[Column]:
    """CRoZe, and the votes of the paper's ensembles as far as the store has their members."""
    from robbench.analysis import ensemble

    held = held_proxies(bench.measurements, dataset)
    if "croze" in held:
        yield Column("croze", _source(bench, dataset, "croze"), _scores(bench, dataset, "croze"))
    for members in (("snip", "nwot"), ("croze", "snip", "nwot")):
        if set(members) <= set(held):
            found = ensemble(bench, members, dataset=dataset).to_dict()
            yield Column("+".join(members), "vote", np.array([found.get(str(cell), np.nan) for cell in bench.architectures]))


def _scores(bench: RobBench, dataset: str, proxy: str) -> np.ndarray:
    return bench.query_many(bench.architectures, proxy, dataset=dataset, training="untrained", missing="nan")


def _source(bench: RobBench, dataset: str, proxy: str) -> str:
    return str(bench.measurements.store.header(Name(dataset, "untrained", proxy, "value")).provenance.get("source", ""))


def _answered(bench: RobBench, metrics: Sequence[str], dataset: str, training: str) -> bool:
    try:
        for metric in metrics:
            bench.query_many(bench.architectures[:1], metric, dataset=dataset, training=training, missing="nan")
    except NotMeasured:
        return False
    return True


def _of_dataset(dataset: str, training: str) -> tuple[Need, ...]:
    return _STANDARD_OF[dataset] if training == "standard" else tuple(need._replace(dataset=dataset) for need in _ADVERSARIAL)


def _left_out(bench: RobBench, what: str, needed: Sequence[Need]) -> str:
    """What of the paper is left out, and the command that brings it."""
    return f"{what} is left out: the store lacks {remedy(lacking(bench, needed))}."


_CORRUPTED = ("clean", "fgsm", *CORRUPTIONS)
_STANDARD_OF = {
    "cifar10": needs(*_CORRUPTED),
    "cifar100": needs(*_CORRUPTED, dataset="cifar100"),
    "ImageNet16-120": needs("clean", "fgsm", dataset="ImageNet16-120"),
}
_STANDARD = needs("clean", "fgsm", "pgd", *CORRUPTIONS)
_ADVERSARIAL = wu2024.needs("clean", "fgsm", "pgd", "autoattack")
_CROZE = Need(BUILD, "croze", DATASET, "untrained", "croze")
_SNIP = Need("nbsuite_zero", "zc_nasbench201_cifar10.csv", DATASET, "untrained", "snip")
_PUBLISHED = Need("nbsuite_zero", "zc_nasbench201_cifar10.csv", DATASET, "untrained", "synflow")
_CELLS = "The paper ranks 15,625 cells by proxies that it ran itself; ours are of the cells that the store has the proxy of: see cells."
_SIZES = "Parameters and FLOPs are arithmetic, and known of all 15,625 cells: there params is the paper's to the last digit."
_SAME = "A cell's accuracy is that of the one evaluated network of its class."
_LISTED = "; ".join(f"{family}: {', '.join(names)}" for family, names in FAMILIES.items())
_OTHERS = (
    "The paper trained 500 cells by PGD of 7 steps at 8/255; ours are the 6,466 networks of NAS-RobBench-201, trained by others in the same way but for the"
    " schedule, attacked at 8/255; cw, deepfool, spsa and lgv were not measured of them.",
)
_PRODUCTS = "F·P, F·G and P·G are products taken layer by layer, so they are proxies of their own; P and G alone are not in the paper."
TABLE_1 = Entry(
    PAPER,
    "Table 1: Spearman's ρ of zero-cost proxies with accuracies of adversarially trained networks, cifar10",
    (*_ADVERSARIAL, _PUBLISHED),
    table_1,
    (_CELLS, "avg is over ten accuracies in the paper, of which the store has six at the most.", *_OTHERS),
)
TABLE_2 = Entry(
    PAPER,
    "Table 2: Spearman's ρ of zero-cost proxies with accuracies of networks trained in the standard way, three datasets",
    (*_STANDARD_OF[DATASET], _PUBLISHED),
    table_2,
    (
        _CELLS,
        _SIZES,
        f"A family is the mean of ρ over its corruptions and severities, and has those that give the paper's row of params on cifar10 ({_LISTED}).",
        "avg is the mean of a row; the paper's of params on cifar10, 0.502, is not that of its row, 0.538.",
        _SAME,
    ),
)
TABLE_6 = Entry(
    PAPER,
    "Table 6: accuracies of the best five and the worst five of 300 cells by CRoZe, cifar10",
    (_CROZE,),
    table_6,
    (
        "The paper's 300 cells are not published; ours are drawn from those that the store has CRoZe of, 20 times.",
        "Cells with an FGSM accuracy below 20% at 8/255 are left out; the paper says of robust accuracy that it leaves out such cells, not of which.",
        *_OTHERS,
    ),
    runs=20,
)
TABLE_7 = Entry(
    PAPER,
    "Table 7: Spearman's ρ of CRoZe's parts with accuracies after standard and after adversarial training, cifar10",
    (_CROZE,),
    table_7,
    (_CELLS, _PRODUCTS, "cc is the mean of ρ over all corruptions and severities.", *_OTHERS),
)
TABLE_9 = Entry(
    PAPER,
    "Table 9: Spearman's ρ of CRoZe under Gaussian noise and under adversarial perturbation, three datasets",
    (_CROZE,),
    table_9,
    (
        _CELLS,
        "The paper does not say the deviation of its noise; ours is what the perturbation was, 0.01.",
        "The paper's row of cifar10, adversarial, is shifted by one column against its Table 2; it stands here as printed.",
    ),
)
TABLE_10 = Entry(
    PAPER,
    "Table 10: the same with accuracies of adversarially trained networks, cifar10",
    (_CROZE, *_ADVERSARIAL),
    table_10,
    (_CELLS, "The table's numbers are missing in the paper's text.", *_OTHERS),
)
TABLE_12 = Entry(
    PAPER,
    "Table 12: Spearman's ρ of CRoZe, and of ensembles that vote, three datasets",
    (*_STANDARD_OF[DATASET], _SNIP),
    table_12,
    (
        _CELLS,
        "An ensemble ranks by the share of the other cells that a cell beats by the vote; how the paper makes ranks of votes, it does not say.",
        "cc of CRoZe is 0.823 here in the paper, and 0.436 in its Tables 7, 9 and 11.",
    ),
)

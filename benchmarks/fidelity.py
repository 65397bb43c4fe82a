"""What we compute beside what was published: zero-cost proxies of full-size networks, cell by cell.

    python benchmarks/fidelity.py run [--cells 520] [--parts released published …] [--reference ../shared/reference]
    python benchmarks/fidelity.py table

`run` scores cells drawn at random (seed 0), one of a class, or for the parts "… of every cell" from all 15,625, as the papers draw them, and keeps what it
finds in scratch/fidelity, a file for each part and ten cells: stop it whenever you like and go on with the same command; several may run side by
side on different parts.  `table` compares what there is, says how many cells that is, and puts its tables at the end of docs/fidelity.md; the
tables of parts that were not run stay as they are.

Networks: C=16, N=5, on the first images of CIFAR-10's training batches; the published proxies on 64, as they were; croze and r_score on
8 and 16, as released.  The parts "again" repeat a part with another seed and other images: what a proxy does not agree on with itself,
it cannot agree on with others.

Cost, in CPU seconds a cell on one thread of one AMD EPYC core: released and of every cell 0.6, products of every cell 1, equations 1.5, published 1.5, grasp 3, regions 1.5 (four
initialisations for Ψ, not 32), ablation 8, curvature 5 (eight images): about three hours in all for 520 cells.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import pearsonr, spearmanr

from robbench_builders.datasets import Dataset
from robbench_builders.networks.plain import Skeleton, parameters
from robbench_builders.proxies import KNOWN, PROXIES, Proxy, initialised, score
from robbench_builders.proxies.croze import EQUATIONS, RELEASED, Croze
from robbench_builders.proxies.rscore import Psi
from robbench import RobBench
from robbench.measurements.rscore import r_scores
from robbench.papers.entry import published as numbers
from robbench.papers.ha2023 import EVERY_CORRUPTION
from robbench.sources import import_source
from robbench.sources.nasrobbench201 import TRAINING as ADVERSARIAL
from robbench.spaces.nb201 import Cell, cells
from robbench.spaces.nb201.identity import class_partition
from robbench.store.atomic import replacing

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "scratch" / "fidelity"
DOCUMENT, MARK = ROOT / "docs" / "fidelity.md", "<!-- From here on written by benchmarks/fidelity.py -->\n"
SEED, UNIT, BATCH, REPEATS = 0, 10, 64, 4
Values = npt.NDArray[np.float64]

ABLATION = {
    "as released": RELEASED,
    "batch norm kept in the reductions": replace(RELEASED, batch_norm="reductions"),
    "batch norm kept": replace(RELEASED, batch_norm="all"),
    "signed weights": replace(RELEASED, absolute=False),
    "β = 0.1": replace(RELEASED, beta=0.1),
    "input up the loss, in [0, 1]": replace(RELEASED, ascend=True, standardise=False),
    "weights after a gradient step": replace(RELEASED, learning_rate=0.1),
    "features of the layer itself": replace(RELEASED, own_features=True),
    "cosines of whole tensors": replace(RELEASED, whole=True),
    "random perturbations": replace(RELEASED, gaussian=True),
    "by the equations": EQUATIONS,
    "by the equations, cosines along one dimension": replace(EQUATIONS, whole=False),
    "by the equations, absolute weights": replace(EQUATIONS, absolute=True),
    "by the equations, absolute weights and no batch norm": replace(EQUATIONS, absolute=True, batch_norm="none"),
}
FEWEST = 10  # cells, for a correlation
NOT_DATA = ("params", "flops", "l2_norm", "synflow")
NOISY = ("nwot", "grad_norm", "snip", "fisher", "plain", "jacov", "epe_nas", "zen")
RELEASED_FORMS = ("croze", "croze_features", "croze_parameters", "croze_gradients", "r_score_phi")
OTHER_FORMS = ("croze_equations", "r_score_phi_equations", *(name for name in PROXIES if name.startswith("croze_gaussian")))
PRODUCTS = {
    "croze_features": "F",
    "croze_features_parameters": "F·P",
    "croze_features_gradients": "F·G",
    "croze_parameters_gradients": "P·G",
    "croze": "F·P·G",
}
"""By the names that Table 7 of Ha et al. has for them."""
REGIONS = {
    "r_score_psi": replace(PROXIES["r_score_psi"], compute=Psi(repeats=REPEATS)),
    "r_score_psi_equations": replace(PROXIES["r_score_psi_equations"], compute=Psi(by_layer=True, repeats=REPEATS)),
}


@dataclass(frozen=True)
class Part:
    """What is scored together."""

    proxies: dict[str, Proxy]
    seed: int = 0
    first: int = 0
    """Number of the first image."""
    images: int = BATCH
    one_of_a_class: bool = True
    """Or drawn from all cells, among which the largest classes weigh most."""
    init: str = "random"
    """How weights are drawn: one of `robbench_builders.proxies.initialise.INITIALISATIONS`."""


def some(*names: str) -> dict[str, Proxy]:
    return {name: KNOWN[name] for name in names}


PARTS = {
    "of every cell": Part(some("params", "flops", *RELEASED_FORMS), images=8, one_of_a_class=False),
    "products of every cell": Part(some(*PRODUCTS, "croze_gaussian_input"), images=8, one_of_a_class=False),
    "kaiming of every cell": Part(some("croze"), images=8, one_of_a_class=False, init="kaiming"),
    "xavier of every cell": Part(some("croze"), images=8, one_of_a_class=False, init="xavier"),
    "released": Part(some(*RELEASED_FORMS), images=8),
    "published": Part(some(*NOT_DATA, *NOISY)),
    "regions": Part(REGIONS, images=16),
    "published again": Part(some("l2_norm", "synflow", *NOISY), seed=1, first=BATCH),
    "grasp": Part(some("grasp")),
    "grasp again": Part(some("grasp"), seed=1, first=BATCH),
    "equations": Part(some(*OTHER_FORMS), images=8),
    "ablation": Part({name: replace(PROXIES["croze"], compute=Croze(form)) for name, form in ABLATION.items()}, images=8),
    "released again": Part(some(*RELEASED_FORMS), seed=1, first=BATCH, images=8),
    "curvature": Part(some("jacob_fro", "hessian"), images=8),
}


def drawn(n: int, one_of_a_class: bool) -> list[Cell]:
    """Different cells drawn at random, of different classes or from all."""
    every, groups = tuple(cells()), class_partition().group
    order = np.random.default_rng(SEED).permutation(len(every))
    if not one_of_a_class:
        return [every[position] for position in order[:n]]
    first: dict[int, int] = {}
    for position in order:
        first.setdefault(groups[position], int(position))
    return [every[position] for position in list(first.values())[:n]]


def dataset(reference: Path) -> Dataset:
    """What we have of CIFAR-10, the training batches one after the other."""
    with np.load(reference / "cifar10" / "cifar10_prefix.npz", allow_pickle=False) as file:
        found: dict[str, list[npt.NDArray[Any]]] = {"train": [], "train labels": [], "test": [], "test labels": []}
        for batch in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            images = file[f"{batch}_images"].transpose(0, 3, 1, 2) / np.float32(255)
            part = "test" if batch == "test_batch" else "train"
            found[part].append(images.astype(np.float32))
            found[f"{part} labels"].append(file[f"{batch}_labels"][: len(images)].astype(np.int64))
    train, train_labels, test, test_labels = (np.concatenate(arrays) for arrays in found.values())
    return Dataset("cifar10", train, train_labels, test, test_labels, 10)


def run(n: int, names: Sequence[str], reference: Path) -> None:
    data = dataset(reference)
    for name in names:
        part = PARTS[name]
        sample = drawn(n, part.one_of_a_class)
        chosen = slice(part.first, part.first + part.images)
        images, labels = torch.from_numpy(data.train_images[chosen]), torch.from_numpy(data.train_labels[chosen])
        for start in range(0, n, UNIT):
            path = FOLDER / name.replace(" ", "-") / f"{start}.json"
            if path.exists():
                continue
            found = {}
            for cell in sample[start : start + UNIT]:  # one by one, which is the fastest way on a CPU
                stack = initialised([cell], Skeleton(), data.mean, data.std, seed=part.seed, init=part.init)
                scores = score(stack, images, labels, seed=part.seed, proxies=part.proxies)
                found[str(cell)] = {key: None if np.isnan(value[0]) else float(value[0]) for key, value in scores.values.items()}
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(json.dumps(found).encode())
            print(f"{name}: {start + UNIT} of {n}", flush=True)


def results(name: str) -> dict[str, dict[Cell, float]]:
    """What a part found, by proxy and cell; NaN where it is missing."""
    found: dict[str, dict[Cell, float]] = {key: {} for key in PARTS[name].proxies}
    for path in sorted((FOLDER / name.replace(" ", "-")).glob("*.json")):
        for arch, values in json.loads(path.read_text()).items():
            for key, value in values.items():
                found[key][Cell.parse(arch)] = np.nan if value is None else value
    return found


def published(reference: Path) -> RobBench:
    """The published accuracies and proxies, imported once."""
    path = FOLDER / "published.h5"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        import_source("jung2023", reference / "jung2023", path)
        import_source("nbsuite_zero", reference / "nbsuite_zero" / "zc_nasbench201_cifar10.csv", path)
        import_source("nasrobbench201", next((reference / "nasrobbench201").glob("*.json")), path)
    return RobBench(path, dataset="cifar10")


def correlation(one: Values, other: Values, *, of_ranks: bool = True) -> tuple[float, int]:
    """Spearman's, or Pearson's, over the cells that both have, and how many they are."""
    both = ~(np.isnan(one) | np.isnan(other))
    n = int(both.sum())
    if n < FEWEST:
        return np.nan, n
    return float((spearmanr if of_ranks else pearsonr)(one[both], other[both]).statistic), n


def written(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def proxies_table(bench: RobBench) -> Iterator[str]:
    yield "| proxy | cells | Spearman, published | Spearman, itself again | Pearson, published | Pearson, itself again |"
    yield "|---|---|---|---|---|---|"
    for part in ("published", "grasp"):
        again = results(f"{part} again")
        for name, found in results(part).items():
            sample, ours = list(found), np.array(list(found.values()))
            theirs = bench.query_many(sample, name, missing="nan")
            repeat = np.array([again.get(name, {}).get(cell, np.nan) for cell in sample])
            n = correlation(ours, theirs)[1]
            if n < FEWEST:
                continue
            numbers = [correlation(ours, other, of_ranks=ranks)[0] for ranks in (True, False) for other in (theirs, repeat)]
            known = ~np.isnan(theirs)
            exact = ", equal" if n and name in ("params", "flops") and np.allclose(ours[known], theirs[known], rtol=1e-9) else ""
            yield f"| {name}{exact} | {n} | {' | '.join(map(written, numbers))} |"


TARGETS = ("clean", "fgsm@8/255", "fgsm@4/255", "pgd@1/255")


def accuracy_table(bench: RobBench, found: dict[str, dict[Cell, float]], paper: dict[str, list[str]]) -> Iterator[str]:
    """Our correlations, and under those of a proxy that is in the paper's table, the paper's."""
    yield f"| | cells | {' | '.join(TARGETS)} |"
    yield "|---" * (2 + len(TARGETS)) + "|"
    for name, values in found.items():
        sample, ours = list(values), np.array(list(values.values()))
        pairs = [correlation(ours, bench.query_many(sample, target, missing="nan")) for target in TARGETS]
        yield f"| {name} | {pairs[0][1]} | {' | '.join(written(value) for value, _ in pairs)} |"
        if name in paper:
            yield f"| *{name}, in the paper* | 15625 | {' | '.join(paper[name])} | |"


def ha2023() -> dict[str, list[str]]:
    """Table 2 of Ha et al. (2023): by proxy, the correlations with clean and FGSM accuracies."""
    table = numbers("ha2023-table2")
    assert table is not None, "the numbers ship with the package"
    table = table[table["dataset"] == "cifar10"].pivot(index="proxy", columns="target", values="paper")[list(TARGETS[:3])]
    return {str(proxy): [written(value) for value in row] for proxy, row in zip(table.index, table.to_numpy(), strict=True)}


INITIALISATIONS = {"random": "of every cell", "kaiming": "kaiming of every cell", "xavier": "xavier of every cell"}
"""Initialisation → the part that has CRoZe by it, of the same cells."""
TABLE_11 = {
    "random": ("0.823", "0.826", "0.188", "0.436", "0.441", "0.532", "0.458"),
    "kaiming": ("0.812", "0.818", "0.189", "0.430", "0.428", "0.512", "0.436"),
    "xavier": ("0.816", "0.822", "0.190", "0.433", "0.428", "0.513", "0.436"),
}
"""Of Ha et al. (2023): by initialisation, the columns that published accuracies have."""
TABLE_11_TARGETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "clean": ("standard", ("clean",)),
    "fgsm@8/255": ("standard", ("fgsm@8/255",)),
    "pgd@1/255": ("standard", ("pgd@1/255",)),
    "corruptions": ("standard", EVERY_CORRUPTION["cc"]),
    "adversarially trained: fgsm@8/255": (ADVERSARIAL, ("fgsm@8/255",)),
    "pgd@8/255": (ADVERSARIAL, ("pgd@8/255",)),
    "autoattack@8/255": (ADVERSARIAL, ("autoattack@8/255",)),
}
"""Column → the training, and the metrics whose correlations it is the mean of."""


def initialisation_table(bench: RobBench) -> Iterator[str]:
    """CRoZe by each initialisation against accuracies after both trainings, over the cells that all were run of; under each the paper's row."""
    found = {init: results(part)["croze"] for init, part in INITIALISATIONS.items()}
    sample = [cell for cell in found["random"] if all(np.isfinite(values.get(cell, np.nan)) for values in found.values())]
    if len(sample) < FEWEST:
        return
    yield f"| CRoZe by | cells | {' | '.join(TABLE_11_TARGETS)} |"
    yield "|---" * (2 + len(TABLE_11_TARGETS)) + "|"
    accuracies = {
        title: [bench.query_many(sample, metric, training=training, missing="nan") for metric in metrics]
        for title, (training, metrics) in TABLE_11_TARGETS.items()
    }
    for init, values in found.items():
        ours = np.array([values[cell] for cell in sample])
        cells_of_row = [np.mean([correlation(ours, accuracy)[0] for accuracy in each]) for each in accuracies.values()]
        yield f"| {init} | {len(sample)} | {' | '.join(written(float(value)) for value in cells_of_row)} |"
        yield f"| *{init}, in the paper* | 15625; 300 | {' | '.join(TABLE_11[init])} |"


def ha2023_products() -> dict[str, list[str]]:
    """Tables 7 and 9 of Ha et al. (2023), of networks trained in the standard way, as `ha2023`; Table 7 has no FGSM at 4/255."""
    parts, noises = numbers("ha2023-table7"), numbers("ha2023-table9")
    assert parts is not None, "the numbers ship with the package"
    assert noises is not None, "the numbers ship with the package"
    of_parts = parts[parts["training"] == "standard"].pivot(index="parts", columns="target", values="paper")
    of_noises = noises[noises["dataset"] == "cifar10"].pivot(index="proxy", columns="target", values="paper")
    found = {proxy: [*map(written, np.asarray(of_parts.loc[name, list(TARGETS[:2])], float)), ""] for proxy, name in PRODUCTS.items()}
    noise = "croze_gaussian_input"
    return {**found, noise: [written(value) for value in np.asarray(of_noises.loc[noise, list(TARGETS[:3])], float)]}


def with_r_scores(found: dict[str, dict[Cell, float]]) -> dict[str, dict[Cell, float]]:
    """R-Scores of the population beside their two parts."""
    made = dict(found)
    for suffix in ("", "_equations"):
        psi, phi = (found.get(f"r_score_{part}{suffix}", {}) for part in ("psi", "phi"))
        if psi and phi:
            for form, stretched in (("", True), (", unstretched", False)):
                scores = r_scores(list(psi.values()), [phi[cell] for cell in psi], stretched=stretched)
                made[f"r_score{suffix}{form}"] = dict(zip(psi, scores.tolist(), strict=True))
    return made


TRNAS_TITLE = "TRNAS's search by R-Score on NAS-RobBench-201, cifar10 (Table 7 of Yang et al., 2025)"
"""Written by benchmarks/trnas.py."""
TITLES = (
    "Our proxies and the published ones, cifar10",
    "Robust proxies: Spearman correlation with the published accuracies, cifar10",
    "The same over cells drawn from all 15,625, as in the paper",
    "CRoZe's parts, their products, and noise in place of the input's perturbation: the same over cells drawn from all",
    "Common proxies: the same",
    "CRoZe: what separates the released form from the equations",
    "Robust proxies with themselves: Spearman, other seed and images",
    "CRoZe by initialisation: Spearman correlation with accuracies after standard and adversarial training, cells drawn from all",
    TRNAS_TITLE,
)


def sections(reference: Path) -> dict[str, list[str]]:
    """The tables under their titles; without a line where nothing of it was run."""
    bench, paper = published(reference), ha2023()
    products = results("products of every cell")
    robust = with_r_scores({**results("released"), **results("equations"), **results("regions")})
    # Exact for every cell, so the difference from the paper's row is the population's alone.
    everyone = {"params, every cell": {cell: parameters(cell, Skeleton()) / 1e6 for cell in cells()}}
    common = {**results("published"), **results("grasp"), **results("curvature")}
    found_of = (robust, results("of every cell"), products, {**everyone, **common} if measured(common) else {}, results("ablation"))
    against_accuracies = dict(zip(TITLES[1:6], found_of, strict=True))
    found = {TITLES[0]: list(proxies_table(bench))}
    papers = {title: ha2023_products() if kept is products else paper for title, kept in against_accuracies.items()}
    found |= {title: list(accuracy_table(bench, measured(kept), papers[title])) for title, kept in against_accuracies.items()}
    found = {title: lines for title, lines in found.items() if len(lines) > 2}  # beyond a heading
    again, lines = results("released again"), []
    for name, scores in results("released").items():
        repeat = np.array([again[name].get(cell, np.nan) for cell in scores])
        value, n = correlation(np.array(list(scores.values())), repeat)
        if n >= FEWEST:
            lines.append(f"{name}: {written(value)} ({n} cells).")
    return {**found, TITLES[6]: lines, TITLES[7]: list(initialisation_table(bench))}


def updated(document: str, found: dict[str, list[str]], titles: Sequence[str] = TITLES, mark: str = MARK) -> str:
    """The document with these sections in place of its own below the mark; what was not run stays as it is."""
    prose, _, tables = document.partition(mark)
    kept = dict(section.partition("\n")[::2] for section in tables.split("### ")[1:])
    texts = kept | {title: "\n".join(["", *lines]) for title, lines in found.items() if lines}
    return prose + mark + "".join(f"\n### {title}\n{texts[title].rstrip()}\n" for title in titles if title in texts)


def measured(found: dict[str, dict[Cell, float]]) -> dict[str, dict[Cell, float]]:
    """Those of which enough cells have a value."""
    return {name: values for name, values in found.items() if np.isfinite(list(values.values())).sum() >= FEWEST}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--cells", type=int, default=520)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "run":
        run(given.cells, given.parts, given.reference)
        return
    DOCUMENT.write_text(updated(DOCUMENT.read_text(), sections(given.reference)))


if __name__ == "__main__":
    main()

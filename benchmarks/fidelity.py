"""What we compute beside what was published: zero-cost proxies of full-size networks, cell by cell.

    python benchmarks/fidelity.py run [--cells 600] [--parts published croze …] [--reference ../shared/reference]
    python benchmarks/fidelity.py table > docs/fidelity.md

`run` scores cells drawn at random (seed 0), one of a class, and keeps what it finds in scratch/fidelity, a file for each part and ten cells:
stop it whenever you like and go on with the same command; several may run side by side on different parts.  `table` compares what there
is, and says how many cells that is.

Networks: C=16, N=5, on the first images of CIFAR-10's training batches; the published proxies on 64, as they were; croze and r_score on
8 and 16, as released.  The parts "again" repeat a part with another seed and other images: what a proxy does not agree on with itself,
it cannot agree on with others.

Cost, on one thread of one core: published 1 s a cell, grasp 2.5 s, croze 3.5 s (eight initialisations for Ψ, not 32), ablation 6 s,
curvature 10 s (eight images).
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
from scipy.stats import spearmanr

from builders.datasets import Dataset
from builders.network import Skeleton
from builders.proxies import PROXIES, Proxy, initialised, r_score, score
from builders.proxies.croze import EQUATIONS, RELEASED, Croze
from builders.proxies.rscore import Psi
from robbench import RobBench
from robbench.atomic import replacing
from robbench.sources import import_source
from robbench.spaces.identity import class_partition
from robbench.spaces.nb201 import Cell, cells

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "scratch" / "fidelity"
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
NOT_DATA = ("params", "flops", "l2_norm", "synflow")
NOISY = ("nwot", "grad_norm", "snip", "fisher", "plain", "jacov", "epe_nas", "zen")
RELEASED_FORMS = ("croze", "croze_features", "croze_parameters", "croze_gradients", "r_score_phi")
OTHER_FORMS = ("croze_equations", "r_score_phi_equations", *(name for name in PROXIES if name.startswith("croze_gaussian")))
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


def some(*names: str) -> dict[str, Proxy]:
    return {name: PROXIES[name] for name in names}


PARTS = {
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


def drawn(n: int) -> list[Cell]:
    """Cells drawn at random, of different classes."""
    every, groups = tuple(cells()), class_partition().group
    order = np.random.default_rng(SEED).permutation(len(every))
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
    data, sample = dataset(reference), drawn(n)
    for name in names:
        part = PARTS[name]
        chosen = slice(part.first, part.first + part.images)
        images, labels = torch.from_numpy(data.train_images[chosen]), torch.from_numpy(data.train_labels[chosen])
        for start in range(0, n, UNIT):
            path = FOLDER / name.replace(" ", "-") / f"{start}.json"
            if path.exists():
                continue
            found = {}
            for cell in sample[start : start + UNIT]:  # one by one, which is the fastest way on a CPU
                stack = initialised([cell], Skeleton(), data.mean, data.std, seed=part.seed)
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
    return RobBench(path, dataset="cifar10")


def correlation(one: Values, other: Values) -> tuple[float, int]:
    """Spearman's, over the cells that both have, and how many they are."""
    both = ~(np.isnan(one) | np.isnan(other))
    if both.sum() < 3:
        return np.nan, int(both.sum())
    return float(spearmanr(one[both], other[both]).statistic), int(both.sum())


def proxies_table(bench: RobBench) -> Iterator[str]:
    yield "| proxy | cells | with the published values | with itself, other seed and images |"
    yield "|---|---|---|---|"
    for part in ("published", "grasp"):
        again = results(f"{part} again")
        for name, found in results(part).items():
            sample = list(found)
            ours = np.array(list(found.values()))
            theirs = bench.query_many(sample, name, missing="nan")
            with_theirs, n = correlation(ours, theirs)
            exact = " (equal)" if name in ("params", "flops") and np.allclose(ours[~np.isnan(theirs)], theirs[~np.isnan(theirs)]) else ""
            repeat = np.array([again.get(name, {}).get(cell, np.nan) for cell in sample])
            yield f"| {name} | {n} | {with_theirs:.3f}{exact} | {correlation(ours, repeat)[0]:.3f} |"


TARGETS = ("clean", "fgsm@8/255", "fgsm@4/255", "pgd@1/255")


def accuracy_table(bench: RobBench, found: dict[str, dict[Cell, float]]) -> Iterator[str]:
    yield f"| | cells | {' | '.join(TARGETS)} |"
    yield "|---" * (2 + len(TARGETS)) + "|"
    for name, values in found.items():
        sample, ours = list(values), np.array(list(values.values()))
        pairs = [correlation(ours, bench.query_many(sample, target, missing="nan")) for target in TARGETS]
        yield f"| {name} | {pairs[0][1]} | {' | '.join(f'{value:.3f}' for value, _ in pairs)} |"


def with_r_scores(found: dict[str, dict[Cell, float]]) -> dict[str, dict[Cell, float]]:
    """R-Scores of the population beside their two parts."""
    made = dict(found)
    for suffix in ("", "_equations"):
        psi, phi = (found.get(f"r_score_{part}{suffix}", {}) for part in ("psi", "phi"))
        if psi and phi:
            made[f"r_score{suffix}"] = dict(zip(psi, r_score(list(psi.values()), [phi[cell] for cell in psi]).tolist(), strict=True))
    return made


def table(reference: Path) -> Iterator[str]:
    bench = published(reference)
    yield from ("", "### Spearman correlation with the published proxies (cifar10)", "", *proxies_table(bench))
    yield from ("", "### Spearman correlation of robust proxies with the published accuracies (cifar10)", "")
    yield from accuracy_table(bench, with_r_scores({**results("released"), **results("equations"), **results("regions")}))
    yield from ("", "### The same, published proxies", "")
    yield from accuracy_table(bench, {**results("published"), **results("grasp"), **results("curvature")})
    yield from ("", "### CRoZe: what separates the released form from the equations", "", *accuracy_table(bench, results("ablation")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--cells", type=int, default=600)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "run":
        run(given.cells, given.parts, given.reference)
        return
    for line in table(given.reference):
        print(line)


if __name__ == "__main__":
    main()

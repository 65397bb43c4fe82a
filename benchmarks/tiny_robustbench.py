"""Zero-cost proxies on the networks of Tiny-RobustBench, and on genotypes of DARTS drawn at random: what Yang et al. (2025) show in Figure 7 and Table 8.

    python benchmarks/tiny_robustbench.py run [--of published|drawn] [--parts sizes swap …] [--networks N] [--reference ../shared/reference]
    python benchmarks/tiny_robustbench.py table

`run` scores the 164 published networks, or genotypes drawn at random (seed 0, all different): 2,000 for the parts that are cheap and 200 for those that are
dear, unless `--networks` says otherwise.  It keeps what it finds in scratch/tiny_robustbench, a file for each part and ten networks: stop it whenever you like
and go on with the same command; several may run side by side on different parts.  `table` puts its tables at the end of docs/darts.md; those of which nothing
was run stay as they are.  benchmarks/darts_best.py says what the best of those drawn are made of.

Networks: by their channels C and layers as PARTS says, as each proxy is released where it is known; weights and images by seed 0, images of CIFAR-10's
lossless beginning.  Accuracies: the published ones, best over the last epochs.  Ψ: four initialisations, not 32, unless the part says "as released".

Cost, in CPU seconds a network on one thread of a busy machine: sizes 0.3, swap 0.5, psi 0.6, phi 0.8, zcprob 1.3, zcprob by equations 1.3, common small 1.6,
croze 3.2, psi as released 5, common 8.5, curvature small 3.4; of one network, other forms small 7, which was not run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from fidelity import dataset, some, updated

from robbench_builders.datasets import Dataset
from robbench_builders.networks.darts import DartsSkeleton
from robbench_builders.proxies import KNOWN, Proxy, score_untrained
from robbench_builders.proxies.rscore import Psi
from robbench import RobBench
from robbench.analysis import rank_correlation
from robbench.measurements.rscore import r_scores
from robbench.sources import import_source
from robbench.spaces.darts import DARTS, Genotype
from robbench.store.atomic import replacing
from robbench.surrogates import fit

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "scratch" / "tiny_robustbench"
DOCUMENT, MARK = ROOT / "docs" / "darts.md", "<!-- From here on written by benchmarks/tiny_robustbench.py -->\n"
SEED, UNIT, REPEATS = 0, 10, 4
CHEAP, DEAR = 2000, 200  # genotypes drawn
FEWEST = 10  # networks, for a correlation
TARGETS, MODEL = ("clean", "pgd@8/255"), "process"
Values = npt.NDArray[np.float64]

SEARCH = DartsSkeleton()
SMALL = DartsSkeleton(channels=3, stem=False)
ONE_CELL = DartsSkeleton(channels=3, layers=1, stem=False)
COMMON = ("grad_norm", "plain", "snip", "fisher", "nwot", "jacov", "epe_nas", "zen")
CROZE = ("croze", "croze_features", "croze_parameters", "croze_gradients")
CURVATURE = ("jacob_fro", "hessian")
OTHERS = ("croze_gaussian", "croze_equations", "r_score_psi_equations", "r_score_phi_equations")
PHI = ("r_score_phi", "r_score_phi_cells")


@dataclass(frozen=True)
class Part:
    """What is scored together, in shared passes."""

    proxies: dict[str, Proxy]
    skeleton: DartsSkeleton
    images: int
    drawn: int = CHEAP
    """How many genotypes drawn at random are scored, unless asked otherwise."""

    @property
    def network(self) -> str:
        size = self.skeleton
        return f"C = {size.channels}, {size.layers} cell{'s' * (size.layers > 1)}{'' if size.stem else ', no stem'}"


PARTS = {
    "sizes": Part(some("params", "flops", "l2_norm", "synflow"), SEARCH, 64),
    "swap": Part(some("swap", "swap_regularised"), ONE_CELL, 16),
    "psi": Part({"r_score_psi": replace(KNOWN["r_score_psi"], compute=Psi(repeats=REPEATS))}, SMALL, 16),
    "phi": Part(some(*CROZE, *PHI), SMALL, 16),
    "zcprob": Part(some("zcprob"), SEARCH, 64),
    "common small": Part(some("l2_norm", "synflow", *COMMON), SMALL, 64),
    "curvature small": Part(some(*CURVATURE), SMALL, 16, DEAR),
    "other forms small": Part(some(*OTHERS), SMALL, 16, DEAR),
    "zcprob by equations": Part(some("zcprob_equations"), SEARCH, 64, DEAR),
    "psi as released": Part(some("r_score_psi"), SMALL, 16, DEAR),
    "croze": Part(some(*CROZE), SEARCH, 16, DEAR),
    "common": Part(some(*COMMON, "grasp"), SEARCH, 64, DEAR),
}
R_SCORES = {"r_score": "r_score_phi", "r_score, Φ by cells": "r_score_phi_cells"}
"""R-Score over a population, of Ψ of the part psi and one of the Φ of the part phi."""


class Kept(NamedTuple):
    """What is kept of a network's part."""

    values: dict[str, float | None]
    """By proxy; None where it has no value."""
    reasons: dict[str, str]
    """By proxy without a value, why."""
    seconds: float
    """Of the CPU, for all proxies of the part."""


def scored(arch: Genotype, part: Part, data: Dataset) -> Kept:
    """One network by itself, which on a CPU is as fast as a stack of them."""
    started = time.process_time()
    found = score_untrained(
        [arch], data, list(part.proxies), skeleton=part.skeleton, batch_size=part.images, proxies=part.proxies, seed=SEED
    )
    seconds = time.process_time() - started
    values = {name: None if np.isnan(value[0]) else float(value[0]) for name, value in found.values.items()}
    return Kept(values, {name: why[0] for name, why in found.reasons.items() if why[0]}, round(seconds, 4))


def run(of: str, name: str, archs: Sequence[Genotype], data: Dataset) -> None:
    """A part of these networks, in whole units; what is there is not scored again."""
    for start in range(0, len(archs), UNIT):
        path = folder(of, name) / f"{start:05}.json"
        if path.exists():
            continue
        found = {str(arch): scored(arch, PARTS[name], data)._asdict() for arch in archs[start : start + UNIT]}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps(found).encode())
        print(f"{of}, {name}: {start + len(found)} of {len(archs)}", flush=True)


def folder(of: str, name: str) -> Path:
    return FOLDER / of / name.replace(" ", "-")


def results(of: str, name: str) -> dict[Genotype, Kept]:
    """What was found of a part so far."""
    units = [json.loads(path.read_text()) for path in sorted(folder(of, name).glob("*.json"))]
    return {Genotype.parse(arch): Kept(**kept) for unit in units for arch, kept in unit.items()}


def column(kept: dict[Genotype, Kept], proxy: str) -> dict[Genotype, float]:
    """A proxy's values, NaN where it has none."""
    return {arch: np.nan if (value := one.values[proxy]) is None else value for arch, one in kept.items()}


def drawn(count: int) -> list[Genotype]:
    """Different genotypes drawn at random; the first are the same however many are asked for."""
    rng, found = np.random.default_rng(SEED), dict[str, Genotype]()
    while len(found) < count:
        found.setdefault(DARTS.key(arch := DARTS.sample(rng)), arch)
    return list(found.values())


def published(reference: Path) -> RobBench:
    """The published accuracies, imported once."""
    path = FOLDER / "published.h5"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        import_source("tiny_robustbench", reference / "robustbench_darts", path)
    return RobBench(path)


def of_r_score(of: str) -> dict[str, dict[Genotype, float]]:
    """R-Scores over the population that has both parts; none where it is too small."""
    psi, phi = column(results(of, "psi"), "r_score_psi"), results(of, "phi")
    both = [arch for arch in psi if arch in phi]
    if len(both) < FEWEST:
        return {}
    found = {}
    for name, part in R_SCORES.items():
        values = column(phi, part)
        found[name] = dict(zip(both, r_scores([psi[arch] for arch in both], [values[arch] for arch in both]).tolist(), strict=True))
    return found


def correlation_table(bench: RobBench) -> Iterator[str]:
    """Every proxy, and what the surrogate of the structure predicts of networks that it has not seen, beside the accuracies."""
    names = [f"{target}, {what}" for target in TARGETS for what in ("Spearman ρ", "Kendall τ")]
    yield f"| | part | network | n | {' | '.join(names)} |"
    yield "|---" * (4 + len(names)) + "|"
    archs = list(bench.classes)
    truths = {target: bench.query_many(archs, target) for target in TARGETS}
    columns = [
        (f"{proxy} | {name} | {part.network}", column(kept, proxy))
        for name, part in PARTS.items()
        if (kept := results("published", name))
        for proxy in part.proxies
    ]
    columns += [(f"{name} | psi, phi | {PARTS['psi'].network}", values) for name, values in of_r_score("published").items()]
    for title, values in columns:
        ours = np.array([values.get(arch, np.nan) for arch in archs])
        if np.isfinite(ours).sum() >= FEWEST:
            yield f"| {title} | {np.isfinite(ours).sum()} | {' | '.join(agreement(ours, truths[target]) for target in TARGETS)} |"
    cells = [agreement(*out_of_fold(bench, target)) for target in TARGETS]
    yield f"| the surrogate `{MODEL}`, ten folds | | | {len(archs)} | {' | '.join(cells)} |"


def agreement(ours: Values, truth: Values) -> str:
    """Two cells of a table: Spearman's and Kendall's correlation where both are known, with bootstrap intervals of networks."""
    both = np.isfinite(ours) & np.isfinite(truth)
    found = rank_correlation(ours[both], truth[both], np.arange(int(both.sum())), seed=SEED)
    return " | ".join(f"{value:.3f} [{low:.2f}, {high:.2f}]" for value, low, high in (found[3:], found[:3]))


def out_of_fold(bench: RobBench, target: str) -> tuple[Values, Values]:
    """Predictions of models that have left the network out, and what was measured: ``(networks,)`` each."""
    kept = fit(bench, target, model=MODEL, split="folds", train=0.9, seed=SEED).calibration.astype(np.float64)
    return kept[:, 0], kept[:, 0] + kept[:, 1]


def rates_table() -> Iterator[str]:
    """The share of networks with a value other than 0, and seconds of the part, of published and drawn networks."""
    yield "| networks | part | network | n | CPU s a network | effective rate |"
    yield "|---|---|---|---|---|---|"
    for of in ("published", "drawn"):
        for name, part in PARTS.items():
            if kept := results(of, name):
                seconds = np.mean([one.seconds for one in kept.values()])
                yield f"| {of} | {name} | {part.network} | {len(kept)} | {seconds:.2f} | {rates(kept)} |"


def rates(kept: dict[Genotype, Kept]) -> str:
    """The effective rates of a part's proxies, and why others have no value."""
    names = next(iter(kept.values())).values
    usable = {proxy: np.mean([one.values[proxy] not in (None, 0) for one in kept.values()]) for proxy in names}
    reasons = Counter(f"{proxy}: {why}" for one in kept.values() for proxy, why in one.reasons.items())
    told = [f"{proxy} {rate:.2%}" for proxy, rate in usable.items() if rate < 1]
    if len(told) < len(usable):
        told.append("others 100%" if told else "100%")
    return ", ".join(told) + "".join(f"; {why} ({count})" for why, count in reasons.items())


TITLES = (
    "Proxies beside the accuracies of Tiny-RobustBench",
    "Effective rates and seconds a network",
    "What the best by ZCPRob and by R-Score are made of",
)
"""Of the sections; the last is written by benchmarks/darts_best.py."""


def sections(bench: RobBench) -> dict[str, list[str]]:
    """The tables under their titles; those without a line are left out."""
    found = dict(zip(TITLES[:2], (list(correlation_table(bench)), list(rates_table())), strict=True))
    return {title: lines for title, lines in found.items() if len(lines) > 2}  # beyond a heading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--of", choices=("published", "drawn"), default="published")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--networks", type=int, help="how many; the last unit is scored whole")
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    given = parser.parse_args()
    torch.set_num_threads(1)
    bench = published(given.reference)
    if given.what == "table":
        found = sections(bench)
        print("\n".join(line for title, lines in found.items() for line in (f"### {title}", *lines)))
        DOCUMENT.write_text(updated(DOCUMENT.read_text(), found, TITLES, MARK))
        return
    data = dataset(given.reference)
    for name in given.parts:
        wanted = given.networks or (PARTS[name].drawn if given.of == "drawn" else len(bench.classes))
        whole = -(-wanted // UNIT) * UNIT
        archs = drawn(whole) if given.of == "drawn" else list(bench.classes)[:whole]
        run(given.of, name, archs, data)


if __name__ == "__main__":
    main()

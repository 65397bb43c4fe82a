"""TRNAS's search by R-Score itself on NAS-RobBench-201: Table 7 of Yang et al. (2025).

    python benchmarks/trnas.py run [--runs 20] [--reference ../shared/reference]
    python benchmarks/trnas.py table

`run` searches by R-Score and the number of parameters with live proxies, 130 evaluations a search as in the paper, seeds 0, 1, …; it keeps every score in
scratch/trnas/scores.jsonl, so stop it whenever you like and go on with the same command.  `table` repeats the searches of which all scores are kept, and puts
the accuracies of what they found, which are published, beside the paper's at the end of docs/fidelity.md.

Networks: C=16, N=5, on the first 16 images of CIFAR-10's lossless beginning; weights by seed 0.  Ψ is a mean over four initialisations, not 32.  The R-Score of a
population is the released one, over which it is log-scaled.  Of what a search evaluated, the cell of the highest R-Score counts.

Cost: 1.2 CPU seconds a cell; ten searches score 1,257 different cells.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from fidelity import DOCUMENT, REGIONS, ROOT, TRNAS_TITLE, dataset, some, updated

from robbench_builders.datasets import Dataset
from robbench_builders.networks.plain import Skeleton
from robbench_builders.proxies import initialised, score
from robbench import RobBench
from robbench.measurements.rscore import r_scores
from robbench.papers.entry import published
from robbench.papers.yang2025 import METRICS, SCORED
from robbench.search import ALGORITHMS
from robbench.search.trnas import r_score
from robbench.sources import import_source
from robbench.sources.nasrobbench201 import TRAINING
from robbench.spaces.nb201 import Cell

FOLDER = ROOT / "scratch" / "trnas"
IMAGES, SEED = 16, 0
PSI, PHI = "r_score_psi", "r_score_phi"
PROXIES = {PSI: REGIONS[PSI], **some(PHI)}
FORMS = {"R-Score": (PSI, PHI), "Ψ alone": (PSI,), "Φ alone": (PHI,)}


class NotKept(Exception):
    """A score that is not kept, where none is to be computed."""


class Scores:
    """Ψ and Φ of cells, computed when first asked for, each kept in a file."""

    def __init__(self, data: Dataset | None) -> None:
        """Without images, what is not kept is not scored: `NotKept`."""
        self._data = data
        self._path = FOLDER / "scores.jsonl"
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        self._kept: dict[str, dict[str, float]] = dict(map(json.loads, lines))

    def of(self, cell: Cell) -> dict[str, float]:
        if str(cell) not in self._kept:
            if self._data is None:
                raise NotKept(str(cell))
            self._keep(cell, self._data)
        return self._kept[str(cell)]

    def __len__(self) -> int:
        return len(self._kept)

    def _keep(self, cell: Cell, data: Dataset) -> None:
        images, labels = torch.from_numpy(data.train_images[:IMAGES]), torch.from_numpy(data.train_labels[:IMAGES])
        found = score(initialised([cell], Skeleton(), data.mean, data.std, seed=SEED), images, labels, seed=SEED, proxies=PROXIES)
        self._kept[str(cell)] = {name: float(value[0]) for name, value in found.values.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps([str(cell), self._kept[str(cell)]]) + "\n")


def searched(bench: RobBench, scores: Scores, seed: int) -> list[Cell]:
    """The cells that one search evaluates: N = 50, of which 20 by clusters, until 130 are scored."""

    def psi(cell: Cell) -> float:
        return scores.of(cell)[PSI]

    def phi(cell: Cell) -> float:
        return scores.of(cell)[PHI]

    oracle = bench.oracle([psi, phi, "params"], budget=SCORED, directions={"params": "min"}, missing="nan")
    ALGORITHMS["trnas"](oracle, oracle.space, np.random.default_rng(seed), combine=r_score)
    return list(oracle.history()["arch"])


def best(cells: Sequence[Cell], scores: Scores, names: Sequence[str]) -> Cell:
    """The cell with the highest R-Score over what was evaluated, or with the highest of one of its parts."""
    columns = [np.array([scores.of(cell)[name] for cell in cells]) for name in names]
    return cells[int(np.nanargmax(r_scores(*columns) if len(columns) > 1 else columns[0]))]  # networks whose output is constant have no Φ


def table(bench: RobBench, found: Sequence[Sequence[Cell]], scores: Scores) -> Iterator[str]:
    """Mean accuracies, ± their deviation over searches, of what was found."""
    paper = published("yang2025-table7")
    assert paper is not None, "the numbers of Table 7 ship with the package"
    row = paper[paper["method"] == "trnas"].set_index("metric")["paper"][METRICS]
    yield f"| {SCORED} evaluations, mean of {len(found)} searches | {' | '.join(METRICS)} |"
    yield "|---" * (1 + len(METRICS)) + "|"
    chosen = {f"TRNAS, then the highest {name}": [best(cells, scores, parts) for cells in found] for name, parts in FORMS.items()}
    for title, cells in {**chosen, "all that the searches evaluated": [cell for each in found for cell in each]}.items():
        values = [bench.query_many(cells, metric, training=TRAINING) for metric in METRICS]
        yield f"| {title} | {' | '.join(f'{value.mean():.3f} ± {value.std():.3f}' for value in values)} |"
    every = [bench.query_many(bench.classes, metric, training=TRAINING) for metric in METRICS]
    yield f"| mean of all {len(bench.classes)} classes | {' | '.join(f'{value.mean():.3f}' for value in every)} |"
    yield f"| best of all by each metric | {' | '.join(f'{value.max():.3f}' for value in every)} |"
    yield f"| *TRNAS, in the paper* | {' | '.join(f'{value:.3f}' for value in row)} |"


def store(reference: Path) -> RobBench:
    """The published accuracies, imported once."""
    path = FOLDER / "published.h5"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        import_source("natsbench", next((reference / "natsbench").glob("*.csv")), path)  # names the networks
        import_source("nasrobbench201", next((reference / "nasrobbench201").glob("*.json")), path)
    return RobBench(path, dataset="cifar10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    given = parser.parse_args()
    torch.set_num_threads(1)
    bench = store(given.reference)
    scores = Scores(dataset(given.reference) if given.what == "run" else None)
    found = []
    for seed in range(given.runs):
        try:
            found.append(searched(bench, scores, seed))
        except NotKept:
            break
        print(f"search {seed}: {len(set(found[-1]))} cells, {len(scores)} scored in all", flush=True)
    if given.what == "table":
        lines = list(table(bench, found, scores))
        print("\n".join(lines))
        DOCUMENT.write_text(updated(DOCUMENT.read_text(), {TRNAS_TITLE: lines}))


if __name__ == "__main__":
    main()

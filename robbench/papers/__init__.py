"""The papers' numbers beside what a store gives.

    rendering.py      a comparison as text, as Markdown
    entry.py          Entry, Need, Comparison: what a table of a paper takes, and what comes of it
    jung2023.py …     one paper a file; jung2023_figures.py has what is drawn of confidences and confusion
    numbers/          what the papers report: a CSV a table, label columns and ``paper``; accuracies are fractions
    reported.py       what they report of architectures that searches found, which no store has: its numbers are in found/

compare("jung2023-best", bench).table      labels … | paper | ours | difference | …
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from robbench.arguments import checked_count, checked_seed, nearest
from robbench.errors import InvalidArgument
from robbench.papers import ha2023, jung2023, jung2023_figures, lukasik2023, wu2024, yang2025, zheng2025
from robbench.papers.entry import Comparison, Entry, Need, Setting, compared
from robbench.papers.reported import reported

if TYPE_CHECKING:
    import pandas as pd

    from robbench.bench import RobBench

__all__ = ["PAPERS", "Comparison", "Entry", "Need", "compare", "overview", "papers", "reported"]

PAPERS: dict[str, Entry] = {
    "jung2023-table1": jung2023.TABLE_1,
    "jung2023-best": jung2023.BEST,
    "jung2023-two-3x3": jung2023.TWO_3X3,
    "jung2023-figure13": jung2023_figures.FIGURE_13,
    "jung2023-figure14": jung2023_figures.FIGURE_14,
    "jung2023-figure15": jung2023_figures.FIGURE_15,
    "jung2023-figure16": jung2023_figures.FIGURE_16,
    "jung2023-figure17": jung2023_figures.FIGURE_17,
    "lukasik2023-table1": lukasik2023.TABLE_1,
    "lukasik2023-table2": lukasik2023.TABLE_2,
    "lukasik2023-table3": lukasik2023.TABLE_3,
    "lukasik2023-figure1": lukasik2023.FIGURE_1,
    "lukasik2023-figure2": lukasik2023.FIGURE_2,
    "lukasik2023-figure5": lukasik2023.FIGURE_5,
    "lukasik2023-figure7": lukasik2023.FIGURE_7,
    "ha2023-table1": ha2023.TABLE_1,
    "ha2023-table2": ha2023.TABLE_2,
    "ha2023-table6": ha2023.TABLE_6,
    "ha2023-table7": ha2023.TABLE_7,
    "ha2023-table9": ha2023.TABLE_9,
    "ha2023-table10": ha2023.TABLE_10,
    "ha2023-table12": ha2023.TABLE_12,
    "wu2024": wu2024.STORE,
    "yang2025-table7": yang2025.TABLE_7,
    "yang2025-table8": yang2025.TABLE_8,
    "zheng2025-searches": zheng2025.SEARCHES,
}


def compare(name: str, bench: RobBench, *, runs: int | None = None, seed: int = 0, workers: int = 1, progress: bool = False) -> Comparison:
    """One table of a paper beside what this store gives.

    Arguments:
        name: one of `PAPERS`.
        bench: what to compute ours from.
        runs: how often what is random is repeated: searches, splits; None for as often as the entry says.  Fewer is faster, and noisier.
        seed: of the first run.
        workers: processes that repeated searches are spread over; what they find is the same.
        progress: show a bar on stderr.

    Raises:
        InvalidArgument: no such entry, or runs, a seed or workers that are none.
        NotMeasured: the store lacks what it takes, or is of another search space; the message says which import brings it.
        MissingLibrary: a forest is needed, and scikit-learn is not installed.
    """
    if name not in PAPERS:
        raise InvalidArgument(f"{name!r} is not a table of a paper.{nearest(name, PAPERS)} Known: {', '.join(PAPERS)}.")
    entry = PAPERS[name]
    runs = entry.runs if runs is None else checked_count(runs, "runs")
    return compared(name, entry, bench, Setting(runs, checked_seed(seed), progress, checked_count(workers, "workers")))


def papers(
    bench: RobBench, name: str | None = None, *, runs: int | None = None, seed: int = 0, workers: int = 1, progress: bool = False
) -> pd.DataFrame | Comparison:
    """What a paper reports beside what the store gives, as `compare`; without a name which there are, as `overview`."""
    if name is None:
        return overview(bench)
    return compare(name, bench, runs=runs, seed=seed, workers=workers, progress=progress)


def overview(bench: RobBench) -> pd.DataFrame:
    """One row for each entry: name, paper, shows; lacks: what this store lacks for it and how to get it, empty where it can answer."""
    import pandas as pd

    return pd.DataFrame(
        {
            "name": list(PAPERS),
            "paper": [entry.paper for entry in PAPERS.values()],
            "shows": [entry.shows for entry in PAPERS.values()],
            "lacks": [entry.remedy(bench) for entry in PAPERS.values()],
        }
    )

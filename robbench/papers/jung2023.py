"""Jung, Lukasik and Keuper (ICLR 2023), "Neural architecture design and robustness: a dataset"."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.papers.entry import Entry, Need, Ours, Setting, bar, beside, published, spread
from robbench.search import evolution, local_search
from robbench.search.bananas import NASLIB
from robbench.sources.jung2023 import CORRUPTIONS
from robbench.spaces.nb201 import EDGES, Cell, cells
from robbench.spaces.space import Space

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import pandas as pd

    from robbench.bench import RobBench
    from robbench.search.repeated import Run

PAPER = "Jung, Lukasik, Keuper (ICLR 2023)"
THREATS = ["clean", "fgsm@1/255", "pgd@1/255", "apgd-ce@1/255", "square@1/255", "mean_corruption"]
ATTACKS = ("fgsm", "pgd", "apgd-ce", "square")
DATASET = "cifar10"
BUDGET = 300
OBJECTIVES = ("clean", "fgsm@1/255")

ALGORITHMS: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "bananas": ("bananas", "bananas", {}, False),
    "bananas_naslib": ("bananas", "bananas", NASLIB, False),
    "local": ("local_search", "local", {}, False),
    "local_naszilla": ("local_search", "local", local_search.NASZILLA, True),
    "random": ("random_search", "random", {}, False),
    "random_naszilla": ("random_search", "random", {}, True),
    "evolution": ("regularized_evolution", "evolution", {}, False),
    "evolution_naszilla": ("regularized_evolution", "evolution", evolution.NASZILLA, True),
}
"""What searches here: the paper's name for it, that of `robbench.search`, its options, and whether it goes to all 15,625 cells, as naszilla and
NASLib do (`naszilla/nas_bench_201/cell_201.py`, `naslib/search_spaces/nasbench201/graph.py`), or to the 6,466 networks that were evaluated."""
FAR = 0.01
"""A difference that is worth naming."""
_STEP = 0.001
"""Between two published accuracies."""


def needs(*metrics: str, dataset: str = DATASET) -> tuple[Need, ...]:
    """What jung2023's data brings."""
    return tuple(Need("jung2023", "FOLDER", dataset, "standard", metric) for metric in metrics)


_MEASURED = needs("clean", *ATTACKS, *CORRUPTIONS)
_TRUNCATED = "Published accuracies have three decimals and look cut off rather than rounded: each optimum that is one measurement is below the paper's."


def table_1(bench: RobBench, setting: Setting) -> Ours:
    """What searches on clean and on FGSM accuracy find: means over runs of the accuracies of the best network of each."""
    import pandas as pd

    optima = [(metric, bench.query_many(bench.classes, metric, dataset=DATASET).max()) for metric in THREATS]
    label = {"searched_on": "all networks", "algorithm": "optimum"}
    records = [{**label, "metric": metric, "by": "", "ours": value} for metric, value in optima]
    searches = list(itertools.product(OBJECTIVES, ALGORITHMS))
    with bar(setting, "searches", len(searches) * setting.runs) as shown, spread(setting) as executor:
        for objective, algorithm in searches:
            best = []
            for run in searched(bench, algorithm, objective, setting, executor):
                best.append(run.best)
                shown.update()
            for metric in THREATS:
                values = bench.query_many(best, metric, dataset=DATASET)
                place = {"searched_on": objective, "algorithm": ALGORITHMS[algorithm][0], "metric": metric, "by": algorithm}
                records.append({**place, "ours": values.mean(), "sd": values.std(), "runs": setting.runs})
    table = pd.DataFrame.from_records(records)
    compared = beside(table, published("jung2023-table1"))
    return Ours(table, (*_far_and_best(compared), _sampled(bench, compared), _told_apart(bench), _impossible(bench, compared)))


def searched(bench: RobBench, algorithm: str, objective: str, setting: Setting, executor: Executor | None = None) -> Iterator[Run]:
    """Runs of one of `ALGORITHMS` in the setting of Table 1, in order.

    Arguments:
        algorithm: a key of `ALGORITHMS`.
        objective: what is searched on, such as one of `OBJECTIVES`.
        executor: what the runs are spread over; if left out, they run here, one by one, as they are asked for.
    """
    from robbench.search.repeated import repeat

    _, name, options, every_cell = ALGORITHMS[algorithm]
    return repeat(
        name,
        bench,
        objective,
        budget=BUDGET,
        runs=setting.runs,
        seed=setting.seed,
        space=Space() if every_cell else Space(bench.classes, radius=1),
        options=options,
        executor=executor,
        on_repeat="charge",
        dataset=DATASET,
    )


def expected_best(values: np.ndarray, draws: int) -> float:
    """The expected maximum of so many draws with replacement: what random search finds on average."""
    ordered = np.sort(values)
    return float(ordered @ np.diff((np.arange(len(ordered) + 1) / len(ordered)) ** draws))


def _far_and_best(compared: pd.DataFrame) -> list[str]:
    """Which searches are far from the paper's, and which find the best by each objective."""
    found = compared.dropna(subset="runs")
    far = [
        f"{row['by']} on {row['searched_on']}, {row['metric']} {row['difference']:+.4f}"
        for row in found[found["difference"].abs() > FAR].to_dict("records")
    ]
    notes = [f"More than {FAR} from the paper: {'; '.join(far) or 'none'}."]
    for objective in OBJECTIVES:
        own = found[(found["searched_on"] == objective) & (found["metric"] == objective)]
        ours = own.sort_values("ours", ascending=False, kind="stable")["by"]
        theirs = own.drop_duplicates("algorithm").sort_values("paper", ascending=False, kind="stable")["algorithm"]
        better = own.loc[own["difference"] > 0, "by"]
        notes.append(
            f"Best first by {objective}: ours {', '.join(ours)}; the paper's {', '.join(theirs)}."
            f" Ours that find better networks than the paper's: {', '.join(better) or 'none'}."
        )
    return notes


def _sampled(bench: RobBench, compared: pd.DataFrame) -> str:
    """What random search finds in closed form, by what is sampled: it tells what the paper sampled."""
    random = compared[compared["algorithm"] == "random_search"]
    paper = random[random["searched_on"] == random["metric"]].drop_duplicates("metric").set_index("metric")["paper"]
    expected = [
        f"over the {len(archs):,} {over} "
        + ", ".join(f"{metric} {expected_best(bench.query_many(archs, metric, dataset=DATASET), BUDGET):.4f}" for metric in OBJECTIVES)
        for over, archs in (("networks", bench.classes), ("cells", tuple(cells())))
    ]
    theirs = ", ".join(f"{metric} {paper[metric]:.4f}" for metric in OBJECTIVES)
    return f"Random search in closed form: {'; '.join(expected)}; the paper {theirs}."


def _told_apart(bench: RobBench) -> str:
    """What three decimals leave open of the networks that clean searches end at."""
    clean, pgd = (bench.query_many(bench.classes, metric, dataset=DATASET) for metric in ("clean", "pgd@1/255"))
    top = clean > clean.max() - 1.5 * _STEP
    return (
        f"Published accuracies are cut to three decimals: {top.sum()} networks have a clean accuracy of at least {clean[top].min():.3f}, and"
        f" their pgd@1/255 differs by up to {np.ptp(pgd[top]):.3f}: which of them a clean search ends at moves its robust columns."
    )


def _impossible(bench: RobBench, compared: pd.DataFrame) -> str:
    """Which of the paper's means no search could have, however it chose among the networks with the published accuracies."""
    found = []
    searches = compared.dropna(subset=["runs", "paper"])
    for (searched_on, algorithm), rows in searches.groupby(["searched_on", "algorithm"], sort=False):
        objective = str(searched_on)
        paper = dict(zip(rows["metric"], rows["paper"], strict=True))
        searched = bench.query_many(bench.classes, objective, dataset=DATASET)
        for metric, mean in paper.items():
            values = bench.query_many(bench.classes, metric, dataset=DATASET)
            low, high = means_possible(values, searched, paper[objective])
            if not low <= mean <= high:
                found.append(f"{algorithm} on {objective}, {metric} {mean:.4f}, where {low:.4f} to {high:.4f} is possible")
    return f"Means in the paper that no choice among networks of the published accuracies has: {'; '.join(found) or 'none'}."


def means_possible(values: np.ndarray, searched: np.ndarray, mean: float) -> tuple[float, float]:
    """The least and the greatest mean of `values` over any mixture of networks whose mean of `searched` is this.

    Both are published accuracies ``(networks,)`` of three decimals, which may have been rounded or cut off; the mean has four.
    """
    from scipy.optimize import linprog

    within = {"A_ub": np.stack([searched - _STEP / 2, -(searched + _STEP)]), "b_ub": [mean + _STEP / 20, _STEP / 20 - mean]}
    whole = {"A_eq": np.ones((1, len(values))), "b_eq": [1]}
    low, high = (linprog(sign * values, **within, **whole).fun * sign for sign in (1, -1))
    return low - _STEP / 2, high + _STEP


def best(bench: RobBench, setting: Setting) -> Ours:
    """The best network by each metric of Table 1 and by the mean over attacks, on each dataset of the store."""
    import pandas as pd

    optimum = published("jung2023-table1")
    assert optimum is not None, "the numbers of Table 1 ship with the package"
    reported = optimum[optimum["algorithm"] == "optimum"].set_index("metric")["paper"]
    records = []
    for dataset in _complete(bench):
        for metric in [*THREATS, "mean_adversarial"]:
            values = bench.query_many(bench.classes, metric, dataset=dataset)
            cell = bench.classes[int(values.argmax())]
            records.append(
                {
                    "dataset": dataset,
                    "metric": metric,
                    "ours": values.max(),
                    "paper": reported.get(metric, np.nan) if dataset == DATASET else np.nan,
                    "networks": int((values == values.max()).sum()),
                    "index": bench.published_index(cell),
                    "kernel parameters": cell.kernel_parameters,
                    "arch": str(cell),
                }
            )
    return Ours(pd.DataFrame.from_records(records))


def two_3x3(bench: RobBench, setting: Setting) -> Ours:
    """The networks with two 3×3 and no 1×1 convolution, counted in three ways: how many, and their mean adversarial accuracy."""
    import pandas as pd

    values = bench.query_many(bench.classes, "mean_adversarial", dataset=DATASET)
    ways: dict[str, Callable[[Cell], Sequence[str]]] = {
        "on a path from input to output": on_paths,
        "as the arch string has them": lambda cell: cell.ops,
        "ahead of the output, from anywhere": lambda cell: _ahead(cell, {0, 1, 2}),
    }
    records = []
    for way, operations in ways.items():
        counted = [operations(cell) for cell in bench.classes]
        chosen = values[[ops.count("nor_conv_3x3") == 2 and "nor_conv_1x1" not in ops for ops in counted]]
        found = {"networks": len(chosen), "lowest mean_adversarial": chosen.min(), "highest mean_adversarial": chosen.max()}
        records += [{"quantity": quantity, "operations counted": way, "ours": float(value)} for quantity, value in found.items()]
    return Ours(pd.DataFrame.from_records(records))


def on_paths(cell: Cell) -> tuple[str, ...]:
    """The operations on edges that lie on a path without `none` from the cell's input to its output."""
    reached = {0}
    for (source, target), op in zip(EDGES, cell.ops, strict=True):
        if op != "none" and source in reached:
            reached.add(target)
    return _ahead(cell, reached)


def _ahead(cell: Cell, sources: set[int]) -> tuple[str, ...]:
    """The operations on edges from these nodes from which a path without `none` leads on to the output."""
    leading = {3}
    for (source, target), op in sorted(zip(EDGES, cell.ops, strict=True), key=lambda edge: -edge[0][1]):
        if op != "none" and target in leading:
            leading.add(source)
    return tuple(
        op for (source, target), op in zip(EDGES, cell.ops, strict=True) if op != "none" and source in sources and target in leading
    )


def _complete(bench: RobBench) -> list[str]:
    """The datasets of the store of which everything in Table 1 was measured."""
    arrays = bench.metrics()
    arrays = arrays[arrays["training"] == "standard"]
    return [name for name in bench.datasets if {need.metric for need in _MEASURED} <= set(arrays[arrays["dataset"] == name]["metric"])]


TABLE_1 = Entry(
    PAPER,
    "Table 1: what four searches of 300 queries find on cifar10; accuracies of the best network, mean over runs",
    _MEASURED,
    table_1,
    (
        "by: what searched here, after its own paper; this paper's settings are not in our copy. Repeats are charged.",
        "bananas_naslib has the settings of NASLib, but not its predictor: three networks of 20 layers, trained for 500 epochs before each batch.",
        "Those of naszilla have the settings of naszilla, which earlier code of the same authors (AG-Net) builds on, and search all 15,625 cells,"
        " each with the accuracy of the network that was evaluated for it. Its defaults, taken as they stand, after NASLib's had been compared.",
        "The others search the networks that were evaluated, neighbours one change apart. This reading was fixed after five were compared with the"
        " paper's numbers, so it is not blind.",
        _TRUNCATED,
        "Numbers of the paper that are not legible in our copy are left out.",
    ),
    runs=100,
)
BEST = Entry(
    PAPER,
    "Figure 26: the best networks by clean, adversarial and corruption accuracy; the paper's column is Table 1's row of optima",
    _MEASURED,
    best,
    (
        "The figure draws cells and has no numbers: the paper's are the optima of its Table 1, which are of cifar10.",
        _TRUNCATED,
        "networks: how many share the best value; the first of them in row order is shown.",
    ),
)
TWO_3X3 = Entry(
    PAPER,
    "Figures 7, 28, 29: networks with exactly two 3×3 convolutions and no 1×1; mean accuracy over all attacks and eps, cifar10",
    needs(*ATTACKS),
    two_3x3,
    (
        "The paper does not say which convolutions count; of the three ways, two give its 408 networks, and all give its range.",
        "The mean is over the attacks and eps that the store holds.",
    ),
)

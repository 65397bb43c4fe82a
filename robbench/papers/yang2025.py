"""Yang et al. (2025), "TRNAS: a training-free robust neural architecture search", on the networks of NAS-RobBench-201."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.errors import NotMeasured
from robbench.measurements.metrics import parse
from robbench.measurements.question import Question
from robbench.measurements.tables import held_proxies
from robbench.papers.entry import Entry, Need, Ours, Setting, bar, published, spread
from robbench.papers.wu2024 import DATASET, ROBUST, needs
from robbench.sources.nasrobbench201 import TRAINING

if TYPE_CHECKING:
    from robbench.bench import RobBench

METRICS = ["clean", *ROBUST]
PERFECT = "pgd@8/255"
PROXIES = (PERFECT, "synflow", "nwot", "snip", "jacov", "zen", "epe_nas", "fisher", "grad_norm", "grasp", "plain", "l2_norm", "flops")
"""All that are published, of which more is better; the number of parameters, of which less is, is the other objective of each."""
SCORED = 130
"""Architectures that the paper's TRNAS scores."""
EVALUATIONS = 1000
_WHERE: dict[str, Any] = {"dataset": DATASET, "training": TRAINING}


def table_7(bench: RobBench, setting: Setting) -> Ours:
    """The networks that TRNAS's search finds by several proxies, and that searches on robust accuracy find: means over runs."""
    import pandas as pd

    from robbench.search.repeated import repeat

    values = np.stack([bench.query_many(bench.classes, metric, **_WHERE) for metric in METRICS], axis=1)
    optima = zip(METRICS, values.max(axis=0), strict=True)
    records = [{"method": "optimum of each metric", "metric": metric, "by": "", "ours": value} for metric, value in optima]
    searches: list[tuple[str, Any, int, dict[str, Any]]] = [
        ("trnas", [proxy, "params"], budget, {"directions": {proxy: "max", "params": "min"}})
        for budget in (SCORED, EVALUATIONS)
        for proxy in PROXIES
    ]
    searches += [(method, PERFECT, EVALUATIONS, {}) for method in ("random", "evolution")]
    with bar(setting, "searches", len(searches) * setting.runs) as shown, spread(setting) as executor:
        asked = {"runs": setting.runs, "seed": setting.seed, "executor": executor, **_WHERE}
        for method, objective, budget, options in searches:
            best = []
            for run in repeat(method, bench, objective, budget=budget, **asked, **options):
                best.append(run.best)
                shown.update()
            for metric in METRICS:
                found = bench.query_many(best, metric, **_WHERE)
                place = {"method": method, "metric": metric, "by": objective if isinstance(objective, str) else " and ".join(objective)}
                records.append({**place, "ours": found.mean(), "sd": found.std(), "queries": budget, "runs": setting.runs})
    return Ours(pd.DataFrame.from_records(records), (_nearest(bench, values),))


def table_8(bench: RobBench, setting: Setting) -> Ours:
    """The share of the architectures that get a usable score of each proxy of the store: a finite one, other than 0."""
    import pandas as pd

    records = []
    for dataset in bench.measurements.store.datasets():
        names = held_proxies(bench.measurements, dataset)
        columns = {name: bench.measurements.measured(Question(parse(name), dataset, "untrained")) for name in names}
        sources = {
            name: str(bench.measurements.store.header(column.parts[0]).provenance.get("source", "")) for name, column in columns.items()
        }
        for name, column in columns.items():
            beside = [other.values for key, other in columns.items() if sources[key] == sources[name] and other.rows == column.rows]
            asked = np.isfinite(beside).any(axis=0)
            usable = np.isfinite(column.values) & (column.values != 0)
            records.append(
                {
                    "proxy": name,
                    "quantity": "effective rate",
                    "dataset": dataset,
                    "ours": usable[asked].mean(),
                    "architectures": int(asked.sum()),
                    "computed by": sources[name],
                }
            )
    if not records:
        raise NotMeasured("the store holds no proxies; robbench import nbsuite_zero brings some, robbench proxies computes others.")
    return Ours(pd.DataFrame.from_records(records))


def _nearest(bench: RobBench, values: np.ndarray) -> str:
    """Which network of the store each row of the paper is nearest to, and how far off, at the most."""
    paper = published("yang2025-table7")
    assert paper is not None, "the numbers of Table 7 ship with the package"
    found = []
    for method, rows in paper.groupby("method", sort=False):
        apart = np.abs(values - rows.set_index("metric")["paper"][METRICS].to_numpy()).max(axis=1)
        found.append(f"{method} {apart.min():.4f} ({bench.classes[int(apart.argmin())]})")
    return f"Largest difference of a row of the paper from the network of the store that is nearest to it: {'; '.join(found)}."


TABLE_7 = Entry(
    "Yang et al. (2025)",
    "Table 7: the best network of each method on NAS-RobBench-201, cifar10, within 1,000 evaluations (TRNAS: 130)",
    (*needs("clean", "fgsm", "pgd"), Need("nbsuite_zero", "zc_nasbench201_cifar10.csv", DATASET, "untrained", "synflow")),
    table_7,
    (
        "R-Score is not among the published proxies: TRNAS's search runs by others, and by pgd@8/255 itself, a perfect proxy; with 130"
        " evaluations, as in the paper, and with the 1,000 of the other methods.  benchmarks/trnas.py searches by R-Score itself (docs/fidelity.md).",
        "TRNAS's search has the paper's sizes (50 survive, 20 of them by clusters); what it does not say is ours: see robbench.search.trnas."
        " Of its front, the network that is best by the proxy counts, a mean over runs.",
        "TRNAS's search is among the cells that the proxies were published for; by FLOPs and by pgd@8/255, which are known of all, it is among all, as"
        " random search and evolution are.",
        "The paper's row of TRNAS is, number by number, the best of each metric over all networks; no one network has all five.",
        "No network of the store comes near to the paper's row of CRoZe.",
        "The paper's other methods are not run here.",
    ),
    runs=20,
)
TABLE_8 = Entry(
    "Yang et al. (2025)",
    "Table 8: seconds to score a network, and the share of networks that get a usable score (effective rate), for every proxy of the store",
    (),
    table_8,
    (
        "The paper scores 2,000 networks of DARTS on an RTX 4090; ours are the architectures that the store has any proxy of the same source of:"
        " one that no proxy of a source scored is not counted.",
        "A score is usable where there is one, and it is not 0, which the paper calls extremely poor.",
        "Seconds are of a machine, not of a store: benchmarks/proxies.py takes them.",
    ),
    space=None,
)

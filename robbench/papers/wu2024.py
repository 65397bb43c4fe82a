"""Wu, Liu, Simon-Gabriel, Chrysos and Cevher (ICLR 2024), "Robust NAS under adversarial training: benchmark, theory, and beyond"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robbench.papers.entry import Entry, Need, Ours, Setting, held
from robbench.sources.nasrobbench201 import TRAINING

if TYPE_CHECKING:
    from robbench.bench import RobBench

DATASET = "cifar10"
ROBUST = ["fgsm@3/255", "pgd@3/255", "fgsm@8/255", "pgd@8/255"]
AUTOATTACK = "autoattack@8/255"


def needs(*metrics: str) -> tuple[Need, ...]:
    """What nasrobbench201's data brings."""
    return tuple(Need("nasrobbench201", "FILE", DATASET, TRAINING, metric) for metric in metrics)


def store(bench: RobBench, setting: Setting) -> Ours:
    """The best network by each metric, and how far the metrics agree on which network is better, on each dataset of the store."""
    import pandas as pd

    from robbench.analysis import correlations

    metrics = ["clean", *ROBUST, AUTOATTACK]
    records = []
    for dataset in held(bench, TRAINING):
        for metric in metrics:
            values = bench.query_many(bench.classes, metric, dataset=dataset, training=TRAINING)
            cell = bench.classes[int(values.argmax())]
            records.append({"dataset": dataset, "quantity": f"best {metric}", "ours": values.max(), "arch": str(cell)})
        found = correlations(bench, ["clean", AUTOATTACK], metrics[1:], resamples=0, dataset=dataset, training=TRAINING)
        for row in found.to_dict("records"):
            if row["target"] != row["metric"]:
                quantity = f"Kendall τ of {row['target']} and {row['metric']}"
                records.append({"dataset": dataset, "quantity": quantity, "ours": row["kendall"], "arch": ""})
    return Ours(pd.DataFrame.from_records(records))


STORE = Entry(
    "Wu, Liu, Simon-Gabriel, Chrysos, Cevher (ICLR 2024)",
    "NAS-RobBench-201: the best networks after adversarial training, and rank correlations between the metrics",
    needs("clean", "fgsm", "pgd", "autoattack"),
    store,
    (
        "The paper's own numbers do not stand beside ours: they were not read.",
        "Accuracies are means over the seeds that the store has.",
    ),
)

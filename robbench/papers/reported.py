"""What papers report of architectures that searches found: numbers of theirs, with source and protocol, which are never in a store.

reported("trnas")                           a row for each number that any paper reports of it
reported("trnas", table="yang2025-table2")

found/<table>.csv    # the paper, its table, the units
                     architecture, metric, reported, and where there are: dataset, attacker, sd
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from robbench.arguments import nearest
from robbench.errors import InvalidArgument
from robbench.spaces.darts import DARTS

if TYPE_CHECKING:
    import pandas as pd

FOUND = Path(__file__).parent / "found"
COLUMNS = ("architecture", "paper", "table", "dataset", "metric", "attacker", "reported", "sd", "protocol", "genotype", "remark")


class Reported(NamedTuple):
    """A table of a paper."""

    paper: str
    table: str
    dataset: str
    """Empty where the table has several, which are in its file."""
    protocol: str
    """How the networks were trained and attacked, as far as the paper says it."""
    genotypes: bool
    """Whether its rows are of architectures that others published, and not of searches that the paper ran itself."""


YANG, HA = "Yang et al. (2025)", "Ha, Kim, Hwang (NeurIPS 2023)"
_TRAINED = "20 cells; adversarial training by PGD of 7 steps, eps 8/255, 120 epochs of SGD at learning rate 0.1, 0.01 from epoch 100 on, batches of 64;"
_ATTACKED = "FGSM, PGD of 20 and of 100 steps of 2/255, AutoAttack, all at eps 8/255"
_TRANSFER = "accuracy under examples that were made for the network of the column attacker; by which attack is not said"
_STANDARD = "standard training: 200 epochs of SGD at learning rate 0.1, weight decay 1e-4, batches of 64;"
_CORRUPTED = "mean_corruption over 15 corruptions; hrs is the harmonic mean of clean accuracy and that under FGSM"

TABLES: dict[str, Reported] = {
    "yang2025-table2": Reported(YANG, "Table 2", "cifar10", f"{_TRAINED} {_ATTACKED}; params in 10^6, flops as printed, search in GPU days", True),
    "yang2025-table3": Reported(YANG, "Table 3", "cifar100", f"{_TRAINED} {_ATTACKED}", True),
    "yang2025-table4": Reported(YANG, "Table 4", "cifar10", f"{_TRAINED} {_TRANSFER}", True),
    "yang2025-table5": Reported(YANG, "Table 5", "cifar100", f"{_TRAINED} {_TRANSFER}", True),
    "yang2025-table6": Reported(YANG, "Table 6", "ImageNet", f"networks found on cifar10; {_ATTACKED}; how they were trained on ImageNet is not said", True),
    "ha2023-table3": Reported(
        HA, "Table 3", "", f"{_STANDARD} mean and sd over 3 searches; {_CORRUPTED}; FGSM at 8/255 on cifar10, on cifar100 it is not said; params in 10^6, search in GPU seconds", False
    ),
    "ha2023-table4": Reported(
        HA, "Table 4", "cifar10", "adversarial training by PGD of 7 steps of 2/255, eps 8/255; sizes of the attacks in the test are not said; the mean of attacks of advrush, drnas and gradnorm is printed 0.2 points off that of their columns", False
    ),
    "ha2023-table13": Reported(
        HA, "Table 13", "ImageNet16-120", f"{_STANDARD} {_CORRUPTED}; FGSM at 4/255; params in 10^6; gpus and batch: how many, and of what size, the search takes", False
    ),
}  # fmt: skip
GENOTYPES = {"darts": "darts-v2"} | {name: name for name in ("pdarts", "robot", "racl", "advrush", "lrnas", "zcprob", "trnas")}
"""What `robbench.spaces.darts.published` calls them."""
REMARKS = {
    "trnas": "the genotype of its repository is of another run: it has 3.9 million parameters, and the paper's network 4.3",
    "swap": "no genotype of it is known here",
    "dsrna": "no genotype of it is known here",
    "robnet": "outside the space: its cells have all 14 edges",
    "croze": "outside the space: its cells have seven nodes and other operations",
    "resnet-18": "designed by hand",
    "densenet-121": "designed by hand",
}
SEARCHED_ANEW = "of searches that the paper's authors ran; their genotypes were not published"


def reported(architecture: str | None = None, *, table: str | None = None) -> pd.DataFrame:
    """What papers report of an architecture.

    Arguments:
        architecture: by the name that the papers give it, in any case, such as ``"trnas"``; all of them if left out.
        table: one of `TABLES`; all of them if left out.

    Returns:
        A row for each number: architecture, paper, table, dataset, metric, attacker (of a transferred attack, whose network it was made for), reported (accuracies
        are fractions; params 10^6), sd where there is one, protocol, genotype (its spec, where it is public) and remark.  Metrics are the papers': ``pgd-20@8/255``
        is PGD of 20 steps, and no metric of a store.

    Raises:
        InvalidArgument: no paper's table has such an architecture, or there is no such table; says which is nearest.
    """
    import pandas as pd

    if table is not None and table not in TABLES:
        raise InvalidArgument(f"{table!r} is not a table of found architectures.{nearest(table, TABLES)} Known: {', '.join(TABLES)}.")
    found = pd.concat([_read(name) for name in ([table] if table else TABLES)], ignore_index=True)
    if architecture is None:
        return found
    name, known = architecture.lower().replace("_", "-"), list(dict.fromkeys(found["architecture"]))
    if name not in known:
        raise InvalidArgument(f"{architecture!r:.100} is not in the papers' tables.{nearest(name, known)} Known: {', '.join(known)}.")
    return found[found["architecture"] == name].reset_index(drop=True)


def _read(name: str) -> pd.DataFrame:
    import pandas as pd

    entry = TABLES[name]
    numbers = pd.read_csv(FOUND / f"{name}.csv", comment="#")
    given: dict[str, str | float] = {
        "paper": entry.paper,
        "table": entry.table,
        "dataset": entry.dataset,
        "attacker": "",
        "sd": float("nan"),
        "protocol": entry.protocol,
    }
    for column, value in given.items():
        if column not in numbers:
            numbers[column] = value
    named = GENOTYPES if entry.genotypes else {}
    numbers["genotype"] = [str(DARTS.parse(named[one])) if one in named else "" for one in numbers["architecture"]]
    numbers["remark"] = [REMARKS.get(one, "") if entry.genotypes else SEARCHED_ANEW for one in numbers["architecture"]]
    return numbers[list(COLUMNS)]

"""What papers report of architectures that searches found."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from robbench.errors import InvalidArgument
from robbench.papers import reported
from robbench.papers.reported import FOUND, GENOTYPES, REMARKS, TABLES
from robbench.spaces.darts import DARTS

every = pytest.mark.parametrize("name", TABLES)
NUMBERS = {"yang2025-table2": 110, "yang2025-table3": 40, "yang2025-table4": 20, "yang2025-table5": 20, "yang2025-table6": 25}
NUMBERS |= {"ha2023-table3": 84, "ha2023-table4": 49, "ha2023-table13": 42}
COUNTS = ("params", "flops", "search", "gpus", "batch")


def test_every_file_is_a_table() -> None:
    assert {path.stem for path in FOUND.iterdir()} == set(TABLES)


@every
def test_numbers_have_a_source_and_are_possible(name: str) -> None:
    found = reported(table=name)
    assert len(found) == NUMBERS[name], "every cell of the table"
    assert not found.duplicated(["architecture", "dataset", "metric", "attacker"]).any()
    accuracies = found[~found["metric"].isin(COUNTS)]
    assert accuracies["reported"].between(0, 1).all()
    assert (found.loc[found["metric"].isin(COUNTS), "reported"] > 0).all()
    assert found["protocol"].str.len().min() > 40
    assert (found[["paper", "table", "dataset"]] != "").all(axis=None)


@every
def test_numbers_are_those_of_the_papers(name: str, reference: Path) -> None:
    """A second reading, of the papers' text as it was extracted: each number stands in the lines of its table, as often."""
    path = reference.parent / "papers" / f"{name.partition('-')[0]}.txt"
    if not path.is_file():
        pytest.skip(f"no text of papers: {path} is not there")
    text, number = path.read_text("utf-8"), name.rpartition("table")[2]
    begin = re.search(rf"Table {number}[.:] ", text)
    assert begin is not None
    printed = Counter(float(cell) for cell in re.findall(r"\d+(?:\.\d+)?", text[begin.end() : begin.end() + 3500]))
    table = reported(table=name)
    scale = np.where(table["metric"].isin(COUNTS), 1, 100)
    ours = Counter([*np.round(table["reported"] * scale, 4), *np.round(table["sd"].dropna() * 100, 4)])
    assert not ours - printed


def test_the_mean_of_attacks_is_that_of_the_attacks() -> None:
    """Of Table 4 of Ha et al., to the last digit printed; three of its rows are off by 0.2 points in print, as their protocol says."""
    table = reported(table="ha2023-table4")
    wide = table.pivot_table(index="architecture", columns="metric", values="reported")
    off = (wide[["pgd", "cw", "spsa", "lgv", "autoattack"]].mean(axis=1) - wide["mean of attacks"]).round(3)
    assert off[off != 0].to_dict() == {"advrush": -0.002, "drnas": 0.002, "gradnorm": 0.002}
    assert "of advrush, drnas and gradnorm" in table["protocol"].iloc[0]


def test_an_architecture_is_found_by_its_name() -> None:
    trnas = reported("TRNAS")
    assert set(trnas["table"]) == {"Table 2", "Table 3", "Table 4", "Table 5", "Table 6"}
    assert DARTS.parse(trnas["genotype"].iloc[0]) == DARTS.parse("trnas")
    assert "of another run" in trnas["remark"].iloc[0]
    (value,) = reported("trnas", table="yang2025-table2").query("metric == 'autoattack@8/255'")["reported"]
    assert value == 0.5176
    assert reported("pc_darts", table="ha2023-table3").query("dataset == 'cifar10' and metric == 'clean'")["sd"].tolist() == [0.0016]
    transferred = reported("zcprob", table="yang2025-table4").set_index("attacker")["reported"]
    assert transferred["trnas"] == pytest.approx(1 - 0.3707), "the paper's text says how often the attack succeeds"


def test_genotypes_are_of_architectures_that_others_published() -> None:
    """Ha et al. ran the searches themselves, and found others, even where they are called the same."""
    table = reported()
    known = set(table.loc[table["genotype"] != "", "architecture"])
    assert known == set(GENOTYPES)
    assert (table.loc[table["paper"].str.startswith("Ha"), "genotype"] == "").all()
    assert (table.loc[table["genotype"] == "", "remark"] != "").all(), "which says why"
    assert set(REMARKS) <= set(table["architecture"])


def test_what_is_not_reported_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"'trnass' is not in the papers' tables. Did you mean 'trnas'"):
        reported("trnass")
    with pytest.raises(InvalidArgument, match=r"'yang2025-table7' is not a table of found architectures"):
        reported(table="yang2025-table7")

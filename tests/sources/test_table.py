"""Anyone's own table: `import_csv` and `robbench import csv`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import (
    Contradiction,
    InvalidArgument,
    LevelNotMeasured,
    NotMeasured,
    RobBenchError,
    SourceError,
    StoreError,
    UnknownSpace,
)
from robbench.measurements.metrics import LEVEL_TOLERANCE
from robbench.sources import import_csv, import_source
from robbench.spaces import SearchSpace
from robbench.spaces.nb201 import NB201
from robbench.store import Store, verify
from robbench.store.arrays import Name
from tests.sources.published import CELL, NATS_HEADER, evaluated, isomorphic, nats_rows, snapshot, write_csv
from tests.toy_space import TOY

FIRST, SECOND, THIRD = (CELL[index] for index in evaluated()[:3])
SAID: dict[str, Any] = {
    "dataset": "cifar10",
    "training": "standard",
    "citation": "Doe and Roe: Robust cells. 2024.",
    "percent": False,
    "space": "nb201",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.csv"


def refused(file: Path, store: Path, message: str, error: type[RobBenchError] = SourceError, **said: Any) -> None:
    """Assert that the import fails with this message, and leaves the store's folder as it was."""
    before = snapshot(store.parent)
    with pytest.raises(error, match=message) as caught:
        import_csv(file, store, **{**SAID, **said})
    assert caught.type is error
    assert snapshot(store.parent) == before


def test_metrics_of_every_kind_come_back_by_their_grammar(file: Path, new_store: Path) -> None:
    header = ["synflow", "pgd@2/255", "arch", "clean", "pgd@1/255", "fog@3", "clean:validation_accuracy", "raspi4_latency", "training_loss"]
    rows = [[4.5, 0.25, FIRST, 0.9, 0.5, 0.75, 0.8, 1.5, 0.1], ["", 0.125, SECOND, 0.8, 0.25, 0.5, "", 2.5, 0.2]]
    report = import_csv(write_csv(file, header, rows), new_store, **SAID)
    bench = RobBench(new_store)
    assert verify(new_store)
    assert len(report.changes.added) == 7
    for row, arch in ((0, FIRST), (1, SECOND)):
        asked = ["synflow", "pgd@2/255", None, "clean", "pgd@1/255", "fog@3", None, "raspi4_latency", "training_loss"]
        for column, metric in enumerate(asked):
            if metric is not None and rows[row][column] != "":
                assert bench.query(arch, metric) == rows[row][column]
    assert bench.query(FIRST, "clean", measure="validation_accuracy") == 0.8
    assert bench.query(FIRST, "hrs-pgd", eps=1 / 255) == pytest.approx(2 * 0.9 * 0.5 / 1.4)
    with pytest.raises(NotMeasured, match="synflow of cifar10"):
        bench.query(SECOND, "synflow")
    with pytest.raises(NotMeasured, match=r"nothing was measured of .* among the 2 of"):
        bench.query(THIRD, "clean")
    with pytest.raises(LevelNotMeasured, match="Measured: 1/255, 2/255"):
        bench.query(FIRST, "pgd", eps=4 / 255)
    with Store(new_store) as store:
        header_of = {(name.training, name.metric, name.measure): store.header(name) for name in store.names()}
    assert {training for training, metric, _ in header_of if metric in ("synflow", "raspi4_latency")} == {"untrained"}
    assert header_of["standard", "pgd", "accuracy"].axes == {"eps": [1 / 255, 2 / 255]}
    expected = {"source": SAID["citation"], "citation": SAID["citation"], "file": "mine.csv"}
    assert all(header.provenance == expected for header in header_of.values())


def test_percent_is_what_was_said_to_be_percent(file: Path, new_store: Path) -> None:
    write_csv(file, ["arch", "clean", "synflow"], [[FIRST, 93.1, 46.5]])
    import_csv(file, new_store, **{**SAID, "percent": True, "split": "x-test", "images": 5000})
    bench = RobBench(new_store)
    assert (bench.query(FIRST, "clean"), bench.query(FIRST, "synflow")) == (93.1 / 100, 46.5)
    (provenance,) = bench.explain(FIRST, "clean").sources.values()
    assert (provenance["split"], provenance["images"]) == ("x-test", 5000)


def test_every_spelling_of_an_architecture_is_read(file: Path, store: Path, new_store: Path) -> None:
    """Its text, NASLib's tuple with and without spaces, and the published index where the store carries it."""
    tuples = [str(SECOND.to_naslib()), str(THIRD.to_naslib()).replace(" ", "")]
    index = evaluated()[3]
    rows: list[list[object]] = [[FIRST, 0.5], [tuples[0], 0.25], [tuples[1], 0.125], [index, 0.75]]
    write_csv(file, ["arch", "clean"], rows)
    import_csv(file, store, **SAID)
    assert RobBench(store, dataset="cifar10").query_many([FIRST, SECOND, THIRD, CELL[index]], "clean").tolist() == [0.5, 0.25, 0.125, 0.75]
    refused(file, new_store, rf"mine\.csv, line 5: {index} is a number, so a published index, and store\.h5 carries no published index")
    write_csv(file, ["arch", "clean"], [[15625, 0.5]])
    refused(file, store, r"line 2: 15625 is a number, so a published index, and store\.h5 has no architecture of it; write")


def test_every_spelling_that_a_space_writes_it_also_reads() -> None:
    spaces: tuple[SearchSpace[Any], ...] = (NB201, TOY)
    for space in spaces:
        for arch in (space.members or ())[::100]:
            assert all(space.from_text(text) == arch for text in (str(arch), *space.spellings(arch).values()))


def test_seeds_come_back_by_number_whatever_their_order(file: Path, new_store: Path) -> None:
    write_csv(file, ["seed", "arch", "pgd@1/255"], [[9, FIRST, 0.5], [2, FIRST, 0.25], [9, SECOND, 0.125]])
    import_csv(file, new_store, **SAID)
    bench = RobBench(new_store)
    assert [bench.query(FIRST, "pgd", eps=1 / 255, seed=seed) for seed in (2, 9)] == [0.25, 0.5]
    assert bench.query(FIRST, "pgd", eps=1 / 255) == 0.375
    assert bench.query(SECOND, "pgd", eps=1 / 255) == 0.125


def test_a_line_may_stand_for_all_of_a_class(file: Path, store: Path) -> None:
    one, other = (CELL[index] for index in isomorphic(evaluated()[0])[:2])
    write_csv(file, ["arch", "clean"], [[other, 0.5]])
    import_csv(file, store, **SAID, rows="class")
    assert RobBench(store, dataset="cifar10").query(one, "clean") == 0.5
    write_csv(file, ["arch", "clean"], [[other, 0.5], [one, 0.5]])
    refused(file, store, rf"line 3: {re.escape(str(one))}, or one of its class, is on line 2, too; expected each once", rows="class")


def test_a_table_of_another_space(file: Path, toy_store: Path, new_store: Path) -> None:
    arch = TOY.members[3]
    write_csv(file, ["arch", "clean"], [[arch, 0.5]])
    import_csv(file, new_store, **{**SAID, "space": TOY.name})
    assert RobBench(new_store).query(arch, "clean") == 0.5
    import_csv(file, new_store, **{**SAID, "space": None, "dataset": "other"})
    assert RobBench(new_store, dataset="other").query(arch, "clean") == 0.5
    refused(file, new_store, "is of the search space .*toy.*, and mine.csv is of NAS-Bench-201", StoreError)
    refused(file, new_store, "'nb203' is not a search space", UnknownSpace, space="nb203")


def test_published_sources_join_a_table_and_the_other_way_round(file: Path, tmp_path: Path) -> None:
    write_csv(file, ["arch", "clean"], [[FIRST, 0.5], [SECOND, 0.25]])
    published = write_csv(tmp_path / "nats_bench.csv", NATS_HEADER, nats_rows())
    orders = []
    for order in ("csv first", "csv last"):
        store = tmp_path / f"{order}.h5"
        if order == "csv first":
            import_csv(file, store, **SAID)
        import_source("natsbench", published, store)
        if order == "csv last":
            import_csv(file, store, **SAID)
        bench = RobBench(store)
        assert bench.query_many([FIRST, SECOND], "clean", training="standard").tolist() == [0.5, 0.25]
        orders.append(bench.query_many(range(0, 15625, 97), "clean", training="nb201-200"))
    assert np.array_equal(orders[0], orders[1])


def test_gaps_are_filled_by_the_same_citation_only(file: Path, new_store: Path) -> None:
    write_csv(file, ["arch", "clean"], [[FIRST, 0.5], [SECOND, ""]])
    import_csv(file, new_store, **SAID)
    write_csv(file, ["arch", "clean"], [[SECOND, 0.25]])
    refused(file, new_store, "fill gaps with numbers of another source", Contradiction, citation="Someone else")
    assert import_csv(file, new_store, **SAID).changes.filled == [Name("cifar10", "standard", "clean", "accuracy")]
    assert RobBench(new_store).query_many([FIRST, SECOND], "clean").tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            "pdg@1/255",
            r"the column 'pdg@1/255' is no metric: 'pdg' is not a metric\. Did you mean 'pgd'.*leave it out: skip=\['pdg@1/255'\] \(--skip\)",
        ),
        ("pgd", r"the column 'pgd' does not say its eps; expected one such as 'pgd@1/255'"),
        ("fog", r"the column 'fog' does not say its severity; expected one such as 'fog@3'"),
        ("fog@6", r"the column 'fog@6' is no metric: '6' is not a level of fog"),
        ("pgd@-1/255", "the column 'pgd@-1/255' is no metric: .*is not a distance"),
        ("pgd@8", "the column 'pgd@8' is no metric: .*8 grey levels are eps=8/255"),
        ("pgd@nan", "the column 'pgd@nan' is no metric"),
        ("mean_corruption", "the column 'mean_corruption' is not measured but computed"),
        ("kernel_parameters", "is not measured but computed"),
        ("clean:confusion", "the column 'clean:confusion' is not one number an architecture; expected accuracy"),
        ("clean", "has the column 'clean' twice"),
        ("apgd-ce@0.00392156863", "the columns 'apgd@1/255' and 'apgd-ce@0.00392156863' are both apgd-ce@"),
        ("", "the column '' is no metric"),
    ],
)
def test_what_is_no_column_of_a_metric_is_refused(column: str, message: str, file: Path, store: Path) -> None:
    assert LEVEL_TOLERANCE > 1e-9
    write_csv(file, ["arch", "clean", "apgd@1/255", column], [[FIRST, 0.5, 0.5, 0.5]])
    refused(file, store, rf"mine\.csv.*{message}")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([FIRST, "8_5", 1], "line 3, clean is '8_5'; expected a number"),
        ([FIRST, "true", 1], "line 3, clean is 'true'; expected a number"),
        ([FIRST, " 0.5", 1], "line 3, clean is ' 0.5'; expected a number"),
        ([FIRST, "٠.٥", 1], "line 3, clean is '٠.٥'; expected a number"),
        ([FIRST, "nan", 1], "line 3, clean is 'nan'; expected a number"),
        ([FIRST, "9" * 5000, 1], "line 3, clean is '9{119}…; expected a number"),
        ([FIRST, 93.5, 1], r"line 3, clean is '93\.5'; expected an accuracy, a fraction in \[0, 1\]"),
        ([FIRST, 0.5, -5], r"line 3, fpga_latency is '-5'; expected at least 0 \(its unit is ms\)"),
        (["|none~0|", 0.5, 1], r"line 3: '\|none~0\|' "),
        (["", 0.5, 1], "line 3: ''"),
        (["(4, 0, 5, 1, 4, 3)", 0.5, 1], "line 3: 5 on edge 0→3 of the NASLib tuple"),
        ([SECOND, 0.5, 1], r"line 3: .* is on line 2, too; expected each once, or a column 'seed' that tells them apart"),
        ([FIRST, 0.5], "line 3, does not have one field for each column"),
    ],
)
def test_errors_name_the_line_and_the_column(row: list[object], message: str, file: Path, store: Path) -> None:
    write_csv(file, ["arch", "clean", "fpga_latency"], [[SECOND, 0.5, 1], row])
    refused(file, store, rf"mine\.csv, {message}" if message.startswith("line 3, does") else rf"mine\.csv[:,] {message}")


@pytest.mark.parametrize("seed", ["", "-1", "1.5", "01", "1_0", "²", "9" * 19])
def test_what_is_no_seed_is_refused(seed: str, file: Path, store: Path) -> None:
    write_csv(file, ["arch", "seed", "clean"], [[FIRST, 1, 0.5], [SECOND, seed, 0.5]])
    refused(file, store, rf"mine\.csv, line 3: '{seed}' is not a seed; expected an integer of at least 0")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"percent": None}, r"say in what 'clean' is written: percent=True \(--percent\) for 0 to 100"),
        ({"training": None}, r"'clean' is of trained networks, so say how they were trained: training='standard'"),
        ({"citation": " "}, "citation=' ' does not say who measured"),
        ({"citation": "a\nb"}, "does not say who measured"),
        ({"citation": "\ud800"}, "does not say who measured"),
        ({"citation": "x" * 100_000}, "does not say who measured"),
        ({"dataset": "a\0b"}, "dataset=.* is not a name"),
        ({"training": "\udcff"}, "training=.* is not a name"),
        ({"training": "x" * 1000}, "training=.* is not a name"),
        ({"split": "a\nb"}, "split=.* is not a name"),
        ({"rows": "cell"}, "rows='cell' has no meaning"),
        ({"percent": "yes"}, "percent='yes' has no meaning"),
        ({"images": 0}, "images=0 is not a number of images"),
        ({"skip": ["notes"]}, r"skip='notes' is no column of mine\.csv; it has arch, clean"),
        ({"sedd": "seed"}, "import_csv has no option 'sedd'. Did you mean 'seed'"),
    ],
)
def test_what_is_said_of_the_file_is_checked(said: dict[str, Any], message: str, file: Path, store: Path) -> None:
    write_csv(file, ["arch", "clean"], [[FIRST, 0.5]])
    refused(file, store, message, InvalidArgument, **said)


def test_a_proxy_needs_neither_training_nor_percent(file: Path, new_store: Path) -> None:
    import_csv(write_csv(file, ["arch", "zen"], [[FIRST, 3]]), new_store, dataset="cifar10", citation="own")
    assert RobBench(new_store).query(FIRST, "zen") == 3


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (["arch", "clean"], [], "holds no measurements"),
        (["arch"], [[FIRST]], "has no column of a metric"),
        (["net", "clean"], [[FIRST, 0.5]], "has the columns net, clean; expected arch"),
        (["arch", "clean", "fog@3"], [[FIRST, 0.5, ""]], "the column 'fog@3' is empty; leave it out"),
    ],
)
def test_a_table_without_measurements_is_refused(
    header: list[str], rows: list[list[object]], message: str, file: Path, store: Path
) -> None:
    refused(write_csv(file, header, rows), store, message)


def test_files_of_a_spreadsheet_are_read(file: Path, new_store: Path) -> None:
    """A byte order mark, and lines that end as on Windows."""
    file.write_bytes(f"\ufeffarch,clean\r\n{FIRST},0.5\r\n".encode())
    import_csv(file, new_store, **SAID)
    assert RobBench(new_store).query(FIRST, "clean") == 0.5

"""A folder of published files under any names: each is known for what it is, and all go into one store."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from robbench import RobBench
from robbench.errors import NotAStore, SourceError, StoreError
from robbench.sources import import_source
from robbench.sources.folders import Outcome, import_folder
from robbench.sources.recognising import recognised, what_is
from robbench.store import Store, verify
from tests.sources.published import CELL, NATS_HEADER, evaluated, jung, nats_rows, of_source, snapshot, write_csv
from tests.sources.test_tiny_robustbench import RECORDS

FIRST, SECOND = evaluated()[:2]
NET, OTHER = (str(CELL[index].to_naslib()) for index in (FIRST, SECOND))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "downloads"
    path.mkdir()
    return path


@pytest.fixture
def mixed(folder: Path) -> Path:
    """A file of every source under another name or in another place, and what is none."""
    for source in ("natsbench", "nbsuite_zero", "nasrobbench201", "hwnasbench"):
        of_source(source, folder)
    (folder / "deep").mkdir()
    of_source("jung2023", folder / "deep")
    (folder / "nats_bench.csv").rename(folder / "accuracies (1).csv")
    (folder / "hw_cifar10.csv").rename(folder / "deep" / "cifar10 latencies.csv")
    (folder / "robbench.json").rename(folder / "NAS-RobBench-201_all.json")
    for part in (0, 1):
        (folder / f"part{part}.json").write_text(json.dumps(RECORDS[part : part + 1]))
    (folder / "holiday.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "notes.csv").write_text("when,what\n1,2\n")
    (folder / "zc.csv.unexpected").write_text("net,zen\n1,2\n")
    return folder


def into(folder: Path, store: Path, **options: object) -> list[Outcome]:
    return list(import_folder(folder, store, **options))  # type: ignore[arg-type]


def by_name(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.path.name: outcome for outcome in outcomes}


def test_everything_that_is_known_goes_into_one_store_in_an_order_that_works(mixed: Path, tmp_path: Path, new_store: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in mixed.rglob("*")}
    outcomes = into(mixed, new_store)
    assert [outcome.path.name for outcome in outcomes if outcome.source is None] == ["holiday.jpg", "notes.csv"]
    imported = [(outcome.source, outcome.path.name) for outcome in outcomes if outcome.report]
    assert imported == [
        ("jung2023", "jung"),
        ("natsbench", "accuracies (1).csv"),
        ("nbsuite_zero", "zc_nasbench201_cifar10.csv"),
        ("nasrobbench201", "NAS-RobBench-201_all.json"),
        ("hwnasbench", "cifar10 latencies.csv"),
        ("tiny_robustbench", "downloads"),
    ]
    assert not [outcome.why for outcome in outcomes if outcome.why]
    apart = tmp_path / "apart.h5"
    for source in ("jung2023", "natsbench", "nbsuite_zero", "nasrobbench201", "hwnasbench"):
        import_source(source, of_source(source, tmp_path), apart)
    with Store(new_store) as together, Store(apart) as one_by_one:
        assert together.names() == one_by_one.names()
        assert together.default_dataset == "cifar10"
    bench = RobBench(new_store)
    assert (bench.query(FIRST, "clean"), bench.query(FIRST, "fpga_energy")) == (0.5, 0.5)
    darts = RobBench(new_store.with_stem("store-darts"))
    assert (darts.space.name, len(darts.classes)) == ("darts", 2)
    stores = snapshot(new_store.parent)
    assert not [outcome for outcome in into(mixed, new_store) if outcome.report and outcome.report.changes.added]
    assert snapshot(new_store.parent) == stores, "again changes nothing"
    assert {path: path.stat().st_mtime_ns for path in mixed.rglob("*")} == before


def versions(folder: Path) -> None:
    """Proxies of two networks in a table, and an early JSON with another value of one of them."""
    write_csv(folder / "zc_nasbench201_cifar10.csv", ["net", "zen"], [[NET, 0.5], [OTHER, 0.25]])
    (folder / "early.json").write_text(json.dumps({"cifar10": {NET: {"zen": {"score": 0.75}, "val_accuracy": 50.0}}}))


def test_versions_that_contradict_each_other_are_kept_apart_by_name(folder: Path, new_store: Path) -> None:
    versions(folder)
    outcomes = by_name(into(folder, new_store))
    assert outcomes["zc_nasbench201_cifar10.csv"].training is None
    assert outcomes["early.json"].training == "early.json"
    bench = RobBench(new_store)
    assert (bench.query(CELL[FIRST], "zen"), bench.query(CELL[FIRST], "zen", training="early.json")) == (0.5, 0.75)
    assert bench.query(CELL[FIRST], "clean", measure="validation_accuracy") == 0.5
    before = snapshot(new_store.parent)
    assert by_name(into(folder, new_store))["early.json"].training == "early.json"
    assert snapshot(new_store.parent) == before
    verify(new_store)


def test_under_one_name_a_contradiction_is_refused_and_says_how_to_go_on(folder: Path, new_store: Path) -> None:
    versions(folder)
    outcomes = by_name(into(folder, new_store, training="untrained"))
    assert outcomes["zc_nasbench201_cifar10.csv"].report
    why = outcomes["early.json"].why
    assert "for" in why
    assert "--training" in why
    assert why.endswith(f" take the other out first: `robbench remove {new_store} cifar10/untrained/zen`.")


def test_a_copy_is_imported_once(folder: Path, new_store: Path) -> None:
    path = of_source("hwnasbench", folder)
    shutil.copy(path, folder / "hw_cifar10 (copy).csv")
    assert len(into(folder, new_store)) == 1


def test_archives_are_read_as_they_were_published(folder: Path, tmp_path: Path, new_store: Path) -> None:
    files = of_source("jung2023", tmp_path)
    with zipfile.ZipFile(folder / "meta.zip", "w") as meta:
        meta.write(files / "meta.json", "meta.json")
    with zipfile.ZipFile(folder / "cifar10-accuracies.zip", "w") as accuracies:
        accuracies.write(files / "cifar10" / "clean_accuracy.json", "cifar10/clean_accuracy.json")
    (folder / "cifar100.zip").write_bytes(b"PK\x03\x04 cut short")
    outcomes = into(folder, new_store)
    assert "cifar100.zip is not a whole zip archive" in by_name(outcomes)["cifar100.zip"].why
    assert [outcome.path for outcome in outcomes if outcome.report] == [folder]
    assert RobBench(new_store).query(FIRST, "clean") == 0.5
    assert sorted(path.name for path in folder.iterdir()) == ["cifar10-accuracies.zip", "cifar100.zip", "meta.zip"]
    (folder / "meta.zip").unlink()
    of_source("hwnasbench", folder)
    refused = by_name(into(folder, new_store))["downloads"].why
    assert refused.startswith(f"{folder} has archives of jung2023 without meta.zip")


def test_an_archive_beside_what_is_unpacked_is_not_left_out_in_silence(folder: Path, new_store: Path) -> None:
    files = of_source("jung2023", folder)
    for name in ("meta.zip", "cifar10.zip", "cifar100-accuracies.zip"):
        (folder / name).write_bytes(b"PK\x03\x04")
    refused = {outcome.path.name: outcome.why for outcome in into(folder, new_store) if outcome.why}
    assert refused == {
        "cifar100-accuracies.zip": f"{folder}/cifar100-accuracies.zip is not unpacked, and others are; unpack it into {files}, as cifar100."
    }


def test_a_pickle_is_named_and_the_rest_imported(folder: Path, new_store: Path) -> None:
    (folder / "HW-NAS-Bench-v1_0.pickle").write_bytes(pickle.dumps({"nasbench201": 1}, protocol=4))
    of_source("hwnasbench", folder)
    outcomes = by_name(into(folder, new_store))
    assert "HW-NAS-Bench-v1_0.pickle is a Python pickle, by its first bytes" in outcomes["HW-NAS-Bench-v1_0.pickle"].why
    assert outcomes["hw_cifar10.csv"].report


def test_what_is_damaged_is_refused_by_its_own_name_and_the_rest_imported(folder: Path, new_store: Path) -> None:
    of_source("hwnasbench", folder)
    write_csv(folder / "my cifar100.csv", ["net", "zen"], [["(9, 0, 0, 0, 0, 0)", 0.5]])
    outcomes = by_name(into(folder, new_store))
    assert f"{folder}/my cifar100.csv: " in outcomes["my cifar100.csv"].why
    assert outcomes["hw_cifar10.csv"].report


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        (
            "proxies.csv",
            "net,zen\n1,2\n",
            r"is of nbsuite_zero, and its name does not say of which data set; call it zc_nasbench201_DATASET\.csv",
        ),
        ("latencies.csv", "net,fpga_energy\n1,2\n", r"is of hwnasbench, .* call it hw_DATASET\.csv"),
        ("clean.json", '{"cifar10": {"clean": {"accuracy": {"0": 0.5}}}}', r"is of jung2023, whose meta\.json is not beside its folder"),
        ("half.json", '{"cifar10": {"(4, 0, 3', r"half\.json is not whole, valid JSON: .*Download it again"),
    ],
)
def test_what_lacks_something_says_what(name: str, text: str, why: str, folder: Path) -> None:
    path = folder / name
    path.write_text(text)
    found = what_is(path)
    assert found.source is None
    assert re.search(why, found.why), found.why


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[1, 2]", '{"a": 1}', "a,b\n1,2\n", "net\n1\n", '{"cifar10": {}}', "\x00\x01", '"'])
def test_what_is_nothing_known_is_nothing(text: str, folder: Path) -> None:
    for name in ("a.json", "a.csv", "a"):
        (folder / name).write_text(text)
        assert what_is(folder / name).source is None


def test_a_folder_with_nothing_known_is_refused(folder: Path, new_store: Path) -> None:
    (folder / "holiday.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(SourceError, match=r"downloads holds no published file of jung2023, .*robbench fetch list"):
        into(folder, new_store)
    with pytest.raises(SourceError, match=r"absent is not a folder"):
        into(folder / "absent", new_store)
    of_source("hwnasbench", folder)
    with pytest.raises(SourceError, match=r"holds no published file of natsbench"):
        into(folder, new_store, only=["natsbench"])
    assert not new_store.exists()


def test_a_store_that_cannot_be_written_ends_it(folder: Path, new_store: Path) -> None:
    of_source("hwnasbench", folder)
    with pytest.raises(StoreError, match="absent is not a folder; make it first"):
        into(folder, new_store.parent / "absent" / "store.h5")
    new_store.write_text("no store")
    with pytest.raises(NotAStore):
        into(folder, new_store)
    assert new_store.read_text() == "no store"


def test_an_archive_for_which_there_is_no_room_is_named(
    folder: Path, tmp_path: Path, new_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = of_source("jung2023", tmp_path)
    with zipfile.ZipFile(folder / "meta.zip", "w") as meta:
        meta.write(files / "meta.json", "meta.json")
    of_source("hwnasbench", folder)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("robbench.sources.archives.shutil.copyfileobj", full)
    outcomes = by_name(into(folder, new_store))
    assert "meta.zip cannot be unpacked in" in outcomes["meta.zip"].why
    assert "No space left on device" in outcomes["meta.zip"].why
    assert [name for name, outcome in outcomes.items() if outcome.why] == ["meta.zip"]
    assert outcomes["hw_cifar10.csv"].report


def test_a_store_of_the_other_space_stays_of_it(mixed: Path, new_store: Path) -> None:
    into(mixed, new_store, only=["tiny_robustbench"])
    assert RobBench(new_store).space.name == "darts"
    into(mixed, new_store, only=["hwnasbench"])
    assert RobBench(new_store).space.name == "darts"
    assert RobBench(new_store.with_stem("store-nb201")).space.name == "nb201"


def test_the_reference_is_known_file_by_file(reference: Path) -> None:
    found = {one.path.name: one.source for one in recognised(reference)}
    expected = {
        "jung2023": "jung2023",
        "nats_bench.csv": "natsbench",
        "zc_nasbench201.json": "nbsuite_zero",
        "zc_nasbench201_cifar10.csv": "nbsuite_zero",
        "NAS-RobBench-201_html.json": "nasrobbench201",
        "hw_cifar10.csv": "hwnasbench",
        "hw_cifar100.csv": "hwnasbench",
        "robust_bench_seed_0_1000.json": "tiny_robustbench",
    }
    assert {name: found[name] for name in expected} == expected
    assert not [name for name, source in found.items() if source is None and name.endswith((".json", ".csv"))]


def test_a_table_is_known_by_its_checksum_whatever_it_is_called(reference: Path, folder: Path) -> None:
    """The published name of the proxies on cifar10 does not say the data set."""
    shutil.copy(reference / "nbsuite_zero" / "zc_nasbench201_cifar10.csv", folder / "nb201_zc_proxies.csv")
    found = what_is(folder / "nb201_zc_proxies.csv")
    assert (found.source, found.name) == ("nbsuite_zero", "zc_nasbench201_cifar10.csv")


def test_a_copy_of_natsbench_without_a_line_is_refused(folder: Path, new_store: Path) -> None:
    write_csv(folder / "short.csv", NATS_HEADER, nats_rows()[:-1])
    jung(folder / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5}})
    outcomes = by_name(into(folder, new_store))
    assert "short.csv has 15624 rows; expected 15625" in outcomes["short.csv"].why
    assert outcomes["jung"].report

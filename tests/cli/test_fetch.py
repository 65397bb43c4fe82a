"""`robbench fetch`, `robbench import FOLDER` and `robbench remove`, as they are typed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robbench import RobBench
from robbench.sources.published import PUBLISHED, File, Published
from tests.advice import file_of
from tests.cli.running import Run, answer
from tests.sources.published import CELL, evaluated, of_source, write_csv
from tests.sources.serving import Answer, Serving, serving

FIRST = CELL[evaluated()[0]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Serving]:
    """Two files of hwnasbench, of one of which nothing is known."""
    pytest.importorskip("requests", reason="comes with pooch: pip install 'robbench[fetch]'")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("ROBBENCH_CACHE", raising=False)
    content = of_source("hwnasbench", tmp_path).read_bytes()
    with serving() as running:
        running.answers["/hw_cifar10.csv"] = Answer(content)
        files = tuple(File(name, f"{running.url}/{name}", "https://example.org") for name in ("hw_cifar10.csv", "hw_cifar100.csv"))
        monkeypatch.setitem(PUBLISHED, "hwnasbench", Published("latencies", "MIT", "Li, 2021", "hwnasbench", files))
        yield running


def test_fetch_list_says_what_there_is_and_asks_nobody(run: Run) -> None:
    shown = answer(run("fetch", "list"))
    for name, published in PUBLISHED.items():
        assert f"{name}: {published.about}" in shown
        assert f"licence  {published.licence}" in shown
        assert all(file.checksum in shown for file in published.files)
    listed = json.loads(answer(run("fetch", "list", "--json")))
    assert {one["name"] for one in listed} == set(PUBLISHED)


def test_what_is_fetched_is_shown_first_checked_and_imported(run: Run, server: Serving, tmp_path: Path) -> None:
    server.answers["/hw_cifar100.csv"] = server.answers["/hw_cifar10.csv"]
    store = tmp_path / "everything.h5"
    result = run("fetch", "hwnasbench", "--cache", tmp_path / "cache", "--into", store)
    assert result.exit_code == 0, result.output
    at = [
        result.stdout.index(text)
        for text in ("cite     Li, 2021", "licence  MIT", "hwnasbench/hw_cifar10.csv: fetched; sha256", "1 arrays added")
    ]
    assert at == sorted(at)
    assert RobBench(store).query(FIRST, "fpga_energy") == 0.5
    shutil.copytree(tmp_path / "cache", tmp_path / "my cache")
    again = run("fetch", "hwnasbench", "--cache", tmp_path / "my cache").stdout
    assert "hw_cifar10.csv: was there" in again
    assert file_of(again.partition("all there; next: ")[2]) == tmp_path / "my cache", "what is advised is read so"


def test_what_does_not_come_is_told_and_the_rest_imported(run: Run, server: Serving, tmp_path: Path) -> None:
    assert server.url
    result = run("fetch", "hwnasbench", "--cache", tmp_path / "cache", "--into", tmp_path / "store.h5")
    assert result.exit_code == 1
    assert "hwnasbench/hw_cifar100.csv did not come: the server answered 404 Not Found. By hand: open https://example.org" in result.stdout
    assert "Error: 1 of 2 files did not come" in result.stderr
    assert RobBench(tmp_path / "store.h5").query(FIRST, "fpga_energy") == 0.5
    cache = tmp_path / "cache"
    found = json.loads(run("fetch", "hwnasbench", "--cache", cache, "--json").stdout)
    assert [sorted(one) for one in (*found["fetched"], *found["failed"])] == [["came", "known", "name", "path", "sha256"], ["name", "why"]]
    assert (found["cache"], found["import"]) == (str(cache), None)
    imported = json.loads(run("fetch", "hwnasbench", "--cache", cache, "--into", tmp_path / "store.h5", "--json").stdout)["import"]
    assert [one["unchanged"] for one in imported["imported"]] == [["cifar10/untrained/fpga_energy/value"]]


def test_fetching_nothing_or_something_unknown_is_refused(run: Run) -> None:
    assert run("fetch").exit_code == 2
    result = run("fetch", "natsbenhc")
    assert result.exit_code == 1
    assert "'natsbenhc' is nothing to fetch. Did you mean 'natsbench'" in result.stderr


def test_a_folder_is_imported_and_what_is_no_source_is_counted(run: Run, tmp_path: Path) -> None:
    folder, store = tmp_path / "files", tmp_path / "everything.h5"
    folder.mkdir()
    of_source("hwnasbench", folder)
    (folder / "notes.txt").write_text("when, what\n")
    shown = answer(run("import", folder, "--into", store))
    assert f"hwnasbench, {folder}/hw_cifar10.csv\n{store}: 1 arrays added" in shown
    assert "1 files are of no source: notes.txt" in shown
    again = answer(run("import", "hwnasbench", folder, "--into", store))
    assert "0 arrays added, 0 filled, 1 already there" in again


def test_a_source_of_one_file_takes_a_folder_and_a_name_to_keep_it_apart(run: Run, tmp_path: Path) -> None:
    of_source("hwnasbench", tmp_path)
    write_csv(tmp_path / "zc_nasbench201_cifar10.csv", ["net", "zen"], [[str(FIRST.to_naslib()), 0.5]])
    store = tmp_path / "store.h5"
    answer(run("import", "hwnasbench", tmp_path, "--into", store, "--training", "mine"))
    bench = RobBench(store)
    assert bench.query(FIRST, "fpga_energy", training="mine") == 0.5
    assert set(bench.metrics()["metric"]) == {"fpga_energy"}


def test_what_was_refused_is_on_stderr_and_the_status_says_so(run: Run, tmp_path: Path) -> None:
    of_source("hwnasbench", tmp_path)
    (tmp_path / "nats.pickle").write_bytes(b"\x80\x04}q\x00.")
    result = run("import", tmp_path, "--into", tmp_path / "store.h5")
    assert result.exit_code == 1
    assert "not imported: " in result.stderr
    assert "is a Python pickle" in result.stderr
    assert "Error: 1 files of " in result.stderr
    assert RobBench(tmp_path / "store.h5").query(FIRST, "fpga_energy") == 0.5


def test_what_became_of_each_file_is_told_to_programs(run: Run, tmp_path: Path) -> None:
    folder, store = tmp_path / "files", tmp_path / "store.h5"
    folder.mkdir()
    (folder / "nats.pickle").write_bytes(b"\x80\x04}q\x00.")
    (folder / "notes.txt").write_text("when, what\n")
    file = write_csv(of_source("hwnasbench", folder), ["net", "fpga_energy", "abacus"], [[str(FIRST.to_naslib()), 0.5, 1]])
    result = run("import", folder, "--into", store, "--json")
    assert (result.exit_code, result.stderr) == (1, f"Error: 1 files of {folder} were not imported; it says above why.\n")
    told = json.loads(result.stdout)
    (refused,) = told["refused"]
    assert (refused["path"], told["unknown"]) == (str(folder / "nats.pickle"), [str(folder / "notes.txt")])
    assert "is a Python pickle" in refused["why"]
    expected: dict[str, Any] = {
        "source": "hwnasbench",
        "path": str(file),
        "into": str(store),
        "kept_apart": None,
        "added": ["cifar10/untrained/fpga_energy/value"],
        "filled": [],
        "unchanged": [],
        "absent": [],
        "sentinels": {},
        "ignored": ["abacus"],
        "unreadable": [],
    }
    assert told["imported"] == [expected]
    again = json.loads(answer(run("import", "hwnasbench", file, "--into", store, "--json")))
    assert again == {
        "imported": [{**expected, "added": [], "unchanged": expected["added"]}],
        "refused": [],
        "unknown": [],
    }, "a source alone is told in the same words"


def test_neither_a_source_nor_a_folder(run: Run) -> None:
    result = run("import", "jung", "--into", "x.h5")
    assert result.exit_code == 2
    assert "'jung' is neither a source nor a folder. Did you mean 'jung2023'" in result.stderr


def test_remove_says_what_it_took_out(run: Run, tmp_path: Path) -> None:
    store = tmp_path / "store.h5"
    answer(run("import", "hwnasbench", of_source("hwnasbench", tmp_path), "--into", store))
    refused = run("remove", store, "cifar10/untrained/fpga_energi")
    assert refused.exit_code == 1
    assert "Did you mean 'cifar10/untrained/fpga_energy'" in refused.stderr
    assert json.loads(answer(run("remove", store, "cifar10/untrained/fpga_energy", "--json"))) == {
        "arrays": ["cifar10/untrained/fpga_energy/value"],
        "surrogates": [],
    }
    assert run("info", "--store", store).exit_code == 1
    answer(run("import", "hwnasbench", tmp_path / "hw_cifar10.csv", "--into", store))
    assert "1 arrays and 0 surrogates taken out\n  cifar10/untrained/fpga_energy/value" in answer(run("remove", store, "cifar10"))

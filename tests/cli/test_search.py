"""`robbench search`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from robbench import RobBench
from robbench.cli import main
from robbench.search.repeated import Run, repeat


def search(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["search", *map(str, arguments)], env={"ROBBENCH_STORE": ""} if "--store" in arguments else {})


def found(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_searches_the_embedded_store() -> None:
    answer = json.loads(found(search("evolution", "pgd@16/255", "--runs", 2, "--budget", 40, "--seed", 3, "--json")))
    bench = RobBench()
    runs = repeat("evolution", bench, "pgd@16/255", budget=40, runs=2, seed=3)
    assert [row["arch"] for row in answer["found"]] == [str(run.best) for run in runs]
    assert [row["pgd@16/255"] for row in answer["found"]] == [bench.query(row["arch"], "pgd@16/255") for row in answer["found"]]
    assert (answer["algorithm"], answer["seed"], answer["budget"], answer["space"]) == ("evolution", 3, 40, 15625)


def test_a_warm_up_has_a_proxy_and_a_pool() -> None:
    answer = json.loads(found(search("warmup", "pgd@16/255", "--proxy", "synflow", "--pool", 100, "--sample", 5, "--budget", 70, "--json")))
    options = {"warmup": 100, "sample": 5}
    (run,) = repeat("warmup", RobBench(), "pgd@16/255", budget=70, runs=1, proxy="synflow", options=options)
    assert answer["found"][0]["arch"] == str(run.best)
    too_large = search("random-warmup", "pgd@16/255", "--proxy", "synflow", "--pool", 20_000)
    assert too_large.exit_code == 1
    assert "a warm-up pool of 20000 is larger than the space of 15625 architectures" in too_large.stderr


def test_it_searches_among_what_was_measured() -> None:
    """Proxies of the embedded store belong to one cell of each class, and five of those ignore their input."""
    answer = json.loads(found(search("random", "synflow", "--budget", 40, "--json")))
    assert answer["space"] == 6461


def test_a_table_says_what_was_wanted_found_and_how_runs_differ(few_store: Path) -> None:
    text = found(search("random", "clean", "--store", few_store, "--runs", 3, "--budget", 20))
    assert text.startswith("random for clean (max): 3 runs of 20 queries, in ")
    values = [float(line.split()[-1]) for line in text.splitlines()[3:6]]
    assert f"mean {sum(values) / 3:.6g} ± " in text
    assert "mean" not in found(search("random", "clean", "--store", few_store, "--budget", 5))


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_search_that_is_interrupted_shows_the_runs_that_were_finished(
    more: list[str], few_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> Iterator[Run]:
        yield from islice(repeat(*arguments, **options), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr("robbench.cli.search.repeat", interrupted)
    result = search("random", "clean", "--store", few_store, "--runs", 9, "--budget", 20, "--out", tmp_path / "asked.csv", *more)
    assert (result.exit_code, result.stderr) == (1, "Error: interrupted: of 9 runs, these are the 2 that were finished.\n")
    runs = list(repeat("random", RobBench(few_store), "clean", budget=20, runs=2))
    assert all(str(run.best) in result.stdout for run in runs)
    assert pd.read_csv(tmp_path / "asked.csv")["run"].value_counts().to_dict() == {0: 20, 1: 20}


def test_a_search_that_is_interrupted_in_its_first_run_has_nothing_to_show(few_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Iterator[Run]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("robbench.cli.search.repeat", interrupted)
    result = search("random", "clean", "--store", few_store, "--runs", 9, "--budget", 20)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Aborted!" in result.stderr


def test_any_space_is_searched(toy_store: Path, toy_bench: RobBench) -> None:
    text = found(search("evolution", "pgd@1/255", "--store", toy_store, "--budget", 8))
    assert text.startswith("evolution for pgd@1/255 (max): 1 run of 8 queries, in 12 of 12 architectures\n")
    assert float(text.split()[-1]) == toy_bench.top("pgd@1/255", 1)["pgd@1/255"][0]


def test_what_counts_as_the_same_architecture_can_be_said(toy_store: Path, toy_bench: RobBench) -> None:
    spent = {}
    for identity in ("class", "exact"):
        arguments = (
            "nsga2",
            "clean",
            "edgegpu_latency",
            "--store",
            toy_store,
            "--budget",
            500,
            "--identity",
            identity,
            "--out",
            toy_store.parent / "h.csv",
        )
        found(search(*arguments))
        spent[identity] = len(pd.read_csv(toy_store.parent / "h.csv"))
    assert spent == {"class": len(toy_bench.classes), "exact": len(toy_bench.architectures)}


def test_several_metrics_have_a_front(few_store: Path) -> None:
    arguments = ("nsga2", "clean", "pgd@1/255", "--store", few_store, "--budget", 60, "--direction", "pgd@1/255=min")
    text = found(search(*arguments))
    assert "nsga2 for clean (max), pgd@1/255 (min): 1 run of 60 queries" in text
    points = [tuple(map(float, line.split()[-2:])) for line in text.splitlines()[3:]]
    assert points == sorted(points, reverse=True)
    assert len(points) > 1


def test_every_query_can_be_kept(few_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "history.csv"
    arguments = ("random", "clean", "--store", few_store, "--runs", 2, "--budget", 15, "--on-repeat", "charge", "--out", out)
    found(search(*arguments))
    table = pd.read_csv(out)
    assert list(table.columns) == ["run", "arch", "clean", "cost"]
    assert table["run"].tolist() == [0] * 15 + [1] * 15
    assert table["cost"].tolist() == [*range(1, 16)] * 2
    assert table["clean"].tolist() == RobBench(few_store).query_many(table["arch"].tolist(), "clean").tolist()


def test_a_proxy_and_noise_are_named(few_store: Path) -> None:
    assert "warmup for clean" in found(search("warmup", "clean", "--store", few_store, "--proxy", "synflow", "--budget", 3))
    noisy, plain = (found(search("random", "clean", "--store", few_store, "--budget", 3, *noise)) for noise in ([], ["--noise", "twin"]))
    assert noisy != plain


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["evolutoin", "clean"], 1, "CannotSearch: 'evolutoin' is not a search algorithm. Did you mean 'evolution'?"),
        (["random", "claen"], 1, "UnknownMetric: 'claen' is not a metric"),
        (["random", "clean", "--budget", 0], 1, "--budget 0 is not a budget"),
        (["random", "clean", "--budget", "many"], 2, "'many' is not a valid integer"),
        (["random", "clean", "--on-repeat", "chrage"], 2, "Invalid value for '--on-repeat'"),
        (["random", "clean", "--identity", "cell"], 2, "Invalid value for '--identity'"),
        (["random", "clean", "--runs", 0], 1, "--runs 0 is not a number of runs"),
        (["random", "clean", "--seed", -1], 1, "--seed -1 is not a seed"),
        (["random", "clean", "--seed", "x"], 2, "'x' is not a valid integer"),
        (["random", "clean", "pgd@1/255"], 1, "this algorithm searches one objective, and the oracle has 2"),
        (["random", "clean", "--direction", "claen=min"], 1, "'claen' is not a metric"),
        (["warmup", "clean", "--proxy", "flops"], 1, "NotMeasured: flops (value) of toy10 is not in few.h5"),
        (["random", "clean", "--pool", 10], 2, "random takes no --pool; of --proxy, --pool, --sample it takes none"),
        (["evolution", "clean", "--proxy", "synflow"], 2, "evolution takes no --proxy; of --proxy, --pool, --sample it takes --sample"),
        (["random"], 2, "Missing argument 'METRICS...'"),
        (["random", "clean", "--budget", 3, "--out", "no/such/folder.csv"], 1, "cannot be written"),
    ],
)
def test_what_means_nothing_is_refused(arguments: list[object], code: int, message: str, few_store: Path) -> None:
    result = search(*arguments, "--store", few_store)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_it_searches_between_levels_where_it_is_told(few_store: Path, few_bench: RobBench) -> None:
    arguments = ["random", "worst_case@1.5/255", "--budget", 3, "--store", few_store, "--json"]
    assert "was not measured at eps" in search(*arguments).output
    (best,) = json.loads(found(search(*arguments, "--interpolate")))["found"]
    assert best["worst_case@1.5/255"] == few_bench.query(best["arch"], "worst_case", eps="1.5/255", interpolate=True)

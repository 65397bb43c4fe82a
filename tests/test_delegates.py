"""The methods of a bench that are functions elsewhere."""

from __future__ import annotations

import copy
import inspect
import runpy
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest

import robbench
from robbench import InvalidArgument, NotMeasured, RobBench, analysis
from robbench.cli import main
from robbench.explore import explore
from robbench.papers import compare, overview, papers
from robbench.references import SOURCES, SPACES
from robbench.search.repeated import repeat, search
from robbench.showing import show
from robbench.sources import SOURCES as IMPORTED
from robbench.spaces import SPACES as KNOWN_SPACES
from robbench.spaces.nb201 import NB201
from robbench.store.arrays import Array
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.cli.running import ARCH
from tests.synthetic import array
from tests.toy_space import TOY

METHODS = {
    "correlate": analysis.correlations,
    "pareto": analysis.pareto_front,
    "best": analysis.best,
    "neighbors": analysis.neighbors,
    "anomalies": analysis.anomalies,
    "importance": analysis.importance,
    "show": show,
    "search": search,
    "explore": explore,
    "papers": papers,
}


def test_what_commands_do_methods_of_the_same_name_do() -> None:
    for name, function in METHODS.items():
        assert getattr(RobBench, name) is function
    ours = {
        "info",
        "import",
        "fit",
        "verify",
        "reported",
        "fetch",
        "remove",
        "judge",
    }  # about files, or with a face of their own
    assert all(hasattr(RobBench, name) for name in set(main.commands) - ours)


def test_a_command_interpolates_where_its_method_does(few_bench: RobBench) -> None:
    pytest.importorskip("matplotlib")
    figures = main.commands["plot"]
    assert isinstance(figures, click.Group)
    methods = {command: getattr(RobBench, name) for name, command in main.commands.items() if hasattr(RobBench, name)}
    methods |= {command: getattr(few_bench.plot, name) for name, command in figures.commands.items()}
    del methods[main.commands["plot"]], methods[main.commands["search"]]  # whose options are those of an oracle
    may = {command for command, method in methods.items() if "interpolate" in inspect.signature(method).parameters}
    does = {command for command in methods if any("--interpolate" in option.opts for option in command.params)}
    assert {command.name for command in may ^ does} == set()
    assert len(may) > 10
    oracle = [option.name for option in main.commands["search"].params]
    assert "interpolate" in oracle


def test_a_method_is_its_function_of_the_bench(few_bench: RobBench) -> None:
    pd.testing.assert_frame_equal(few_bench.pareto(["clean", "pgd@1/255"]), analysis.pareto_front(few_bench, ["clean", "pgd@1/255"]))
    pd.testing.assert_frame_equal(few_bench.pareto("clean"), analysis.pareto_front(few_bench, ["clean"]))
    pd.testing.assert_frame_equal(few_bench.best("clean", n=3)[["arch", "clean"]], few_bench.top("clean", 3)[["arch", "clean"]])
    pd.testing.assert_frame_equal(few_bench.anomalies(counts=True), analysis.anomaly_counts(few_bench))
    assert few_bench.pareto.__doc__ == analysis.pareto_front.__doc__
    assert next(iter(inspect.signature(few_bench.pareto).parameters)) == "metrics"
    with pytest.raises(InvalidArgument, match=r"pareto_front has no option 'direction'\. Did you mean 'directions'"):
        few_bench.pareto(["clean"], direction="max")


def test_a_search_is_the_first_run_of_the_command(few_bench: RobBench) -> None:
    options = {"budget": 40, "seed": 3, "noise": "twin"}
    (run,) = repeat("evolution", few_bench, "clean", runs=1, options={"population": 5}, **options)  # type: ignore[arg-type]
    found = few_bench.search("evolution", "clean", options={"population": 5}, **options)
    assert (found.front, found.oracle.queries) == (run.front, run.queries)
    assert len(few_bench.search("nsga2", ["clean", "pgd@1/255"], budget=30, options={"population": 6}).oracle.queries) == 30
    with pytest.raises(InvalidArgument, match=r"search has no option 'bugdet'\. Did you mean 'budget'"):
        few_bench.search("random", "clean", bugdet=3)


def test_papers_lists_or_compares(published: RobBench) -> None:
    pd.testing.assert_frame_equal(published.papers(), overview(published))
    pd.testing.assert_frame_equal(published.papers("jung2023-best").table, compare("jung2023-best", published).table)


def test_figures_are_methods_of_plot(few_bench: RobBench) -> None:
    pytest.importorskip("matplotlib")
    assert {"scatter", "boxes", "search", "best"} <= set(dir(few_bench.plot))
    assert set(main.commands["plot"].commands) == set(vars(few_bench.plot))  # type: ignore[attr-defined]
    figure = few_bench.plot.scatter("clean", "pgd@1/255", width=3)
    assert figure.get_size_inches()[0] == 3
    assert [line.get_label() for line in few_bench.plot.curves("pgd", ["3456", ARCH]).axes[0].lines] == [
        "3456",
        few_bench.space.key(few_bench.parse(ARCH)),
    ]
    assert copy.deepcopy(few_bench).plot is few_bench.plot


def test_text_of_digits_is_an_index(bench: RobBench, tmp_path: Path) -> None:
    assert bench.query("3456", "clean") == bench.query(3456, "clean")
    assert bench.parse(np.str_("3456")) == bench.parse(3456)
    assert bench.query_many(["3456", 3456], "clean").tolist() == [bench.query(3456, "clean")] * 2
    for text in ("15625", "9" * 30, "９", "-1", "1.0"):
        with pytest.raises(robbench.UnknownArchitecture):
            bench.query(text, "clean")


def test_several_metrics_that_are_fitted_together_are_a_list_or_joined(few_bench: RobBench) -> None:
    pytest.importorskip("sklearn")
    options = {"features": "operations", "columns": ["impurity"]}
    expected = few_bench.importance("clean+pgd@1/255", **options)
    pd.testing.assert_frame_equal(few_bench.importance(["clean", "pgd@1/255"], **options), expected)


def test_whole_arch_strings_are_seen(few_bench: RobBench) -> None:
    found = few_bench.top("clean", 3)
    for shown in (repr(found), found._repr_html_(), repr(found.head(1)), repr(few_bench.pareto("clean"))):  # type: ignore[operator]
        assert found["arch"][0] in shown
    oracle = few_bench.oracle("clean", budget=3)
    oracle(ARCH)
    assert ARCH in repr(oracle.history())


def test_metrics_say_what_they_are(bench: RobBench) -> None:
    said = {(row.dataset, row.training, row.metric, row.measure): (row.better, row.about) for row in bench.metrics().itertuples()}
    assert said["toy10", "standard", "pgd", "accuracy"] == ("higher", "projected gradient descent, L∞ (Madry et al., 2018)")
    assert said["toy10", "untrained", "edgegpu_latency", "value"][0] == "lower"
    assert (
        said["toy10", "standard", "clean", "confusion"][1]
        == "no perturbation: images of each label (rows) that got each prediction (columns)"
    )


def test_every_line_of_the_packages_tour_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert robbench.__doc__ is not None
    tour = robbench.__doc__.split("``bench.explore")[0]
    lines = [line[4:] for line in tour.splitlines() if line.startswith("    ")]
    assert len(lines) > 12
    (tmp_path / "tour.py").write_text("\n".join(lines), "utf-8")
    ran = runpy.run_path(str(tmp_path / "tour.py"))
    assert ran["oracle"].spent == 1


# Citations


def test_what_was_used_is_cited_once(published: RobBench) -> None:
    found = published.cite(["clean", "pgd@1/255", "mean_corruption"])
    assert [entry.split("{")[1].split(",")[0] for entry in found.split("\n\n")] == ["robbench", "dong2020nas", "jung2023neural"]
    assert "author = {Jung, Steffen and Lukasik, Jovita and Keuper, Margret}" in found
    assert published.cite("kernel_parameters").count("@") == 2, "what follows from the structure was measured by nobody"


def test_a_table_of_ones_own_is_cited_as_it_was_imported(tmp_path: Path) -> None:
    rows = Rows.of(NB201, NB201.members[:5])

    def of(name: str, citation: str) -> Array:
        made = array(name, np.full(len(rows.keys), 0.5))
        return made._replace(header=made.header._replace(provenance={"source": citation, "citation": citation}))

    extend(tmp_path / "mine.h5", rows, [of("toy standard clean accuracy", "Doe & Roe: 100%"), of("other standard clean accuracy", "Poe")])
    bench = RobBench(tmp_path / "mine.h5", dataset="toy")
    assert "@misc{source1,\n  note = {Doe \\& Roe: 100\\%},\n}" in bench.cite("clean")
    assert "Poe" not in bench.cite("clean")
    assert "@misc{source2,\n  note = {Doe" in bench.cite(), "everything"
    with pytest.raises(NotMeasured):
        bench.cite("pgd@1/255")


def test_every_source_and_space_has_a_reference_and_the_citation_file_has_them_all() -> None:
    assert set(SOURCES) == set(IMPORTED)
    assert set(SPACES) == set(KNOWN_SPACES) - {TOY.name}
    cited = (Path(__file__).parents[1] / "CITATION.cff").read_text("utf-8")
    for reference in (*SOURCES.values(), *SPACES.values()):
        authors = "".join(
            f"      - family-names: {family}\n        given-names: {given}\n"
            for family, given in (author.split(", ") for author in reference.authors)
        )
        assert f'    title: "{reference.title}"\n    authors:\n{authors}    year: {reference.year}\n' in cited
    assert SOURCES["hwnasbench"].line == (
        "Li, Yu, Fu, Zhang, Zhao, You, Yu, Wang, Hao, Lin: HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark. ICLR 2021."
    )

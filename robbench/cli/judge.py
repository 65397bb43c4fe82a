"""Report cards of methods."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robbench.bench import RobBench
from robbench.cli.options import Function, dataset_options, examples, json_option, store_option
from robbench.cli.tables import text_table

if TYPE_CHECKING:
    from robbench.judge import Report, Scores

WIDTH = 120
"""Of what is to be read, in characters; tables are as wide as they are."""


@click.group(epilog=examples("judge proxy nwot --metric clean --resamples 20 --no-adds"))
def judge() -> None:
    """What a method is worth: a report card, beside all that the store knows.

    A method is named module:name, for a name in module.py of the current folder, or in what is installed.  It is run as it is: judge what you trust.
    """


def printing_options(function: Function) -> Function:
    """--markdown and --json."""
    return click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")(json_option(function))


keep_option = click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for what is finished: a report that was cut goes on there, and a larger one takes what is there.",
)
seed_option = click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of all that is drawn.")


@judge.command(epilog=examples("judge proxy nwot --metric clean --resamples 20 --no-adds"))
@click.argument("what", nargs=-1, required=True)
@store_option
@click.option("--metric", "metrics", multiple=True, help="What to judge by; may be given again.  Every threat at one level if left out.")
@click.option("--dataset", "datasets", multiple=True, help="May be given again; the store's default if left out.")
@click.option("--lower-is-better", is_flag=True, help="Less of the score is taken for better.")
@click.option("--sample", type=click.IntRange(1), help="How many classes a function scores, drawn; all if left out.")
@click.option("--batch", type=click.IntRange(1), help="The function takes a list of up to so many architectures.")
@click.option("--limit", default=10.0, show_default=True, help="Seconds that a call of the function may take.")
@click.option("--top", default=0.1, show_default=True, help="The share of architectures that counts as the best.")
@click.option("--resamples", default=200, show_default=True, type=click.IntRange(1), help="Of the bootstraps.")
@click.option("--no-adds", is_flag=True, help="Leave out what the score adds to predictors, which takes longest.")
@seed_option
@printing_options
def proxy(what: tuple[str, ...], store: Path | None, as_json: bool, as_markdown: bool, **options: Any) -> None:
    """How well scores rank architectures: robbench judge proxy mine:score; robbench judge proxy scores.csv; robbench judge proxy synflow nwot.

    WHAT is module:name of a function from an architecture to a number; a CSV file with a column arch and one of scores, or FILE.csv:COLUMN; or a metric that the
    store holds.  Several are judged one after the other.
    """
    from robbench.judge import judge_proxy

    bench = RobBench(store)
    for one in what:
        scores = _scores(bench, one, **options)
        asked = {name: options[name] for name in ("metrics", "datasets", "top", "resamples", "seed")}
        _show(judge_proxy(bench, scores, adds=not options["no_adds"], **asked), as_json, as_markdown)


@judge.command(epilog=examples("judge search local --objective clean --beside random --budget 20 --runs 2"))
@click.argument("what")
@store_option
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    help="A metric, or several at once: clean+pgd@1/255.  May be given again; clean, attacks, … if left out.",
)
@click.option("--beside", multiple=True, help="An algorithm of the package; may be given again.  All if left out.")
@click.option("--budget", default=100, show_default=True, type=click.IntRange(1), help="Architectures that a run may ask for.")
@click.option("--runs", default=10, show_default=True, type=click.IntRange(1), help="Of each algorithm under each objective.")
@click.option("--noise", type=click.Choice(["twin"]), help="Accuracies are asked with the noise of training, and judged without.")
@click.option("--proxy", help="What guides the algorithms that are guided by a proxy.")
@click.option("--training", help="The training protocol.")
@click.option("--limit", default=60.0, show_default=True, help="Seconds that a run may take.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@keep_option
@seed_option
@printing_options
def search(what: str, store: Path | None, as_json: bool, as_markdown: bool, beside: tuple[str, ...], **options: Any) -> None:
    """How near a search comes to the best: robbench judge search mine:search; robbench judge search evolution --noise twin.

    WHAT is module:name of a function of an oracle, a space and a generator, or one of the package's own algorithms; all start from the same seeds.
    """
    from robbench.judge import judge_search

    _show(judge_search(RobBench(store), what, beside=beside or None, progress=True, **options), as_json, as_markdown)


@judge.command(epilog=examples("judge predictor ridge --metric clean --beside ridge --size 100 --splits 1"))
@click.argument("what")
@store_option
@click.option("--metric", "metrics", multiple=True, help="What to predict; may be given again.  Clean accuracy, attacks, … if left out.")
@click.option("--features", default="structure", show_default=True, help="What is learned from: sets joined by +, as for fit.")
@click.option("--beside", multiple=True, default=("ridge", "forest"), show_default=True, help="A kind of surrogate; may be given again.")
@click.option("--size", "sizes", multiple=True, type=click.IntRange(1), help="Architectures to learn from; may be given again.")
@click.option("--splits", default=3, show_default=True, type=click.IntRange(1), help="By groups of twins.")
@click.option("--limit", default=300.0, show_default=True, help="Seconds that a fit with its predictions may take.")
@keep_option
@dataset_options
@seed_option
@printing_options
def predictor(what: str, store: Path | None, as_json: bool, as_markdown: bool, **options: Any) -> None:
    """How well a predictor learns: robbench judge predictor mine:Model; robbench judge predictor forest.

    WHAT is module:name of a class with scikit-learn's fit and predict, or a kind of surrogate of the package.
    """
    from robbench.judge import judge_predictor

    _show(judge_predictor(RobBench(store), what, progress=True, **options), as_json, as_markdown)


def _scores(
    bench: RobBench,
    what: str,
    *,
    lower_is_better: bool,
    sample: int | None,
    batch: int | None,
    limit: float,
    seed: int,
    datasets: tuple[str, ...],
    **others: Any,
) -> Scores:
    from robbench.judge import Method, from_csv, from_store, live

    path, _, column = what.partition(".csv:")
    if what.endswith(".csv") or column:
        return from_csv(bench, Path(f"{path}.csv" if column else what), column or None, lower_is_better=lower_is_better)
    if ":" not in what:
        return from_store(bench, what, datasets[0] if datasets else None)
    function = Method(what).function
    return live(bench, function, what, sample=sample, seed=seed, limit=limit, batch=batch, lower_is_better=lower_is_better, progress=True)


def _show(report: Report, as_json: bool, as_markdown: bool) -> None:
    if as_markdown and as_json:
        raise click.UsageError("--markdown and --json are two ways of printing; give one of them.")
    if as_json:
        click.echo(report.json())
    elif as_markdown:
        click.echo(report.markdown(), nl=False)
    else:
        click.echo(_text(report))


def _text(report: Report) -> str:
    from robbench.judge.report import made_text

    lines = [f"{report.kind} {report.method}", *report.summary]
    lines += ["", "What went wrong:", *(f"- {fault}" for fault in report.faults)] if report.faults else []
    for section in report.sections:
        lines += ["", section.title.upper(), textwrap.fill(section.says, WIDTH), "", text_table(section.shown)]
    return "\n".join([*lines, "", textwrap.fill(f"Made with {made_text(report.made)}.", WIDTH)])


COMMANDS = (judge,)

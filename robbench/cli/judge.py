"""Report cards of methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robbench.bench import RobBench
from robbench.cli.options import TABLE_IMPORTED, Function, dataset_options, examples, json_option, store_option, stores_option
from robbench.errors import InvalidArgument, UnknownMetric

if TYPE_CHECKING:
    from robbench.judge import Report, Scores


@click.group(epilog=examples("judge proxy nwot --metric clean --resamples 20 --no-adds"))
def judge() -> None:
    """What a method is worth: a report card, beside all that the store knows.

    A method is named module:name, for a name in module.py of the current folder, or in what is installed.  It is run as it is: judge what you trust.
    """


def _checked_out(ctx: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse, before anything is computed, a file whose ending is none that reports are written in."""
    if path is not None:
        from robbench.judge.report import checked_form

        try:
            checked_form(path)
        except InvalidArgument as error:
            raise click.BadParameter(str(error), ctx, option) from error
    return path


def reporting(judging: Callable[..., Iterable[Report]]) -> Function:
    """A command that prints or writes the reports that a function gives: --out, --markdown and --json."""

    @wraps(judging)
    def command(*, out: Path | None, as_json: bool, as_markdown: bool, **options: Any) -> None:
        from robbench.judge.report import write

        if as_markdown and as_json:
            raise click.UsageError("--markdown and --json are two ways of printing; give one of them.")
        made = []
        for report in judging(**options):
            made.append(report)
            if as_json:
                click.echo(report.json())
            elif as_markdown:
                click.echo(report.markdown(), nl=False)
            elif out is None:
                click.echo(report.text())
        if out is not None:
            write(made, out)

    written = click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_checked_out,
        help="Write the report here: .html (one page with figures), .md, .json or .txt.",
    )
    return written(click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")(json_option(command)))


keep_option = click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for what is finished: a report that was cut goes on there, and a larger one takes what is there.",
)
workers_option = click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes; the result does not depend on how many."
)
seed_option = click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of all that is drawn.")


@judge.command(epilog=examples("judge proxy nwot --metric clean --resamples 20 --no-adds"))
@click.argument("what", nargs=-1, required=True)
@store_option
@click.option("--metric", "metrics", multiple=True, help="What to judge by; may be given again.  Every threat at one level if left out.")
@click.option("--dataset", "datasets", multiple=True, help="May be given again, or all; the store's default if left out.")
@click.option("--lower-is-better", is_flag=True, help="Less of the score is taken for better.")
@click.option("--sample", type=click.IntRange(1), help="How many classes a function scores, drawn; all if left out.")
@click.option("--batch", type=click.IntRange(1), help="The function takes a list of up to so many architectures.")
@click.option("--limit", default=10.0, show_default=True, help="Seconds that a call of the function may take.")
@click.option("--top", default=0.1, show_default=True, help="The share of architectures that counts as the best.")
@click.option("--resamples", default=200, show_default=True, type=click.IntRange(1), help="Of the bootstraps.")
@click.option("--no-adds", is_flag=True, help="Leave out what the score adds to predictors, which takes longest.")
@keep_option
@seed_option
@reporting
def proxy(what: tuple[str, ...], store: Path | None, **options: Any) -> Iterator[Report]:
    """How well scores rank architectures: robbench judge proxy mine:score; robbench judge proxy scores.csv; robbench judge proxy synflow nwot.

    WHAT is module:name of a function from an architecture to a number; a CSV file with a column arch and one of scores, or FILE.csv:COLUMN; or a metric that the
    store holds.  Several are judged one after the other.
    """
    return _proxies(RobBench(store), what, **options)


@judge.command(
    epilog=examples(
        "judge search local --objective clean --beside random --budget 20 --runs 2",
        *TABLE_IMPORTED,
        "copy digits.h5",
        "judge search local --store digits.h5 --store mine.h5 --objective clean --beside random --budget 20 --runs 2",
    )
)
@click.argument("what")
@stores_option
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    help="A metric, or several at once: clean+pgd@1/255.  May be given again; clean, attacks, … if left out.",
)
@click.option("--beside", multiple=True, help="An algorithm of the package; may be given again.  All if left out.")
@click.option("--budget", default=100, show_default=True, type=click.IntRange(1), help="Architectures that a run may ask for.")
@click.option("--runs", default=20, show_default=True, type=click.IntRange(1), help="Of each algorithm under each objective.")
@click.option("--noise", type=click.Choice(["twin"]), help="Accuracies are asked with the noise of training, and judged without.")
@click.option("--proxy", help="What guides the algorithms that are guided by a proxy.")
@dataset_options
@click.option("--limit", default=60.0, show_default=True, help="Seconds that a run may take.")
@workers_option
@keep_option
@seed_option
@reporting
def search(what: str, stores: tuple[Path, ...], dataset: str | None, beside: tuple[str, ...], **options: Any) -> Iterator[Report]:
    """How near a search comes to the best: robbench judge search mine:search; robbench judge search evolution --noise twin.

    WHAT is module:name of a function of an oracle, a space and a generator, or one of the package's own algorithms; all start from the same seeds.  On several
    stores, whatever their spaces, it is judged on each.
    """
    from robbench.judge import judge_search

    benches = [RobBench(store, dataset=dataset) for store in stores or (None,)]
    yield judge_search(benches, what, beside=beside or None, progress=True, **options)


@judge.command(epilog=examples("judge predictor ridge --metric clean --beside lukasik2023 --size 100 --splits 1"))
@click.argument("what")
@store_option
@click.option("--metric", "metrics", multiple=True, help="What to predict; may be given again.  Clean accuracy, attacks, … if left out.")
@click.option("--features", default="structure", show_default=True, help="What is learned from: sets joined by +, as for fit.")
@click.option(
    "--beside",
    multiple=True,
    help="A kind of surrogate, or lukasik2023, that paper's forest; may be given again.  If left out, ridge, forest, and lukasik2023 where the store has its proxies.",
)
@click.option("--size", "sizes", multiple=True, type=click.IntRange(1), help="Architectures to learn from; may be given again.")
@click.option("--splits", default=3, show_default=True, type=click.IntRange(1), help="By groups of twins.")
@click.option("--intervals", is_flag=True, help="Of the kinds of the package, too: these are then fitted six times.")
@click.option("--limit", default=300.0, show_default=True, help="Seconds that a fit with its predictions may take.")
@workers_option
@keep_option
@dataset_options
@seed_option
@reporting
def predictor(what: str, store: Path | None, beside: tuple[str, ...], **options: Any) -> Iterator[Report]:
    """How well a predictor learns: robbench judge predictor mine:Model; robbench judge predictor forest.

    WHAT is module:name of a class with scikit-learn's fit and predict, or a kind of surrogate of the package, or lukasik2023, that paper's forest of proxies.
    """
    from robbench.judge import judge_predictor

    yield judge_predictor(RobBench(store), what, beside=beside or None, progress=True, **options)


def _proxies(bench: RobBench, what: tuple[str, ...], *, no_adds: bool, datasets: tuple[str, ...], **options: Any) -> Iterator[Report]:
    """One report card after the other; of a metric, which each data set has for itself, one a data set."""
    from robbench.judge import judge_proxy

    asked = {name: options[name] for name in ("metrics", "top", "resamples", "seed", "keep")}
    held = bench.measurements.store.datasets()
    datasets = tuple(held) if datasets == ("all",) and "all" not in held else datasets
    each = [(one, some) for one in what for some in ([(dataset,) for dataset in datasets] if _is_metric(one) and datasets else [datasets])]
    scoring = [_scores(bench, one, datasets=some, **options) for one, some in each]  # says of all now what is wrong with one
    for (_, some), scores in zip(each, scoring, strict=True):
        yield judge_proxy(bench, scores(), adds=not no_adds, datasets=some, **asked)


def _is_metric(what: str) -> bool:
    return ":" not in what and not what.endswith(".csv")


def _scores(
    bench: RobBench,
    what: str,
    *,
    lower_is_better: bool,
    sample: int | None,
    batch: int | None,
    datasets: tuple[str, ...],
    seed: int,
    limit: float,
    keep: Path | None,
    **others: Any,
) -> Callable[[], Scores]:
    """What gives the scores; what is not computed but read is read at once."""
    from robbench.judge import Method, from_csv, from_store, live

    path, _, column = what.partition(".csv:")
    if what.endswith(".csv") or column:
        read = from_csv(bench, Path(f"{path}.csv" if column else what), column or None, lower_is_better=lower_is_better)
        return lambda: read
    if _is_metric(what):
        try:
            held = from_store(bench, what, datasets[0] if datasets else None)
            return lambda: held
        except UnknownMetric as error:
            raise InvalidArgument(f"{error} A function of your own is module:name, and a file of scores ends in .csv.") from error
    asked: dict[str, Any] = {"sample": sample, "seed": seed, "limit": limit, "batch": batch, "keep": keep}
    return partial(live, bench, Method(what).function, what, lower_is_better=lower_is_better, progress=True, **asked)


COMMANDS = (judge,)

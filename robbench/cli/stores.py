"""Making, extending and checking a store."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robbench.arguments import nearest
from robbench.bench import RobBench
from robbench.cli.options import BRING, TABLE_IMPORTED, dataset_options, examples, json_option, store_option
from robbench.sources import SOURCES, Report, import_csv, import_source
from robbench.store import verify as verify_store
from robbench.surrogates import fit as fit_surrogate

if TYPE_CHECKING:
    from robbench.sources.folders import Outcome

FOLDER = "FOLDER"
MOST_SAID = 20
"""Files of a folder of which it is said why they were not imported: an official release may be of 15,625 pickles."""

path_argument = click.argument("path", type=click.Path(path_type=Path))
into_option = click.option("--into", required=True, type=click.Path(path_type=Path), help="The store to make or extend.")


class _Sources(click.Group):
    """The commands of sources; a folder in place of one is looked through."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        known = args[0] in self.commands or ctx.resilient_parsing
        if not known and Path(args[0]).is_dir():
            return FOLDER, import_folder_, args
        if not known:
            near = nearest(args[0], self.commands)
            ctx.fail(f"{args[0]!r} is neither a source nor a folder.{near} Sources: {', '.join(self.commands)}.")
        return super().resolve_command(ctx, args)


@click.group(
    "import",
    cls=_Sources,
    subcommand_metavar="FOLDER | SOURCE PATH",
    epilog=examples(BRING, "query 3456 pgd@1/255 --store jung2023.h5", needs="published data"),
)
def import_() -> None:
    """Read published files, or a table of your own, into a store: all of a source, or nothing.

    Of a FOLDER, whatever is published data of any source, under any name: robbench import FOLDER --into everything.h5.

    While another process writes the same store, this one waits.
    """


def _import_command(source: str) -> click.Command:
    example = BRING.replace("jung2023", source)

    @click.command(
        source,
        epilog=examples(example, needs="published data"),
        help=f"{SOURCES[source].about[0].upper()}{SOURCES[source].about[1:]}.\n\nPATH is {SOURCES[source].file}.",
    )
    @path_argument
    @into_option
    @click.option("--training", help="Put the data under this training protocol's name.")
    @json_option
    def command(path: Path, into: Path, training: str | None, as_json: bool) -> None:
        if path.is_dir() and not SOURCES[source].is_folder:
            import_all(path, into, [source], training=training, as_json=as_json)
        else:
            _show(source, path, into, import_source(source, path, into, training=training, progress=True), as_json)

    return command


@click.command(FOLDER)
@path_argument
@into_option
@json_option
def import_folder_(path: Path, into: Path, as_json: bool) -> None:
    """All published files in a folder, whatever they are called, in an order that works, into one store.

    Versions of a source that contradict each other are both kept: the later one under the name of its file, as its training. Architectures of another search
    space go into a store beside this one.
    """
    import_all(path, into, as_json=as_json)


def import_all(
    folder: Path, into: Path, only: Collection[str] | None = None, *, training: str | None = None, as_json: bool = False
) -> None:
    """Import a folder, and say what became of each file; what was refused is click's error, after all others."""
    found = imported(folder, into, only, training=training, quiet=as_json)
    if as_json:
        click.echo(json.dumps(outcome_records(found)))
    refuse_if_any(folder, found)


def imported(
    folder: Path, into: Path, only: Collection[str] | None = None, *, training: str | None = None, quiet: bool = False
) -> list[Outcome]:
    """Import a folder; unless `quiet`, what became of each file is said when it has."""
    from robbench.sources.folders import import_folder

    found: list[Outcome] = []
    for outcome in import_folder(folder, into, only=only, training=training, progress=True):
        found.append(outcome)
        if quiet:
            continue
        if outcome.report is not None and outcome.into is not None:
            apart = f"\nit contradicts what was there, so it is kept apart: training {outcome.training!r}" if outcome.training else ""
            click.echo(f"{outcome.source}, {outcome.path}\n{_summary(outcome.report, outcome.into)}{apart}\n")
        elif outcome.why and len(_refused(found)) <= MOST_SAID:
            click.echo(f"not imported: {outcome.why}\n", err=True)
    unknown = [outcome.path.name for outcome in found if outcome.report is None and not outcome.why]
    if unknown and not quiet:
        click.echo(f"{len(unknown)} files are of no source: {', '.join(unknown[:5])}{', …' if len(unknown) > 5 else ''}")
    return found


def outcome_records(found: Iterable[Outcome]) -> dict[str, list[Any]]:
    """What became of files, as JSON can say it: what was imported and where to, what was refused and why, and what is of no source."""
    records: dict[str, list[Any]] = {"imported": [], "refused": [], "unknown": []}
    for outcome in found:
        where = {"source": outcome.source, "path": str(outcome.path)}
        if outcome.report is not None:
            changes = outcome.report.changes
            arrays = {name: list(map(str, getattr(changes, name))) for name in ("added", "filled", "unchanged")}
            left_out = {name: getattr(outcome.report, name) for name in ("absent", "sentinels", "ignored", "unreadable")}
            into = {"into": str(outcome.into), "kept_apart": outcome.training}
            records["imported"].append({**where, **into, **arrays, **left_out})
        elif outcome.why:
            records["refused"].append({**where, "why": outcome.why})
        else:
            records["unknown"].append(where["path"])
    return records


def refuse_if_any(folder: Path, found: Iterable[Outcome]) -> None:
    """Raise click's error if some files were not imported."""
    if refused := len(_refused(found)):
        raise click.ClickException(
            f"{refused} files of {folder} were not imported; it says above why{' of the first' if refused > MOST_SAID else ''}."
        )


def _refused(found: Iterable[Outcome]) -> list[Outcome]:
    return [outcome for outcome in found if outcome.report is None and outcome.why]


def _show(source: str, path: Path, into: Path, report: Report, as_json: bool) -> None:
    """Say what the import of one source did."""
    from robbench.sources.folders import Outcome

    click.echo(json.dumps(outcome_records([Outcome(path, source, into, report, None, "")])) if as_json else _summary(report, into))


@click.command("csv", epilog=examples(*TABLE_IMPORTED))
@path_argument
@into_option
@click.option("--dataset", required=True, help="What was measured on: cifar10, say.")
@click.option("--citation", required=True, help="Who measured, in one line; stored with every number.")
@click.option("--training", help="How the networks were trained: standard, or a name that says what differs.")
@click.option("--percent/--fraction", default=None, help="Accuracies are 0 to 100, or 0 to 1.")
@click.option("--space", help="The search space; the store's if left out, nb201 in a new one.")
@click.option(
    "--rows", default="exact", show_default=True, help="exact: a line is of this architecture; class: of all that count as the same."
)
@click.option("--arch", default="arch", show_default=True, help="The column that names the architecture.")
@click.option("--seed", default="seed", show_default=True, help="The column that names the seed, if there is one.")
@click.option("--skip", multiple=True, help="A column to leave out; may be given again.")
@click.option("--split", help="Which images: test, x-test; stored.")
@click.option("--images", type=int, help="How many images an accuracy is of; stored.")
@json_option
def import_table(path: Path, into: Path, as_json: bool, **options: Any) -> None:
    """Your own table: a CSV file with a column arch, and a metric in each other: clean, pgd@1/255, fog@3, synflow.

    An architecture is written as text, as NASLib's tuple, or as the published index where the store carries it. A column seed may tell networks of one
    architecture apart. An empty field is "not measured".
    """
    _show("csv", path, into, import_csv(path, into, progress=True, **options), as_json)


for _command in (*map(_import_command, SOURCES), import_table):
    import_.add_command(_command)


@click.command(
    epilog=examples(
        BRING,
        "fit jung2023.h5 --target clean+pgd@1/255 --model forest",
        "fit jung2023.h5 --target pgd@1/255 --features structure+clean+fgsm@1/255 --model boosting",
        needs="published data",
    )
)
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--target", "targets", multiple=True, required=True, help="A metric, or several joined by '+'; may be given again.")
@click.option(
    "--model",
    default="blend",
    show_default=True,
    help="forest, boosting, networks, blend; graph or ensemble, which take torch; of few: ridge, process, small.",
)
@click.option(
    "--features",
    default="structure",
    show_default=True,
    help="Feature sets, joined by '+'; a metric that is known of all architectures is one, such as clean or fgsm@1/255.",
)
@click.option(
    "--split", default="twin", show_default=True, help="twin; of few architectures folds: learn from all, judge by folds left out."
)
@click.option("--train", default=0.8, show_default=True, help="The share to learn from; of folds, the share of all but one.")
@dataset_options
@click.option("--seed", default=0, show_default=True, help="Of the split and of the model.")
@json_option
def fit(store: Path, targets: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Fit a surrogate to each target, and put it into STORE.

    A target without a level, such as pgd, is its whole curve: then any level in between is predicted, too.

    While another process writes the same store, this one waits.
    """
    scores: dict[str, Any] = {}
    for target in targets:
        surrogate = fit_surrogate(RobBench(store), target, progress=True, **options)
        surrogate.save(store)
        scores[surrogate.about.target] = surrogate.about.scores
        for output, found in surrogate.about.scores.items() if not as_json else ():
            click.echo(f"{output}: R² {found['r2']:.3f}, Kendall τ {found['kendall']:.3f} on {found['n']} architectures it has not seen")
    if as_json:
        click.echo(json.dumps(scores))


@click.command(epilog=examples("copy mine.h5"))
@click.argument("into", type=click.Path(path_type=Path))
@store_option
@json_option
def copy(into: Path, store: Path | None, as_json: bool) -> None:
    """Copy a store to the new file INTO, to put more into it: surrogates (robbench fit), or a table of your own (robbench import csv).

    Without --store it is the embedded one, which is part of the package and should stay as it is.
    """
    copied = RobBench(store).copy(into)
    size = copied.path.stat().st_size
    click.echo(json.dumps({"store": str(into), "bytes": size}) if as_json else f"{into}: {size / 1e6:.1f} MB")


@click.command(epilog=examples(*TABLE_IMPORTED, "verify mine.h5"))
@click.argument("store", type=click.Path(path_type=Path))
@json_option
def verify(store: Path, as_json: bool) -> None:
    """Read every byte of STORE and compare it with its manifest."""
    datasets = verify_store(store)
    click.echo(
        json.dumps({"store": str(store), "datasets": datasets}) if as_json else f"{store}: {datasets} datasets, all as they were written"
    )


def _summary(report: Report, into: Path) -> str:
    changes = report.changes
    lines = [f"{into}: {len(changes.added)} arrays added, {len(changes.filled)} filled, {len(changes.unchanged)} already there"]
    if report.sentinels:
        counts = ", ".join(f"{count} of {metric}" for metric, count in sorted(report.sentinels.items()))
        lines.append(f"published as failed or not measured, kept as missing: {counts}")
    if report.ignored:
        lines.append(f"fields that are not metrics, left out: {', '.join(report.ignored)}")
    if report.absent:
        lines.append(
            f"{len(report.absent)} published files were not there: {', '.join(report.absent[:3])}{', …' if len(report.absent) > 3 else ''}"
        )
    if report.unreadable:
        lines.append(f"{len(report.unreadable)} files could not be read, and nothing of them was taken:")
        lines += [f"  {problem}" for problem in report.unreadable]
    return "\n".join(lines)


COMMANDS = (import_, copy, fit, verify)

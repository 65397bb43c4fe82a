"""The group that all commands hang on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from typing import Any, cast

import click

from robbench.cli import analyse, ask, cite, explore, fetch, judge, papers, plot, remove, search, show, stores
from robbench.cli.options import ARCH, examples
from robbench.cli.wording import worded
from robbench.errors import RobBenchError
from robbench.version import __version__

SECTIONS: dict[str, tuple[str, ...]] = {
    "Ask a store": ("info", "query", "top", "table", "explain", "predict", "show", "explore"),
    "Compare": ("correlate", "pareto", "best", "neighbors", "anomalies", "importance", "papers", "reported"),
    "Search and judge": ("search", "judge"),
    "For a paper": ("plot", "cite"),
    "Make a store": ("fetch", "import", "copy", "fit", "remove", "verify"),
    "Measure it yourself": ("build", "proxies"),
}
"""Commands by what people do, as far as they are there; those of other packages come last."""


class _Group(click.Group):
    """Turns the library's errors into one line on stderr and exit status 1; takes in the commands of packages that stand on robbench."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *(point.name for point in entry_points(group="robbench.commands"))})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        for point in entry_points(group="robbench.commands", name=name):
            return cast(click.Command, point.load())
        return super().get_command(ctx, name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        held = self.list_commands(ctx)
        others = [name for name in held if not any(name in section for section in SECTIONS.values())]
        limit = formatter.width - 6 - max(map(len, held))
        for title, names in {**SECTIONS, "Other": tuple(others)}.items():
            commands = [(name, command) for name in names if name in held and (command := self.get_command(ctx, name))]
            if commands:
                with formatter.section(title):
                    formatter.write_dl([(name, command.get_short_help_str(limit)) for name, command in commands])

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _pipe_may_close():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _pipe_may_close():
                return super().invoke(ctx)
        except RobBenchError as error:
            raise click.ClickException(
                f"{type(error).__name__}: {worded(str(error), self.get_command(ctx, str(ctx.invoked_subcommand)))}"
            ) from error


@contextmanager
def _pipe_may_close() -> Iterator[None]:
    """End well where whoever reads the answer has read enough, such as ``| head``."""
    try:
        yield
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # stdout is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        raise click.exceptions.Exit(0) from None


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("info", f"query {ARCH} pgd@16/255", "plot scatter clean pgd@16/255 --out scatter.pdf"),
)
@click.version_option(__version__, prog_name="robbench")
def main() -> None:
    """The robustness of neural architectures: ask, compare, search, measure.

    Commands ask the embedded store unless --store or the environment's ROBBENCH_STORE names another.  `robbench COMMAND -h` shows examples that run.
    """


for _module in (ask, show, fetch, stores, remove, analyse, search, judge, papers, plot, cite, explore):
    for _command in _module.COMMANDS:
        main.add_command(_command)

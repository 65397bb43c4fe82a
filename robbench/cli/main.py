"""The group that all commands hang on."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, cast

import click

from robbench.cli import analyse, ask, explore, fetch, judge, papers, plot, remove, search, show, stores
from robbench.errors import RobBenchError
from robbench.version import __version__


class _Group(click.Group):
    """Turns the library's errors into one line on stderr and exit status 1; takes in the commands of packages that stand on robbench."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *(point.name for point in entry_points(group="robbench.commands"))})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        for point in entry_points(group="robbench.commands", name=name):
            return cast(click.Command, point.load())
        return super().get_command(ctx, name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RobBenchError as error:
            raise click.ClickException(f"{type(error).__name__}: {error}") from error


@click.group(cls=_Group)
@click.version_option(__version__, prog_name="robbench")
def main() -> None:
    """The robustness of neural architectures: ask, rank, explain."""


for _module in (ask, show, fetch, stores, remove, analyse, search, judge, papers, plot, explore):
    for _command in _module.COMMANDS:
        main.add_command(_command)

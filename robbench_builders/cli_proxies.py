"""`robbench proxies`: a few lines over `robbench_builders.proxies`."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from robbench_builders.options import data_option, device_option, space_option
from robbench.cli.options import ARCH, SECONDS_BEFORE_A_BAR, Function, examples

if TYPE_CHECKING:
    from robbench_builders.datasets import Dataset

_SPELLED = {"stem": "--no-stem", "stem_channels": "--stem-channels"}
"""Fields of skeletons whose option is called otherwise."""


_NETWORK = (
    click.option("--init", default="random", show_default=True, help="How weights are drawn: random, kaiming, xavier, gaussian."),
    click.option(
        "--batch-size", default=64, show_default=True, type=click.IntRange(1), help="Images; jacob_fro_10x256 and its like take 2560."
    ),
    click.option("--images", "part", default="train", show_default=True, type=click.Choice(["train", "test"]), help="Which they are."),
    click.option("--channels", default=16, show_default=True, type=click.IntRange(1), help="C of the macro skeleton."),
    click.option("--cells", type=click.IntRange(1), help="N of the macro skeleton of NAS-Bench-201; 5 if left out."),
    click.option("--layers", type=click.IntRange(1), help="Cells of a network of DARTS; 8 if left out."),
    click.option("--stem-channels", type=click.IntRange(1), help="Of the stem of WideResNets; 16 if left out."),
    click.option("--no-stem", is_flag=True, help="Of DARTS: images are the inputs of the first cell, as SWAP and R-Score are released."),
)


def network_options(function: Function) -> Function:
    """How untrained networks are made, and which images they see: --init, --batch-size, --images, --channels, --cells, --layers, --stem-channels, --no-stem."""
    for option in reversed(_NETWORK):
        function = option(function)
    return function


@click.command(epilog=examples(f"proxies {ARCH} --dataset digits --proxy synflow --proxy nwot"))
@click.argument("archs", nargs=-1, required=True, metavar="ARCH…")
@space_option
@click.option("--dataset", required=True, help="digits, cifar10, cifar100, ImageNet16-120, or npz:PATH.")
@click.option(
    "--proxy",
    "names",
    multiple=True,
    help="A proxy, such as synflow, nwot or croze, or module:name; may be repeated. If left out, all but those that are variants of another.",
)
@click.option("--seed", default=0, show_default=True, help="Draws the weights, the batch, and what proxies draw.")
@network_options
@device_option
@click.option("--json", "as_json", is_flag=True, help="As JSON, with failures and settings.")
@data_option
def proxies(
    archs: tuple[str, ...],
    space: str,
    dataset: str,
    names: tuple[str, ...],
    device: str,
    as_json: bool,
    data: Path | None,
    channels: int,
    cells: int | None,
    layers: int | None,
    stem_channels: int | None,
    no_stem: bool,
    **options: str | int,
) -> None:
    """Zero-cost proxies of untrained networks of architectures, given as arch strings, or however else their --space reads them.

    Trained networks are scored from Python: robbench_builders.proxies.score takes a stack of them, in eval mode, and a batch.
    """
    if find_spec("torch") is None:
        raise click.ClickException("proxies need torch: pip install 'robbench[builders]'")
    from robbench_builders.datasets import load
    from robbench_builders.devices import find_device
    from robbench_builders.own import own_proxy
    from robbench_builders.proxies import KNOWN, PROXIES, score_untrained
    from robbench.spaces import parse, space_named

    sizes = {"channels": channels, "cells": cells, "layers": layers, "stem_channels": stem_channels}
    parsed = [parse(space_named(space), arch) for arch in archs]
    images = load(dataset, data)
    with tqdm(total=len(set(names or PROXIES)), unit="proxy", delay=SECONDS_BEFORE_A_BAR, leave=False, file=sys.stderr) as bar:
        found = score_untrained(
            parsed,
            images,
            names or list(PROXIES),
            proxies={**KNOWN, **{name: own_proxy(name) for name in names if ":" in name}},
            skeleton=skeleton_of(space, images, {**sizes, "stem": False if no_stem else None}),
            device=find_device(device),
            notice=lambda name: bar.update(),
            **options,  # type: ignore[arg-type]
        )
    if as_json:
        values = [{name: None if value[k] != value[k] else value[k] for name, value in found.values.items()} for k in range(len(parsed))]
        click.echo(json.dumps({"values": dict(zip(archs, values, strict=True)), "failures": found.failures, "settings": found.settings}))
        return
    for k, arch in enumerate(archs):
        click.echo(arch)
        for name, value in found.values.items():
            click.echo(f"  {name:28}{'-' if value[k] != value[k] else f'{value[k]:.6g}'}")
    for name, reasons in found.failures.items():
        for reason, count in reasons.items():
            click.echo(f"{name} is missing for {count} of {len(parsed)}: {reason}", err=True)


def skeleton_of(space: str, images: Dataset, given: dict[str, int | bool | None]) -> Any:
    """The macro skeleton of networks of a space, with what was given of its size."""
    from robbench_builders.networks.families import kind_of

    kind = kind_of(space)
    known = {field.name for field in fields(kind)}
    size = {name: value for name, value in given.items() if value is not None}
    if others := [name for name in size if name not in known]:
        expected = " or ".join(_SPELLED.get(name, f"--{name}") for name in given if name in known)
        raise click.UsageError(f"networks of the space {space} have no {_SPELLED.get(others[0], f'--{others[0]}')}; expected {expected}.")
    return kind(**size, image_channels=images.image_shape[0], classes=images.num_classes)

"""`robbench build evaluate` and `robbench build transfer`: networks whose weights are in files; each a few lines over `robbench_builders.weights`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click
from tqdm import tqdm

from robbench_builders.options import checked_name, data_option, device_option, say, space_option
from robbench.cli.options import ARCH, examples, json_option


@click.command(
    epilog=examples(
        f"build evaluate cell.pth --arch {ARCH} --dataset cifar10 --data path/to/cifar10 --evaluation published --into mine.h5",
        needs="a checkpoint and CIFAR-10",
    )
)
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CHECKPOINT…")
@click.option("--into", required=True, type=click.Path(path_type=Path), help="The store to make or extend.")
@click.option("--dataset", required=True, help="digits, cifar10, cifar100, ImageNet16-120, or npz:PATH.")
@click.option("--evaluation", required=True, callback=checked_name, help="What networks are put through: published, …, or a TOML file.")
@space_option
@click.option("--arch", "archs", multiple=True, help="Of the CHECKPOINT, where its file does not say it; repeated, one for each.")
@click.option("--index", "indices", multiple=True, type=int, help="The same, by the published index.")
@click.option("--indexed-by", type=click.Path(path_type=Path), help="A store that carries the published index; --into, if left out.")
@click.option("--seed", type=int, help="Of the training, where the file does not say it.")
@click.option("--entry", "keys", multiple=True, help="A key that leads to the weights, in a file of several networks; may be repeated.")
@click.option("--training", default="published", show_default=True, help="What the store calls the networks' training.")
@click.option("--normalise", help="none, dataset, or MEAN,…/STD,…; as the file says, or as published for the data set, if left out.")
@click.option("--stack", default=1, show_default=True, type=click.IntRange(1), help="Networks evaluated at once.")
@device_option
@data_option
@json_option
def evaluate(
    checkpoints: tuple[Path, ...],
    into: Path,
    dataset: str,
    evaluation: str,
    space: str,
    archs: tuple[str, ...],
    indices: tuple[int, ...],
    indexed_by: Path | None,
    seed: int | None,
    keys: tuple[str, ...],
    training: str,
    normalise: str | None,
    stack: int,
    device: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """Attack and corrupt networks whose weights are in files, and put the results into a store.

    A CHECKPOINT is a published state_dict of NAS-Bench-201, alone or in the published dicts, or weights that `robbench build run
    --keep-weights` kept.  Nothing that a file says is run.  Stop it whenever you like; the same command goes on.
    """
    from robbench_builders.datasets import load
    from robbench_builders.devices import find_device
    from robbench_builders.planning import evaluation_named
    from robbench_builders.weights import checkpoints as found
    from robbench_builders.weights import evaluating, files

    for name, given in (("--arch", archs), ("--index", indices)):
        if given and len(given) != len(checkpoints):
            raise click.UsageError(
                f"{name} is given {len(given)} times for {len(checkpoints)} checkpoints; give it once for each, in their order."
            )
    if archs and indices:
        raise click.UsageError("--arch and --index both say the architecture; leave one out.")
    images, store = load(dataset, data), indexed_by or into
    named: list[str | None] = [*archs, *(str(found.at_index(store, index)) for index in indices)] or [None] * len(checkpoints)
    networks = [
        found.identified(entry, space=space, arch=arch, seed=seed, at_index=partial(found.at_index, store))
        for path, arch in zip(checkpoints, named, strict=True)
        for entry in files.chosen(files.read(path), images.name, keys)
    ]
    normalisation = None if normalise is None else found.normalisation_from(normalise, images)
    with tqdm(total=len(networks), unit="network", file=sys.stderr) as bar:
        done = evaluating.evaluate(
            networks, into, images, evaluation_named(evaluation),
            training=training, normalisation=normalisation, device=find_device(device), stack=stack, notice=bar.write,
        )  # fmt: skip
        for _ in done:
            bar.update()
    say(f"{into}: {len(networks)} networks evaluated", as_json, into=into, networks=len(networks))


@click.command(
    epilog=examples(
        "build transfer one.npz another.npz --dataset cifar10 --data path/to/cifar10 --out matrix.json", needs="checkpoints and CIFAR-10"
    )
)
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CHECKPOINT…")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The JSON file to write, or to go on with: matrices, and where they are from.",
)
@click.option("--dataset", required=True, help="digits, cifar10, cifar100, ImageNet16-120, or npz:PATH.")
@click.option("--evaluation", callback=checked_name, help="Whose attacks and eps; 20 steps of PGD of 2/255 within 8/255, if left out.")
@space_option
@click.option("--arch", "archs", multiple=True, help="Of the CHECKPOINT, where its file does not say it; repeated, one for each.")
@click.option("--entry", "keys", multiple=True, help="A key that leads to the weights, in a file of several networks; may be repeated.")
@click.option("--normalise", help="none, dataset, or MEAN,…/STD,…; as the file says, or as published for the data set, if left out.")
@click.option("--seed", default=0, show_default=True, help="Of the attacks.")
@device_option
@data_option
def transfer(
    checkpoints: tuple[Path, ...],
    out: Path,
    dataset: str,
    evaluation: str | None,
    space: str,
    archs: tuple[str, ...],
    keys: tuple[str, ...],
    normalise: str | None,
    seed: int,
    device: str,
    data: Path | None,
) -> None:
    """Attack each of the networks of CHECKPOINT…, and show the images to all: a matrix of source by target."""
    from robbench_builders import transfer_file
    from robbench_builders.datasets import load
    from robbench_builders.devices import find_device
    from robbench_builders.planning import evaluation_named
    from robbench_builders.transfer import TRANSFER
    from robbench_builders.weights import checkpoints as found
    from robbench_builders.weights import files

    if archs and len(archs) != len(checkpoints):
        raise click.UsageError(
            f"--arch is given {len(archs)} times for {len(checkpoints)} checkpoints; give it once for each, in their order."
        )
    images, named = load(dataset, data), archs or (None,) * len(checkpoints)
    networks = [
        found.identified(entry, space=space, arch=arch)
        for path, arch in zip(checkpoints, named, strict=True)
        for entry in files.chosen(files.read(path), images.name, keys)
    ]
    normalisation = None if normalise is None else found.normalisation_from(normalise, images)
    by = TRANSFER if evaluation is None else evaluation_named(evaluation)
    with tqdm(total=len(networks), unit="source", file=sys.stderr) as bar:
        done = transfer_file.transfer(
            networks, images, by, normalisation=normalisation, seed=seed, device=find_device(device), out=out, notice=bar.write,
            progress=lambda _: bar.update(),
        )  # fmt: skip
    click.echo(transfer_file.as_text(done))

"""The weights of a folder, one network a file or several: found for a plan, and loaded for its units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from robbench_builders.datasets import Dataset
from robbench_builders.errors import WeightsError
from robbench_builders.results import listing
from robbench_builders.weights import files
from robbench_builders.weights.checkpoints import Checkpoint, Normalisation, common, identified, loaded
from robbench_builders.weights.planned import Weights, key_of
from robbench.spaces import space_named

SUFFIXES = (".pth", ".pt", ".npz")
"""Of the files that are looked into."""


def found_in(folder: Path, dataset: str, *, space: str = "nb201", at_index: Callable[[int], Any] | None = None) -> dict[str, Checkpoint]:
    """The networks of a folder, by `key_of`, in the order of their files' names.

    Arguments:
        dataset: the name of the data set; of a file that tells data sets apart, only its networks are taken.
        space, at_index: as for `robbench_builders.weights.checkpoints.identified`.

    Raises:
        WeightsError: no such folder, none in it, a file that cannot be read or does not say what it is of, or two of one network.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES) if folder.is_dir() else []
    if not paths:
        raise WeightsError(f"{folder} holds no weights; expected a folder with files that end in {', '.join(SUFFIXES)}.")
    found: dict[str, Checkpoint] = {}
    for path in paths:
        for entry in files.chosen(files.read(path), dataset):
            one = identified(entry, space=space, at_index=at_index)
            if one.space != space:
                raise WeightsError(
                    f"{entry} is of the search space {one.space}; expected {space}: say --space {one.space}, or take it out of {folder}."
                )
            before = found.setdefault(key_of(str(one.arch), one.seed), one)
            if before is not one:
                raise WeightsError(f"{entry} and {before.entry} are both of {one.arch}, seed {one.seed}; take one out of {folder}.")
    return found


def weights_of(
    found: dict[str, Checkpoint],
    archs: Iterable[str],
    seeds: Sequence[int],
    dataset: Dataset,
    *,
    training: str = "published",
    normalisation: Normalisation | None = None,
) -> Weights:
    """What a plan says of some of these networks, each of which is read and compared with its architecture and the data set.

    Arguments:
        found: `found_in` a folder.
        archs, seeds: every architecture is evaluated with every seed.
        training: what a store calls the networks' training.
        normalisation: as for `robbench_builders.weights.checkpoints.loaded`.

    Raises:
        WeightsError: there is no file of one of them; or as `robbench_builders.weights.checkpoints.common`.
    """
    keys = [key_of(arch, seed) for arch in archs for seed in seeds]
    if missing := [key for key in keys if key not in found]:
        more = f", nor those of {len(missing) - 1} more networks" if len(missing) > 1 else ""
        raise WeightsError(
            f"no file has the weights of {missing[0]}{more}; put them into the folder, or leave these networks out of the plan."
        )
    chosen = [found[key] for key in keys]
    settings = common(chosen, dataset, normalisation)
    skeleton, normalised = settings["skeleton"], settings["normalisation"]
    return Weights(
        training,
        {name: value for name, value in skeleton.items() if name not in ("image_channels", "classes")},
        tuple(normalised["mean"]),
        tuple(normalised["std"]),
        {key: one.record for key, one in zip(keys, chosen, strict=True)},
    )


def load_planned(weights: Weights, folder: Path, space: str, archs: Sequence[str], seed: int, dataset: Dataset) -> list[Any]:
    """Networks of a plan, in eval mode, on the CPU.

    Raises:
        WeightsError: a file is not there, or is another than it was when the plan was made.
    """
    return [_load(weights, folder, space, arch, seed, dataset) for arch in archs]


def _load(weights: Weights, folder: Path, space: str, arch: str, seed: int, dataset: Dataset) -> Any:
    record = weights.file_of(arch, seed)
    path = folder / str(record["file"])
    entry = next((entry for entry in files.read(path) if "/".join(entry.keys) == record.get("entry", "")), None)
    if entry is None or entry.sha256 != record["sha256"]:
        raise WeightsError(
            f"{path} is another file than when the plan was made (sha256 {record['sha256']}); bring that back, or plan again."
        )
    one = Checkpoint(entry, space, space_named(space).parse(arch), seed)
    return loaded(one, dataset, None if entry.says_normalisation else (weights.mean, weights.std))


def refuse_absent(weights: Weights, folder: Path | None) -> None:
    """Do nothing where all files of a plan are in a folder; otherwise raise WeightsError."""
    if folder is None:
        raise WeightsError("the plan is of weights from files; say where they are: --weights FOLDER.")
    if listing.is_summed(weights.files):
        return
    names = dict.fromkeys(str(record["file"]) for record in weights.files.values())
    if absent := [name for name in names if not (folder / name).is_file()]:
        raise WeightsError(
            f"{folder} lacks {absent[0]}{f' and {len(absent) - 1} more' if len(absent) > 1 else ''}, of the plan; say where they are: --weights FOLDER."
        )

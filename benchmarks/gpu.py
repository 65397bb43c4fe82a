"""A GPU, tried and used in nine minutes: are its results the CPU's, how fast is it and what bounds it, and a store of small photographs.

    python -m benchmarks.gpu pack cifar10_jpeg cifar10_jpeg.npz [--train 12000] [--test 2000]
    python -m benchmarks.gpu all OUT --data cifar10_jpeg.npz [--device cuda] [--seconds 540]
    python -m benchmarks.gpu check | measure | build …                             one part alone

Needs torch, numpy, scipy, h5py, pandas, scikit-learn, click and tqdm; nothing is installed, the repository is used as it lies here.

pack      (where Pillow is, before) a folder of JPEGs, ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``, as an npz file: the first of every class.
          CIFAR-10 as JPEG is lossy, so the data set is called cifar10_jpeg, and its numbers are compared with no published ones.
check     a stack beside plain networks: logits, gradients, a step of training; every attack and proxy beside the CPU's.  Prints the largest
          difference of each and what is tolerated; the exit status is 1 where more was found.  Faster precisions beside the exact one: how many
          outcomes differ, which is shown and not judged.
measure   steps of training and of attacks for stacks of growing size: networks and images a second, the share of the time in which the GPU
          computes, and of its peak.  Below 70% busy, launches bound it; else arithmetic where that is over half of the peak, else memory.
build     units of a plan of all classes of NAS-Bench-201, drawn in random order of classes, as many as time allows, into OUT.  Run again, it goes on.
          A unit is one shard of some kilobytes a network.  `robbench build status OUT` and `merge` do the rest.

Each part has its share of the seconds (check a quarter, measure a quarter, build the rest); what it leaves out is said.  On a CPU all parts run
with ``--device cpu``, slowly; with ``--small``, which the tests run, on images that are noise.

docs/gpu.md has what it printed on an H200.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from robbench_builders.attacks import APGD, APGDDLR, APGDT, CW, FABT, FGSM, PGD, SPSA, DeepFool, InPrecision, Square
from robbench_builders.attacks.base import Attack, ascent
from robbench_builders.datasets import Dataset, load
from robbench_builders.devices import find_device, stack_for
from robbench_builders.evaluate import clean_outcomes, robust_outcomes
from robbench_builders.evaluations import Evaluation
from robbench_builders.networks.darts import DartsNetwork, DartsSkeleton
from robbench_builders.networks.families import stacked
from robbench_builders.networks.frozen import FrozenStack
from robbench_builders.networks.plain import Network, flops
from robbench_builders.networks.stacked import StackedNetwork
from robbench_builders.plan import Plan
from robbench_builders.plan_file import write_plan
from robbench_builders.precision import PRECISIONS, computing, exact_convolutions
from robbench_builders.proxies import PROXIES, score
from robbench_builders.recipes import RECIPES, Recipe
from robbench_builders.results import shards
from robbench_builders.run import prepare_process, run, todo
from robbench_builders.train import fit, generator, train
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import Cell

NAME = "cifar10_jpeg"
EPS = (1 / 255, 4 / 255)
ATTACKS: dict[str, Attack] = {
    "fgsm": FGSM(), "pgd": PGD(steps=10, relative_step=1 / 4), "apgd-ce": APGD(steps=10), "square": Square(queries=100), "cw": CW(steps=10),
    "apgd-dlr": APGDDLR(steps=10), "apgd-t": APGDT(targets=2, steps=10), "fab-t": FABT(targets=2, steps=10), "deepfool": DeepFool(steps=10),
    "spsa": SPSA(steps=5, samples=8),
}  # fmt: skip
PHOTOGRAPHS = Evaluation(
    "photographs", {"fgsm": FGSM(), "pgd": PGD(steps=10, relative_step=1 / 4)}, tuple(levels / 255 for levels in (0.5, 1, 2, 4, 8)), images=500,
    proxies={name: PROXIES[name] for name in (
        "grad_norm", "snip", "fisher", "synflow", "nwot", "jacov", "epe_nas", "zen", "jacob_fro", "croze", "r_score_psi", "r_score_phi",
    )},
)  # fmt: skip
"""Of the build: what is quick, at the levels of small photographs."""
TOLERATED = {"logits": 1e-3, "gradients": 1e-3, "training": 1e-2, "outcomes": 0.02, "proxies": 0.02}
"""Of the largest value: relative differences of logits, gradients, losses and proxies; and the share of outcomes that may differ."""
# Dense peaks in float32 (TF32 off); NVIDIA's data sheets.
PEAK_FLOPS = {"H200": 67e12, "H100": 67e12, "A100": 19.5e12, "L4": 30.3e12, "T4": 8.1e12}


@dataclass(frozen=True)
class Size:
    """How much is done."""

    recipe: Recipe
    networks: int
    """That are checked, of one cell a stage, on so many images."""
    images: int
    batch: int
    """Images whose gradients are measured at once."""
    stacks: tuple[int, ...]
    steps: int
    """Of training, before networks are checked: enough that attacks matter."""
    proxies: tuple[str, ...] = tuple(PROXIES)


FULL = Size(RECIPES["nb201-12"], 3, 48, 256, (1, 2, 4, 8, 16, 32, 64), 200)
SMALL = Size(replace(RECIPES["digits"], name="small", batch_size=8, epochs=1), 2, 8, 8, (1, 2), 4, ("snip", "hessian", "synflow"))


class Clock:
    """What is left of a budget, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        return self.end - time.perf_counter()

    def each(self, what: str, things: Sequence[Any]) -> Iterator[Any]:
        """The things, as long as there is time; says which were left out."""
        for at, thing in enumerate(things):
            if self.left <= 0:
                print(f"left out for lack of time: {what} {', '.join(map(str, things[at:]))}")
                return
            yield thing


def cells(count: int) -> list[Cell]:
    """Of different classes, all of whose outputs depend on the input, spread over the classes."""
    archs = Plan("digits", "digits", "digits-light", 6466, 0, (0,), 1).architectures()
    usable = [cell for cell in map(Cell.parse, archs[1000 :: max(1, 5466 // (3 * count))]) if sum("conv" in op for op in cell.ops) > 1]
    return (usable * count)[:count]


def noise(size: Size) -> Dataset:
    """Images of two classes, brighter and darker noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(4 * size.images) % 10
    images = (rng.random((len(labels), 3, 8, 8)) * 0.5 + labels[:, None, None, None] / 20).astype(np.float32)
    return Dataset("noise", images, labels, images[: size.images], labels[: size.images], 10)


# check


def relative(one: Tensor, other: Tensor) -> float:
    one, other = one.detach().double().cpu(), other.detach().double().cpu()
    return float((one - other).abs().max() / other.abs().max().clamp(min=1e-30))


def check(size: Size, dataset: Dataset, device: torch.device, clock: Clock) -> bool:
    """Whether all that was compared is within what is tolerated."""
    print(
        f"\n## The same results?  {size.networks} networks, {size.images} images\n\n| what | largest difference | tolerated |\n|---|---|---|"
    )
    fine = True

    def row(what: str, kind: str, difference: float) -> None:
        nonlocal fine
        good = difference <= TOLERATED[kind]  # NaN is not
        fine &= good
        print(f"| {what} | {difference:.2g} | {TOLERATED[kind]:g}{'' if good else ' **exceeded**'} |", flush=True)

    found, recipe = cells(size.networks), replace(size.recipe, epochs=1, cells=1)
    if device.type == "cuda":
        torch.set_num_threads(os.cpu_count() or 1)  # the witness is the slower of the two
    few = first_batches(dataset, recipe, 2)
    images, labels = (torch.from_numpy(part[: size.images]) for part in (dataset.test_images, dataset.test_labels))
    trained, _ = train(found, first_batches(dataset, recipe, size.steps), recipe, 0, device)
    here = StackedNetwork([trained.extract(k).cpu() for k in range(len(found))]).eval().requires_grad_(False)
    with exact_convolutions():
        x, y = images.to(device), labels.to(device)
        stacks = {"stack": trained, "frozen stack": FrozenStack(trained)}
        plain = [ascent(trained.extract(k).requires_grad_(False), x, y) for k in range(len(found))]
        for name, network in stacks.items():
            logits, _, gradients = ascent(network, *alike(found, x, y))
            row(f"{name}, plain networks on {device.type}: logits", "logits", relative(logits, torch.stack([one[0] for one in plain])))
            row(
                f"{name}, plain networks on {device.type}: gradients",
                "gradients",
                relative(gradients, torch.stack([one[2] for one in plain])),
            )
        one, other = ascent(trained, *alike(found, x, y)), ascent(here, *alike(found, images, labels))
        row(f"stack on {device.type}, on cpu: logits", "logits", relative(one[0], other[0]))
        row(f"stack on {device.type}, on cpu: gradients", "gradients", relative(one[2], other[2]))
        networks = darts(dataset, len(found))
        alone = [ascent(network, images[:8], labels[:8])[2] for network in networks]
        together = ascent(stacked([network.to(device) for network in networks]), *alike(found, x[:8], y[:8]))[2]
        row(f"DARTS, stack on {device.type}, plain networks on cpu: gradients", "gradients", relative(together, torch.stack(alone)))
    both = [start(found, few, recipe, where) for where in (device, torch.device("cpu"))]
    row("two steps of training: losses", "training", relative(*(fit(stack, len(found), few, recipe, 0)[0] for stack in both)))
    row("two steps of training: weights", "training", relative(*(parameters_to_vector(stack.cpu().parameters()) for stack in both)))
    frozen, frozen_here = FrozenStack(trained), FrozenStack(here)
    for name in clock.each("attacks", list(ATTACKS)):
        broken, broken_here = (
            robust_outcomes(net, *given, ATTACKS[name], EPS) for net, given in ((frozen, (x, y)), (frozen_here, (images, labels)))
        )
        row(f"{name}: outcomes", "outcomes", float((broken != broken_here).mean()))
    for name in clock.each("proxies", size.proxies):
        values = [score(net, *given, [name]).values[name] for net, given in ((trained, (x, y)), (here, (images, labels)))]
        row(f"{name}", "proxies", relative(*map(torch.from_numpy, values)))
    precisions = ["bfloat16"] if device.type == "cpu" else ["tf32", "bfloat16"]
    exact = robust_outcomes(frozen, x, y, ATTACKS["pgd"], EPS)
    clean = clean_outcomes(frozen, x, y)
    for precision in clock.each("precisions", precisions):
        fast = robust_outcomes(frozen, x, y, InPrecision(ATTACKS["pgd"], precision), EPS)
        print(f"pgd in {precision}: {(fast != exact).mean():.4f} of outcomes differ; mean robust accuracy {fast.mean():.4f} for {exact.mean():.4f}"
              f" (clean {clean.mean():.4f})")  # fmt: skip
    return fine


def alike(found: Sequence[Cell], images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Images and labels as a stack takes them, the same for all networks."""
    return images.expand(len(found), *images.shape), labels.expand(len(found), -1)


def darts(dataset: Dataset, count: int) -> list[DartsNetwork]:
    """Small networks of DARTS, which have every kind of layer between them."""
    rng, skeleton = np.random.default_rng(0), DartsSkeleton(4, 5, dataset.image_shape[0], dataset.num_classes)
    return [
        DartsNetwork(DARTS.sample(rng), skeleton, dataset.mean, dataset.std, generator=generator(k, "weights")).eval().requires_grad_(False)
        for k in range(count)
    ]


def start(found: Sequence[Cell], dataset: Dataset, recipe: Recipe, device: torch.device) -> StackedNetwork:
    skeleton = recipe.skeleton(dataset)
    networks = [Network(cell, skeleton, dataset.mean, dataset.std, generator=generator(0, f"weights/{cell}")) for cell in found]
    return StackedNetwork(networks).to(device)


def first_batches(dataset: Dataset, recipe: Recipe, steps: int) -> Dataset:
    size = steps * recipe.batch_size
    index = np.arange(size) % len(dataset.train_images)
    return replace(dataset, train_images=dataset.train_images[index], train_labels=dataset.train_labels[index])


# measure


def measure(size: Size, dataset: Dataset, device: torch.device, clock: Clock) -> None:
    """Stacks of growing size, as far as memory and time allow."""
    print(
        "\n## How fast?\n\n| stack | what | networks a second | images a second | busy | of peak | bound by |\n|---|---|---|---|---|---|---|"
    )
    for stack in clock.each("stacks of", size.stacks):
        try:
            measure_stack(cells(stack), size, dataset, device)
        except (torch.OutOfMemoryError, MemoryError):
            print(f"left out for lack of memory: stacks of {stack} and more")
            return


def measure_stack(found: Sequence[Cell], size: Size, dataset: Dataset, device: torch.device) -> None:
    """A row for training, whose networks a second are of all epochs, and one for input gradients, the steps of attacks."""
    stack = len(found)
    steps = size.recipe.epochs * -(-len(dataset.train_images) // size.recipe.batch_size)
    x = torch.from_numpy(dataset.train_images[np.arange(size.batch) % len(dataset.train_images)]).to(device)
    y = torch.zeros(stack, size.batch, dtype=torch.int64, device=device)
    for precision in ("float32", "tf32") if device.type == "cuda" else ("float32",):
        recipe = replace(size.recipe, epochs=1, precision=precision)
        network, few = start(found, dataset, recipe, device), first_batches(dataset, recipe, 3)
        training, seen = partial(fit, network, stack, few, recipe, 0), 3 * recipe.batch_size
        row(found, f"training, {precision}", seen, training, recipe, dataset, device, 3 / steps)
        frozen = FrozenStack(network.eval())
        with computing(precision, device):
            gradients = partial(ascent, frozen, x.expand(stack, *x.shape), y)
            row(found, f"gradients, {precision}", size.batch, gradients, recipe, dataset, device)


def row(
    found: Sequence[Cell],
    what: str,
    images: int,
    work: Callable[[], object],
    recipe: Recipe,
    dataset: Dataset,
    device: torch.device,
    share_of_training: float | None = None,
) -> None:
    """Time some work on so many images of each network, and print a line."""
    wall, busy = timed(work, device)
    peak = next((peak for name, peak in PEAK_FLOPS.items() if device.type == "cuda" and name in torch.cuda.get_device_name(device)), None)
    _, height, width = dataset.image_shape
    products = sum(flops(cell, recipe.skeleton(dataset), (height, width)) for cell in found)
    # Two operations a product; a backward pass costs two forward passes.
    share = 2 * 3 * products * images / wall / peak if peak else None
    networks = "" if share_of_training is None else f"{len(found) * share_of_training / wall:.4f}"
    parts = ("" if part is None else f"{part:.0%}" for part in (busy, share))
    line = (len(found), what, networks, f"{len(found) * images / wall:,.0f}", *parts, bound(busy, share))
    print("|", " | ".join(map(str, line)), "|", flush=True)


def timed(work: Callable[[], object], device: torch.device) -> tuple[float, float | None]:
    """Wall-clock seconds, and on a GPU the share of them in which it computes."""
    work()  # what is set up once
    if device.type != "cuda":
        started = time.perf_counter()
        work()
        return time.perf_counter() - started, None
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    wall = time.perf_counter() - started
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize(device)
    return wall, min(1.0, sum(event.self_device_time_total for event in seen.key_averages()) / 1e6 / wall)


def bound(busy: float | None, share: float | None) -> str:
    if busy is None:
        return ""
    if busy < 0.7:
        return "launches"
    return "" if share is None else "arithmetic" if share > 0.5 else "memory"


# build


def build(folder: Path, recipe: Recipe, dataset: Dataset, data: Path, device: torch.device, clock: Clock, stack: int | None) -> None:
    """Units, until the next would not end in time."""
    print(f"\n## A store of {dataset.name}\n")
    if not (folder / "plan.json").exists():
        drawn = Plan(NAME, recipe, PHOTOGRAPHS, None, 0, (0,), stack or min(16, stack_for(device, dataset, recipe)), archs=shuffled())
        write_plan(folder, drawn)
    open_units, longest, done = todo(folder), 0.0, 0
    last = time.perf_counter()
    work = run(folder, device=str(device), data=data, notice=print)
    while open_units and clock.left > longest:
        unit = next(work, None)
        if unit is None:
            break
        now = time.perf_counter()
        longest, last, done = max(longest, now - last), now, done + 1
        print(
            f"{unit.key}: {len(unit.archs)} networks in {longest:.0f} s or less, {shards.path_of(folder, unit).stat().st_size:,} bytes",
            flush=True,
        )
    print(
        f"{done} units done; {len(todo(folder))} of {folder} are left for another time."
        + ("" if done else "  One takes longer than there was.")
    )


def in_precision(recipe: Recipe, precision: str) -> Recipe:
    return recipe if precision == recipe.precision else replace(recipe, name=f"{recipe.name}-{precision}", precision=precision)


def shuffled() -> tuple[str, ...]:
    """The first of every class, in random order, so that whatever is done is a sample of all."""
    archs = Plan("digits", "digits", "digits-light", 6466, 0, (0,), 1).architectures()
    return tuple(archs[number] for number in np.random.default_rng(0).permutation(len(archs)))


# pack


def pack(folder: Path, out: Path, counts: dict[str, int]) -> None:
    """A folder of JPEGs as an npz file."""
    from PIL import Image

    arrays: dict[str, Any] = {}
    classes = sorted(path.name for path in (folder / "train").iterdir())
    for part, count in counts.items():
        files = [
            (path, label)
            for label, name in enumerate(classes)
            for path in sorted((folder / part / name).glob("*.jpg"))[: count // len(classes)]
        ]
        order = np.random.default_rng(0).permutation(len(files))
        arrays[f"{part}_images"] = np.stack([np.asarray(Image.open(files[k][0]).convert("RGB")) for k in order])
        arrays[f"{part}_labels"] = np.array([files[k][1] for k in order])
    np.savez_compressed(out, **arrays)
    print(f"{out}: {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}; {out.stat().st_size:,} bytes")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 where results differ by more than is tolerated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("all", "check", "measure", "build", "pack"))
    parser.add_argument("paths", nargs="*", type=Path, help="OUT; of pack, the folder and the npz file")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--stack", type=int, help="networks a unit")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS, help="of the build's training")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--train", type=int, default=12000)
    parser.add_argument("--test", type=int, default=2000)
    given = parser.parse_args(arguments)
    if given.part == "pack":
        if len(given.paths) != 2:
            parser.error("pack takes the folder of the images and the npz file to write")
        pack(given.paths[0], given.paths[1], {"train": given.train, "test": given.test})
        return 0
    builds = given.part in ("all", "build")
    if builds and (not given.paths or given.data is None):
        parser.error("a build takes OUT, the folder for its shards, and --data, the npz file that pack wrote")
    prepare_process()
    device, whole = find_device(given.device), Clock(given.seconds)
    size = SMALL if given.small else FULL
    dataset = load(NAME, given.data) if given.data is not None else noise(size) if given.small else load("digits")
    print(
        f"torch {torch.__version__}, {torch.cuda.get_device_name(device) if device.type == 'cuda' else 'cpu'}, {dataset.name} {dataset.checksum}"
    )
    alone = given.part != "all"
    fine = given.part not in ("all", "check") or check(size, dataset, device, Clock(given.seconds if alone else given.seconds / 4))
    if given.part in ("all", "measure"):
        measure(size, dataset, device, Clock(given.seconds if alone else given.seconds / 4))
    if builds:
        build(
            given.paths[0],
            in_precision(RECIPES["digits"] if given.small else size.recipe, given.precision),
            dataset,
            given.data,
            device,
            whole,
            given.stack,
        )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

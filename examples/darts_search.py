r"""Search the space of DARTS without training, then train, attack, corrupt, store and draw what was found, beside published architectures.

    python examples/darts_search.py FOLDER                      digits: a few minutes of one core
    python examples/darts_search.py FOLDER --images npz:FILE --channels 16 --layers 8 --epochs 50 --adversary-steps 7 --eps 8/255 \
        --budget 1050 --population 50 --repeats 32 --attacked 1000 --pgd-steps 20 100 --steps 100 --targets 9 --queries 5000

The searches are those that Figure 8 of Yang et al. (2025) compares, each with the same budget: random search by ZCPRob, random search by R-Score, and
TRNAS by R-Score and the number of parameters.  FOLDER then has store.h5, the weights, a figure of each search's cells, transfer.json, the matrix of Tables 4 and 5,
and scores.jsonl, all that the searches scored.  Stop it whenever you like: started again with the same options, it goes on, and scores, trains and attacks nothing twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from robbench_builders.attacks import FGSM, PGD, Attack, AutoAttack
from robbench_builders.datasets import Dataset, load
from robbench_builders.definitions import read_recipe
from robbench_builders.evaluations import Evaluation
from robbench_builders.plan_file import write_plan
from robbench_builders.planning import plan_of
from robbench_builders.proxies import KNOWN, objectives
from robbench_builders.proxies.live import LiveProxy
from robbench_builders.proxies.rscore import Psi
from robbench_builders.recipes import Adversary, Recipe, find_recipe
from robbench_builders.results.merge import merge
from robbench_builders.run import run
from robbench_builders.transfer import TRANSFER
from robbench_builders.transfer_file import transfer
from robbench_builders.watching import Searching, building
from robbench_builders.weights import files, kept
from robbench_builders.weights.checkpoints import Checkpoint, identified
from robbench import RobBench
from robbench.measurements.metrics import parse_eps
from robbench.plots.cells import cell_drawing
from robbench.plots.saving import save
from robbench.search import ALGORITHMS, oracle_of
from robbench.search.trnas import r_score
from robbench.spaces.darts import DARTS

PUBLISHED = ("darts-v2", "advrush")
CORRUPTIONS = ("gaussian_noise", "contrast")
SEVERITY = 3
STORE, WEIGHTS, MATRIX, SCORES = "store.h5", "weights", "transfer.json", "scores.jsonl"


class Searched(NamedTuple):
    """What a search found."""

    arch: Any
    score: float
    evaluations: int
    effective_rate: float
    """The share of the genotypes scored that have a score."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, draw, train and attack; print what was measured."""
    options = parsed(arguments)
    torch.set_num_threads(1)  # as builds compute
    options.folder.mkdir(parents=True, exist_ok=True)
    dataset, standard = load(options.images, options.data), recipe_of(options)
    robust = replace(standard, name="example-robust", adversary=adversary_of(options))

    searches = {name: search(options, dataset, standard) for name, search in SEARCHES.items()}
    print_searches(searches, dataset, standard)
    for name, found in searches.items():
        save(cell_drawing(DARTS.graph(found.arch), title=name), options.folder / f"{name}.png", dpi=150)

    archs = candidates(searches)
    for recipe in (standard, robust):
        build(options, archs.values(), recipe)
    print_accuracies(options, archs, [standard, robust])
    print_transfer(options, archs, dataset, robust)
    print(f"\nIn {options.folder.name}: {', '.join(sorted(path.name for path in options.folder.iterdir() if path.is_file()))}")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; what is left out is the smallest size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", default="digits", help="as robbench build plan --dataset: digits, npz:FILE, cifar10 …")
    parser.add_argument("--data", type=Path, help="where the images are, if they are published ones")
    parser.add_argument(
        "--recipe", default="darts-digits", help="by name or in a TOML file, but for its adversary, which is by --eps, and what follows"
    )
    parser.add_argument("--channels", type=int, help="C, of the search's networks and of the trained ones")
    parser.add_argument("--layers", type=int, help="cells, of both")
    parser.add_argument("--epochs", type=int, default=3, help="3 if left out, whatever the recipe says")
    parser.add_argument(
        "--adversary-steps", type=int, default=1, help="of adversarial training: 1 is fast adversarial training, 7 the papers' PGD"
    )
    parser.add_argument("--budget", type=int, default=24, help="genotypes that each search may score")
    parser.add_argument("--population", type=int, default=8, help="of TRNAS; 50 in the paper")
    parser.add_argument("--repeats", type=int, default=4, help="draws of noise of R-Score's Ψ; 32 as released")
    parser.add_argument("--eps", type=parse_eps, default=0.1, help="of the adversary and of all attacks, such as 8/255")
    parser.add_argument("--attacked", type=int, default=40, help="test images that are attacked and corrupted")
    parser.add_argument("--pgd-steps", type=int, nargs="+", default=[20], help="of PGD, by steps of eps/4: 20 and 100 in the paper")
    parser.add_argument("--steps", type=int, default=10, help="of AutoAttack's APGD, APGD-T and FAB-T; 100 as published")
    parser.add_argument("--targets", type=int, default=2, help="of its APGD-T and FAB-T; 9 as published")
    parser.add_argument("--queries", type=int, default=50, help="of its Square; 5000 as published")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Standard training at the size that was asked for."""
    sizes = {field: getattr(options, field) for field in ("channels", "layers", "epochs") if getattr(options, field) is not None}
    base = read_recipe(Path(options.recipe)) if options.recipe.endswith(".toml") else find_recipe(options.recipe)
    return replace(base, name="example", adversary=None, **sizes)


def adversary_of(options: argparse.Namespace) -> Adversary:
    """That of adversarial training."""
    return Adversary.fast(options.eps) if options.adversary_steps == 1 else Adversary(options.eps, options.eps / 4, options.adversary_steps)


def evaluation_of(options: argparse.Namespace) -> Evaluation:
    """What every network is put through."""
    attacks: dict[str, Attack] = {
        "fgsm": FGSM(),
        **{pgd_of(steps): PGD(steps=steps, relative_step=1 / 4) for steps in options.pgd_steps},
        "autoattack": AutoAttack(options.steps, options.targets, options.queries),
    }
    return Evaluation("example", attacks, (options.eps,), CORRUPTIONS, images=options.attacked)


def pgd_of(steps: int) -> str:
    """What a store calls PGD of so many steps: `pgd` is that of 20."""
    return "pgd" if steps == 20 else f"attack-pgd-{steps}"


# ---- searches


@contextmanager
def live(
    names: Sequence[str], search: str, options: argparse.Namespace, dataset: Dataset, recipe: Recipe
) -> Iterator[tuple[LiveProxy, ...]]:
    """Proxies of untrained networks of the size that is trained later, computed when a search asks for them, and kept; a bar shows how far it is."""
    psi = replace(KNOWN["r_score_psi"], compute=Psi(repeats=options.repeats))
    given = {"seed": options.seed, "proxies": {"r_score_psi": psi}, "keep": options.folder / SCORES}
    bar = Searching(options.budget, search)
    yield objectives(names, dataset, recipe.skeleton(dataset), progress=bar.of(search), **given)
    bar.close()


def random_by(name: str) -> Callable[[argparse.Namespace, Dataset, Recipe], Searched]:
    """Random search by a proxy, of which more is better."""

    def search(options: argparse.Namespace, dataset: Dataset, recipe: Recipe) -> Searched:
        with live([name], f"random-{name}", options, dataset, recipe) as (proxy,):
            oracle = oracle_of("darts", proxy, budget=options.budget, missing="nan")
            result = ALGORITHMS["random"](oracle, oracle.space, np.random.default_rng(options.seed))
        return Searched(result.best, result.value, len(result.history()), proxy.effective_rate)

    return search


def by_trnas(options: argparse.Namespace, dataset: Dataset, recipe: Recipe) -> Searched:
    """TRNAS; of its front, which weighs R-Score against parameters, the genotype of the best R-Score."""
    rng = np.random.default_rng(options.seed)
    with live(["r_score_psi", "r_score_phi", "params"], "trnas-r_score", options, dataset, recipe) as parts:
        oracle = oracle_of("darts", parts, budget=options.budget, directions={"params": "min"}, missing="nan")
        result = ALGORITHMS["trnas"](oracle, oracle.space, rng, population=options.population, generations=None, combine=r_score)
    scores = r_score(np.array([found.value for found in result.front]), stretched=False)[:, 0]
    best = int(scores.argmax())
    return Searched(result.front[best].arch, float(scores[best]), len(result.history()), parts[0].effective_rate)


SEARCHES = {"random-zcprob": random_by("zcprob"), "random-r_score": random_by("r_score"), "trnas-r_score": by_trnas}


def print_searches(searches: dict[str, Searched], dataset: Dataset, recipe: Recipe) -> None:
    """What each search found; scores of different proxies do not compare."""
    print(f"Searches, by untrained networks of {recipe.layers} cells and C = {recipe.channels} on {dataset.name}\n")
    found = [[name, one.evaluations, f"{one.effective_rate:.0%}", f"{one.score:.5g}"] for name, one in searches.items()]
    print_table(["search", "genotypes", "with a score", "best score"], found)
    print()
    for name, one in searches.items():
        print(f"{name}: {one.arch}")


# ---- networks


def candidates(searches: dict[str, Searched]) -> dict[str, Any]:
    """What is trained, by name: what was found and what is published; an architecture that was found twice is one of two names."""
    archs = {**{name: found.arch for name, found in searches.items()}, **{name: DARTS.parse(name) for name in PUBLISHED}}
    names: dict[str, list[str]] = {}
    for name, arch in archs.items():
        names.setdefault(DARTS.key(arch), []).append(name)
    return {" = ".join(same): archs[same[0]] for same in names.values()}


def build(options: argparse.Namespace, archs: Iterable[Any], recipe: Recipe) -> None:
    """Train, attack, corrupt and store architectures, with a bar; those that were done before are not done again."""
    folder, given = options.folder / recipe.name, {"data": options.data, "space": "darts", "seeds": (options.seed,)}
    write_plan(folder, plan_of(options.images, recipe, evaluation_of(options), archs=list(map(str, archs)), **given))
    with building(folder) as shown:
        for _ in run(folder, device="cpu", weights=options.folder / WEIGHTS, notice=shown.notice, progress=shown.progress):
            pass
    merge(folder, options.folder / STORE)


def print_accuracies(options: argparse.Namespace, archs: dict[str, Any], recipes: Sequence[Recipe]) -> None:
    """The accuracies of every network, asked of the store."""
    bench, names = RobBench(options.folder / STORE), list(archs)
    metrics = [
        "clean",
        *(f"{attack}@{options.eps}" for attack in evaluation_of(options).attacks),
        *(f"{each}@{SEVERITY}" for each in CORRUPTIONS),
    ]
    print(
        f"\nAccuracy in %; attacks with eps = {255 * options.eps:g}/255 and corruptions of severity {SEVERITY}, of {options.attacked} test images;"
    )
    print(f"AutoAttack with {options.steps} steps, {options.targets} targets and {options.queries} queries, in place of 100, 9 and 5000\n")
    rows = []
    for recipe in recipes:
        where: dict[str, Any] = {"training": recipe.training_name, "missing": "nan"}
        columns = [100 * bench.query_many(list(archs.values()), metric, **where) for metric in metrics]
        sizes = 1000 * bench.query_many(list(archs.values()), "params")
        rows += [[name, recipe.training_name, *map("{:.1f}".format, values)] for name, *values in zip(names, sizes, *columns, strict=True)]
    print_table(["network", "training", "10³ parameters", *(metric.split("@")[0].removeprefix("attack-") for metric in metrics)], rows)


def print_transfer(options: argparse.Namespace, archs: dict[str, Any], dataset: Dataset, recipe: Recipe) -> None:
    """Accuracy of each network on the images that an attack crafted on each other."""
    trained = {name: found for name, arch in archs.items() if (found := checkpoint(options, arch, dataset, recipe)) is not None}
    evaluation = replace(TRANSFER, eps=(options.eps,), images=options.attacked)
    matrix = transfer(list(trained.values()), dataset, evaluation, seed=options.seed, out=options.folder / MATRIX)
    (attack,) = matrix["attacks"]
    print(f"\nTransfer: accuracy in % under {attack['attack']} crafted on the source; training {recipe.training_name}\n")
    print_table(
        ["source \\ target", *trained],
        [[name, *map("{:.1f}".format, 100 * np.array(row))] for name, row in zip(trained, attack["accuracy"], strict=True)],
    )


def checkpoint(options: argparse.Namespace, arch: Any, dataset: Dataset, recipe: Recipe) -> Checkpoint | None:
    """The kept weights of a trained network; None where its training diverged."""
    about = kept.About("darts", str(arch), dataset.checksum, recipe.settings(), options.seed)
    (entry,) = files.read(kept.path_of(options.folder / WEIGHTS, about))
    return None if entry.kept is None or entry.kept.training.diverged else identified(entry, space="darts")


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns side by side, the first to the left."""
    lines = [list(map(str, line)) for line in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        print("  ".join([first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(others, widths[1:], strict=True))]))


if __name__ == "__main__":
    main()

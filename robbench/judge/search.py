"""What a search is worth: a report card of its runs under several objectives, beside the algorithms of the package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any

from robbench.arguments import checked_choice, checked_count, checked_seed, nearest, options_checked
from robbench.bench import RobBench
from robbench.errors import InvalidArgument
from robbench.judge.asking import clean_and_robust
from robbench.judge.calling import Fault, Faults, ending_in_workers, guarding
from robbench.judge.keeping import Kept, kept_in_each
from robbench.judge.methods import Method, source_of
from robbench.judge.report import Report, made_by
from robbench.judge.searching import Run, Setting, best_of, run_all
from robbench.judge.standing import standing
from robbench.judge.stores import Part, made_of_all, named, stores
from robbench.measurements.directions import spelled
from robbench.measurements.tables import held_proxies
from robbench.search.algorithms import ALGORITHMS
from robbench.search.repeated import options_of, processes

NOT_APPLICABLE = "raised CannotSearch"
"""How an algorithm of the package says that it does not search such objectives."""
RUNS = 20
"""Enough for the tests of all algorithms under a dozen objectives, corrected for how many they are, to tell something."""


@options_checked
def judge_search(
    bench: RobBench | Sequence[RobBench],
    method: str,
    *,
    objectives: Sequence[str] = (),
    beside: Sequence[str] | None = None,
    budget: int = 100,
    runs: int = RUNS,
    seed: int = 0,
    noise: str | None = None,
    proxy: str | None = None,
    training: str | None = None,
    limit: float | None = 60,
    workers: int = 1,
    keep: Path | None = None,
    progress: bool = False,
) -> Report:
    """The report card of a search.

    Arguments:
        bench: what is searched: its architectures that have all values.  Of several, whatever their spaces, each is searched by itself, and the report's tables
            say with ``store`` which is which.
        method: ``module:name`` of a function ``(oracle, space, rng)``, as `robbench.search` has them, or the name of one of these.
        objectives: metrics with their levels; ``"clean+pgd@1/255"`` is two objectives at once.  If left out: clean accuracy, every attack and the mean over
            corruptions, and clean accuracy and the first attack at once, as each store has them.
        beside: names of algorithms; all that apply if left out.
        budget: architectures that a run may ask for.
        runs: of each algorithm under each objective; run i starts from the seed ``(seed, i)``.
        seed: of all runs.
        noise: ``"twin"``: what is asked has the noise of training; what was found is judged without.
        proxy: what guides the algorithms that are guided by one; synflow, or the first that the store holds, if left out.
        training: as for a query.
        limit: seconds that a run may take; None for no limit.
        workers: processes; the result does not depend on how many.
        keep: a folder for finished runs (see `robbench.judge.keeping`): a report that was cut goes on, and one of more runs, objectives or methods in the same
            setting takes what is there.
        progress: show a bar on stderr.

    Returns:
        Sections ``results``, ``tests``, ``curves`` and, where the store says what training takes, ``costs``; of several stores, ``stores``, too.

    Raises:
        InvalidArgument: a method, algorithm or number that is none, the same store twice, or a folder that keeps runs of another setting; otherwise as for a
            query and for `RobBench.oracle`.
        MethodFailed: a worker's process ended in a run.
    """
    for name, value in (("budget", budget), ("runs", runs), ("workers", workers)):
        checked_count(value, name)
    checked_choice(noise, "noise", (None, "twin"))
    parts = [
        _part(
            store,
            one,
            method,
            objectives,
            beside,
            dataset=one.default_dataset,
            training=training,
            budget=budget,
            seed=checked_seed(seed),
            noise=noise,
            proxy=proxy,
            limit=limit,
        )
        for store, one in named([bench] if isinstance(bench, RobBench) else bench).items()
    ]
    kept = kept_in_each(keep, [({**part.made, "limit": limit}, part.algorithms) for part in parts])
    found, faults = _run(parts, runs, workers, kept, progress)
    stood = standing({part.store: its for part, its in zip(parts, found, strict=True)}, method, budget)
    wrong = tuple(fault for part, its, noted in zip(parts, found, faults, strict=True) for fault in _wrong(part, its, method, noted))
    made = {"method": method, "method_sha256": source_of(method), "runs": runs, "limit": limit, **made_of_all(parts)}
    return Report("search", method, stood.sentences, wrong, (*stood.sections, *stores(parts)), made)


def _part(
    store: str, bench: RobBench, method: str, objectives: Sequence[str], beside: Sequence[str] | None, *, proxy: str | None, **asked: Any
) -> Part:
    """What is run on one store, once it is checked."""
    names = ["+".join(map(spelled, one.split("+"))) for one in objectives] or _objectives(bench, asked["training"])
    if proxy is not None:
        bench.oracle(proxy, missing="nan")  # says now what is wrong with it, whether an algorithm is guided by it or not
    setting = Setting(bench.path, proxy=proxy or _proxy(bench), **asked)
    algorithms = _algorithms(method, beside, setting.proxy)
    for name in names:
        best_of(setting, name)
    made = made_by(
        bench,
        setting.seed,
        dataset=setting.dataset,
        training=setting.training,
        budget=setting.budget,
        noise=setting.noise,
        proxy=setting.proxy,
    )
    return Part(store, bench, setting, tuple(names), tuple(algorithms), made)


def _run(parts: Sequence[Part], runs: int, workers: int, kept: Sequence[Kept], progress: bool) -> tuple[list[list[Run]], list[Faults]]:
    """The runs of each store, and what was noted of each around them."""
    from tqdm import tqdm

    which, faults = [list(part.which(runs)) for part in parts], [Faults() for _ in parts]
    with ExitStack() as around:
        for part, noted in zip(parts, faults, strict=True):
            around.enter_context(guarding(part.bench.path, noted))
        around.enter_context(ending_in_workers(list(dict.fromkeys(name for part in parts for name in part.algorithms))))
        executor = around.enter_context(processes(workers)) if workers > 1 else None
        made = [run_all(part.setting, its, executor, keeping) for part, its, keeping in zip(parts, which, kept, strict=True)]
        total = sum(map(len, which))
        done = iter(list(tqdm(chain.from_iterable(made), total=total, unit="run", disable=None if progress else True)))
    return [list(islice(done, len(its))) for its in which], faults


def _objectives(bench: RobBench, training: str | None) -> list[str]:
    found = clean_and_robust(bench, training)
    return [*found, *(f"{found[0]}+{name}" for name in found[1:2])]


def _proxy(bench: RobBench) -> str | None:
    held = held_proxies(bench.measurements, bench.default_dataset)
    return "synflow" if "synflow" in held else next(iter(held), None)


def _algorithms(method: str, beside: Sequence[str] | None, proxy: str | None) -> list[str]:
    """The one that is judged, and those beside it."""
    if ":" not in method:
        _check_known(method, "your own is module:name")
    for name in beside or ():
        _check_known(name, "no other can stand beside what is judged")
    known = [name for name in ALGORITHMS if proxy is not None or "proxy" not in options_of(name)]
    if ":" in method:
        _ = Method(method).function  # says now what would be wrong in every run
    return list(dict.fromkeys([method, *(known if beside is None else beside)]))


def _check_known(name: str, otherwise: str) -> None:
    if name not in ALGORITHMS:
        raise InvalidArgument(
            f"{name!r} is not a search algorithm of the package.{nearest(name, ALGORITHMS)} Known: {', '.join(ALGORITHMS)}; {otherwise}."
        )


def _wrong(part: Part, runs: Sequence[Run], method: str, faults: Faults) -> Iterator[Fault]:
    """What went wrong in the runs on a store, beside what is noted already; of several stores, with the store's name."""
    mine = [run for run in runs if run.algorithm == method]
    for run in runs:
        for fault in run.faults if run.algorithm != method else ():
            if fault.what != NOT_APPLICABLE:
                faults.note(f"was set beside {run.algorithm}, which {fault.what}", fault.example)
    for run in mine:
        for fault in run.faults:
            example = (
                f"{fault.example.rstrip('.')}, in run {run.number} under {run.objective}"
                if fault.example
                else f"run {run.number}, {run.objective}"
            )
            faults.note(fault.what, example)
    for fault in faults.of(len(mine)):
        yield fault._replace(what=f"on {part.store}: {fault.what}") if part.store else fault

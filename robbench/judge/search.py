"""What a search is worth: a report card of its runs under several objectives, beside the algorithms of the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.arguments import checked_choice, checked_count, checked_seed, nearest, options_checked
from robbench.bench import RobBench
from robbench.errors import InvalidArgument
from robbench.judge.asking import clean_and_robust, trainings_of
from robbench.judge.calling import Fault, Faults, ending_in_workers, guarding
from robbench.judge.figures import Dots, Lines
from robbench.judge.keeping import kept_in
from robbench.judge.methods import Method, source_of
from robbench.judge.report import Report, Section, made_by
from robbench.judge.searching import Run, Setting, best_of, checkpoints, run_all
from robbench.judge.significance import ALPHA, FEWEST_RUNS, holm, interval_of_mean, paired, runs_to_tell
from robbench.measurements.directions import spelled
from robbench.measurements.tables import held_proxies
from robbench.search.algorithms import ALGORITHMS
from robbench.search.repeated import options_of, processes

if TYPE_CHECKING:
    import pandas as pd

NOT_APPLICABLE = "raised CannotSearch"
"""How an algorithm of the package says that it does not search such objectives."""
RUNS = 20
"""Enough for the tests of all algorithms under a dozen objectives, corrected for how many they are, to tell something."""


@options_checked
def judge_search(
    bench: RobBench,
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
        bench: what is searched: its architectures that have all values.
        method: ``module:name`` of a function ``(oracle, space, rng)``, as `robbench.search` has them, or the name of one of these.
        objectives: metrics with their levels; ``"clean+pgd@1/255"`` is two objectives at once.  If left out: clean accuracy, every attack and the mean over
            corruptions, and clean accuracy and the first attack at once.
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
        Sections ``results``, ``tests``, ``curves`` and, where the store says what training takes, ``costs``.

    Raises:
        InvalidArgument: a method, algorithm or number that is none, or a folder that keeps runs of another setting; otherwise as for a query and for
            `RobBench.oracle`.
        MethodFailed: a worker's process ended in a run.
    """
    from tqdm import tqdm

    for name, value in (("budget", budget), ("runs", runs), ("workers", workers)):
        checked_count(value, name)
    checked_choice(noise, "noise", (None, "twin"))
    names = ["+".join(map(spelled, one.split("+"))) for one in objectives] or _objectives(bench, training)
    if proxy is not None:
        bench.oracle(proxy, missing="nan")  # says now what is wrong with it, whether an algorithm is guided by it or not
    setting = Setting(bench.path, bench.default_dataset, training, budget, checked_seed(seed), noise, proxy or _proxy(bench), limit)
    algorithms = _algorithms(method, beside, setting.proxy)
    made = made_by(bench, seed, dataset=setting.dataset, training=training, budget=budget, noise=noise, proxy=setting.proxy)
    kept = kept_in(keep, made | {"limit": limit}, algorithms)
    for name in names:
        best_of(setting, name)
    which = [(algorithm, objective, number) for objective in names for algorithm in algorithms for number in range(runs)]
    faults = Faults()
    with guarding(bench.path, faults), ending_in_workers(algorithms), processes(workers) if workers > 1 else nullcontext() as executor:
        found = list(tqdm(run_all(setting, which, executor, kept), total=len(which), unit="run", disable=None if progress else True))
    done = [run for run in found if run.asked]
    tests, curves = _tests(done, method), _curves(done, budget)
    sections = (
        Section("results", RESULTS_SAYS, _results(done), figure=Dots(("objective",), "algorithm", "regret")),
        Section("tests", TESTS_SAYS.format(method=method), tests),
        Section("curves", CURVES_SAYS, curves, ("objective", "algorithm"), ("queries", "regret"), figure=CURVES),
        Section("costs", COSTS_SAYS, _costs(curves), ("objective", "algorithm"), ("queries", "training_seconds"), figure=COSTS),
    )
    for run in found:
        for fault in run.faults if run.algorithm != method else ():
            if fault.what != NOT_APPLICABLE:
                faults.note(f"was set beside {run.algorithm}, which {fault.what}", fault.example)
    wrong = _faults([run for run in found if run.algorithm == method], faults)
    measured = trainings_of(bench, (metric for name in names for metric in name.split("+")), setting.dataset, training)
    made = {"method": method, "method_sha256": source_of(method), "runs": runs, "limit": limit, **made, "training": measured}
    return Report("search", method, _summary(done, found, method, tests), wrong, tuple(one for one in sections if len(one.table)), made)


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


def _results(runs: Sequence[Run]) -> pd.DataFrame:
    """Regret at the end, and ranks among the algorithms, run by run."""
    import pandas as pd

    records = []
    for objective in dict.fromkeys(run.objective for run in runs):
        here = _finals(runs, objective)
        ranks = here.rank(axis=1)
        for algorithm in here.columns[np.argsort(here.mean(), kind="stable")]:
            values = here[algorithm].dropna().to_numpy()
            low, high = interval_of_mean(values)
            its = [run for run in runs if (run.objective, run.algorithm) == (objective, algorithm)]
            records.append(
                {
                    "objective": objective,
                    "algorithm": algorithm,
                    "runs": len(values),
                    "regret": float(values.mean()),
                    "regret_low": low,
                    "regret_high": high,
                    "rank": float(ranks[algorithm].mean()),
                    "asked": _whole(float(np.mean([run.asked for run in its]))),
                    "seconds": float(np.mean([run.seconds for run in its])),
                }
            )
    return pd.DataFrame.from_records(records)


def _whole(value: float) -> float:
    """A number that is an integer as one."""
    return int(value) if value.is_integer() else value


def _tests(runs: Sequence[Run], method: str) -> pd.DataFrame:
    """The judged method against each other one, under each objective."""
    import pandas as pd

    records: list[dict[str, Any]] = []
    for objective in dict.fromkeys(run.objective for run in runs):
        here = _finals(runs, objective)
        for other in here.columns if method in here else ():
            both = here[[method, other]].dropna() if other != method else here[[]].iloc[:0]
            if len(both) < FEWEST_RUNS:
                continue
            ours, theirs = both[method].to_numpy(), both[other].to_numpy()
            p, effect = paired(ours, theirs)
            records.append(
                {
                    "objective": objective,
                    "against": other,
                    "better": int((ours < theirs).sum()),
                    "equal": int((ours == theirs).sum()),
                    "worse": int((ours > theirs).sum()),
                    "difference": float((ours - theirs).mean()),
                    "effect": effect,
                    "p": p,
                }
            )
    corrected = holm([record["p"] for record in records])
    return pd.DataFrame.from_records([record | {"p_holm": float(p)} for record, p in zip(records, corrected, strict=True)])


def _curves(runs: Sequence[Run], budget: int) -> pd.DataFrame:
    """Mean regret after so many queries, and after training that took so long."""
    import pandas as pd

    places, records = checkpoints(budget), []
    for objective, algorithm in dict.fromkeys((run.objective, run.algorithm) for run in runs):
        its = [run for run in runs if (run.objective, run.algorithm) == (objective, algorithm)]
        regret, costs = (np.stack([getattr(run, name) for run in its]) for name in ("regret", "costs"))
        for at, queries in enumerate(places):
            low, high = interval_of_mean(regret[:, at])
            place = {"objective": objective, "algorithm": algorithm, "queries": int(queries)}
            found = {"regret": float(regret[:, at].mean()), "regret_low": low, "regret_high": high}
            records.append(place | found | {"training_seconds": float(costs[:, at].mean())})
    return pd.DataFrame.from_records(records)


def _costs(curves: pd.DataFrame) -> pd.DataFrame:
    """Regret by what training took, where the store says it."""
    return curves[curves["training_seconds"] > 0].reset_index(drop=True) if len(curves) else curves


def _finals(runs: Sequence[Run], objective: str) -> pd.DataFrame:
    """Regret at the end of each run: a row a number, a column an algorithm."""
    import pandas as pd

    here = [run for run in runs if run.objective == objective]
    found: dict[str, Mapping[int, float]] = {
        algorithm: {run.number: float(run.regret[-1]) for run in here if run.algorithm == algorithm}
        for algorithm in dict.fromkeys(run.algorithm for run in here)
    }
    return pd.DataFrame(found)


def _faults(runs: Sequence[Run], faults: Faults) -> tuple[Fault, ...]:
    """What went wrong in so many of the runs, beside what is noted already."""
    for run in runs:
        for fault in run.faults:
            example = (
                f"{fault.example.rstrip('.')}, in run {run.number} under {run.objective}"
                if fault.example
                else f"run {run.number}, {run.objective}"
            )
            faults.note(fault.what, example)
    return faults.of(len(runs))


def _summary(done: Sequence[Run], found: Sequence[Run], method: str, tests: pd.DataFrame) -> tuple[str, ...]:
    import pandas as pd

    said = []
    objectives = dict.fromkeys(run.objective for run in done)
    for words, several in (("one objective", False), ("several objectives at once", True)):
        ranks = [_finals(done, objective).rank(axis=1).mean() for objective in objectives if ("+" in objective) is several]
        mean = pd.DataFrame(ranks).mean()
        if method in mean and len(mean) > 1:
            least = "no other's is less" if mean[method] == mean.min() else f"the least is {mean.idxmin()}'s, {mean.min():.2f}"
            said.append(f"Under {words}, its mean rank is {mean[method]:.2f} of {len(mean)} algorithms; {least}.")
    said += _noise_of(done, method, tests)
    idle = dict.fromkeys((run.objective, run.algorithm) for run in found if run.algorithm != method and not run.asked)
    for objective in dict.fromkeys(objective for objective, _ in idle):
        said.append(f"Not applicable to {objective}: {', '.join(algorithm for of, algorithm in idle if of == objective)}.")
    if not any(run.algorithm == method for run in done):
        said.append(f"{method} asked for nothing, so there is nothing of it to judge.")
    return tuple(said)


def _noise_of(done: Sequence[Run], method: str, tests: pd.DataFrame) -> list[str]:
    """What of it noise may have decided."""
    if len(tests):
        clear, less = tests["p_holm"] < ALPHA, tests["difference"] < 0
        better, worse = int((clear & less).sum()), int((clear & ~less).sum())
        said = [
            f"Of {len(tests)} comparisons with others, in {better} it is better and in {worse} it is worse (p_holm below {ALPHA:g}); in the other"
            f" {len(tests) - better - worse}, noise may have decided."
        ]
        runs, needed = int(tests[["better", "equal", "worse"]].sum(axis=1).max()), runs_to_tell(len(tests))
        return (
            said
            if runs >= needed
            else [*said, f"{runs} runs tell nothing of so many comparisons, however they end; {needed} are the fewest that can."]
        )
    compared = {run.algorithm for run in done} > {method}
    return [f"Of fewer than {FEWEST_RUNS} runs there are no tests and no intervals: noise may have decided."] if compared else []


CURVES = Lines(("objective",), "algorithm", "queries", "regret")
RESULTS_SAYS = (
    "regret: how much less, measured without noise, the architecture has that a run takes for the best than the best one, mean over runs with its 95% interval;"
    " of several objectives, the share of the front's hypervolume that is lacking. rank: among the algorithms, from the same seed, mean over runs. seconds: that"
    " a run computes."
)
TESTS_SAYS = (
    "{method} against the others, in runs from the same seeds: how often its regret is less, equal and more; effect: rank-biserial correlation of the pairs, 1 where"
    " it is always better; p: Wilcoxon's signed-rank test, two-sided; p_holm: corrected for all rows by Holm's method."
)
CURVES_SAYS = "Mean regret after so many queries; of several objectives, the share of the front's hypervolume that is lacking then. JSON has 95% intervals, too."
COSTS = Lines(("objective",), "algorithm", "training_seconds", "regret")
COSTS_SAYS = "Seconds of training that the architectures would have taken which were asked for until then, by the store, mean over runs; a page draws regret by them."

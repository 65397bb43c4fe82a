"""Where a search stands among others: the tables and sentences of its report card, made from runs.

stood = standing({"": runs}, "mine:search", budget=100)
stood.sections, stood.sentences

Runs are keyed by the store that they are on: by "" where there is only one, and by its name where there are several, which a column then says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.judge.figures import Dots, Lines
from robbench.judge.report import Section
from robbench.judge.searching import Run, checkpoints
from robbench.judge.significance import ALPHA, FEWEST_RUNS, holm, interval_of_mean, paired, runs_to_tell

if TYPE_CHECKING:
    import pandas as pd


RunsByStore = Mapping[str, Sequence[Run]]


class Standing(NamedTuple):
    """What the runs of a report say."""

    sections: tuple[Section, ...]
    """``results``, ``tests``, ``curves`` and, where a store says what training takes, ``costs``; those that have rows."""
    sentences: tuple[str, ...]


def standing(runs: RunsByStore, method: str, budget: int) -> Standing:
    """Tables and sentences of one method and those beside it; a correction for many comparisons is for those of all stores."""
    done = {store: [run for run in its if run.asked] for store, its in runs.items()}
    results = _of_all(done, _results)
    tests = _corrected(_of_all(done, lambda its: _tests(its, method)))
    curves = _of_all(done, lambda its: _curves(its, budget))
    panels = ("store", "objective") if len(runs) > 1 else ("objective",)
    by_queries, by_cost = (Lines(panels, "algorithm", across, "regret") for across in ("queries", "training_seconds"))
    sections = (
        Section("results", RESULTS_SAYS, results, figure=Dots(panels, "algorithm", "regret")),
        Section("tests", TESTS_SAYS.format(method=method), tests),
        Section("curves", CURVES_SAYS, curves, (*panels, "algorithm"), ("queries", "regret"), figure=by_queries),
        Section("costs", COSTS_SAYS, _costs(curves), (*panels, "algorithm"), ("queries", "training_seconds"), figure=by_cost),
    )
    return Standing(tuple(one for one in sections if len(one.table)), _sentences(done, runs, method, tests))


def _of_all(runs: RunsByStore, table: Callable[[Sequence[Run]], pd.DataFrame]) -> pd.DataFrame:
    """The tables of all stores in one."""
    import pandas as pd

    tables = {store: found for store, its in runs.items() if len(found := table(its))}
    for store, found in tables.items():
        if store:
            found.insert(0, "store", store)
    return pd.concat(tables.values(), ignore_index=True) if tables else pd.DataFrame()


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
    return pd.DataFrame.from_records(records)


def _corrected(tests: pd.DataFrame) -> pd.DataFrame:
    return tests.assign(p_holm=holm(tests["p"].tolist())) if len(tests) else tests


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


def _sentences(done: RunsByStore, runs: RunsByStore, method: str, tests: pd.DataFrame) -> tuple[str, ...]:
    said = [sentence for store, its in done.items() for sentence in _ranked(its, method, _on(store))]
    said += _noise_of([run for its in done.values() for run in its], method, tests)
    return (*said, *(sentence for store, its in runs.items() for sentence in _idle(its, method, _on(store))))


def _on(store: str) -> str:
    return f" on {store}" if store else ""


def _ranked(done: Sequence[Run], method: str, on: str) -> list[str]:
    """Its mean rank, of one objective and of several at once."""
    import pandas as pd

    said = []
    objectives = dict.fromkeys(run.objective for run in done)
    for words, several in (("one objective", False), ("several objectives at once", True)):
        ranks = [_finals(done, objective).rank(axis=1).mean() for objective in objectives if ("+" in objective) is several]
        mean = pd.DataFrame(ranks).mean()
        if method in mean and len(mean) > 1:
            least = "no other's is less" if mean[method] == mean.min() else f"the least is {mean.idxmin()}'s, {mean.min():.2f}"
            said.append(f"Under {words}{on}, its mean rank is {mean[method]:.2f} of {len(mean)} algorithms; {least}.")
    return said


def _idle(runs: Sequence[Run], method: str, on: str) -> list[str]:
    """Who asked for nothing."""
    idle = dict.fromkeys((run.objective, run.algorithm) for run in runs if run.algorithm != method and not run.asked)
    said = [
        f"Not applicable to {objective}{on}: {', '.join(algorithm for of, algorithm in idle if of == objective)}."
        for objective in dict.fromkeys(objective for objective, _ in idle)
    ]
    if not any(run.asked for run in runs if run.algorithm == method):
        said.append(f"{method} asked for nothing{on}, so there is nothing of it to judge.")
    return said


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
COSTS_SAYS = "Seconds of training that the architectures would have taken which were asked for until then, by the store, mean over runs; a page draws regret by them."

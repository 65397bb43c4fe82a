"""Scores of architectures: of a function that someone brings, of a CSV file, or of a metric of the store; one for each class.

An architecture of a class stands for all of it: the store's representative.  Where a file scores others of the class and not that one, its first counts.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from robbench.arguments import checked_count, checked_seed
from robbench.bench import RobBench
from robbench.errors import InvalidArgument, NotMeasured, ObjectiveFailed, UnknownArchitecture
from robbench.judge.calling import Fault, Faults, MethodFailed, called, guarding
from robbench.judge.keeping import NOTHING_KEPT, Lines, kept_in
from robbench.judge.methods import Method, checksum, file_of
from robbench.judge.report import made_by
from robbench.measurements.directions import higher_is_better, spelled
from robbench.measurements.joining import join
from robbench.search.objectives import Evaluated

HANGING = 3
"""Calls that hang until no more are made."""
AHEAD = 64
"""How many architectures a function with a method ``prepare`` (see `robbench.search.objectives`) is told of at once, to score them in stacks."""
AGAIN = 32
"""Architectures that are scored again, in another order."""


class Scores(NamedTuple):
    """What a proxy says of each class of a store."""

    name: str
    values: np.ndarray
    """``(classes,)``, float64, more being better; NaN where there is none."""
    asked: np.ndarray
    """``(classes,)``, bool: of which classes a score was wanted."""
    seconds: float | None
    """An architecture, where there are scores and it was measured."""
    agreement: float | None
    """Spearman's ρ of scores with those of the same architectures when asked again in another order; None where none was asked again."""
    faults: tuple[Fault, ...]
    made: Mapping[str, Any] = MappingProxyType({})
    """What made them: options, and the checksum of the file that they are of; None is left out of a report."""
    reseeded: float | None = None
    """Spearman's ρ with scores of the same function by another seed; None of a function that takes no seed."""


Score = Callable[[Any], float]


def live(
    bench: RobBench,
    function: Callable[..., Any],
    name: str,
    *,
    sample: int | None = None,
    seed: int = 0,
    limit: float | None = 10,
    batch: int | None = None,
    lower_is_better: bool = False,
    keep: Path | None = None,
    progress: bool = False,
) -> Scores:
    """Scores by a function.

    Arguments:
        bench: of whose classes.
        function: from an architecture to a number; with `batch`, from a list of architectures to as many numbers.  If it takes a ``seed``, it is given this one, and
            some are scored by the next one, too.
        name: what the report calls it; ``module:name`` if scores are kept, since the module's file says whether it is still the same function.
        sample: so many classes, drawn; all if left out.
        seed: of the sample, of the order in which some are asked again, and of the function.
        limit: seconds that a call may take; None for no limit.
        batch: the most architectures a call; if left out, the function takes one.
        lower_is_better: whether less of it is taken for better.
        keep: a folder for finished calls (see `robbench.judge.keeping`): scoring that was cut goes on, and that of a larger sample takes what is there.
        progress: show a bar on stderr.

    Raises:
        InvalidArgument: a sample, seed, batch or limit that is none; a folder that keeps scores of another setting, or a name by which they cannot be kept.
    """
    rng, classes = np.random.default_rng(checked_seed(seed)), bench.classes
    if sample is not None and checked_count(sample, "sample", of="classes") > len(classes):
        raise InvalidArgument(
            f"sample={sample} is more than the {len(classes)} classes of {bench.path.name}; leave it out to score all of them."
        )
    rows = np.sort(rng.permutation(len(classes))[:sample])
    if batch is not None:
        checked_count(batch, "batch", of="architectures")
    by_seed = (function, None) if not _takes_seed(function) else (partial(function, seed=seed), partial(function, seed=seed + 1))
    calls = _Calls(by_seed[0], limit, batch, _kept(bench, seed, name, keep, f"limit {limit}", f"batch {batch}"))
    faults, values = Faults(), np.full(len(classes), np.nan)
    agreement = reseeded = None
    with guarding(bench.path, faults):
        values[rows], seconds = _scored(calls, "score", [classes[row] for row in rows], faults, progress)
        again = rng.permutation(rows[~np.isnan(values[rows])])[:AGAIN]
        if len(again):
            second, _ = _scored(calls, "again", [classes[row] for row in again], Faults(), progress=False)
            differ = ~np.isclose(values[again], second, rtol=1e-6, atol=0, equal_nan=True)
            if differ.any():
                first = int(differ.argmax())
                example = f"{values[again][first]:g}, then {second[first]:g}, of {classes[again[first]]}"
                faults.note(f"scored otherwise when {len(again)} were asked again in another order", example, int(differ.sum()))
            agreement = _agreement(values[again], second)
            if by_seed[1] is not None:
                others, _ = _scored(
                    calls._replace(function=by_seed[1]), "another seed", [classes[row] for row in again], faults, progress=False
                )
                reseeded = _agreement(values[again], others)
    took = None if np.isnan(values).all() else seconds
    written = file_of(function)
    made = {
        "method_sha256": written and checksum(written),
        "sample": sample,
        "batch": batch,
        "lower_is_better": lower_is_better or None,
        "limit": limit,
    }
    scores = -values if lower_is_better else values
    return Scores(name, scores, _chosen(classes, rows), took, agreement, faults.of(len(rows)), made, reseeded)


def from_csv(bench: RobBench, path: Path, column: str | None = None, *, arch: str = "arch", lower_is_better: bool = False) -> Scores:
    """Scores of a CSV file with a column that names architectures, in any spelling that the store knows, and one of scores.

    Arguments:
        bench: of whose classes.
        path: the file.
        column: that of the scores; if left out, the only other one.
        arch: the column that names the architectures.
        lower_is_better: whether less of it is taken for better.

    Raises:
        InvalidArgument: the file cannot be read, or has no such columns.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"{path} cannot be read as CSV: {error}") from error
    columns = [str(name) for name in table]
    others = [name for name in columns if name != arch]
    chosen = column or (others[0] if len(others) == 1 else None)
    if arch not in columns or chosen is None or chosen not in columns:
        raise InvalidArgument(
            f"{path} has the columns {', '.join(columns)}; expected {arch!r} and "
            + (f"{column!r}." if column else "one of scores: say which, as in scores.csv:COLUMN.")
        )
    faults, lookup = Faults(), bench.measurements.lookup
    values, asked, first = np.full(len(bench.classes), np.nan), np.zeros(len(bench.classes), bool), dict[str, str]()
    numbers = pd.to_numeric(table[chosen].str.strip(), errors="coerce").to_numpy(np.float64)
    for text, written, number in zip(table[arch], table[chosen], numbers, strict=True):
        if first.setdefault(text, written) != written:
            faults.note("has two scores for one architecture, of which the first counts", f"{written} after {first[text]}, of {text}")
            continue
        try:
            parsed = lookup.parse(text)
            row = lookup.row("class", parsed)
        except UnknownArchitecture:
            faults.note("names what is no architecture of the space", text[:100])
            continue
        except NotMeasured:
            faults.note("names architectures that the store does not hold", text[:100])
            continue
        asked[row] = True
        if not np.isfinite(number):
            faults.note("has no finite number", f"{written!r:.40} for {text}")
        elif np.isnan(values[row]) or parsed == bench.classes[row]:
            values[row] = number
    made = {"method_sha256": checksum(path), "lower_is_better": lower_is_better or None}
    return Scores(f"{path.name}:{chosen}", -values if lower_is_better else values, asked, None, None, faults.of(len(table)), made)


def from_store(bench: RobBench, metric: str, dataset: str | None = None) -> Scores:
    """Scores that the store holds, such as those of a published proxy; raises UnknownMetric and NotMeasured as a query."""
    name = spelled(metric)
    values = join(bench.measurements, [name], rows="class", dataset=dataset).values[name]
    return Scores(name, values if higher_is_better(name) else -values, np.ones(len(values), bool), None, None, ())


class _Calls(NamedTuple):
    """How a function is called, and what is kept of it."""

    function: Any
    limit: float | None
    batch: int | None
    kept: Lines
    """A call each, of a turn and architectures: a batch is kept as a whole, since its scores may depend on each other."""

    def waiting(self, turn: str, archs: Sequence[Any]) -> list[Any]:
        """Those of these architectures, each asked of alone, that a function which scores ahead is to be told of: what is kept already is not scored again."""
        return [arch for arch in archs if not self.kept.has((turn, str(arch)))] if hasattr(self.function, "prepare") else []

    def made(self, archs: Sequence[Any], ahead: Sequence[Any]) -> dict[str, Any]:
        """What came of a call, ``{"scores": […], "fault": [], "seconds": …}``; no scores where it failed, but the fault: what, and an example."""
        start = time.perf_counter()
        try:
            if ahead:
                called(None if self.limit is None else self.limit * len(ahead), self.function.prepare, list(ahead))
            scores, fault = (_alone if self.batch is None else _together)(self.function, archs, self.limit), []
        except MethodFailed as error:
            scores, fault = [], [error.kind, error.about(f"for {archs[0]}")]
        return {"scores": scores, "fault": fault, "seconds": time.perf_counter() - start}


def _kept(bench: RobBench, seed: int, name: str, keep: Path | None, *options: str) -> Lines:
    """The calls of a function, under these options, that a folder keeps."""
    if keep is None:
        return NOTHING_KEPT.lines(())
    if ":" not in name:
        raise InvalidArgument(
            f"scores of {name!r} cannot be kept: nothing says whether it is the same function later. Name it module:name, as it is found in a file."
        )
    _ = Method(name).found
    return kept_in(keep, made_by(bench, seed), [name]).lines(("scores of", name, *options))


def _scored(calls: _Calls, turn: str, archs: Sequence[Any], faults: Faults, progress: bool) -> tuple[np.ndarray, float]:
    """A score for each of these architectures, ``(archs,)``, NaN where the function gave none; and how many seconds one took of those that were asked for."""
    from tqdm import tqdm

    size = calls.batch or 1
    values, hanging, seconds, asked = np.full(len(archs), np.nan), 0, 0.0, 0
    waiting: list[Any] = []
    with tqdm(total=len(archs), unit="arch", disable=None if progress else True) as shown:
        for start in range(0, len(archs), size):
            some = archs[start : start + size]
            if calls.batch is None and start % AHEAD == 0:
                waiting = calls.waiting(turn, archs[start : start + AHEAD])
            ahead = waiting if waiting and waiting[0] == some[0] else []
            found = calls.kept.done((turn, *map(str, some)), partial(calls.made, some, ahead))
            seconds, asked = seconds + found["seconds"], asked + len(some)
            shown.update(len(some))
            if found["fault"]:
                what, example = found["fault"]
                faults.note(what, example, len(some))
                hanging += what.startswith("was still")
                if hanging == HANGING:
                    faults.note(f"was not asked any more after {HANGING} calls that hung", "", len(archs) - start - len(some))
                    break
            for at, value in enumerate(found["scores"]):
                if np.isfinite(value):
                    values[start + at] = value
                else:
                    faults.note("returned NaN" if value != value else "returned an infinite number", str(some[at]))
    return values, seconds / max(asked, 1)


def _alone(function: Callable[..., Any], archs: Sequence[Any], limit: float | None) -> list[float]:
    (arch,) = archs
    return [_number(called(limit, function, arch), arch)]


def _together(function: Callable[..., Any], archs: Sequence[Any], limit: float | None) -> list[float]:
    returned = called(limit, function, list(archs))
    try:
        found = list(returned)
    except TypeError as error:
        raise MethodFailed("returned no sequence", f"{returned!r:.80}") from error
    if len(found) != len(archs):
        raise MethodFailed("returned another number of scores than of architectures", f"{len(found)} for {len(archs)}")
    return [_number(value, arch) for value, arch in zip(found, archs, strict=True)]


def _number(value: Any, arch: Any) -> float:
    """A score as a float; None is none.  As an oracle's objective is, it is checked by `Evaluated`."""
    if value is None:
        return np.nan
    try:
        return Evaluated(lambda _: value.item() if getattr(value, "ndim", None) == 0 else value)(arch)
    except ObjectiveFailed as error:
        raise MethodFailed("returned no number", f"{value!r:.80}") from error


def _chosen(classes: Sequence[Any], rows: np.ndarray) -> np.ndarray:
    chosen = np.zeros(len(classes), bool)
    chosen[rows] = True
    return chosen


def _takes_seed(function: Callable[..., Any]) -> bool:
    try:
        return "seed" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of what is compiled, which says nothing of itself
        return False


def _agreement(first: np.ndarray, second: np.ndarray) -> float | None:
    from scipy.stats import spearmanr

    both = ~np.isnan(second)
    if both.sum() < 3 or np.ptp(first[both]) == 0 or np.ptp(second[both]) == 0:
        return None
    return float(spearmanr(first[both], second[both]).statistic)

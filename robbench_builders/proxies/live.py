"""Live proxies: objectives of searches that score architectures when they are asked for, in stacks, each once.

    proxy = objective("r_score", dataset, DartsSkeleton(), seed=0)
    oracle = oracle_of("darts", proxy, budget=300)                      robbench.search; or bench.oracle(proxy, …)

    psi, phi, size = objectives(["r_score_psi", "r_score_phi", "params"], dataset, DartsSkeleton())
    oracle = oracle_of("darts", [psi, phi, size], budget=1050, directions={"params": "min"})
    trnas(oracle, oracle.space, rng, combine=r_score)                   R-Score over a population, as released

Of architectures that are the same but for labels, as genotypes of DARTS with renumbered nodes, one is scored: the canonical one, under whose key the score is
kept.  In NAS-Bench-201 each exact cell has a score of its own.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robbench_builders.datasets import Dataset
from robbench_builders.environment import environment_of
from robbench_builders.errors import BuildError, ProxyError
from robbench_builders.networks import space_of
from robbench_builders.networks.families import spaces_of
from robbench_builders.proxies.registry import KNOWN, Proxy
from robbench_builders.proxies.scores_file import Score, ScoresFile
from robbench_builders.proxies.scoring import score_untrained, size_of
from robbench_builders.recipes import digest
from robbench.arguments import checked_count, checked_seed, nearest
from robbench.measurements.rscore import r_scores

_ON_A_GPU = 8
COMPOSED = {
    "r_score": ("r_score_psi", "r_score_phi"),
    "r_score_equations": ("r_score_psi_equations", "r_score_phi_equations"),
}
"""Scores that are made of two proxies: Ψ^½ · Φ of each architecture by itself, equation 6 of Yang et al. (2025); over a population, see `robbench.search.trnas.r_score`."""


Progress = Callable[[int, int], object]
"""Called with how many architectures have been computed, and how many were read from a file, whenever there is another."""


class LiveScores:
    """Proxies of architectures, computed when they are first asked for, in one pass for all the names; `objectives` says what the arguments are."""

    def __init__(
        self,
        names: Sequence[str],
        dataset: Dataset,
        skeleton: Any,
        *,
        seed: int,
        stack: int,
        proxies: dict[str, Proxy] | None,
        keep: Path | None,
        progress: Progress | None,
        options: dict[str, Any],
    ) -> None:
        known = {**KNOWN, **(proxies or {})}
        for name in names:
            if name not in known and name not in COMPOSED:
                raise ProxyError(f"{name!r} is not a proxy.{nearest(name, (*COMPOSED, *known))} Known: {', '.join((*COMPOSED, *known))}.")
        wanted = dataset.image_shape[0], dataset.num_classes
        if (skeleton.image_channels, skeleton.classes) != wanted:
            raise ProxyError(
                f"{skeleton!r} is for other data than {dataset.name}; expected image_channels={wanted[0]} and classes={wanted[1]}."
            )
        self.names = list(dict.fromkeys(part for name in names for part in COMPOSED.get(name, (name,))))
        self.relabels = all(space.relabels for space in spaces_of(skeleton))
        self._dataset, self._stack = dataset, checked_count(stack, "stack", of="networks")
        self._options = {"skeleton": skeleton, "seed": checked_seed(seed), "proxies": known, **options}
        self.kept: dict[str, Score] = {}
        """By the key of an architecture, or its text where labels mean something."""
        self._file = None if keep is None else self._opened(keep)
        self._progress, self._computed = progress, 0

    @property
    def settings(self) -> dict[str, Any]:
        """What the scores depend on, beside the architecture."""
        told = {name: self._options[name] for name in ("seed", "init", "batch_size", "part", "normalisation")}
        return {"dataset": self._dataset.name, "checksum": self._dataset.checksum, **size_of(self._options["skeleton"]), **told}

    def _opened(self, path: Path) -> ScoresFile:
        """The file; its scores are also those of a number of networks at once, which their last bits depend on, and of where they are computed."""
        where = environment_of(torch.device(self._options["device"]))
        known = self._options["proxies"]
        of = digest({name: {"proxy": _computing(known[name]), **known[name].settings()} for name in self.names})
        return ScoresFile(path, {**self.settings, "stack": self._stack, **where}, of, self.names)

    def score(self, arch: Any) -> Score:
        """That of an architecture."""
        if (key := self._key(arch)) not in self.kept:
            self.prepare([arch])
        return self.kept[key]

    def prepare(self, archs: Sequence[Any]) -> None:
        """Score those of the architectures that have no score yet, so many at once; those that the file has are read from it."""
        fresh = {key: space_of(arch).canonical(arch) for arch in archs if (key := self._key(arch)) not in self.kept}
        if self._file is not None and (read := {key: self._file.scores[key] for key in fresh if key in self._file.scores}):
            self._add(read)
        keys = [key for key in fresh if key not in self.kept]
        for start in range(0, len(keys), self._stack):
            some = keys[start : start + self._stack]
            found = dict(zip(some, self._scored([fresh[key] for key in some]), strict=True))
            if self._file is not None:
                self._file.append(found)
            self._computed += len(found)
            self._add(found)

    def _add(self, scores: dict[str, Score]) -> None:
        self.kept.update(scores)
        if self._progress is not None:
            self._progress(self._computed, len(self.kept) - self._computed)

    def _key(self, arch: Any) -> str:
        return space_of(arch).key(arch) if self.relabels else str(arch)

    def _scored(self, archs: list[Any]) -> Iterator[Score]:
        """Of networks stacked; where one of them cannot be built, one by one."""
        started = time.perf_counter()
        try:
            found = score_untrained(archs, self._dataset, self.names, **self._options)
        except BuildError as error:
            if len(archs) > 1:
                for arch in archs:
                    yield from self._scored([arch])
            else:
                yield Score(dict.fromkeys(self.names, np.nan), dict.fromkeys(self.names, str(error)), time.perf_counter() - started)
            return
        seconds = (time.perf_counter() - started) / len(archs)
        for k in range(len(archs)):
            reasons = {name: why for name, each in found.reasons.items() if (why := each[k]) is not None}
            yield Score({name: float(values[k]) for name, values in found.values.items()}, reasons, seconds)


class LiveProxy:
    """An objective: called with an architecture, answers with its proxy, NaN where there is none."""

    def __init__(self, name: str, scores: LiveScores) -> None:
        self.name = name
        """What histories call it."""
        self.scores = scores
        """What it is read from, and shares with the other objectives that were made with it."""
        self.identity = "class" if scores.relabels else "exact"
        """Whether it is equal for all of a class."""
        self._parts = COMPOSED.get(name, (name,))

    def __call__(self, arch: Any) -> float:
        """The value; NaN where there is none, of which `reasons` says why."""
        return self._value(self.scores.score(arch))

    def prepare(self, archs: Sequence[Any]) -> None:
        """Score architectures that will be asked for, in stacks."""
        self.scores.prepare(archs)

    def why(self, arch: Any) -> str | None:
        """Why an architecture has no value; None where it has one."""
        return self._why(self.scores.score(arch))

    def seconds(self, arch: Any) -> float:
        """How long an architecture took to be scored, with all objectives that share its passes: a cost for an oracle.

        Measured on this machine, so that runs differ.
        """
        return self.scores.score(arch).seconds

    @property
    def failures(self) -> dict[str, int]:
        """Why values are missing, and how often, among the architectures that were scored."""
        return dict(Counter(why for score in self.scores.kept.values() if (why := self._why(score))))

    @property
    def effective_rate(self) -> float:
        """The share of the architectures scored that have a value: Yang et al. (2025), Table 8; NaN before the first."""
        scored = len(self.scores.kept)
        return 1 - sum(self.failures.values()) / scored if scored else np.nan

    def _value(self, score: Score) -> float:
        values = [score.values[part] for part in self._parts]
        if len(values) == 1 or any(map(np.isnan, values)):
            return values[0] if len(values) == 1 else np.nan
        psi, phi = values
        return float(r_scores([psi], [phi], stretched=False)[0])

    def _why(self, score: Score) -> str | None:
        return next((score.reasons[part] for part in self._parts if part in score.reasons), None)


def _computing(proxy: Proxy) -> str:
    """What computes a proxy, by the name of its function or class."""
    compute: Any = proxy.compute
    named = compute if hasattr(compute, "__qualname__") else type(compute)
    return f"{named.__module__}.{named.__qualname__}"


def objective(name: str, dataset: Dataset, skeleton: Any, **options: Any) -> LiveProxy:
    """A proxy as an objective; `name`, and otherwise arguments and errors as of `objectives`."""
    return objectives([name], dataset, skeleton, **options)[0]


def objectives(
    names: Sequence[str],
    dataset: Dataset,
    skeleton: Any,
    *,
    seed: int = 0,
    init: str = "random",
    batch_size: int = 64,
    stack: int | None = None,
    device: torch.device | str = "cpu",
    part: str = "train",
    normalisation: tuple[Sequence[float], Sequence[float]] | None = None,
    proxies: dict[str, Proxy] | None = None,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> tuple[LiveProxy, ...]:
    """Proxies as objectives of an oracle, which share their networks and passes: one of them asks, all have an answer.

    Arguments:
        names: of proxies, or of `COMPOSED`: ``"r_score"``.
        dataset: images and labels are drawn from it once for all architectures.
        skeleton: the macro skeleton, of `robbench_builders.networks.families`; for the channels and classes of the data set.
        seed: of weights, of the images drawn, and of what proxies draw.
        stack: how many architectures are scored at once, where a search says which it asks next.  If left out, 8 on a GPU and 1 on a CPU, which networks of the
            size of searches fill one by one; small networks gain by more.
        init, batch_size, device, part, normalisation: as for `score_untrained`.
        proxies: of one's own, or others under these names.
        keep: a file that scores are kept in, and read from where it has them: a search from the same seed that was stopped then goes on as if it had not been.  It
            is made if it is not there; other searches and proxies may share it, under the same settings and libraries.
        progress: see `Progress`.

    Raises:
        ProxyError: an unknown proxy, or a skeleton for other images or classes; the file has scores of other settings, is damaged, or cannot be written.
        InvalidArgument: a seed or a number of networks that is none.
    """
    if stack is None:
        stack = 1 if torch.device(device).type == "cpu" else _ON_A_GPU
    options = {"init": init, "batch_size": batch_size, "device": device, "part": part, "normalisation": normalisation}
    scores = LiveScores(names, dataset, skeleton, seed=seed, stack=stack, proxies=proxies, keep=keep, progress=progress, options=options)
    return tuple(LiveProxy(name, scores) for name in names)

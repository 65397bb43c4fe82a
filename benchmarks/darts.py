"""DARTS in numbers: published architectures beside their published sizes, surrogates of 164 networks, and what keys, predictions and stacks take.

    python benchmarks/darts.py sizes                                              a second
    python benchmarks/darts.py speed                                              two minutes on two cores
    python benchmarks/darts.py surrogates --data path/to/robustbench_darts        a minute, most of it in forests
    python benchmarks/darts.py surrogates --models networks --data …              ten minutes

Tables are printed as docs/darts.md shows them.  Published sizes: Yang et al. (2025), Table 2, in millions.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robbench import RobBench
from robbench.sources import import_source
from robbench.spaces.darts import DARTS
from robbench.surrogates import fit
from robbench.surrogates.fitting import gather, scores
from robbench.surrogates.small import Ridge
from robbench.surrogates.splits import folds

PUBLISHED = {
    "darts-v2": (3.3, 547.44),
    "pdarts": (3.4, 550.75),
    "racl": (3.6, 568.86),
    "advrush": (4.2, 668.53),
    "lrnas": (2.2, 346.10),
    "zcprob": (3.4, 555.54),
    "robot": (3.0, 492.75),
    "trnas": (4.3, 673.28),
}
TARGETS = ("clean", "pgd@8/255")
MODELS = ("ridge", "process", "forest", "small")
NETWORKS, IMAGES = 8, 8
TRAIN = 0.9


def sizes() -> None:
    """Parameters and FLOPs at C = 36 and 20 cells, on images of 32×32."""
    from robbench_builders.networks.darts import EVALUATION, work

    print(
        "| architecture | parameters | published | multiply-accumulates | with other layers | published FLOPs | |\n|---|---|---|---|---|---|---|"
    )
    for name, (parameters, flops) in PUBLISHED.items():
        found = work(DARTS.parse(name), EVALUATION, 32)
        counts = {"multiply-accumulates": found.products / 1e6, "with other layers": found.layers / 1e6}
        same = [what for what, count in counts.items() if round(count, 2) == flops and round(found.parameters / 1e6, 1) == parameters]
        said = f"= {same[0]}" if same else "another run's: its repository's genotype has other parameters, too"
        print(
            f"| {name} | {found.parameters / 1e6:.2f} | {parameters} | {' | '.join(f'{count:.2f}' for count in counts.values())} | {flops:.2f} | {said} |"
        )


def speed() -> None:
    """Keys, features, and stacks beside one network at a time; the best of three rounds."""
    import torch

    from robbench_builders.networks.darts import DartsNetwork, DartsSkeleton, StackedDarts
    from robbench_builders.networks.frozen import FrozenStack

    rng = np.random.default_rng(0)

    def fresh(count: int) -> list[Any]:
        return [DARTS.sample(rng) for _ in range(count)]

    print(f"key of a genotype: {1e3 * best(lambda: [DARTS.key(arch) for arch in fresh(500)]) / 500:.3f} ms, drawing it included")
    torch.manual_seed(0)
    skeleton, images = DartsSkeleton(), torch.rand(IMAGES, 3, 32, 32)
    plain = [DartsNetwork(arch, skeleton, generator=torch.Generator().manual_seed(0)) for arch in fresh(NETWORKS)]
    stack = StackedDarts(plain)

    def trained(networks: list[Any]) -> None:
        for network in networks:
            network.train()(images).square().sum().backward()

    def attacked(networks: list[Any]) -> None:
        for network in networks:
            x = images.clone().requires_grad_()
            network(x).square().sum().backward()

    print(f"| {NETWORKS} networks, C = 16, 8 cells, {IMAGES} images | one at a time | stacked | times |\n|---|---|---|---|")
    one, many = best(lambda: trained(plain)), best(lambda: trained([stack]))
    print(f"| forwards and backwards in training mode | {one:.2f} s | {many:.2f} s | {one / many:.2f} |")
    for network in (*plain, stack):
        network.eval().requires_grad_(False)
    frozen = FrozenStack(stack)
    one, many = best(lambda: attacked(plain)), best(lambda: attacked([frozen]))
    print(f"| gradient for the images, frozen | {one:.2f} s | {many:.2f} s | {one / many:.2f} |")


def surrogates(data: Path, models: Sequence[str]) -> None:
    """Ten folds of all networks, beside the mean and parameters alone; predictions of any genotype."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.h5"
        import_source("tiny_robustbench", data, path)
        bench = RobBench(path)
        print(
            f"Ten folds of {len(bench.classes)} networks.\n\n| target | model | R² | Kendall τ | Spearman ρ | mean absolute error |\n|---|---|---|---|---|---|"
        )
        for target in TARGETS:
            found = {"the mean": _alone(bench, target, None), "parameters alone": _alone(bench, target, "size")}
            for model in models:
                surrogate = fit(bench, target, model=model, split="folds", train=TRAIN)
                found[model] = surrogate.about.scores[target]
                surrogate.save(path)
            for model, score in found.items():
                print(f"| {target} | {model} | {score['r2']:.3f} | {score['kendall']:.3f} | {score['spearman']:.3f} | {score['mae']:.4f} |")
        rng = np.random.default_rng(0)
        many = [DARTS.sample(rng) for _ in range(10_000)]
        seconds = best(lambda: RobBench(path).predict_many(many, "clean"))
        print(f"\n{len(many)} predictions of genotypes that the store does not hold: {seconds:.2f} s")
        far = np.mean([RobBench(path).predict(arch, "clean").far for arch in many[:300]])
        print(f"flagged as far from everything measured: {far:.0%} of genotypes drawn at random")


def _alone(bench: RobBench, target: str, features: str | None) -> dict[str, float]:
    """Scores, over the same folds, of a regression on the logarithm of the number of parameters; or of the mean."""
    data = gather(bench.measurements, target, features or "size")
    values = data.features[:, :1] if features else np.zeros((len(data.rows), 1))
    fold, predicted = folds(data.twins, TRAIN, 0), np.empty(len(data.rows))
    for one in range(fold.max() + 1):
        learned = Ridge.fit(values[fold != one], data.targets[fold != one], 1, 0)
        predicted[fold == one] = learned.predict(values[fold == one])[:, 0]
    return scores(data.targets[:, 0], predicted)


def best(function: Callable[[], object], rounds: int = 3) -> float:
    """Seconds of the fastest of several rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("sizes", "speed", "surrogates"))
    parser.add_argument("--data", type=Path, help="of surrogates: the folder with robust_bench_seed_*.json")
    parser.add_argument("--models", nargs="+", default=MODELS, help="of surrogates")
    options = parser.parse_args()
    if options.what == "surrogates":
        if options.data is None:
            parser.error("surrogates needs --data")
        surrogates(options.data, options.models)
    else:
        {"sizes": sizes, "speed": speed}[options.what]()


if __name__ == "__main__":
    main()

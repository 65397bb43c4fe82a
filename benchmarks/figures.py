"""Draws the figures of docs/figures/ with the commands that docs/figures.md shows, and writes that page.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the extras `plots` and `surrogates`.  About
a minute of one core.  What is random, the forest and the searches, is seeded.  n is all classes, or cells, of the store.

    python benchmarks/figures.py
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from robbench import RobBench, analysis
from robbench.cli import main as robbench
from robbench.sources import import_source

REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
DOCS = Path(__file__).parents[1] / "docs"
SOURCES = {
    "jung2023": "jung2023",
    "nbsuite_zero": "nbsuite_zero/zc_nasbench201_cifar10.csv",
    "hwnasbench": "hwnasbench/hw_cifar10.csv",
}
MATRIX = "clean fgsm@1/255 pgd@1/255 apgd-ce@1/255 square@1/255 mean_corruption synflow nwot jacov grad_norm snip params edgegpu_latency"
BEST_CLEAN = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
BEST_PGD = "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
FIGURES = {
    "attacks": (
        "boxes attacks",
        "Accuracy of all 6,466 classes on cifar10 at each eps: quartiles, whiskers from the 5th to the 95th percentile.",
    ),
    "corruptions": ("boxes corruptions --dpi 150", "The same at each severity; snow and glass blur do not fall steadily."),
    "correlation": (
        f"correlation {MATRIX}",
        "Kendall's τ, more being better in each metric: of a latency, less. Pairs of class metrics run over 6,466 classes; a proxy's over the cells it was"
        " computed for, 9,445; a latency's over 15,625.",
    ),
    "scatter": ("scatter clean pgd@1/255 --dpi 150", "Clean against robust accuracy of every class, and the front between them."),
    "latency": (
        "scatter edgegpu_latency pgd@1/255 --dpi 150",
        "Latency on an edge GPU against robust accuracy of every cell; left is faster.",
    ),
    "importance": ("importance pgd@1/255", "What a forest that predicts the accuracy under PGD loses when one proxy is shuffled."),
    "curves": (
        f"curves pgd 'best clean={BEST_CLEAN}' 'best pgd@1/255={BEST_PGD}'",
        "Two cells under PGD: the best one without an attack, and the best at eps 1/255.",
    ),
    "search": (
        "search fgsm@1/255 random local evolution bananas --dpi 150",
        "The best network so far of 30 searches of each kind: mean, and the 10th to the 90th percentile; repeats are charged.",
    ),
    "cell": (f"architecture '{BEST_CLEAN}'", "The cell of the best clean accuracy."),
    "best": ("best clean pgd@1/255 mean_adversarial mean_corruption", "The best cells by four metrics."),
}
DENSE = ("corruptions", "scatter", "latency", "search")
"""Smaller as pixels, so that the repository stays small."""
SYSTEMATIC = 0.1
"""The share of comparisons from which on an excess is told of although none is beyond noise."""
PAGE = """# Figures of the published data

Drawn by `benchmarks/figures.py` from a store of {sources}, with the commands below (`ROBBENCH_STORE` names the store; `.pdf` and `.png`
work as well as `.svg`).
"""
ANOMALIES = """
## Signs of gradient masking

`analysis.anomaly_counts(bench)`: accuracies that are above another that they should not exceed, over all architectures and
levels of a kind, and how many are so by more than {threshold:g} binomial standard errors; an architecture counts once for each comparison.
Shown is what is beyond noise somewhere, or above in more than a tenth of the comparisons.

Square is hardly ever more successful than PGD or APGD-CE, so of masked gradients there is next to no sign.  On cifar10, FGSM does rise with eps,
mostly at eps 1: its one step overshoots.  PGD leaves a little more than FGSM at the smallest eps for nearly every network, which is no noise, though small.  Snow and
glass blur rise with severity for most networks: the severities, made for larger images, are not in order of difficulty here.  Constant
are the networks that no path leads through.
"""


def main() -> None:
    (DOCS / "figures").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "published.h5")
        for source, path in SOURCES.items():
            import_source(source, REFERENCE / path, store)
        lines = [PAGE.format(sources=", ".join(SOURCES))]
        for name, (command, caption) in FIGURES.items():
            out = DOCS / "figures" / f"{name}.{'png' if name in DENSE else 'svg'}"
            robbench(["plot", *shlex.split(command), "--store", str(store), "--out", str(out)], standalone_mode=False)
            lines.append(f"## {name}\n\n{caption}\n\n![{name}](figures/{out.name})\n\n    robbench plot {command} --out {out.name}\n")
            print(f"{out.name}: {out.stat().st_size / 1000:.0f} kB")
        lines.append(anomalies(RobBench(store)))
    (DOCS / "figures.md").write_text("\n".join(lines), encoding="utf-8")


def anomalies(bench: RobBench) -> str:
    """A table of what was found, by dataset, kind and threat."""
    lines = [ANOMALIES.format(threshold=analysis.THRESHOLD)]
    lines += ["| dataset | kind | threat | comparisons | above | most of them at | beyond noise | largest excess |", "|---" * 8 + "|"]
    for dataset in bench.datasets:
        counts = analysis.anomaly_counts(bench, dataset=dataset)
        counts["threat"] = counts["metric"].str.partition("@")[0]
        for (kind, threat), rows in counts.groupby(["kind", "threat"]):
            if rows["beyond_noise"].any() or rows["above"].sum() > SYSTEMATIC * rows["compared"].sum():
                most = rows.nlargest(1, "above").iloc[0]
                figures = f"{rows['compared'].sum():,} | {rows['above'].sum():,} | {most['metric']}: {most['above']:,}"
                figures += f" | {rows['beyond_noise'].sum():,} | {rows['largest'].max():.3f}"
                lines.append(f"| {dataset} | {kind} | {threat} | {figures} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

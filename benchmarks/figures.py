"""Draws the figures of docs/figures/ with the commands that docs/figures.md shows, and writes that page.

The figures are of the embedded store, n all of its classes, or cells.  The table at the end is of published data (ROBBENCH_REFERENCE, or
../shared/reference beside the repository).  Needs the extras `plots` and `surrogates`.  A few minutes of one core, most of them for the importances.  What
is random, the forest and the searches, is seeded.

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
MATRIX = "clean fgsm@16/255 pgd@16/255 apgd-ce@16/255 square@16/255 mean_corruption synflow nwot jacov grad_norm snip hessian params training_seconds"
BEST_CLEAN = "|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|nor_conv_3x3~0|nor_conv_1x1~1|avg_pool_3x3~2|"
BEST_PGD = "|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
FIGURES = {
    "attacks": ("boxes attacks", "Accuracy of all classes at each eps: quartiles, whiskers from the 5th to the 95th percentile."),
    "corruptions": ("boxes corruptions --dpi 150", "The same at each severity."),
    "correlation": (
        f"correlation {MATRIX}",
        "Kendall's τ of the values as they were measured: of a Hessian, a loss or a time, less is better, and its sign is not turned round. Pairs of class"
        " metrics run over classes, a proxy's over the cells it was computed for.",
    ),
    "scatter": (
        "scatter clean pgd@16/255 --dpi 150",
        "Clean against robust accuracy of every class, and the front between them. Colour tells how many classes lie at a point: within a hundredth of each axis.",
    ),
    "sizes": (
        "scatter kernel_parameters pgd@16/255 --direction kernel_parameters=min --color clean --dpi 150",
        "Size against robust accuracy, coloured by clean accuracy, in an order that does not follow it; fewer parameters are better.",
    ),
    "importance": (
        "importance pgd@16/255",
        "What a forest that predicts the accuracy under PGD loses when one proxy is shuffled, and the standard deviation over five times.",
    ),
    "curves": (
        f"curves pgd 'best clean={BEST_CLEAN}' 'best under PGD={BEST_PGD}'",
        "Two cells under PGD. eps stands at its square root, so that 0.1/255 and 8/255 can both be read where both were measured; eps 1, which FGSM has in"
        " published data, stands apart.",
    ),
    "search": (
        "search pgd@16/255 random local evolution --dpi 150",
        "How far the best network so far is from the best there is: mean of 30 searches of each kind, and the 10th to the 90th percentile; repeats are charged."
        " `--values` draws the accuracy itself.",
    ),
    "cell": (f"architecture '{BEST_CLEAN}'", "A cell; `none` is no arrow."),
    "genotype": (
        "architecture darts-v2",
        "A genotype of DARTS, by its name or in any spelling: its two cells. Architectures of any space are drawn, whatever the store.",
    ),
    "best": ("best clean pgd@16/255 mean_adversarial_measured mean_corruption --dpi 100", "The best cells by four metrics."),
    "top": ("top pgd@16/255 --dpi 100", "What the twenty best choose on each edge."),
    "proxies": (
        "proxies clean pgd@16/255 mean_corruption --width column --dpi 100",
        "Every proxy of the store against three metrics, without signs.",
    ),
}
DENSE = ("corruptions", "scatter", "sizes", "search", "best", "top", "proxies")
"""Smaller as pixels, so that the repository stays small."""
SYSTEMATIC = 0.1
"""The share of comparisons from which on an excess is told of although none is beyond noise."""
PAGE = """# Figures

Drawn by `benchmarks/figures.py` from the embedded store, of handwritten digits, with the commands below. With `--store FILE` the same commands draw another
store, such as published data, with its own metrics: `robbench plot scatter clean pgd@1/255 --store jung2023.h5 --out scatter.pdf`.

A figure is as wide as a column of a two-column paper or as its page (`--width column` or `page`, 3.25 and 6.75 inches; in Python also any number of
inches), and never higher than a page. No text in it is smaller than 7 points, it names the data set and says metrics in words, and what colour tells
apart, markers, hatches or numbers tell apart too. The name of the file decides what it is: `.pdf` and `.svg` are vectors, with dense points as pixels;
`.png` has 300 pixels an inch, or what `--dpi` says.
"""
ANOMALIES = """
## Signs of gradient masking in published data

`analysis.anomaly_counts(bench)` of jung2023: accuracies that are above another that they should not exceed, over all architectures and
levels of a kind, and how many are so by more than {threshold:g} binomial standard errors; an architecture counts once for each comparison.
Shown is what is beyond noise somewhere, or above in more than a tenth of the comparisons.

Square is hardly ever more successful than PGD or APGD-CE, so of masked gradients there is next to no sign.  On cifar10, FGSM does rise with eps,
mostly at eps 1: its one step overshoots.  PGD leaves a little more than FGSM at the smallest eps for nearly every network, which is no noise, though small.  Snow and
glass blur rise with severity for most networks: the severities, made for larger images, are not in order of difficulty here.  Constant
are the networks that no path leads through.
"""


def main() -> None:
    (DOCS / "figures").mkdir(exist_ok=True)
    lines = [PAGE]
    for name, (command, caption) in FIGURES.items():
        out = DOCS / "figures" / f"{name}.{'png' if name in DENSE else 'svg'}"
        robbench(["plot", *shlex.split(command), "--out", str(out)], standalone_mode=False)
        lines.append(f"## {name}\n\n{caption}\n\n![{name}](figures/{out.name})\n\n    robbench plot {command} --out {out.name}\n")
        print(f"{out.name}: {out.stat().st_size / 1000:.0f} kB")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "jung2023.h5")
        import_source("jung2023", REFERENCE / "jung2023", store)
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

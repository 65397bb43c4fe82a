"""What the best genotypes by ZCPRob and by R-Score are made of: Figures 4 and 5 of Yang et al. (2025).

    python benchmarks/darts_best.py

Of the genotypes that `benchmarks/tiny_robustbench.py run --of drawn --parts psi phi zcprob` has scored; n is in the table.  Draws
docs/figures/darts-best.svg, and puts it with the numbers at the end of docs/darts.md.  Intervals are 95 % bootstraps over genotypes.  Needs matplotlib.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from fidelity import ROOT, updated
from tiny_robustbench import DOCUMENT, MARK, SEED, TITLES, Values, column, of_r_score, results

from robbench.plots.saving import save
from robbench.plots.style import GREY, OKABE_ITO, PAGE, legend_below, panels, styled
from robbench.spaces.darts import Genotype
from robbench.spaces.darts.genotype import CELLS, OPERATIONS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = ROOT / "docs" / "figures" / "darts-best.svg"
BEST, LEAST, RESAMPLES = 100, 400, 1000
"""How many of the best are looked at, of how many at least, and how often they are drawn again."""
NODES = range(5)
"""Where an edge may begin: the two inputs, and the inner nodes but the last."""
PARTS = {"operations": [*OPERATIONS[1:]], "where edges begin": [f"from node {node}" for node in NODES]}
CELL_NAMES = {"normal": "normal cell", "reduce": "reduction cell"}


def groups() -> dict[str, list[Genotype]]:
    """All that were drawn, and the best of them by each proxy that scored enough."""
    scores = {"ZCPRob": column(results("drawn", "zcprob"), "zcprob"), "R-Score": of_r_score("drawn").get("r_score", {})}
    enough = {name: values for name, values in scores.items() if np.isfinite(list(values.values())).sum() >= LEAST}
    if not enough:
        raise SystemExit(
            f"fewer than {LEAST} genotypes are scored; run benchmarks/tiny_robustbench.py run --of drawn --parts psi phi zcprob."
        )
    everything = max(enough.values(), key=len)
    return {
        f"all {len(everything)} drawn": list(everything),
        **{f"{name}, best {BEST} of {len(values)}": best(values) for name, values in enough.items()},
    }


def best(values: dict[Genotype, float], count: int = BEST) -> list[Genotype]:
    """The genotypes of the highest scores."""
    return sorted((arch for arch in values if np.isfinite(values[arch])), key=values.__getitem__, reverse=True)[:count]


def counts(arch: Genotype, cell: str) -> list[int]:
    """Of a cell's eight edges, how many have each operation, and how many begin at each node, as the genotype numbers them."""
    edges = [edge for pair in arch.cells[cell].nodes for edge in pair]
    operations, sources = Counter(op for _, op in edges), Counter(source for source, _ in edges)
    return [*(operations[op] for op in PARTS["operations"]), *(sources[node] for node in NODES)]


def shares(archs: Sequence[Genotype], cell: str) -> Values:
    """The share of edges of each kind, and the ends of its interval: ``(3, kinds)``."""
    found = np.array([counts(arch, cell) for arch in archs]) / 8
    rng = np.random.default_rng(SEED)
    again = np.array([found[rng.integers(len(found), size=len(found))].mean(axis=0) for _ in range(RESAMPLES)])
    return np.stack([found.mean(axis=0), *np.quantile(again, (0.025, 0.975), axis=0)])


def table(found: dict[str, dict[str, Values]]) -> Iterator[str]:
    """One row a kind of edge."""
    yield f"| cell | edges | {' | '.join(found)} |"
    yield "|---" * (2 + len(found)) + "|"
    for cell in CELLS:
        for place, kind in enumerate(kind for kinds in PARTS.values() for kind in kinds):
            cells = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in (group[cell][:, place] for group in found.values())]
            yield f"| {cell} | {kind} | {' | '.join(cells)} |"


@styled
def drawing(found: dict[str, dict[str, Values]]) -> Figure:
    """Shares of edges by operation, on the left, and by where they begin; a row a cell, a bar a group."""
    figure, axes = panels(PAGE, 2 * len(CELLS), 2, 1.9)
    start = 0
    for across, (part, kinds) in enumerate(PARTS.items()):
        for down, cell in enumerate(CELLS):
            ax = axes[2 * down + across]
            for place, ((name, group), colour) in enumerate(zip(found.items(), (GREY, *OKABE_ITO), strict=False)):
                value, low, high = group[cell][:, start : start + len(kinds)]
                at = np.arange(len(kinds)) + (place - (len(found) - 1) / 2) * 0.27
                ax.bar(at, value, 0.25, color=colour, yerr=(value - low, high - value), error_kw={"linewidth": 0.7}, label=name)
            ax.set_xticks(range(len(kinds)), list(map(label, kinds)))
            ax.set_ylabel("share of edges" if not across else "")
            ax.set_title(f"{CELL_NAMES[cell]}: {part}", loc="left")
        start += len(kinds)
    legend_below(figure, axes[0])
    return figure


def label(kind: str) -> str:
    """A kind of edge in narrow lines; all pooling is 3 × 3."""
    brief = kind.removesuffix("_3x3") if "pool" in kind else kind
    return brief.replace("3x3", "3×3").replace("5x5", "5×5").replace("_", "\n").replace(" ", "\n")


def main() -> None:
    found = {name: {cell: shares(archs, cell) for cell in CELLS} for name, archs in groups().items()}
    save(drawing(found), FIGURE)
    title = TITLES[-1]
    lines = [f"![{title}](figures/{FIGURE.name})", "", *table(found)]
    print("\n".join(lines))
    DOCUMENT.write_text(updated(DOCUMENT.read_text(), {title: lines}, TITLES, MARK))


if __name__ == "__main__":
    main()

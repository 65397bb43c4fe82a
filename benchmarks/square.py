"""Square's two schedules, and where its squares may lie: what each leaves of two small networks' accuracy.

    python benchmarks/square.py [--images N] [--queries Q …] [--eps E …]

Prints the table of docs/fidelity.md, section "Square: two schedules".  The networks are those of tests/builders/toy_networks.py, trained on
scikit-learn's digits in seconds.  Cost: 2 minutes on one CPU core with the defaults, 300 images (AMD EPYC, torch 2.13).
"""

from __future__ import annotations

import argparse

import numpy as np

from robbench_builders.attacks import Square, SquareRescaled
from robbench_builders.evaluate import robust_outcomes
from tests.builders.toy_networks import digits, trained

COLUMNS = ("published", "published, squares anywhere", "rescaled, never in the last row and column", "`square-rescaled`")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--queries", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--eps", type=float, nargs="+", default=[0.05, 0.1, 0.15])
    options = parser.parse_args()
    images, labels = (part[1200 : 1200 + options.images] for part in digits())
    print("| queries | eps | " + " | ".join(COLUMNS) + " | published − `square-rescaled` |")
    print("| --- " * (3 + len(COLUMNS)) + "|")
    for queries in options.queries:
        attacks = (
            Square(queries=queries),
            Square(queries=queries, everywhere=True),
            Square(queries=queries, schedule="rescaled"),
            SquareRescaled(queries=queries),
        )
        for eps in options.eps:
            left = [100 * np.mean([robust_outcomes(trained(n), images, labels, attack, [eps])[0] for n in (0, 1)], 0) for attack in attacks]
            apart = left[0] - left[-1]
            error = apart.std(ddof=1) / np.sqrt(len(apart))
            cells = " | ".join(f"{found.mean():.1f}" for found in left)
            print(f"| {queries:,} | {eps:g} | {cells} | {apart.mean():.1f} ± {error:.1f} |", flush=True)


if __name__ == "__main__":
    main()

"""What `make demo` runs: the published robustness data, imported and asked.

Takes the published files from ROBBENCH_REFERENCE, or from ../shared/reference beside the repository; says so where neither is there.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from robbench import RobBench
from robbench.sources import import_source

REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
ARCH = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def main() -> None:
    """Import, ask, rank, explain."""
    if not (REFERENCE / "jung2023" / "meta.json").is_file():
        print(f"The published robustness data is not at {REFERENCE / 'jung2023'}.")
        print("Set ROBBENCH_REFERENCE to a folder that holds it as jung2023/ (meta.json, cifar10/, …), and run this again.")
        raise SystemExit(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "jung2023.h5")
        start = time.perf_counter()
        report = import_source("jung2023", REFERENCE / "jung2023", path)
        print(f"Imported {len(report.changes.added)} published tables in {time.perf_counter() - start:.1f} s: {path.stat().st_size / 1e6:.1f} MB.\n")
        show(RobBench(path))


def show(bench: RobBench) -> None:
    """A tour of one store."""
    print("One cell of NAS-Bench-201, as its arch string says it:")
    print(f"  {ARCH}\n")
    print("How accurate is the network built from it, when each pixel may move by eps?  (L∞ PGD; images in [0, 1])")
    print(f"  {'clean':>9}: {bench.query(ARCH, 'clean'):.3f}")
    for eps, accuracy in bench.curve(ARCH, "pgd").items():
        print(f"  {float(eps) * 255:>5.1f}/255: {accuracy:.3f} {'#' * round(40 * accuracy)}")  # type: ignore[arg-type]
    print("\nWhich cells withstand PGD at 1/255 best?")
    for _, row in bench.top("pgd@1/255", 5).iterrows():
        print(f"  {row['pgd@1/255']:.3f}  {row['arch']}")
    print("\nWhere does a number come from?")
    answer = bench.explain(ARCH, "pgd", eps="1/255")
    print(f"  {answer.value} is {answer.how}, for every cell of class {answer.class_key}:")
    for name, provenance in answer.sources.items():
        print(f"  {name}: {provenance}")


if __name__ == "__main__":
    main()

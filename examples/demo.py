"""What `make demo` runs: the embedded store, asked; and the published data, where it was fetched.  Nothing is asked of the network.

The published files are looked for in the folder that ROBBENCH_REFERENCE names, and in the cache of `robbench fetch`.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from robbench import RobBench
from robbench.errors import MissingLibrary
from robbench.sources import import_source
from robbench.sources.fetching import cache_folder

REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))


def main() -> None:
    """Ask the embedded store; import the published data and ask it the same."""
    bench = RobBench()
    print(f"The embedded store, {bench.path.name}: {bench.path.stat().st_size / 1e6:.1f} MB of real measurements,")
    print("networks trained and attacked on the handwritten digits of scikit-learn (1,797 images of 8×8 pixels).\n")
    tour(bench, "16/255")
    published = fetched()
    if published is None:
        print("\nThe published robustness data (Jung et al., 2023) is not here yet. With it, this would go on with cifar10:")
        print("pip install '.[fetch]', then robbench fetch jung2023; docs/sources.md says how to get it by hand.")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "jung2023.h5")
        start = time.perf_counter()
        report = import_source("jung2023", published, path)
        print(f"\nThe published data (Jung et al., 2023), imported in {time.perf_counter() - start:.1f} s: ", end="")
        print(f"{len(report.changes.added)} tables, {path.stat().st_size / 1e6:.1f} MB.\n")
        tour(RobBench(path), "1/255")


def fetched() -> Path | None:
    """The folder of the published files; None where they are not."""
    places = [REFERENCE]
    with suppress(MissingLibrary):  # then nothing was fetched, or ROBBENCH_CACHE says where it is
        places.append(cache_folder())
    return next((place / "jung2023" for place in places if (place / "jung2023" / "meta.json").is_file()), None)


def tour(bench: RobBench, eps: str) -> None:
    """One network, the best ones, and where a number comes from."""
    metric = f"pgd@{eps}"
    best = bench.top(metric, 3)
    arch = best["arch"][0]
    print(f"Which architectures of {bench.space.title} withstand {metric} best, on {bench.default_dataset}?  (accuracy under attack)")
    for _, row in best.iterrows():
        print(f"  {row[metric]:.3f}  {row['arch']}")
    print("\nThe first of them, when each pixel may move by eps (images in [0, 1]; L∞ PGD):")
    print(f"  {'clean':>9}  {bench.query(arch, 'clean'):.3f}")
    for level, accuracy in bench.curve(arch, "pgd").items():
        print(f"  {float(level) * 255:>5g}/255  {accuracy:.3f}  {'#' * round(40 * accuracy)}")  # type: ignore[arg-type]
    answer = bench.explain(arch, metric)
    print(f"\nWhere {answer.value:.3f} comes from: it was {answer.how}, once for all architectures of class {answer.class_key}, as")
    for name, provenance in answer.sources.items():
        shown = {field: provenance[field] for field in ("source", "attack", "steps", "images", "citation") if field in provenance}
        print(f"  {name}: {shown}")


if __name__ == "__main__":
    main()

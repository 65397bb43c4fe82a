"""Everything built in, judged on the published data: proxies, predictors and searches.  Writes docs/leaderboard.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the extra `surrogates`.  What is finished is kept in scratch/leaderboard:
cut it whenever you like, and go on with the same command.  Half an hour of two cores, at low priority.

    python benchmarks/leaderboard.py                       # writes docs/leaderboard.md
    python benchmarks/leaderboard.py --html report.html    # and the same as one page
"""

from __future__ import annotations

from pathlib import Path

from published import REFERENCE, ROOT

from robbench.sources import import_source

FOLDER = ROOT / "scratch" / "leaderboard"
FILES = (
    ("jung2023", "jung2023"),
    ("nbsuite_zero", "nbsuite_zero/zc_nasbench201_cifar10.csv"),
    ("nbsuite_zero", "nbsuite_zero/zc_nasbench201_ImageNet16-120.csv"),
    ("nasrobbench201", "nasrobbench201/NAS-RobBench-201_html.json"),
)


def store() -> Path:
    """The published data, imported where it is not there yet."""
    path, partial = FOLDER / "published.h5", FOLDER / "partial.h5"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        for source, file in FILES:
            import_source(source, REFERENCE / file, partial)
        partial.rename(path)
    return path

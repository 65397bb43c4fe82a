"""What papers report beside what the published data gives.  Writes docs/papers.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the extra `surrogates`.  About half
an hour of two cores, most of it the networks that BANANAS trains as naszilla has it.  Runs, splits and n are in each table.

    python benchmarks/papers.py                  # writes docs/papers.md
    python benchmarks/papers.py jung2023-best    # these only, to stdout
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from robbench import RobBench, __version__
from robbench.papers import PAPERS, compare
from robbench.papers.rendering import markdown
from robbench.sources import import_source

REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
ROOT = Path(__file__).parents[1]
WORKERS = 2
FILES = {
    "jung2023": "jung2023",
    "nbsuite_zero": "nbsuite_zero/zc_nasbench201_cifar10.csv",
    "nasrobbench201": "nasrobbench201/NAS-RobBench-201_html.json",
}
EARLY = FILES | {"nbsuite_zero": "nbsuite_zero/zc_nasbench201.json"}
"""An early version of the proxies, of about 725 cells, which has cifar100, too."""

HEADER = """# The papers' tables beside ours

Produced by `benchmarks/papers.py` on {date} with RobBench {version}, numpy {numpy}, scipy {scipy}, scikit-learn {sklearn}, Python {python}, on
{machine}.  `robbench papers NAME` prints each of them from your own store.  Accuracies are fractions; difference is ours - the paper's; sd is
the standard deviation over runs.  A paper's number that is empty is not in our copy, or not in the paper.
"""
NOTE = "The same with an early version of the proxies, which has about 725 cells of each dataset, and cifar100 among them: n is small."


def store(folder: Path, files: dict[str, str]) -> RobBench:
    """A store with published files."""
    for source, file in files.items():
        import_source(source, REFERENCE / file, folder / "store.h5")
    return RobBench(folder / "store.h5", dataset="cifar10")


def sections(names: list[str]) -> list[str]:
    """The named tables, each as it is done."""
    found = []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        bench = store(Path(folder), FILES)
        for name in names:
            start = time.perf_counter()
            found.append(markdown(compare(name, bench, workers=WORKERS, progress=True)))
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
            if name == "lukasik2023-table1":
                early = compare(name, store(Path(other), EARLY), progress=True)
                found.append(markdown(early._replace(name=f"{name}, early proxies", differs=(NOTE, *early.differs))))
    return found


def main() -> None:
    names = sys.argv[1:]
    if names:
        print("\n".join(sections(names)))
        return
    header = HEADER.format(
        date=datetime.datetime.now(tz=datetime.UTC).date(),
        version=__version__,
        numpy=version("numpy"),
        scipy=version("scipy"),
        sklearn=version("scikit-learn"),
        python=platform.python_version(),
        machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
    )
    (ROOT / "docs" / "papers.md").write_text("\n".join([header, *sections(list(PAPERS))]), encoding="utf-8")


if __name__ == "__main__":
    main()

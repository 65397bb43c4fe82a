"""What papers report beside what the published data gives.  Writes docs/papers.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the extra `surrogates`.  About three quarters
of an hour of two cores, most of it the networks that BANANAS trains as naszilla has it.  Runs, splits and n are in each table.  CRoZe was not published:
where `benchmarks/fidelity.py run --parts "of every cell"` was run, its scores are taken, of as many cells as it did.

    python benchmarks/papers.py                          # writes docs/papers.md
    python benchmarks/papers.py --only jung2023-best …   # these of its tables; the others stay as they are
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from robbench import RobBench, __version__
from robbench.errors import NotMeasured
from robbench.papers import PAPERS, compare
from robbench.papers.contents import CONTENTS
from robbench.papers.rendering import markdown
from robbench.sources import import_csv, import_source

REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "papers.md"
WORKERS = 2
FILES = {
    "jung2023": "jung2023",
    "nbsuite_zero": "nbsuite_zero/zc_nasbench201_cifar10.csv",
    "nasrobbench201": "nasrobbench201/NAS-RobBench-201_html.json",
}
EARLY = FILES | {"nbsuite_zero": "nbsuite_zero/zc_nasbench201.json"}
"""An early version of the proxies, of about 725 cells, which has cifar100, too."""

CROZE = ROOT / "scratch" / "fidelity" / "of-every-cell"

HEADER = """# The papers' tables beside ours

Produced by `benchmarks/papers.py`, last on {date} with RobBench {version}, numpy {numpy}, scipy {scipy}, scikit-learn {sklearn}, Python {python}, on
{machine}.  `robbench papers NAME` prints each of them from your own store.  Accuracies are fractions; difference is ours - the paper's; sd is
the standard deviation over runs.  Where the paper's column is empty, it has no such number.

## Every table and figure

The command that makes it, or what is missing.

"""
TOO_LONG = ("lukasik2023-figure1", "lukasik2023-figure2", "lukasik2023-figure5", "lukasik2023-figure7")
"""Hundreds of numbers that the paper shows as colours and bars."""
TABLES_OF_FORESTS = ("lukasik2023-table1", "lukasik2023-table2", "lukasik2023-table3")
NOTE = "The same with an early version of the proxies, which has about 725 cells of each dataset, and cifar100 among them: n is small."


def store(folder: Path, files: dict[str, str]) -> RobBench:
    """A store with published files."""
    folder.mkdir(exist_ok=True)
    for source, file in files.items():
        import_source(source, REFERENCE / file, folder / "store.h5")
    if CROZE.is_dir():
        import_csv(croze(folder / "croze.csv"), folder / "store.h5", dataset="cifar10", citation="benchmarks/fidelity.py")
    return RobBench(folder / "store.h5", dataset="cifar10")


def croze(path: Path) -> Path:
    """CRoZe and its parts as a table, of the cells that benchmarks/fidelity.py scored."""
    found = {arch: values for file in sorted(CROZE.glob("*.json")) for arch, values in json.loads(file.read_text()).items()}
    names = [name for name in next(iter(found.values())) if name.startswith("croze")]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", *names])
        writer.writerows([arch, *("" if values[name] is None else values[name] for name in names)] for arch, values in found.items())
    return path


def contents() -> list[str]:
    """Every table and figure of the papers."""
    lines = []
    for paper, items in CONTENTS.items():
        lines += [f"{paper}:", "", "| | |", "|---|---|", *(f"| {item} | {_code(how)} |" for item, how in items.items()), ""]
    return lines


def _code(how: str) -> str:
    """Commands as code."""
    return "; ".join(f"`{part}`" if part.startswith(("robbench ", "python ")) and ": " not in part else part for part in how.split("; "))


def sections(names: list[str]) -> dict[str, str]:
    """The named tables, each as it is done."""
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        bench = store(Path(folder), FILES)
        for name in names:
            start = time.perf_counter()
            try:
                found[name] = markdown(compare(name, bench, workers=WORKERS, progress=True))
            except NotMeasured as error:
                found[name] = f"## {name}\n\n{PAPERS[name].paper}. {PAPERS[name].shows}.\n\nNot to be had from what is published: {error}\n"
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
            if name in TABLES_OF_FORESTS:
                early = compare(name, store(Path(other) / name, EARLY), progress=True)
                found[f"{name}, early proxies"] = markdown(early._replace(name=f"{name}, early proxies", differs=(NOTE, *early.differs)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PAPERS, default=[name for name in PAPERS if name not in TOO_LONG], metavar="NAME")
    names = parser.parse_args().only
    header = HEADER.format(
        date=datetime.datetime.now(tz=datetime.UTC).date(),
        version=__version__,
        numpy=version("numpy"),
        scipy=version("scipy"),
        sklearn=version("scikit-learn"),
        python=platform.python_version(),
        machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
    )
    texts = written(DOCUMENT.read_text(encoding="utf-8")) | sections(names)
    order = [section for name in PAPERS for section in (name, f"{name}, early proxies") if section in texts]
    DOCUMENT.write_text("\n".join([header + "\n".join(contents()), *(texts[name] for name in order)]), encoding="utf-8")


def written(document: str) -> dict[str, str]:
    """The sections of the document as it is, by name."""
    parts = document.split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}


if __name__ == "__main__":
    main()

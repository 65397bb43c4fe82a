"""What the benchmarks on published data share: the store of that data, a cache on disk, and Markdown."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from robbench.sources import import_source

ROOT = Path(__file__).parents[1]
REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", ROOT.parent / "shared" / "reference"))
TARGETS = ["clean", "fgsm@1/255", "pgd@1/255", "apgd-ce@1/255", "square@1/255", "mean_corruption"]


def published_store(folder: Path) -> Path:
    """A store of the published accuracies and proxies, in this folder; imported where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    store, partial = folder / "published.h5", folder / "partial.h5"
    if not store.exists():
        partial.unlink(missing_ok=True)
        import_source("jung2023", REFERENCE / "jung2023", partial)
        import_source("nbsuite_zero", REFERENCE / "nbsuite_zero" / "zc_nasbench201_cifar10.csv", partial)
        partial.rename(store)
    return store


def cached(path: Path, compute: Callable[[], Any]) -> Any:
    """What `compute` returned, in this run or an earlier one."""
    if not path.exists():
        start = time.perf_counter()
        found = compute()
        path.write_text(json.dumps(found), encoding="utf-8")
        print(f"{path.stem}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return json.loads(path.read_text(encoding="utf-8"))


def merged(old: str, new: str) -> str:
    """A document with the head and the sections of a new one, and those sections of the old one, by their titles, that the new one has not."""
    (_, *kept), (head, *found) = (text.rstrip().split("\n## ") for text in (old, new))
    sections = {text.partition("\n")[0]: text.rstrip() for text in (*kept, *found)}
    return "\n\n## ".join([head.rstrip(), *sections.values()]) + "\n"


def table(names: Sequence[str]) -> list[str]:
    """The head of a table."""
    return [row(names[0], names[1:]), "|" + "---|" * len(names)]


def row(name: str, cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {name} | " + " | ".join(cells) + " |"

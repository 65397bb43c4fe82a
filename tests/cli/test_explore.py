from __future__ import annotations

import json
from pathlib import Path

from tests.cli.running import Run, answer, refusal


def test_the_explorer_is_written_and_its_size_told(run: Run, few_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "explore.html"
    said = answer(run("explore", few_store, "--out", out, "--dataset", "toy100"))
    assert said == f"{out}: 426 architectures, 6 metrics, {out.stat().st_size / 1e6:.1f} MB.  Open it in a browser.\n"
    assert out.read_text("utf-8").startswith("<!DOCTYPE html>")
    told = json.loads(answer(run("explore", few_store, "--out", out, "--dataset", "toy100", "--json")))
    assert told == {"store": str(few_store), "out": str(out), "bytes": out.stat().st_size, "architectures": 426, "metrics": 6}


def test_what_cannot_be_written_is_refused_before_the_store_is_read(run: Run, tmp_path: Path) -> None:
    assert "does not exist; make it first" in refusal(run("explore", "no-store.h5", "--out", tmp_path / "none" / "explore.html"))
    (tmp_path / "store.h5").write_bytes(b"\x89HDF")
    assert "name another file" in refusal(run("explore", tmp_path / "store.h5", "--out", tmp_path / "store.h5"))
    assert (tmp_path / "store.h5").read_bytes() == b"\x89HDF"


def test_a_store_that_is_none_is_named(run: Run, tmp_path: Path) -> None:
    assert "no-store.h5" in refusal(run("explore", tmp_path / "no-store.h5", "--out", tmp_path / "explore.html"))
    assert not (tmp_path / "explore.html").exists()

from __future__ import annotations

from pathlib import Path

import pytest

from robbench import CannotPlot
from robbench.plots import cell_drawing, save
from robbench.spaces.nb201 import NB201, Cell

CELL = NB201.graph(Cell(["skip_connect"] * 6))


@pytest.mark.parametrize(("name", "start"), [("a.pdf", b"%PDF"), ("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG")])
def test_the_ending_decides_the_format_and_the_same_figure_is_the_same_file(name: str, start: bytes, tmp_path: Path) -> None:
    save(cell_drawing(CELL), tmp_path / name)
    first = (tmp_path / name).read_bytes()
    save(cell_drawing(CELL), tmp_path / name)
    assert first.startswith(start)
    assert first == (tmp_path / name).read_bytes()
    assert b"Date" not in first


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.pdf.gz"])
def test_another_ending_is_refused_and_nothing_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        CannotPlot, match=rf"'{name}' is not in a format that figures are written in; expected a name that ends in \.pdf, \.svg"
    ):
        save(cell_drawing(CELL), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OSError, match=r"a\.png"):
        save(cell_drawing(CELL), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_dpi_is_pixels_an_inch(tmp_path: Path) -> None:
    from matplotlib.image import imread

    save(cell_drawing(CELL, width=4), tmp_path / "a.png", dpi=100)
    assert imread(tmp_path / "a.png").shape[1] == 400

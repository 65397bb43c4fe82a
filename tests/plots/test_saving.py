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
    with pytest.raises(
        CannotPlot, match=r"a\.png cannot be written: it is a folder\.  Name a file in a folder that is there and that you may write to"
    ):
        save(cell_drawing(CELL), tmp_path / "a.png")
    with pytest.raises(
        CannotPlot, match=r"absent/a\.png cannot be written: there is no folder .*absent\.  Name a file in a folder that is there"
    ):
        save(cell_drawing(CELL), tmp_path / "absent" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_what_the_system_refuses_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robbench.plots.saving.os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(CannotPlot, match=rf"the folder {tmp_path} is not open to writing"):
        save(cell_drawing(CELL), tmp_path / "a.svg")
    monkeypatch.undo()

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("robbench.plots.saving.replacing", full)
    with pytest.raises(CannotPlot, match=r"a\.svg cannot be written: .*No space left on device"):
        save(cell_drawing(CELL), tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("dpi", "asked"), [(300, {}), (100, {"dpi": 100})])
def test_dpi_is_pixels_an_inch(dpi: int, asked: dict[str, int], tmp_path: Path) -> None:
    from PIL import Image

    save(cell_drawing(CELL, width="column"), tmp_path / "a.png", **asked)
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == int(3.25 * dpi)
        assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.1)


def test_vectors_are_as_large_as_the_figure(tmp_path: Path) -> None:
    save(cell_drawing(CELL, width="column"), tmp_path / "a.svg")
    assert 'width="234pt"' in (tmp_path / "a.svg").read_text("utf-8")  # 72 pt an inch
    save(cell_drawing(CELL, width="page"), tmp_path / "a.pdf")
    assert b"/MediaBox [ 0 0 486 " in (tmp_path / "a.pdf").read_bytes()

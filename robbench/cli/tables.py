"""Tables on a terminal, as JSON and in files; numbers as people write them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import click

from robbench.references import escaped
from robbench.text import shown, text_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_measured", "checked_out", "present", "records", "text_table", "write_table"]

PACKED: dict[str, Literal["gzip", "bz2", "zip", "xz", "zstd"]] = {".gz": "gzip", ".bz2": "bz2", ".zip": "zip", ".xz": "xz", ".zst": "zstd"}
"""How a CSV file is packed, by the ending of its name."""
SHEET = 1 << 20, 1 << 14
"""Rows, with that of the names, and columns that a sheet of a workbook has room for."""
CELL = 32767
"""Characters that a cell of it has room for."""
FLOAT32_ROUNDS_BY = 2.0**-24
"""Relative, at the most."""


def as_measured(value: float) -> str:
    """A number as it was measured: 0.941 where a file has 0.941 in single precision, 0.9409999847; all digits of others."""
    short = f"{value:.6g}"
    return short if math.isclose(float(short), value, rel_tol=FLOAT32_ROUNDS_BY, abs_tol=0) else repr(float(value))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, as JSON can say them: null where not measured, and where a number is infinite."""
    finite = frame.replace([math.inf, -math.inf], math.nan)
    return [
        {str(name): value for name, value in row.items()} for row in finite.astype(object).where(finite.notna(), None).to_dict("records")
    ]


def present(found: pd.DataFrame, *, out: Path | None, as_json: bool, text: Callable[[], str], payload: Any = None) -> None:
    """Answer with a table: in the file `out`, as JSON (`payload`, or the rows), or as text."""
    if out is not None:
        write_table(found, out)
    if as_json:
        click.echo(json.dumps(records(found) if payload is None else payload))
    elif out is None:
        click.echo(text())


def checked_out(ctx: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse, before anything is computed, a file whose ending is none that tables are written in."""
    if path is not None and _writer(path) is None:
        raise click.BadParameter(
            f"{str(path)!r} does not end in one of {', '.join(WRITERS)} (of CSV also {', '.join(PACKED)}).", ctx, option
        )
    return path


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write the columns in the format that the name ends in, the whole file or nothing; what cannot be written is click's error."""
    from robbench.store.atomic import replacing

    write = _writer(path)
    assert write is not None, "see checked_out"
    try:
        with replacing(path) as file:
            write(frame, file, PACKED.get(path.suffix.lower()))
    except ImportError as error:
        needed = NEEDS.get(path.suffix.lower(), "a library that is missing")
        raise click.UsageError(f"writing {path.suffix} needs {needed}, or give a name that ends in .csv or .tex ({error}).") from error
    except (OSError, _DoesNotFit) as error:
        raise click.ClickException(f"{path} cannot be written: {error}") from error


class _DoesNotFit(Exception):
    """What a table holds that a file of its format cannot."""


def _csv(frame: pd.DataFrame, file: BinaryIO, packed: Literal["gzip", "bz2", "zip", "xz", "zstd"] | None) -> None:
    frame.to_csv(file, index=False, compression=packed)


def _parquet(frame: pd.DataFrame, file: BinaryIO, packed: None) -> None:
    frame.to_parquet(file, index=False, engine="pyarrow")  # whatever else is installed writes other files


def _xlsx(frame: pd.DataFrame, file: BinaryIO, packed: None) -> None:
    """A workbook of one sheet.  Text stays text: a spreadsheet would compute what begins with "=", and a store may be a stranger's."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.utils.exceptions import IllegalCharacterError

    rows, columns = frame.shape
    if rows >= SHEET[0] or columns > SHEET[1]:
        raise _DoesNotFit(f"the table has {rows:,} rows and {columns:,} columns, and a sheet at most {SHEET[0] - 1:,} and {SHEET[1]:,}")
    book = Workbook(write_only=True)
    sheet = book.create_sheet()

    def cell(value: Any) -> Any:
        if isinstance(value, float) and math.isinf(value):
            value = str(value)
        if not isinstance(value, str):
            return None if value != value else value
        if len(value) > CELL:
            raise _DoesNotFit(f"{value[:40]!r}… is of {len(value):,} characters, and a cell holds {CELL:,}")
        try:
            made = WriteOnlyCell(sheet, value)
        except IllegalCharacterError as error:
            raise _DoesNotFit(f"{value[:40]!r} has characters that a cell cannot hold") from error
        made.data_type = "s"
        return made

    # All of it is looked at before a sheet is begun, which could not be given up.
    table: list[Iterable[Any]] = [frame.columns, *frame.itertuples(index=False)]
    for line in [list(map(cell, row)) for row in table]:
        sheet.append(line)
    book.save(file)


def _tex(frame: pd.DataFrame, file: BinaryIO, packed: None) -> None:
    """A tabular in the style of the package booktabs: text to the left, numbers to the right, a dash for what is missing."""
    aligned = "".join("r" if frame[name].dtype.kind in "iuf" else "l" for name in frame)
    rows = [
        [f"{{{escaped(str(name))}}}" for name in frame],
        *(["--" if value is None or value != value else escaped(shown(value)) for value in row] for row in frame.itertuples(index=False)),
    ]
    head, *body = [" & ".join(row) + r" \\" for row in rows]
    lines = [rf"\begin{{tabular}}{{{aligned}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", ""]
    file.write("\n".join(lines).encode())


WRITERS: dict[str, Callable[..., None]] = {".csv": _csv, ".parquet": _parquet, ".xlsx": _xlsx, ".tex": _tex}
NEEDS = {
    ".parquet": "pyarrow: pip install 'robbench[parquet]'",
    ".xlsx": "openpyxl: pip install 'robbench[xlsx]'",
    ".zst": "zstandard: pip install zstandard",
}


def _writer(path: Path) -> Callable[..., None] | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
        return _csv if suffixes and suffixes[-1] == ".csv" else None
    return WRITERS.get(suffixes[-1]) if suffixes else None

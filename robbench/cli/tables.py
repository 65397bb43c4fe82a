"""Tables on a terminal, as JSON and in files; numbers as people write them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
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


def write_table(frame: pd.DataFrame, path: Path, *, index: bool = False) -> None:
    """Write the table in the format that the name ends in, the whole file or nothing; what cannot be written is click's error."""
    from robbench.store.atomic import replacing

    write = _writer(path)
    assert write is not None, "see checked_out"
    try:
        with replacing(path) as file:
            write(frame, file, index, PACKED.get(path.suffix.lower()))
    except ImportError as error:
        raise click.UsageError(
            f"writing {path.suffix} needs {NEEDS[path.suffix.lower()]}, or give a name that ends in .csv or .tex ({error})."
        ) from error
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error}") from error


def _csv(frame: pd.DataFrame, file: BinaryIO, index: bool, packed: Literal["gzip", "bz2", "zip", "xz", "zstd"] | None) -> None:
    frame.to_csv(file, index=index, compression=packed)


def _parquet(frame: pd.DataFrame, file: BinaryIO, index: bool, packed: None) -> None:
    frame.to_parquet(file, index=index)


def _xlsx(frame: pd.DataFrame, file: BinaryIO, index: bool, packed: None) -> None:
    frame.to_excel(file, index=index)


def _tex(frame: pd.DataFrame, file: BinaryIO, index: bool, packed: None) -> None:
    """A tabular in the style of the package booktabs: text to the left, numbers to the right."""
    frame = frame.reset_index() if index else frame
    aligned = "".join("r" if frame[name].dtype.kind in "iuf" else "l" for name in frame)
    rows = [
        [f"{{{escaped(str(name))}}}" for name in frame],
        *([escaped(shown(value)) for value in row] for row in frame.itertuples(index=False)),
    ]
    head, *body = [" & ".join(row) + r" \\" for row in rows]
    lines = [rf"\begin{{tabular}}{{{aligned}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", ""]
    file.write("\n".join(lines).encode())


WRITERS: dict[str, Callable[..., None]] = {".csv": _csv, ".parquet": _parquet, ".xlsx": _xlsx, ".tex": _tex}
NEEDS = {".parquet": "pyarrow: pip install 'robbench[parquet]'", ".xlsx": "openpyxl: pip install 'robbench[xlsx]'"}


def _writer(path: Path) -> Callable[..., None] | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
        return _csv if suffixes and suffixes[-1] == ".csv" else None
    return WRITERS.get(suffixes[-1]) if suffixes else None

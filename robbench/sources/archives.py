"""What published archives hold, unpacked where importers look for it.

No name inside an archive is ever used as a path: members are recognised by their last parts, and everything else is left alone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from robbench.errors import SourceError
from robbench.sources.jung2023 import DATASETS, MEASURES
from robbench.store.atomic import replacing

MOST = 64 << 30
"""Bytes that the members of one archive may have in all."""

NARES = "cifar10.jsonl"

_FILE = re.compile(rf"[a-z0-9_@-]+_(?:{'|'.join(MEASURES)})\.json", re.IGNORECASE)


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack an archive of jung2023: meta.json into the folder, other files into the folder of their data set.  What is there, and is as long, stays.

    Arguments:
        archive: meta.zip, <dataset>-accuracies.zip or <dataset>.zip.
        folder: made if it is not there.

    Returns:
        The files.

    Raises:
        SourceError: it is no whole zip archive, or holds none of these files.
        OSError: they cannot be written.
    """
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = {place: member for member in opened.infolist() if (place := _place(archive, member.filename)) is not None}
            if not wanted:
                raise SourceError(
                    f"{archive} holds neither meta.json nor files such as cifar10/clean_accuracy.json; expected these of jung2023."
                )
            if sum(member.file_size for member in wanted.values()) > MOST:
                raise SourceError(f"{archive} would take more than {MOST >> 30} GiB; expected an archive of jung2023.")
            for place, member in wanted.items():
                path = folder / place
                if not path.exists() or path.stat().st_size != member.file_size:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member) as source, replacing(path) as file:
                        shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{archive} is not a whole zip archive: {error}. Download it again.") from error
    return [folder / place for place in wanted]


def unpack_nares(archive: Path, folder: Path) -> list[Path]:
    """Unpack cifar10.jsonl from nares.txz; what is there, and is as long, stays.  Arguments, result and errors as of `unpack`."""
    import lzma
    import tarfile

    path = folder / NARES
    try:
        with tarfile.open(archive, "r:xz") as opened:
            member = next((one for one in opened if one.isfile() and PurePosixPath(one.name).name == NARES), None)
            if member is None or (source := opened.extractfile(member)) is None:
                raise SourceError(f"{archive} holds no {NARES}; expected the archive of NARes.")
            if member.size > MOST:
                raise SourceError(f"{archive} would take more than {MOST >> 30} GiB; expected the archive of NARes.")
            if not path.exists() or path.stat().st_size != member.size:
                with source, replacing(path) as file:
                    shutil.copyfileobj(source, file)
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise SourceError(f"{archive} is not a whole tar.xz archive: {error}. Download it again.") from error
    return [path]


UNPACKED: dict[str, Callable[[Path, Path], list[Path]]] = {".zip": unpack, ".txz": unpack_nares}
"""By the ending of a fetched archive's name, what unpacks it."""


def is_archive(path: Path) -> bool:
    """Whether a file has the name of an archive of jung2023."""
    return path.suffix == ".zip" and dataset_of(path) in ("meta", *DATASETS)


def dataset_of(archive: Path) -> str:
    """The data set that an archive is of, by its name; "meta" of meta.zip."""
    return archive.name.removesuffix(".zip").removesuffix("-accuracies")


def _place(archive: Path, member: str) -> Path | None:
    """Where a member goes, below the folder; None for what is not of jung2023."""
    *folders, name = PurePosixPath(member).parts or ("",)
    if name == "meta.json":
        return Path(name)
    if not _FILE.fullmatch(name):
        return None
    dataset = folders[-1] if folders else dataset_of(archive)
    return Path(dataset, name) if dataset in DATASETS else None

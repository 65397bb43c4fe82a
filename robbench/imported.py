"""Objects of one's own, as ``module:name``: found in the current folder or among what is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from robbench.errors import InvalidArgument


def module_of(spec: str) -> tuple[ModuleType, str]:
    """The module of ``module:name``, and the name, which the module need not have.

    Raises:
        InvalidArgument: it is not written so, or there is no such module.
    """
    where, _, name = spec.partition(":")
    if not name.isidentifier() or not all(part.isidentifier() for part in where.split(".")):
        raise InvalidArgument(f"{spec!r} names nothing in a module; expected module:name, such as 'mine:Attack' for Attack in mine.py.")
    try:
        with _current_folder_first():
            return importlib.import_module(where), name
    except ModuleNotFoundError as error:
        if not f"{where}.".startswith(f"{error.name}."):
            raise InvalidArgument(f"{spec!r} cannot be imported ({error}): its module imports that, and it is not installed.") from error
        ending = f" A module is named without its ending: {where[:-3]}:{name}." if where.endswith(".py") else ""
        raise InvalidArgument(
            f"{spec!r} cannot be imported ({error}); expected {where.split('.')[0]}.py in {Path.cwd()}, or installed.{ending}"
        ) from error
    except (ImportError, SyntaxError) as error:
        raise InvalidArgument(f"{spec!r} cannot be imported ({error}).") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # of the module's own
        raise InvalidArgument(
            f"{spec!r} cannot be imported: its module raised {type(error).__name__}: {error}".rstrip(": ") + "."
        ) from error


@contextmanager
def _current_folder_first() -> Iterator[None]:
    importlib.invalidate_caches()
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)

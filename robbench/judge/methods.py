"""What someone brings, by name: ``module:name`` in the current folder or among what is installed."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from robbench.arguments import nearest
from robbench.errors import InvalidArgument
from robbench.imported import module_of


@dataclass(frozen=True)
class Method:
    """A method by its name; found again, in the same way, in whichever process it is called."""

    spec: str
    """``module:name``."""

    @property
    def found(self) -> Any:
        """What is called so.

        Raises:
            InvalidArgument: there is no such module, or it has nothing of this name.
        """
        with aside():
            module, name = module_of(self.spec)
        if not hasattr(module, name):
            public = [one for one in vars(module) if not one.startswith("_")]
            raise InvalidArgument(f"the module of {self.spec!r} has no {name!r}.{nearest(name, public)}")
        return getattr(module, name)

    @property
    def function(self) -> Any:
        """What is called so, if it can be called; of a class, one made without arguments.

        Raises:
            InvalidArgument: it cannot be called, or it is a class that cannot be made so; otherwise as `found`.
        """
        found = self.found
        try:
            with aside():
                made = found() if isinstance(found, type) else found
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # of the class's own
            raise InvalidArgument(f"{self.spec} cannot be made without arguments: {type(error).__name__}: {error}.") from error
        if not callable(made):
            raise InvalidArgument(f"{self.spec} is of type {type(made).__name__}, which cannot be called; expected a function.")
        return made

    def source(self) -> str | None:
        """16 hexadecimal digits of a SHA-256 of the module's file; None where it has no file."""
        module, _ = module_of(self.spec)
        origin = getattr(module.__spec__, "origin", None)
        return checksum(Path(origin)) if origin is not None and Path(origin).is_file() else None


@contextmanager
def aside() -> Iterator[None]:
    """What a method prints in the block goes to stderr, so that a report on stdout is nothing but the report; and where it changes to is left again."""
    with redirect_stdout(sys.stderr), chdir("."):
        yield


def source_of(method: str) -> str | None:
    """`Method.source`, of what is called ``module:name``; None of what the package has by a name of its own."""
    return Method(method).source() if ":" in method else None


def file_of(function: Any) -> Path | None:
    """The file that a function, or the class of an object that is called, is written in; None where there is none, as in a notebook or of what is compiled."""
    while isinstance(function, partial):
        function = function.func
    try:
        file = inspect.getsourcefile(inspect.unwrap(function) if inspect.isroutine(function) else type(function))
    except TypeError:
        return None
    return Path(file) if file is not None and Path(file).is_file() else None


def checksum(path: Path) -> str:
    """16 hexadecimal digits of a SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]

"""Methods that are functions of other modules: one implementation, found where its subject is, and imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import MethodType
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Delegate(Generic[Result]):
    """A method that is a function of another module, called with the object as its first argument.

        class RobBench:
            pareto: Delegate[pd.DataFrame] = Delegate("robbench.analysis", "pareto_front")

    Its signature and docstring are those of the function.  The module is named, not imported: what stands on a bench, such as its figures, may
    import it.

    Arguments:
        module: where the function is.
        name: of the function there.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., Result]:
        function: Callable[..., Result] = getattr(import_module(self._module), self._name)
        return function if instance is None else MethodType(function, instance)

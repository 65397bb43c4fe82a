"""RobBench as a benchmark of OptunaHub; the class, and what its arguments mean, is in `robbench.adapters.optunahub`."""

from robbench.adapters.optunahub import Problem

__all__ = ["Problem"]

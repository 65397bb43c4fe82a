"""The version of this RobBench."""

__version__ = "0.1.0"

"""``python -m robbench_builders …``: `robbench build`, where the package is not installed."""

from robbench_builders.cli import build
from robbench.errors import RobBenchError

if __name__ == "__main__":
    try:
        build()
    except RobBenchError as error:
        raise SystemExit(f"Error: {type(error).__name__}: {error}") from None

"""``python -m builders …``: `robbench build`, where the package is not installed."""

from builders.cli import build

if __name__ == "__main__":
    build()

"""Running `robbench` in this process, and reading what it printed."""

from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

from tests.sources.published import evaluated

Run = Callable[..., Result]
FIRST = evaluated()[0]
ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


def answer(result: Result) -> str:
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def refusal(result: Result, code: int = 1) -> str:
    """The error of a failed command: on stderr, in one line if the data is at fault, and no traceback."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("Error: ")
    return result.stderr

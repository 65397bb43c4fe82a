"""Commands that a message advises, as they can be pasted into a shell."""

from __future__ import annotations

import shlex


def command(*words: object) -> str:
    """`robbench` and these words, each in quotes where a shell would not take it as it is: ``robbench fit 'my store.h5' --target pgd``."""
    return shlex.join(["robbench", *map(str, words)])

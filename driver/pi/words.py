"""words.py - how pi-bench speaks to people, and how it tells what is wrong."""

from __future__ import annotations

from analysis.command import words


class Problem(Exception):
    """What keeps the work from being done, in words: what, where, and what to do. The code is one of exit codes'."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


class Full(Problem):
    """That a disk is full: no other job will go better there."""


def say(who: str, what: str) -> None:
    """A step, as it is begun or done."""
    words.print(f"{who}: {what}", markup=False)


def size_text(size: float) -> str:
    """Bytes in the unit that suits."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


def count_text(number: int, one: str) -> str:
    """A number with its noun: 1 trace, 2 traces."""
    return f"{number} {one}" + ("" if number == 1 else "s")

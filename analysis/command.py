"""command.py - what the programs of the analysis share: reading results with a word about what is wrong, exit codes.

Exit codes are those of traces/error.h: 0 done, 1 the work failed (of compare: something got worse), 2 usage, 3 a bad
input file, 4 the machine lacks something.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

if TYPE_CHECKING:
    from analysis.load import Results

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INPUT, EXIT_LACKS = range(5)

PROBLEMS_SHOWN = 10

words = Console(stderr=True, highlight=False, soft_wrap=True)


class Parser(argparse.ArgumentParser):
    """argparse with this project's exit code and manner of speaking."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def fail(program: str, code: int, what: str) -> NoReturn:
    """Says what is wrong and ends the program."""
    words.print(f"{program}: {what}", markup=False)
    sys.exit(code)


def read_results(program: str, paths: Sequence[Path | str]) -> Results:
    """The results of the files; tells of each problem, ends the program when nothing is left."""
    from analysis.load import load  # with much behind it, which not every program needs

    results = load(paths)
    for problem in results.problems[:PROBLEMS_SHOWN]:
        words.print(f"{program}: {problem}", markup=False)
    if len(results.problems) > PROBLEMS_SHOWN:
        words.print(f"{program}: … and {len(results.problems) - PROBLEMS_SHOWN} problems more", markup=False)
    if results.table.empty:
        fail(program, EXIT_INPUT, "no row is left to read")
    return results

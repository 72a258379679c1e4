"""report.py - what is shown when boards are done: pictures and a page for each, beside this machine's own results."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from driver.pi.words import say


def _host_of(path: Path) -> str | None:
    """The host of the first row in a file of results."""
    try:
        with path.open(encoding="utf-8") as file:
            return str(json.loads(file.readline())["host"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _own(directory: Path) -> list[Path]:
    """This machine's newest results."""
    found = [path for path in directory.glob("*.jsonl") if _host_of(path) == os.uname().nodename]
    return sorted(found, key=lambda path: path.stat().st_mtime)[-1:]


def tell(paths: Sequence[Path], directory: Path, draw: bool) -> None:
    """Names the files of results on standard output; draws unless told not to."""
    for path in paths:
        print(path, flush=True)
    beside = [own for own in _own(directory) if own not in paths]
    files = [str(path) for path in [*paths, *beside]]
    if draw:
        try:
            from analysis import plot, publish  # much to load, only when needed
        except ModuleNotFoundError as error:
            say("pi-bench", f"no pictures and no page: python3 has no module {error.name}; Debian: python3-{error.name}")
            return
        for path in paths:
            plot.main(["all", f"--directory={directory / f'plots-{path.stem}'}", str(path), *map(str, beside)])
        publish.main([f"--output={directory / 'report.html'}", *files])
    say("pi-bench", f"the page again, of these and others: ./publish --output={directory / 'report.html'} {' '.join(files)}")

"""follow.py - has a board do jobs, and fetches what it finds out as it comes, whatever the connection does meanwhile.

The work goes on by itself on the board. Rows are fetched from where the file here ends, whole lines only, so that each
arrives once; a job has arrived when the board says that it has ended and the file here is as long as the one there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from analysis.command import EXIT_INPUT, EXIT_LACKS, EXIT_USAGE
from driver.pi.board import Answer, Board
from driver.pi.link import Lost
from driver.pi.sweep import Job, Sweep, rows_of
from driver.pi.words import Full, Problem, count_text, say

FINE = ("0", "1", "4")  # exit codes of a replay that has written all its rows: what failed is a row, too
ATTEMPTS = 3  # of a job whose board goes down each time
TELL_EVERY_S = 30.0

Found = TypeVar("Found")


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """How the runs of a job went, and whether the board was itself."""
    told = [count_text(len(rows), "run")]
    not_done = sum(row["status"] != "done" for row in rows)
    if not_done:
        told.append(f"{not_done} of them not done")
    throttled = [row for row in rows if row.get("throttled")]
    if throttled:
        causes = sorted({cause for row in throttled for cause in row["condition"]["throttled_by"]})
        again = sum(row["repetition"] > 0 for row in rows)
        told.append(f"{len(throttled)} of them marked, as the board slowed down ({', '.join(causes)}), and {again} done again")
        if "under-voltage" in causes:
            told.append("its power supply is too weak")
    return ", ".join(told)


def _reason(answer: Answer) -> str:
    """The last that a replay said, "" where it said nothing."""
    said = [line for line in answer.values.get("log", []) if "--help" not in line]
    return said[-1] if said else ""


class Stopped(Exception):
    """The user wants no more of it."""


class Stop(Protocol):
    """How a user's wish to stop is heard of; threading.Event is one."""

    def is_set(self) -> bool:
        """Whether to stop."""

    def wait(self, seconds: float) -> bool:
        """True as soon as it is so, False after so many seconds."""


class Follower:
    """Follows the jobs of a sweep on one board."""

    def __init__(self, board: Board, sweep: Sweep, stop: Stop) -> None:
        self.board = board
        self.sweep = sweep
        self.settings = sweep.settings
        self.stop = stop
        self.left: list[Job] = []  # what the board is to do from now on
        self.told: set[str] = set()
        self.tell_next = time.monotonic() + TELL_EVERY_S

    def _say(self, what: str) -> None:
        say(self.board.name, what)

    def _wait(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Stopped

    def _patiently(self, ask: Callable[[], Found]) -> Found:
        """What the board answers, as soon as there is a connection; Lost when there is none for too long."""
        lost_at = None
        while True:
            if self.stop.is_set():
                raise Stopped
            try:
                found = ask()
            except Lost as lost:
                now = time.monotonic()
                if lost_at is None:
                    lost_at = now
                    self._say(
                        f"connection lost ({lost}); the board goes on by itself, and this tries again for "
                        f"{self.settings.patience:.0f} s"
                    )
                if now - lost_at > self.settings.patience:
                    raise
                self._wait(self.settings.every)
                continue
            if lost_at is not None:
                self._say("connection is back")
            return found

    def start(self) -> None:
        """Begins what is not at work yet."""
        names = [job.name for job in self.left]
        self.sweep.begin()
        taken = self._patiently(lambda: self.board.start(self.sweep.name, self.settings.tune, names))
        if taken:
            self._say(f"took over the lock of {taken}: whoever had it is gone")

    def _append(self, part: Path, answer: Answer, offset: int) -> int:
        """Adds the whole lines that came from the offset on; how long the part is then."""
        lines = answer.data[: answer.data.rfind(b"\n") + 1]
        if lines:
            with part.open("r+b" if part.exists() else "wb") as file:
                file.truncate(offset)
                file.seek(offset)
                file.write(lines)
        return offset + len(lines)

    def _offset(self, part: Path) -> int:
        """Where the whole lines end that are here already."""
        return part.read_bytes().rfind(b"\n") + 1 if part.exists() else 0

    def _tell(self, job: Job, part: Path, answer: Answer) -> None:
        for note in answer.values.get("note", []):
            if note not in self.told:
                self.told.add(note)
                self._say(note)
        if part.exists() and time.monotonic() > self.tell_next:
            self.tell_next = time.monotonic() + TELL_EVERY_S
            runs = part.read_bytes().count(b"\n")
            self._say(f"{job.trace}: {count_text(runs, 'run')} so far")

    def _land(self, job: Job, part: Path) -> None:
        rows = list(rows_of(part.read_bytes()))
        self.sweep.land(job, part)
        self._say(f"{job.trace}: {summary(rows)}")

    def _ended(self, job: Job, answer: Answer) -> None:
        """Problem when a job has ended without having written all its rows."""
        code = answer["ended"]
        if code in FINE:
            return
        if code == "full":
            raise self.board.full(f"results of {job.trace} cannot be written", answer.number("free_kib"))
        if int(code) > 128:
            raise Problem(EXIT_LACKS, f"{job.trace}: replay was killed by signal {int(code) - 128} there; is its memory enough?")
        fit = int(code) if int(code) in (EXIT_USAGE, EXIT_INPUT) else EXIT_LACKS
        raise Problem(fit, f"{job.trace}: {_reason(answer) or f'replay ended with {code}'}")

    def fetch(self, job: Job) -> None:
        """Follows a job to its end, and lands it. Problem when it failed there."""
        attempt = self.sweep.attempt(job, self.board.name)
        begun = 1
        pause = min(0.5, self.settings.every)
        while True:
            offset = self._offset(self.sweep.part(job, self.board.name, attempt))
            answer = self._patiently(lambda: self.board.look(self.sweep.name, job.name, attempt, offset))
            if answer["attempt"] != attempt:  # the first one, or the board was off and has begun again
                attempt, offset = answer["attempt"], 0
            part = self.sweep.part(job, self.board.name, attempt)
            end = self._append(part, answer, offset)
            self._tell(job, part, answer)
            if answer["ended"]:
                self._ended(job, answer)
                if not part.exists():
                    raise Problem(EXIT_LACKS, f"{job.trace}: {_reason(answer) or 'it has no row'}")
                if end != answer.number("bytes"):
                    raise Problem(EXIT_LACKS, f"{job.trace}: its last row is cut off")
                self._land(job, part)
                return
            if not answer["running"]:
                if begun == ATTEMPTS:
                    raise Problem(EXIT_LACKS, f"{job.trace}: the board went down {count_text(begun, 'time')} during it")
                begun += 1
                self.start()
            if end == offset:
                self._wait(pause)
                pause = min(2 * pause, self.settings.every)

    def do(self, jobs: Sequence[Job]) -> list[Problem]:
        """Has the board do the jobs, one after the other, and returns what went wrong with some. A full disk ends it."""
        problems: list[Problem] = []
        self.left = list(jobs)
        self.start()
        for job in jobs:
            try:
                self.fetch(job)
            except Problem as problem:
                self._say(str(problem))
                problems.append(problem)
                if isinstance(problem, Full):
                    break
            self.left.remove(job)
        return problems

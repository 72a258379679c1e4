"""fleet.py - several boards of one kind share the jobs of a sweep: GNU parallel gives each board one at a time.

parallel keeps the log of jobs, goes on after the last one that was done, and gives a job that failed on one board to
another. It is told to call by_board.sh in place of ssh, which runs `pi-bench --job` here for the board that parallel
chose. It knows the boards by numbers: what is a login to ssh, it may take apart, or not take.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from analysis.command import EXIT_DONE, EXIT_LACKS
from driver.pi.board import Board
from driver.pi.follow import Follower, Stopped
from driver.pi.link import Link, Lost, Unreachable
from driver.pi.sweep import Sweep
from driver.pi.words import Problem, say

BY_BOARD = Path(__file__).with_name("by_board.sh")
SWEEP = "HEAPBENCH_SWEEP"  # the environment's name for a sweep's directory
BOARDS = "HEAPBENCH_BOARDS"  # and for the logins of its boards


def _name(number: int) -> str:
    """Of a board, for parallel."""
    return f"board{number}"


def _lost(sweep: Sweep, name: str) -> Path:
    return sweep.directory / f"lost@{name}"


class _StopFile:
    """An event for several processes: it is set when the file is there."""

    def __init__(self, sweep: Sweep) -> None:
        self.path = sweep.directory / "stop"

    def is_set(self) -> bool:
        return self.path.exists()

    def wait(self, seconds: float) -> bool:
        """True as soon as it is set; False after so many seconds."""
        end = time.monotonic() + seconds
        while not self.is_set() and time.monotonic() < end:
            time.sleep(min(0.2, max(0.0, end - time.monotonic())))
        return self.is_set()


def do_job(directory: Path, name: str) -> int:
    """One job on the board that parallel chose; returns an exit code, 0 when it landed."""
    sweep = Sweep.load(directory)
    settings, place = sweep.settings, os.environ["PARALLEL_SSHLOGIN"]
    logins = json.loads(os.environ[BOARDS])
    job = next(job for job in sweep.jobs if job.name == name)
    if sweep.is_done(job):
        return EXIT_DONE
    board = Board(Link(logins[place], settings.ssh, Path(settings.sockets)), settings.directory, settings.who)
    try:
        problems = Follower(board, sweep, _StopFile(sweep)).do([job])
        return max((problem.code for problem in problems), default=EXIT_DONE)
    except (Lost, Unreachable) as error:
        _lost(sweep, place).write_text(str(error), encoding="utf-8")  # for the one that gives out jobs, and by_board.sh
    except Problem as problem:
        say(board.name, str(problem))
        return problem.code
    except Stopped:
        pass
    finally:
        board.link.close()
    return EXIT_LACKS


def _codes(sweep: Sweep) -> dict[int, int]:
    """How jobs ended, the last time: parallel's log counts them from 1."""
    log = sweep.directory / "joblog"
    lines = log.read_text(encoding="utf-8").splitlines()[1:] if log.exists() else []
    return {int(cells[0]): int(cells[6]) for cells in (line.split("\t") for line in lines)}


def do_sweep(sweep: Sweep, boards: Sequence[Board], stop: threading.Event) -> tuple[list[int], list[Board]]:
    """All open jobs, by parallel, which keeps the sweep's lock. The exit codes of jobs that failed: these are open still.
    And the boards that were not given up."""
    parallel = shutil.which("parallel")
    if parallel is None:
        raise Problem(EXIT_LACKS, "several boards need GNU parallel here (Debian: parallel)")
    sweep.save()
    asked_to_stop = _StopFile(sweep).path
    asked_to_stop.unlink(missing_ok=True)
    named = {_name(number): board for number, board in enumerate(boards)}
    for name in named:
        _lost(sweep, name).unlink(missing_ok=True)
    directory = str(sweep.directory.resolve())
    home = sweep.directory / "parallel"
    home.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [
            parallel,
            *("--ssh", f"sh {shlex.quote(str(BY_BOARD))}"),
            *("--sshlogin", ",".join(f"1/{name}" for name in named)),
            *("--joblog", str(sweep.directory / "joblog"), "--resume-failed"),
            *("--retries", str(len(boards) + 1), "--line-buffer"),
            f"{shlex.join([sys.executable, os.path.realpath(sys.argv[0]), '--job', directory])} {{}}",
            ":::",
            *(job.name for job in sweep.jobs),
        ],
        env={
            **os.environ,
            SWEEP: directory,
            BOARDS: json.dumps({name: board.link.login for name, board in named.items()}),
            "PARALLEL_HOME": str(home),
            "SHELL": "/bin/sh",
        },
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=[] if sweep.lock is None else [sweep.lock],
    )
    told: set[str] = set()
    while process.poll() is None:
        for name, board in named.items():
            if _lost(sweep, name).exists() and name not in told:
                told.add(name)
                why = _lost(sweep, name).read_text(encoding="utf-8")
                say(board.name, f"given up, and its jobs go to the others: {why}")
        if stop.wait(0.2):
            asked_to_stop.touch()
            process.terminate()  # it gives out no more jobs, and waits for those that run, which see the file
            process.wait()
            raise Stopped
    codes = _codes(sweep)
    failed = [codes.get(number, EXIT_LACKS) for number, job in enumerate(sweep.jobs, start=1) if not sweep.is_done(job)]
    return failed, [board for name, board in named.items() if not _lost(sweep, name).exists()]

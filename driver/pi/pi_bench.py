"""pi_bench.py - the command: measure on boards in the network, fetch what they find, and leave them as they were.

Each board is reached and asked what it is. Boards of one kind share a sweep: alone, a board is given all its jobs at
once (follow.py); several get one at a time (fleet.py). What is interrupted goes on when the same command is given again.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import os
import posixpath
import re
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from analysis.command import EXIT_DONE, EXIT_FAILED, EXIT_LACKS, Parser
from driver.pi import fleet, report
from driver.pi.board import Board, Facts, File
from driver.pi.follow import Follower, Stopped
from driver.pi.link import Link, Lost, Unreachable
from driver.pi.program import program_for
from driver.pi.sweep import STATE, Settings, Sweep, make_jobs
from driver.pi.words import Full, Problem, count_text, say, size_text

SOURCE = Path(__file__).resolve().parents[2]
OURS = ".heapbench"  # the directory on a board that nothing but this makes, so that all in it may be removed
LOGIN = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.%-]*@)?[A-Za-z0-9_:][A-Za-z0-9_.:%-]*")  # also safe as part of a file's name


def _parser() -> Parser:
    parser = Parser(
        prog="pi-bench",
        description="Measure on boards in the network, such as a Raspberry Pi, with ssh; results go to results/HOST.jsonl.",
        epilog="The same command goes on where it was interrupted. Exit status: 0 done; 1 an allocator failed the work; "
        "2 usage; 3 a bad trace; 4 a board cannot be reached, or lacks something.",
    )
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="as for ssh: pi@raspberrypi.local, or a Host of ~/.ssh/config")
    parser.add_argument("--hosts", type=Path, metavar="FILE", help="a file with a board a line; # begins a comment")
    parser.add_argument("--trace", action="append", default=[], metavar="FILE", help="a trace or model:NAME, again for more (the shipped ones)")
    for name, what in (
        ("alloc", "allocators, as ./replay has them (all)"),
        ("passes", "passes, as ./replay has them (verify,space,throughput,latency)"),
        ("runs", "runs of throughput and latency (5)"),
        ("limit", "seconds for an allocator on a trace, after which runs are left out (600)"),
    ):
        parser.add_argument(f"--{name}", metavar="X", help=what)
    parser.add_argument("--output", type=Path, default=Path("results"), metavar="DIR", help="where HOST.jsonl goes (%(default)s)")
    parser.add_argument(
        "--keep",
        choices=["nothing", "files", "all"],
        default="nothing",
        help="what stays on the board: nothing; files, the program and traces, for the next time; all, results and logs too (%(default)s)",
    )
    parser.add_argument("--directory", default=OURS, metavar="DIR", help=f"where {OURS} is made on the board (the home directory)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="the program for the boards, instead of one built for them")
    parser.add_argument("--no-tune", action="store_true", help="leave governor and sysctl as they are")
    parser.add_argument("--no-report", action="store_true", help="no pictures and no page at the end")
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS", help="how often to look at a board; it takes a little of its time (%(default)g)")
    parser.add_argument("--patience", type=float, metavar="SECONDS", help="how long a board may be out of reach (3600; 120 where others can do its jobs)")
    parser.add_argument("--ssh", default="ssh", metavar="COMMAND", help="ssh with options of its own")
    parser.add_argument("--stop", action="store_true", help="end what you have at work on the boards, and remove it there")
    parser.add_argument("--job", nargs=2, metavar=("DIR", "NAME"), help=argparse.SUPPRESS)  # from fleet.py
    return parser


def _logins(parser: Parser, options: argparse.Namespace) -> list[str]:
    """The boards that were named, each once."""
    named = list(options.boards)
    if options.hosts:
        try:
            lines = options.hosts.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            parser.error(f"--hosts={options.hosts}: cannot be read: {error.strerror}")
        named += [line.partition("#")[0].strip() for line in lines]
    named = [name for name in dict.fromkeys(named) if name]
    if not named:
        parser.error("name a board: make pi-bench PI=pi@raspberrypi.local")
    for name in named:
        if not LOGIN.fullmatch(name):
            parser.error(f"{name!r} is not a board's name as ssh takes it; give it one in ~/.ssh/config")
    return named


def _traces(parser: Parser, options: argparse.Namespace) -> list[str]:
    traces = options.trace or [str(path) for path in sorted((SOURCE / "traces").glob("*.trace"))]
    if not traces:
        parser.error("no traces are shipped here: name some with --trace=FILE")
    return traces


def _replay_options(options: argparse.Namespace) -> list[str]:
    return [f"--{name}={vars(options)[name]}" for name in ("alloc", "passes", "runs", "limit") if vars(options)[name] is not None]


class Run:
    """One call of the program: the boards, and what became of them."""

    def __init__(self, options: argparse.Namespace, logins: Sequence[str], traces: Sequence[str], sockets: Path) -> None:
        self.options = options
        self.traces = traces
        self.sockets = sockets
        self.stop = threading.Event()
        self.problems: list[Problem] = []
        self.statuses: set[str] = set()
        self.files: set[Path] = set()
        self.finished: list[str] = []  # kinds of boards whose jobs are all done
        self.all_reached = False  # every board that was named has answered
        self.complete = False  # all jobs of all kinds of boards are done
        who = f"{getpass.getuser()}@{os.uname().nodename}"
        ssh = shlex.split(options.ssh)
        is_ours = posixpath.basename(options.directory.rstrip("/")) == OURS
        directory = options.directory if is_ours else posixpath.join(options.directory, OURS)
        self.boards = [Board(Link(login, ssh, sockets), directory, who) for login in logins]
        self.settings = Settings(ssh, directory, str(options.output), str(sockets), who, not options.no_tune, options.every, 0)

    # ---- Everything that can go wrong on one board, said in one place ----

    def _guarded(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        """Does the work; what goes wrong is said and kept, and spoils nothing of the other boards."""
        try:
            work(*arguments)
        except Problem as problem:
            self._fail(name, problem)
        except (Unreachable, Lost) as error:
            if not self.stop.is_set():
                self._fail(name, Problem(EXIT_LACKS, str(error)))
        except Stopped:
            pass

    def _fail(self, name: str, problem: Problem) -> None:
        say(name, str(problem))
        self.problems.append(problem)

    def _all_at_once(self, work: Sequence[Callable[[], None]]) -> None:
        """Waits for all, or until the user wants no more of it: then no ssh is left to wait for."""
        with ThreadPoolExecutor(max_workers=max(1, len(work))) as pool:
            doing: set[Future[None]] = {pool.submit(one) for one in work}
            while doing and not self.stop.is_set():
                done, doing = wait(doing, timeout=0.2)
                for one in done:
                    one.result()
            if self.stop.is_set():
                for board in self.boards:
                    board.link.abort()

    # ---- The steps ----

    def _reach(self, board: Board, found: dict[Board, Facts]) -> None:
        say(board.name, f"reaching {board.link.login}…")
        facts = board.probe()
        say(board.name, facts.describe())
        lock = facts.answer
        if lock["lock"] == "live" and lock["lock_who"] != board.who:
            raise board.busy(lock)
        found[board] = facts

    def _sweep_for(self, boards: Sequence[Board], facts: Facts) -> tuple[Sweep, list[File]]:
        state = self.options.output / STATE
        program = program_for(boards[0], facts, self.options.replay, state)
        jobs, files = make_jobs(program, self.traces, _replay_options(self.options))
        key = "\n".join([facts.kind, *sorted(board.link.login for board in self.boards), *(job.name for job in jobs)])
        patience = self.options.patience if self.options.patience is not None else 3600 if len(boards) == 1 else 120
        settings = Settings(**{**vars(self.settings), "patience": patience})
        sweep = Sweep(state / hashlib.sha256(key.encode()).hexdigest()[:12], jobs, settings)
        sweep.take_lock()
        return sweep, [*files, *sweep.files()]

    def _copy(self, board: Board, facts: Facts, sweep: Sweep, files: Sequence[File]) -> None:
        lock = facts.answer
        if lock["lock"] == "live" and lock["lock_sweep"] != sweep.name:
            raise board.busy(lock)
        if [name for name in lock.values.get("sweep", []) if name != sweep.name]:
            say(board.name, "results of earlier work wait there: its command fetches them, --stop removes them")
        copied = board.copy(files, facts)
        say(board.name, f"copied {size_text(copied)} to {board.directory}")

    def _do_kind(self, kind: str, found: dict[Board, Facts]) -> None:
        """All jobs on the boards of one kind, from the program to the results."""
        boards = list(found)
        sweep, files = self._sweep_for(boards, found[boards[0]])
        ready = []
        for board in boards:
            before = len(self.problems)
            self._guarded(board.name, self._copy, board, found[board], sweep, files)
            if len(self.problems) == before:
                ready.append(board)
        if self.stop.is_set():
            raise Stopped
        if not ready:
            if not sweep.begun():
                sweep.forget()
            return
        todo = sweep.open_jobs()
        if len(todo) < len(sweep.jobs):
            say(kind, f"goes on where it stopped: {len(sweep.jobs) - len(todo)} of {count_text(len(sweep.jobs), 'job')} done")
        if len(ready) > 1:
            codes, left = fleet.do_sweep(sweep, ready, self.stop)
            self.problems += [Problem(code, "said where it happened") for code in codes]
        else:
            left = ready
            self.problems += Follower(ready[0], sweep, self.stop).do(todo) if todo else []
        self._finish(kind, sweep, left, len(left) == len(boards) and self.all_reached)

    def _finish(self, kind: str, sweep: Sweep, boards: Sequence[Board], all_there: bool) -> None:
        """Leaves the boards as they were, and puts the results where they belong. What could not be left so may be at
        work still: then the same command is to find it."""
        self.files.update(sweep.publish_all())
        self.statuses.update(sweep.counts())
        left = sweep.open_jobs()
        if left:
            what = ", ".join(job.trace for job in left[:5]) + (", …" if len(left) > 5 else "")
            say(kind, f"{count_text(len(left), 'job')} not done: {what}")
        before = len(self.problems)
        for board in boards:
            self._guarded(board.name, board.clean, sweep.name, self.options.keep)
        if left and all_there and len(self.problems) == before and not self.stop.is_set():
            sweep.drop_parts()
            sweep.forget_unless_landed()
        elif not left:
            sweep.forget()
            self.finished.append(kind)

    def measure(self) -> None:
        """The whole of it."""
        found: dict[Board, Facts] = {}
        self._all_at_once([partial(self._guarded, board.name, self._reach, board, found) for board in self.boards])
        self.all_reached = len(found) == len(self.boards)
        kinds: dict[str, dict[Board, Facts]] = {}
        for board, facts in found.items():
            kinds.setdefault(facts.kind, {})[board] = facts
        hostnames = [facts.answer["hostname"] for facts in found.values()]
        for name in dict.fromkeys(name for name in hostnames if hostnames.count(name) > 1):
            boards = " and ".join(board.name for board, facts in found.items() if facts.answer["hostname"] == name)
            say(boards, f"all call themselves {name}, and stand as one in the results: hostnamectl set-hostname tells them apart")
        named = {", ".join(board.name for board in kinds[kind]): kinds[kind] for kind in kinds}
        if not self.stop.is_set():
            self._all_at_once([partial(self._guarded, name, self._do_kind, name, boards) for name, boards in named.items()])
            self.complete = not self.problems and len(self.finished) == len(named)

    def end_work(self) -> None:
        """What --stop does."""

        def end(board: Board) -> None:
            stopped = board.stop()
            say(board.name, "ended, and removed" if stopped else "nothing of yours was at work; what was left is removed")

        self._all_at_once([partial(self._guarded, board.name, end, board) for board in self.boards])

    def exit_code(self) -> int:
        """The worst that has happened decides."""
        if self.problems:
            return max(problem.code for problem in self.problems)
        return EXIT_LACKS if "lacks" in self.statuses else EXIT_FAILED if "failed" in self.statuses else EXIT_DONE


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit code."""
    usual_pipe = signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # an ssh that ends while it is written to is a lost connection
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    if options.job:
        return fleet.do_job(Path(options.job[0]), options.job[1])
    logins = _logins(parser, options)
    traces = [] if options.stop else _traces(parser, options)
    with tempfile.TemporaryDirectory(prefix="pi-bench-") as sockets:
        run = Run(options, logins, traces, Path(sockets))
        got: list[int] = []
        usual = {
            number: signal.signal(number, lambda number, _: (got.append(number), run.stop.set()))  # type: ignore[func-returns-value]
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            run.end_work() if options.stop else run.measure()
        finally:
            for board in run.boards:
                board.link.close()
            for number, handler in usual.items():
                signal.signal(number, handler)
    if got and not run.complete:
        say("pi-bench", "interrupted; a board at work goes on by itself: the same command follows it again, --stop ends it")
        signal.signal(got[0], signal.SIG_DFL)
        os.kill(os.getpid(), got[0])  # the shell sees what it was
    signal.signal(signal.SIGPIPE, usual_pipe)
    if run.files:
        report.tell(sorted(run.files), options.output, not options.no_report)
    return run.exit_code()

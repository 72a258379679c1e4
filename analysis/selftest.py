"""selftest.py - the harness proves itself on the machine that it runs on: what its statistics can tell apart
(selftest_stat.py), and how far two sweeps of the same agree (selftest_repeat.py).

It runs ./replay as a user would, and judges by the functions that ./compare uses. The rows are kept, apart from other
results: --from judges them again without measuring.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis import selftest_repeat, selftest_stat
from analysis.command import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INPUT,
    EXIT_LACKS,
    EXIT_USAGE,
    Parser,
    fail,
    read_results,
    words,
)
from analysis.load import FLOOR, Results, memory_text
from analysis.selftest_repeat import FEWEST_RUNS, Agreement, Cell, Cells
from analysis.selftest_stat import PLANTED, Findings

PROGRAM = "selftest"
BUILD = Path(sys.argv[0]).resolve().parent
TRACES = Path(__file__).resolve().parent.parent / "traces"

# What --quick does: enough to see it work, too little to judge by.
QUICK_SWEEPS, QUICK_ROUNDS = 10, 7

# How long a run replays: of each part, or op, the fastest replay counts. Times that are known worst are asked each round,
# the others every so many after the first. So are worst cases that take long, but then longer: for some replays, of
# which after a fourth the slowest ops alone are done. Longer, too, but each round, are those of a heap outside the arena,
# whose slowest ops are not done again from a copy. Of watermark on cc1 and lld, 0.3 s leave three and seven replays
# after those of every op, too few to do all again that may be the slowest: with twice that, a run finds alone what ten
# of 0.3 s mostly do not.
THROUGHPUT_S, LATENCY_S = 0.3, 0.6
TIME_ROUNDS, MORE_RUNS = 2, 4  # so many a round of the times that are known worst, and are quick
SLOW_ROUNDS, SLOW_THROUGHPUT_REPLAYS, SLOW_THROUGHPUT_S = 5, 4, (0.5, 2)  # so many replays; that time at least, at most
OUTSIDE_LATENCY_S = 5
SLOW_LATENCY_REPLAYS, SLOW_LATENCY_S = 12, (10, 20)  # so many replays, that time at least; 100 replays, that at most

SWEEPS = ("first", "again", "busy")


def _replay(arguments: Sequence[str], rows: Path) -> None:
    """One sweep, its rows appended to the file. That an allocator cannot do a trace is a row."""
    command = [str(BUILD / "replay"), f"--json={rows}", *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        fail(PROGRAM, EXIT_LACKS, f"{command[0]}: {error.strerror}; build it: make replay")
    if result.returncode not in (EXIT_DONE, EXIT_FAILED):
        fail(PROGRAM, result.returncode, f"{' '.join(command)} ended so: {result.stderr.strip()}")


def _fresh(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    except OSError as error:
        fail(PROGRAM, EXIT_LACKS, f"{path}: {error.strerror}")
    return path


def _print(table: Table) -> None:
    console = Console()
    Console(width=console.width if console.is_terminal else 140, highlight=False).print(table)


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


# ---- stat ------------------------------------------------------------------------------------------------------------


def _calibrate(plugin: str, common: Sequence[str], options: argparse.Namespace) -> tuple[list[int], int]:
    """The turns of the loop that make each copy as slow as planted, and how many rounds a sweep takes here."""
    file = options.output.with_suffix(".calibration")
    turns = [0, selftest_stat.CALIBRATION_WORK]
    alloc = ",".join(selftest_stat.specs(plugin, turns))
    rows = _fresh(file)
    begin = time.monotonic()
    _replay([f"--alloc={alloc}", f"--runs={options.calibration}", *common], rows)
    run_s = (time.monotonic() - begin) / options.calibration / (1 + len(turns))  # 1: null
    pool = selftest_stat.pool_of(read_results(PROGRAM, [rows]))
    try:
        found = selftest_stat.turns_for(pool)
    except ValueError as error:
        fail(
            PROGRAM,
            EXIT_LACKS,
            f"{error}: this machine is too noisy to set the slowdowns; stop what else runs",
        )
    file.unlink()
    sweep_runs = options.sweeps * (1 + len(PLANTED))
    most = int(options.minutes * 60 / (run_s * sweep_runs))
    rounds = options.rounds or selftest_stat.rounds_for(pool, most)
    words.print(
        f"{PROGRAM}: {options.sweeps} sweeps of {rounds} rounds, some {run_s * sweep_runs * rounds / 60:.0f} minutes; "
        + ("as asked" if options.rounds else "what the noise here takes" if rounds < most else "no more time for more"),
        markup=False,
    )
    return found, rounds


def _measure_stat(options: argparse.Namespace) -> Path:
    plugin = str(BUILD / "driver" / "tests" / "slowed.so")
    if not Path(plugin).exists():
        fail(PROGRAM, EXIT_LACKS, f"{plugin} is not there; build it: make driver/tests/slowed.so")
    common = ["--passes=throughput", "--limit=1e6", "--timed=0.02", options.trace]
    turns, rounds = _calibrate(plugin, common, options)
    alloc = ",".join(selftest_stat.specs(plugin, turns))
    rows = _fresh(options.output)
    for seed in track(range(1, options.sweeps + 1), "sweeps", console=words, transient=True):
        _replay([f"--alloc={alloc}", f"--runs={rounds}", f"--seed={seed}", *common], rows)
    return rows


def _print_findings(found: Findings) -> None:
    table = _table("an allocator against", "really slower by", *(way.name for way in found.ways))
    for place, planted in enumerate(PLANTED[1:]):
        slower = found.slower[place]
        table.add_row(
            f"itself, slower by {planted:.0%}" if planted else "itself",
            f"{slower.median - 1:+.2%} ± {slower.half_width:.2%}",
            *(f"{way.counts[place].found} of {way.counts[place].n}" for way in found.ways),
        )
    table.add_row(
        "smallest found 9 times of 10",
        "",
        *("-" if way.smallest is None else f"{way.smallest:.1%}" for way in found.ways),
    )
    _print(table)
    alarms = found.ways[0].counts[0]
    print(
        f"\nIn how many comparisons, of {found.rounds} rounds each, a difference was found: in one sweep at p = "
        f"{selftest_stat.LEVEL:.0%}, so that fewer than {selftest_stat.ALPHA:.0%}\nof those against itself, which "
        f"are false alarms, are. They were {alarms}."
    )


def _stat(options: argparse.Namespace) -> int:
    rows = options.judge or _measure_stat(options)
    pool = selftest_stat.pool_of(read_results(PROGRAM, [rows]))
    if sorted(pool) != list(range(len(PLANTED))) or pool[selftest_stat.A].size == 0:
        fail(PROGRAM, EXIT_INPUT, f"{rows} has no whole sweep of the {len(PLANTED)} copies")
    pool = selftest_stat.joined(pool, options.join)
    if len(pool[selftest_stat.A]) < 2:
        fail(PROGRAM, EXIT_INPUT, f"{rows} has too few sweeps for --join={options.join}")
    found = selftest_stat.findings(pool)
    _print_findings(found)
    faults = found.faults()
    for fault in faults:
        words.print(f"{PROGRAM}: {fault}", markup=False)
    print(f"Rows: {rows}")
    return EXIT_FAILED if faults else EXIT_DONE


# ---- repeat ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _busy_loop() -> Iterator[None]:
    """A process that does nothing, as fast as it can, and for no longer than this one lives."""
    endless = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    with subprocess.Popen([sys.executable, "-c", endless]) as child:
        try:
            yield
        finally:
            child.kill()


@dataclass(frozen=True)
class _Visits:
    """Replays of some cells, trace by trace, their rows appended to a file, until it is time to end."""

    options: argparse.Namespace
    seed: int = 0
    file: Path = Path()
    end: float = math.inf

    def _visit(self, cells: Cells, runs: int, *more: str) -> None:
        for path in self.options.traces:
            specs = ",".join(spec for trace, spec in cells if trace == path.name)
            if specs and time.monotonic() < self.end:
                common = f"--limit={self.options.limit}", f"--seed={self.seed}", f"--alloc={specs}", f"--runs={runs}"
                _replay([*common, *more, str(path)], self.file)

    def throughput(self, cells: Cells, timed_s: float, runs: int = 1, settle_s: float | None = None) -> None:
        settle = self.options.settle if settle_s is None else settle_s
        self._visit(cells, runs, "--passes=throughput", f"--settle={settle:g}", f"--timed={timed_s:g}")

    def slow_throughput(self, cells: Cells, trial: _Trial) -> None:
        for path in self.options.traces:
            mine = [cell for cell in cells if cell[0] == path.name]
            if mine:
                self.throughput(mine, max(map(trial.slow_throughput_s, mine)))

    def latency(self, cells: Cells, timed_s: float) -> None:
        """No run waits for core and caches: the more there are, the more meet them as they should be."""
        self._visit(cells, 1, "--passes=latency", "--settle=0", f"--timed={timed_s:g}")

    def long_latency(self, cells: Cells, trial: _Trial) -> None:
        for cell in cells:
            self.latency([cell], trial.long_latency_s(cell))


@dataclass(frozen=True)
class _Trial:
    """What a first run of all tells."""

    replay_s: dict[Cell, float]  # of what can be measured
    quick: Cells
    outside: Cells  # the arena
    wanted_visits: dict[Cell, int]
    run_s: float = 0  # what such a run takes

    @property
    def slow(self) -> Cells:
        return [cell for cell in self.replay_s if cell not in self.quick]

    def quick_of(self, cells: Cells) -> Cells:
        return [cell for cell in cells if cell in self.quick]

    def slow_of(self, cells: Cells) -> Cells:
        return [cell for cell in cells if cell in self.slow]

    def outside_of(self, cells: Cells) -> Cells:
        return [cell for cell in cells if cell in self.quick and cell in self.outside]

    def short_of(self, cells: Cells) -> Cells:
        return [cell for cell in cells if cell in self.quick and cell not in self.outside]

    def slow_throughput_s(self, cell: Cell) -> float:
        least, most = SLOW_THROUGHPUT_S
        return max(least, min(most, SLOW_THROUGHPUT_REPLAYS * self.replay_s[cell]))

    def long_latency_s(self, cell: Cell) -> float:
        """How long the runs are of those that are slow, or outside."""
        if cell in self.quick:
            return OUTSIDE_LATENCY_S
        seconds = self.replay_s[cell]
        least, most = SLOW_LATENCY_S
        return max(least, min(most, 100 * seconds), SLOW_LATENCY_REPLAYS * seconds)


def _calls(cells: Iterable[Cell]) -> Cells:
    """Without null, whose calls are the timer's."""
    return [cell for cell in cells if cell[1] != FLOOR]


def _try_all(options: argparse.Namespace, file: Path) -> _Trial:
    begin = time.monotonic()
    visits = _Visits(options, file=file)
    visits.throughput([(path.name, options.alloc) for path in options.traces], THROUGHPUT_S, settle_s=0)
    results = read_results(PROGRAM, [file])
    trial = _Trial(
        selftest_repeat.replay_seconds(results),
        selftest_repeat.quick(results),
        selftest_repeat.outside(results),
        selftest_repeat.wanted_visits(results),
    )
    calls = _calls(trial.replay_s)
    visits.latency(trial.short_of(calls), LATENCY_S)
    run_s = time.monotonic() - begin + sum(map(trial.slow_throughput_s, trial.slow))
    long = trial.slow_of(calls) + trial.outside_of(calls)
    return replace(trial, run_s=run_s + sum(trial.long_latency_s(cell) for cell in long))


def _sweep(options: argparse.Namespace, trial: _Trial, runs: int, file: Path) -> None:
    """Rounds of all, then of the times that are known worst, and now and then all, and of the worst cases that are not
    known well, or when all are, of the short ones, until the time is up. They go through all traces, so that what a
    machine does for minutes meets some runs of each."""
    sweep_end = time.monotonic() + options.minutes * 60 / len(SWEEPS)
    cells, calls = list(trial.replay_s), _calls(trial.replay_s)
    for seed in itertools.count():
        end, worst = math.inf, []
        short, outside, slow = trial.short_of(calls), trial.outside_of(calls), trial.slow_of(calls)
        due = {rounds: seed < runs or seed % rounds == 0 for rounds in (TIME_ROUNDS, SLOW_ROUNDS)}
        if seed >= runs:
            end = sweep_end
            if time.monotonic() > end:
                break
            results = read_results(PROGRAM, [file])
            worst = selftest_repeat.unsteady(results)
            open_cases = selftest_repeat.unsettled(results, trial.wanted_visits)
            short, outside, slow = trial.short_of(open_cases), trial.outside_of(open_cases), trial.slow_of(open_cases)
            if not open_cases:
                short = trial.short_of(calls)
        visits = _Visits(options, seed, file, end)
        if due[TIME_ROUNDS]:
            visits.throughput(trial.quick_of(cells), THROUGHPUT_S)
        visits.throughput(trial.quick_of(worst), THROUGHPUT_S, MORE_RUNS)
        visits.slow_throughput(trial.slow_of(cells if due[SLOW_ROUNDS] else worst), trial)
        visits.latency(short, LATENCY_S)
        visits.long_latency(outside, trial)
        if due[SLOW_ROUNDS]:
            visits.long_latency(slow, trial)


def _measure_repeat(options: argparse.Namespace) -> list[Path]:
    """The rows of three sweeps; the last beside a busy loop."""
    files = [_fresh(options.output.with_name(f"{options.output.name}-{name}.jsonl")) for name in SWEEPS]
    trial = _try_all(options, files[0])
    _fresh(files[0])
    fits = int(options.minutes * 60 / trial.run_s / len(files))
    runs = max(FEWEST_RUNS, min(options.runs, fits))
    words.print(
        f"{PROGRAM}: three sweeps of {runs} runs, some {len(files) * runs * trial.run_s / 60:.0f} minutes, "
        + (
            f"as {options.minutes:g} minutes are too short for {options.runs} (--minutes)"
            if runs < options.runs
            else f"and more, {options.minutes:g} minutes in all"
        ),
        markup=False,
    )
    for file in files[:-1]:
        _sweep(options, trial, runs, file)
    with _busy_loop():
        _sweep(options, trial, runs, files[-1])
    return files


def _print_agreement(one: Agreement, summary: Table, outside: Table) -> None:
    wanted, beyond, n = one.figure.wanted, one.outside(), len(one.table)
    summary.add_row(
        f"{one.figure.title} [{one.figure.unit}]",
        f"{one.median:.1%}",
        f"{one.table['apart'].max():.1%}",
        "" if wanted is None else f"{wanted:.0%}",
        f"{n}" if wanted is None else f"{n - len(beyond)} of {n}",
    )
    for (trace, allocator), row in beyond.iterrows():
        outside.add_row(
            f"{row['apart']:.1%}",
            one.figure.title,
            trace,
            allocator,
            f"{row['first']:.4g}",
            f"{row['second']:.4g}",
        )


def _unknown_text(results: Results) -> str:
    """What a sweep was too short to know, so that nobody takes that for a difference; "" when it knows all."""
    widths, visited = selftest_repeat.half_widths(results), selftest_repeat.visited(results)
    times = int((widths > selftest_repeat.STEADY).sum())
    worst = selftest_repeat.unsettled(results, selftest_repeat.wanted_visits(results))
    said = [f"{times} of {len(widths)} times are not known to {selftest_repeat.STEADY:.2%}"] if times else []
    said += [f"{len(worst)} of {len(visited)} worst cases may fall yet"] if worst else []
    return f"{', '.join(said)} (more --minutes); " if said else ""


def _repeat(options: argparse.Namespace) -> int:
    names = [path.name for path in options.traces]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        fail(PROGRAM, EXIT_USAGE, f"two traces are named {twice[0]}; a sweep tells them apart by name")
    first, *others = options.judge or _measure_repeat(options)
    if not others:
        fail(PROGRAM, EXIT_USAGE, "--from needs the rows of two sweeps at least")
    results = read_results(PROGRAM, [first])
    agrees = True
    for other in others:
        later = read_results(PROGRAM, [other])
        found = selftest_repeat.agreements(results, later)
        if not found:
            fail(
                PROGRAM,
                EXIT_INPUT,
                f"{first} and {other} have no trace and allocator in common with {FEWEST_RUNS} runs each",
            )
        summary = _table("figure", "apart: median", "most", "wanted", "so")
        outside = _table("farther apart than wanted", "figure", "trace", "allocator", "first", "second")
        for one in found:
            _print_agreement(one, summary, outside)
        print(f"{first} and {other}:")
        _print(summary)
        if outside.row_count:
            _print(outside)
        left_out = dict.fromkeys(name for one in found for name in one.left_out)
        for name, sweep in (("first", results), ("second", later)):
            print(f"{name}: {_unknown_text(sweep)}{memory_text(sweep.table)}")
        if results.shared + later.shared:
            print(
                f"{results.shared} rows of the one, {later.shared} of the other had no core or no last cache of their own"
            )
        if left_out:
            print(f"left out, with fewer than {FEWEST_RUNS} runs (--limit): {', '.join(left_out)}")
        print()
        agrees = agrees and not outside.row_count
    return EXIT_DONE if agrees else EXIT_FAILED


# ---- The program -----------------------------------------------------------------------------------------------------


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return number


def _parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Find out what this machine's measurements can tell apart.",
        epilog="Exit status: 0 as promised; 1 not so; 2 usage; 3 a bad input file; 4 the machine lacks something.",
    )
    commands = parser.add_subparsers(required=True, metavar="stat|repeat")

    stat = commands.add_parser(
        "stat", help="an allocator against itself, and against slower copies of itself"
    )
    stat.add_argument(
        "--trace", default=selftest_stat.TRACE, help="what is replayed (%(default)s)"
    )
    stat.add_argument(
        "--sweeps", type=_at_least(2), default=200, metavar="N", help="a comparison each (%(default)s)"
    )
    stat.add_argument(
        "--rounds",
        type=_at_least(2),
        metavar="N",
        help=f"of each sweep (as many as the noise takes, {selftest_stat.FEWEST_ROUNDS} at least)",
    )
    stat.add_argument(
        "--calibration",
        type=_at_least(2),
        default=selftest_stat.CALIBRATION_ROUNDS,
        metavar="N",
        help="rounds before, that set the slowdowns and tell the noise (%(default)s)",
    )
    stat.add_argument(
        "--minutes",
        type=float,
        default=22,
        metavar="N",
        help=f"take no more rounds than that, but {selftest_stat.FEWEST_ROUNDS} at least, or --rounds (%(default)g)",
    )
    stat.add_argument(
        "--join", type=_at_least(1), default=1, metavar="N", help="judge N sweeps as one (%(default)s)"
    )
    stat.add_argument("--quick", action="store_true", help=f"{QUICK_SWEEPS} sweeps of {QUICK_ROUNDS} rounds")
    stat.add_argument(
        "--output", type=Path, default=Path("results/selftest/stat.jsonl"), help="the rows (%(default)s)"
    )
    stat.add_argument(
        "--from", dest="judge", type=Path, metavar="FILE", help="judge these rows, measure nothing"
    )
    stat.set_defaults(run=_stat)

    repeat = commands.add_parser("repeat", help="three sweeps of the same, the last beside a busy loop")
    repeat.add_argument(
        "traces", nargs="*", type=Path, default=sorted(TRACES.glob("*.trace")), help="(those shipped)"
    )
    repeat.add_argument("--alloc", default="all", help="as replay's (%(default)s)")
    repeat.add_argument(
        "--runs",
        type=_at_least(FEWEST_RUNS),
        default=5,
        metavar="N",
        help="of all, while --minutes allow (%(default)s)",
    )
    repeat.add_argument(
        "--minutes",
        type=float,
        default=40,
        metavar="N",
        help=f"more runs while there is time, and rather {FEWEST_RUNS} than more time (%(default)g)",
    )
    repeat.add_argument(
        "--limit", type=float, default=60, metavar="SECONDS", help="as replay's (%(default)g)"
    )
    repeat.add_argument(
        "--settle", type=float, default=20, metavar="SECONDS", help="as replay's, for times (%(default)g)"
    )
    repeat.add_argument(
        "--output", type=Path, default=Path("results/selftest/repeat"), help="the rows: %(default)s-….jsonl"
    )
    repeat.add_argument(
        "--from", dest="judge", type=Path, nargs="+", metavar="FILE", help="judge these rows, measure nothing"
    )
    repeat.set_defaults(run=_repeat)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit code."""
    options = _parser().parse_args(arguments)
    if getattr(options, "quick", False):
        options.sweeps, options.rounds = QUICK_SWEEPS, QUICK_ROUNDS
    return int(options.run(options))

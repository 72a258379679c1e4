"""selftest_repeat.py - whether two sweeps of the same agree: how far the figures of an allocator on a trace are apart.

Three figures have to agree: the time, of each run the sum of the trace's parts in their fastest repetition, then the
median of the runs; that at one clock rate and load, see one_state.py; and the noise-free worst case (of each op the
fastest run, then the slowest op: see worst_case.py). Runs that had no core or last cache of their own count where there
are too few others only; of times as measured, neither do those that neighbours disturbed, as a load from beyond the
core's own caches tells, in which no allocator has a part. Others show how noisy the machine was: the time of all runs,
disturbed or not; the fastest of the runs; the time in cycles, which a clock rate that drifts is no part of; the median
time of whole repetitions; that load; the worst case of a row in the middle; and the slowest call seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import worst_case
from analysis.load import FLOOR, Results
from analysis.one_state import LOADS, at_one_state
from analysis.statistics import sign_interval

CELL = ["trace", "allocator"]
Cell = tuple[str, str]  # trace and spec
Cells = list[Cell]
MEMORY = LOADS[0]  # is of a row, not of what it found
QUIET_SHARE = 0.1  # of a sweep's runs: the machine's other users let so many be, even in a noisy hour
DISTURBED = dict(zip(LOADS, (1.1, 1.5)))  # takes so much longer than in the last of these; all of the cache is never free
STEADY = 0.0075  # two medians that are known so well are 3 % apart only when the machine has changed in between
NEARLY = 0.7  # as badly known: of the relative half width of the interval that is known worst
SETTLED = 0.03  # a worst case that the last third of its visits lowered by no more is known
QUICK_S = 0.05  # a replay
WORST_CASE = "worst case"
FEWEST_VISITS = 15  # of short runs: a few may be alike by chance, and far from the least
FEWEST_OUTSIDE_VISITS = 10  # of five beside a busy loop, each had an op of libc a tenth longer than others have it
FEWEST_SLOW_VISITS = 5
OUTSIDE_ARENA = ("", "mmap")  # page sources: none of its own
FEWEST_RUNS = 3  # with fewer, a median is no median, and the worst case is not free of noise


@dataclass(frozen=True)
class Repeated:
    """A figure and how far two sweeps may differ in it; wanted None: nothing is expected."""

    title: str
    pass_name: str
    figure: str
    of_runs: str  # "median", "min", "max" or WORST_CASE
    unit: str
    wanted: float | None
    one_state: bool = False  # of all runs, in one state of both sweeps: see one_state.py
    disturbed: bool = False  # runs that were count as well


FIGURES = (
    Repeated("time", "throughput", "ns_per_op", "median", "ns/op", 0.03),
    Repeated("time at one clock rate and load", "throughput", "ns_per_op", "median", "ns/op", 0.03, one_state=True),
    Repeated("time of all runs", "throughput", "ns_per_op", "median", "ns/op", None, disturbed=True),
    Repeated("time of the fastest run", "throughput", "ns_per_op", "min", "ns/op", None),
    Repeated("time in cycles of the core", "throughput", "cycles_per_op", "median", "cycles/op", None),
    Repeated("time of whole replays", "throughput", "ns_per_op_median", "median", "ns/op", None),
    Repeated("a load beyond the core's caches", "throughput", MEMORY, "median", "ns", None, disturbed=True),
    Repeated("worst case, noise-free", "latency", "worst_of_least_ns", WORST_CASE, "ns", 0.10),
    Repeated("that of a row in the middle", "latency", "worst_of_least_ns", "median", "ns", None),
    Repeated("slowest call seen", "latency", "max_ns", "max", "ns", None),
)


@dataclass(frozen=True)
class Agreement:
    """Of one figure: a row a trace and allocator, columns first, second, apart (larger over smaller, less 1)."""

    figure: Repeated
    table: pd.DataFrame
    left_out: list[str]  # "slob on perl.trace", which had fewer than FEWEST_RUNS in a sweep

    @property
    def median(self) -> float:
        """Half of the allocators and traces are at most so far apart."""
        return float(self.table["apart"].median())

    def outside(self) -> pd.DataFrame:
        """Those farther apart than wanted, the farthest first."""
        if self.figure.wanted is None:
            return self.table.iloc[:0]
        return self.table[self.table["apart"] > self.figure.wanted].sort_values("apart", ascending=False)


def _where(rows: pd.DataFrame, good: pd.Series) -> pd.DataFrame:
    """Those that are good; all of an allocator and trace that has fewer than FEWEST_RUNS of them."""
    enough = good.groupby([rows[name] for name in CELL], sort=False).transform("sum") >= FEWEST_RUNS
    return rows[good | ~enough]


def _alone(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs that had the core and the last cache for themselves."""
    return _where(rows, ~rows["shared"])


def _undisturbed(sweeps: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Of runs that were alone, those in which nobody else filled more of that cache than usual, or kept the memory busy: by one bar
    for all sweeps, that of the one that had it least quiet, so that like is compared with like. A run whose load is not
    known counts."""
    for load, longer in DISTURBED.items():
        loads = [pd.to_numeric(rows[load]) for rows in sweeps]
        bar = longer * np.fmax.reduce([one.quantile(QUIET_SHARE) for one in loads])
        sweeps = [_where(rows, ~(one > bar)) for rows, one in zip(sweeps, loads)]
    return list(sweeps)


def _half_widths(rows: pd.DataFrame) -> pd.Series:
    """Of the sign test's interval, over the median; of few runs no interval is known."""
    intervals = rows.groupby(["trace", "spec"], sort=False)["value"].agg(lambda values: sign_interval(values.to_numpy()))
    return intervals.map(lambda one: math.inf if math.isnan(one.low) else one.half_width / one.median).astype(float)


def half_widths(results: Results) -> pd.Series:
    """Of each cell (trace, spec) that has a time: how well its median is known, as measured or at one state, whichever is
    known worse, as the relative half width of its interval; inf: of too few runs to tell."""
    rows = results.figure("throughput", "ns_per_op")
    if rows.empty:
        return pd.Series(dtype=float)
    alone = [_alone(rows)]
    ways = [*_undisturbed(alone), *at_one_state(alone, CELL)]
    return pd.concat([_half_widths(one) for one in ways if len(one)], axis=1).max(axis=1)


def unsteady(results: Results) -> Cells:
    """Those whose median time is not known to within STEADY yet, and is known nearly as badly as the worst: runs go to
    these, so that in the end all are known as well. And those of too few runs to know, who take no turn from the
    others: of slow ones few are undisturbed for long."""
    widths = half_widths(results)
    worst = widths[widths < math.inf].max()  # NaN: there is none
    return list(widths[(widths > STEADY) & ~(widths < NEARLY * worst)].index)


def wanted_visits(results: Results) -> dict[Cell, int]:
    """How many visits (sweeps of a seed) it takes at least to know the worst case of each cell that has a time."""
    short, apart = quick(results), outside(results)

    def wanted(cell: Cell) -> int:
        if cell not in short:
            return FEWEST_SLOW_VISITS
        return FEWEST_OUTSIDE_VISITS if cell in apart else FEWEST_VISITS

    return {cell: wanted(cell) for cell in replay_seconds(results)}


def visited(results: Results) -> dict[Cell, pd.DataFrame]:
    """The rows of each cell that has worst cases, with their visit; without null, whose calls are the timer's."""
    rows = results.figure("latency", "worst_of_least_ns")
    rows = rows[rows["allocator"] != FLOOR].assign(visit=[settings["seed"] for settings in rows["settings"]])
    return dict(list(rows.groupby(["trace", "spec"], sort=False)))


def unsettled(results: Results, wanted: Mapping[Cell, int]) -> Cells:
    """Those that had fewer visits than wanted, or whose noise-free worst case the last third of them, FEWEST_RUNS at
    least, still lowered. It is mostly a copy or clearing of kilobytes to MBs, whose time depends on which pages of
    memory a process has; and a shared machine is as fast as it can be at few times only."""
    return [cell for cell, rows in visited(results).items() if not _settled(rows, wanted.get(cell, FEWEST_VISITS))]


def _settled(rows: pd.DataFrame, fewest: int) -> bool:
    visits = list(dict.fromkeys(rows["visit"]))
    last = max(FEWEST_RUNS, len(visits) // 3)
    if len(visits) < max(fewest, last + 1):
        return False
    before = worst_case.of_runs(list(rows[rows["visit"].isin(visits[:-last])]["figures"]))
    return before <= (1 + SETTLED) * worst_case.of_runs(list(rows["figures"]))


def replay_seconds(results: Results) -> dict[Cell, float]:
    """Of those that have a time."""
    rows = results.figure("throughput", "ns_per_op")
    rows = rows.assign(seconds=rows["value"] / 1e9 * [facts["ops"] for facts in rows["trace_facts"]])
    medians = rows.groupby(["trace", "spec"], sort=False)["seconds"].median()
    return dict(zip(medians.index, medians))


def outside(results: Results) -> Cells:
    """Those whose heap is not in the arena."""
    rows = results.of_pass("throughput")
    rows = rows[rows["pages"].isin(OUTSIDE_ARENA) & (rows["allocator"] != FLOOR)]
    return list(dict.fromkeys(zip(rows["trace"], rows["spec"])))


def quick(results: Results) -> Cells:
    """Those that replay the trace within QUICK_S: the others would take most of the time there is."""
    return [cell for cell, seconds in replay_seconds(results).items() if seconds <= QUICK_S]


def _with_figure(results: Results, figure: Repeated) -> pd.DataFrame:
    """The rows that have it, as column value."""
    if figure.figure != MEMORY:
        return results.figure(figure.pass_name, figure.figure)
    rows = results.of_pass(figure.pass_name)
    return rows.assign(value=pd.to_numeric(rows[MEMORY])).dropna(subset=["value"])


def _that_count(sweeps: Sequence[pd.DataFrame], figure: Repeated) -> list[pd.DataFrame]:
    if figure.pass_name != "throughput":
        return list(sweeps)
    alone = [_alone(rows) for rows in sweeps]
    if figure.one_state:
        return at_one_state(alone, CELL)
    return alone if figure.disturbed else _undisturbed(alone)


def _of_runs(rows: pd.DataFrame, how: str) -> pd.DataFrame:
    """The figure as column value, and of how many runs."""
    if how == WORST_CASE:
        return rows.groupby(CELL, sort=False)["figures"].agg(value=lambda some: worst_case.of_runs(list(some)), runs="count")
    return rows.groupby(CELL, sort=False)["value"].agg(value=how, runs="count")


def agreements(first: Results, second: Results) -> list[Agreement]:
    """How far two sweeps are apart, figure by figure, in what both have. In latency null is the timer's own noise, and
    left out."""
    found = []
    for figure in FIGURES:
        sweeps = [_with_figure(sweep, figure) for sweep in (first, second)]
        before, after = (_of_runs(rows, figure.of_runs) for rows in _that_count(sweeps, figure))
        both = before.join(after, rsuffix="_later", how="inner")
        if figure.pass_name == "latency":
            both = both.drop(index=FLOOR, level="allocator", errors="ignore")
        few = both[["runs", "runs_later"]].min(axis=1) < FEWEST_RUNS
        table = both[~few].rename(columns={"value": "first", "value_later": "second"})[["first", "second"]]
        if len(table):
            table["apart"] = np.exp(np.abs(np.log(table["second"] / table["first"]))) - 1
            left_out = [f"{allocator} on {trace}" for trace, allocator in both[few].index]
            found.append(Agreement(figure, table, left_out))
    return found

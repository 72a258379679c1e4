"""figures.py - the numbers of a report: each with its rows, so that whoever doubts it can work it out again.

A figure is one number of one allocator on one trace; what is missing is a figure, too, that says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis import statistics
from analysis.load import LATENCY_UNITS, UNIT_WORDS, Results, latency_unit, own_worst
from analysis.plots.base import Row, rows_of


@dataclass(frozen=True)
class Figure:
    """A number with the rows that it was made of; `value` NaN: missing, and `note` says why."""

    value: float
    rows: Sequence[Row] = ()
    half_width: float = np.nan  # of the 95 % interval, where there is one
    note: str = ""  # an op, a reason


@dataclass(frozen=True)
class Column:
    """A kind of figure: how it is made of the rows of one pass, and how it is said."""

    name: str
    title: str
    unit: str
    help: str
    pass_name: str
    make: Callable[[pd.DataFrame], Figure]
    digits: Callable[[float], str]
    latency_unit: str = ""  # of LATENCY_UNITS: only where a row is in it, is there a column


def figure_text(column: Column, figure: Figure) -> str:
    """A figure as the tables have it."""
    if math.isnan(figure.value):
        return "–"
    text = column.digits(figure.value)
    if not math.isnan(figure.half_width):
        text += f" ± {column.digits(figure.half_width)}"
    return text


def significant(value: float) -> str:
    """Three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _ratio(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{value * 100:.1f}"


def _missing(rows: pd.DataFrame, name: str) -> Figure:
    reasons = [missing[name] for missing in rows["missing"] if name in missing]
    return Figure(np.nan, rows_of(rows), note=reasons[0] if reasons else f"the rows have no {name}")


def _values(rows: pd.DataFrame, name: str) -> list[float]:
    return [float(figures[name]) for figures in rows["figures"] if figures.get(name) is not None]


def median_of(name: str) -> Callable[[pd.DataFrame], Figure]:
    """The median over the runs, with its interval."""

    def make(rows: pd.DataFrame) -> Figure:
        values = _values(rows, name)
        if not values:
            return _missing(rows, name)
        interval = statistics.median_interval(values)
        return Figure(interval.median, rows_of(rows), interval.half_width)

    return make


def largest_of(name: str, op: str) -> Callable[[pd.DataFrame], Figure]:
    """The largest over the runs, with its op."""

    def make(rows: pd.DataFrame) -> Figure:
        values = [np.nan if figures.get(name) is None else float(figures[name]) for figures in rows["figures"]]
        if np.isnan(values).all():
            return _missing(rows, name)
        place = int(np.nanargmax(values))
        return Figure(values[place], rows_of(rows), note=op_text(rows.iloc[place]["figures"][op]))

    return make


def last_of(name: str, op: str = "") -> Callable[[pd.DataFrame], Figure]:
    """That of the last row: of a figure that repeats, or that each row has over all runs so far."""

    def make(rows: pd.DataFrame) -> Figure:
        last = rows.iloc[-1:]
        values = _values(last, name)
        if not values:
            return _missing(last, name)
        return Figure(values[0], rows_of(last), note=op_text(last.iloc[0]["figures"][op]) if op else "")

    return make


def _own_worst(unit: str) -> Callable[[pd.DataFrame], Figure]:
    def make(rows: pd.DataFrame) -> Figure:
        name = f"worst_of_least_{unit}"
        known = own_worst(rows, name)
        if known.empty:
            return Figure(np.nan, rows_of(rows), note="one run cannot tell interrupts apart")
        return last_of(name, "worst_of_least_op")(known)

    return make


def _in_unit(unit: str, make: Callable[[pd.DataFrame], Figure]) -> Callable[[pd.DataFrame], Figure]:
    """Of those rows of the latency pass that are in the unit."""

    def made(rows: pd.DataFrame) -> Figure:
        units = rows["figures"].map(latency_unit)
        if not (units == unit).any():
            return Figure(np.nan, rows_of(rows), note=f"measured in {UNIT_WORDS[units.iloc[0]]}")
        return make(rows[units == unit])

    return made


# Of each unit of latency: what a figure of it is in, what is timed, and how the titles of its columns end.
TIMED_IN = {
    "ns": ("ns", "call", ""),
    "cycles": ("cycles", "call", ""),
    "ns_per_op": ("ns/op", "batch of ops, timed together and divided by their number,", " of batch"),
}


def _latency_columns(unit: str) -> list[Column]:
    """Tail, own worst case and slowest call. In ns they have the plain names."""
    suffix = "" if unit == "ns" else f"_{unit}"
    said, what, title = TIMED_IN[unit]
    columns = {
        "p999": ("p99.9", f"999 of 1000 times a {what} took no longer; median over the runs.", median_of(f"p99_9_{unit}")),
        "own_worst": (
            "own worst",
            f"The largest of the least time that each {what} took in any run of a sweep: the allocator's own worst case.",
            _own_worst(unit),
        ),
        "seen_worst": (
            "worst seen",
            f"The slowest {what} seen, interrupts and all, in the last replay of each run in which all were timed.",
            largest_of(f"max_{unit}", "max_op"),
        ),
    }
    return [
        Column(f"{name}{suffix}", f"{words}{title}", said, help, "latency", _in_unit(unit, make), significant, unit)
        for name, (words, help, make) in columns.items()
    ]


def _instructions(kind: str, name: str) -> Callable[[pd.DataFrame], Figure]:
    def make(rows: pd.DataFrame) -> Figure:
        last = rows.iloc[-1:]
        kinds = last.iloc[0]["figures"]["instructions"]
        if kind not in kinds:
            return Figure(np.nan, rows_of(last), note=f"the trace has no {kind}")
        note = op_text(kinds[kind]["worst_op"]) if name.startswith("worst") else ""
        return Figure(float(kinds[kind][name]), rows_of(last), note=note)

    return make


def _held_at_end(rows: pd.DataFrame) -> Figure:
    last = rows.iloc[-1:]
    figures = last.iloc[0]["figures"]
    if not figures["held_peak_bytes"] or figures["held_at_end_bytes"] is None:
        return _missing(last, "held_at_end_bytes")
    return Figure(figures["held_at_end_bytes"] / figures["held_peak_bytes"], rows_of(last))


def _metadata(rows: pd.DataFrame) -> Figure:
    last = rows.iloc[-1:]
    figures = last.iloc[0]["figures"]
    if figures.get("metadata_at_peak_bytes") is None or not figures["requested_peak_bytes"]:
        return _missing(last, "metadata_at_peak_bytes")
    return Figure(figures["metadata_at_peak_bytes"] / figures["requested_peak_bytes"], rows_of(last))


def op_text(op: dict[str, Any]) -> str:
    """An op as a reader of the trace would find it."""
    align = f" aligned to {op['align_bytes']}" if "align_bytes" in op else ""
    return f"{op['kind']} of {op['size_bytes']} bytes{align}, op {op['index']}"


COLUMNS = [
    Column(
        "time",
        "time",
        "ns/op",
        "Without what disturbed a run (each part of the trace as in its fastest repetition); median over the runs; ± half of its 95 % bootstrap interval.",
        "throughput",
        median_of("ns_per_op"),
        significant,
    ),
    Column(
        "above",
        "above floor",
        "ns/op",
        "The same less what the replay loop takes by itself.",
        "throughput",
        median_of("above_floor_ns_per_op"),
        significant,
    ),
    *(column for unit in LATENCY_UNITS for column in _latency_columns(unit)),
    Column(
        "malloc_mean",
        "malloc mean",
        "instr.",
        "Instructions of a malloc, exact.",
        "instructions",
        _instructions("malloc", "mean_instructions"),
        significant,
    ),
    Column(
        "malloc_worst",
        "malloc worst",
        "instr.",
        "The most instructions of a malloc.",
        "instructions",
        _instructions("malloc", "worst_instructions"),
        significant,
    ),
    Column(
        "free_mean",
        "free mean",
        "instr.",
        "Instructions of a free, exact.",
        "instructions",
        _instructions("free", "mean_instructions"),
        significant,
    ),
    Column(
        "free_worst",
        "free worst",
        "instr.",
        "The most instructions of a free.",
        "instructions",
        _instructions("free", "worst_instructions"),
        significant,
    ),
    Column(
        "held",
        "held",
        "of live",
        "Peak of what was taken from the page source over the peak of live bytes.",
        "space",
        last_of("held_peak_per_requested_peak"),
        _ratio,
    ),
    Column(
        "held_at_end",
        "held at end",
        "of peak",
        "What is still held after the last op over the peak of what was held.",
        "space",
        _held_at_end,
        _ratio,
    ),
    Column(
        "touched",
        "touched",
        "of live",
        "Peak of pages really written over the peak of live bytes.",
        "space",
        last_of("touched_peak_per_requested_peak"),
        _ratio,
    ),
    Column(
        "arena",
        "smallest arena",
        "of live",
        "The smallest arena in which the trace completes over the peak of live bytes.",
        "arena",
        last_of("smallest_arena_per_requested_peak"),
        _ratio,
    ),
    Column(
        "internal",
        "internal",
        "%",
        "1 - requested/granted at the peak of live.",
        "space",
        last_of("internal_fragmentation_at_peak"),
        _percent,
    ),
    Column(
        "external",
        "external",
        "%",
        "1 - largest free/all free at the peak of live.",
        "space",
        last_of("external_fragmentation_at_peak"),
        _percent,
    ),
    Column(
        "metadata",
        "metadata",
        "%",
        "What is held in no block, used or free, over live, at the peak of live.",
        "space",
        _metadata,
        _percent,
    ),
    Column(
        "mean_fragmentation",
        "J&W 1",
        "%",
        "Johnstone and Wilson's measure 1: (held - live)/live, the mean over all ops.",
        "space",
        last_of("fragmentation_1_held"),
        _percent,
    ),
    Column(
        "peak_fragmentation",
        "J&W 3",
        "%",
        "Johnstone and Wilson's measure 3: the same at the peak of held, with what was live when it was reached.",
        "space",
        last_of("fragmentation_3_held"),
        _percent,
    ),
]


TIMED = ("throughput", "latency")  # the passes whose figures are times: an emulator's are no machine's


@dataclass
class Table:
    """All figures of one trace on one host: a line an allocator."""

    host: str
    trace: str
    hash: str
    facts: dict[str, Any]
    columns: list[Column]
    emulated: bool = False
    lines: dict[str, dict[str, Figure]] = field(default_factory=dict)

    def unit(self, column: Column) -> str:
        """That of a column's figures; it says so where they are times of an emulated machine."""
        return f"{column.unit}, emulated" if self.emulated and column.pass_name in TIMED else column.unit


def _line(rows: pd.DataFrame, columns: Sequence[Column]) -> dict[str, Figure]:
    """All figures of one allocator on one trace."""
    is_done = rows["status"] == "done"
    done = dict(list(rows[is_done].groupby("pass", sort=False)))
    failed = rows[~is_done]
    return {
        column.name: column.make(done[column.pass_name]) if column.pass_name in done else _not_done(failed, column)
        for column in columns
    }


def _not_done(failed: pd.DataFrame, column: Column) -> Figure:
    """A figure that is missing, and why."""
    if len(failed):
        own = failed[failed["pass"] == column.pass_name]
        first = (own if len(own) else failed).iloc[:1]
        return Figure(
            np.nan,
            rows_of(first),
            note=f"{first.iloc[0]['status']} in pass {first.iloc[0]['pass']}: {first.iloc[0]['reason']}",
        )
    return Figure(np.nan, note=f"pass {column.pass_name} was not measured")


def _latency_units(rows: pd.DataFrame) -> set[str]:
    """The units that the latency of one trace was measured in; that of single calls where none is known."""
    done = rows[(rows["pass"] == "latency") & (rows["status"] == "done")]
    return set(done["figures"].map(latency_unit)) or {LATENCY_UNITS[0]}


def tables(results: Results, order: Callable[[Iterable[str]], list[str]]) -> Iterator[Table]:
    """A table for each trace and host; only columns of passes that some row has."""
    passes = set(results.table["pass"])
    for (host, trace, hash_), rows in results.table.groupby(["host", "trace", "hash"], sort=False):
        first = rows.iloc[0]
        units = _latency_units(rows)
        columns = [
            column for column in COLUMNS if column.pass_name in passes and column.latency_unit in ("", *units)
        ]
        table = Table(
            str(host), str(trace), str(hash_), first["trace_facts"], columns, bool(first["emulated"])
        )
        by_name = dict(list(rows.groupby("allocator")))
        for name in order(rows["allocator"]):
            table.lines[name] = _line(by_name[name], columns)
        yield table

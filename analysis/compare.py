"""compare.py - what changed between two results of the same traces and allocators, and how sure that is.

Figures that repeat exactly (instructions, memory) changed when they differ. Times did when three things hold: the
Mann-Whitney test, corrected for the number of comparisons, finds a difference; the medians differ by more than the
threshold; and the whole bootstrap interval of their ratio lies beyond 1. The threshold is what two sweeps of one build
differ by on a shared machine; `make selftest-repeat` measures it, `make selftest-stat` what the tests find.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis import statistics
from analysis.command import EXIT_DONE, EXIT_FAILED, EXIT_INPUT, Parser, fail, read_results, words
from analysis.load import Results

KEY = ["trace", "hash", "allocator", "pages"]
ALPHA = 0.05
THRESHOLD = 0.03


@dataclass(frozen=True)
class Metric:
    """A figure that is compared; more of any of them is worse."""

    name: str
    unit: str
    pass_name: str
    read: Callable[[dict[str, Any]], float | None]
    repeats: bool  # the same in every run, to the last digit


def _at(*path: str) -> Callable[[dict[str, Any]], float | None]:
    def read(figures: dict[str, Any]) -> float | None:
        value: Any = figures
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return None if value is None else float(value)

    return read


METRICS = [
    Metric("time", "ns/op", "throughput", _at("ns_per_op"), False),
    Metric(
        "malloc, mean",
        "instructions",
        "instructions",
        _at("instructions", "malloc", "mean_instructions"),
        True,
    ),
    Metric(
        "malloc, worst",
        "instructions",
        "instructions",
        _at("instructions", "malloc", "worst_instructions"),
        True,
    ),
    Metric(
        "free, mean", "instructions", "instructions", _at("instructions", "free", "mean_instructions"), True
    ),
    Metric(
        "free, worst", "instructions", "instructions", _at("instructions", "free", "worst_instructions"), True
    ),
    Metric("held, peak", "bytes", "space", _at("held_peak_bytes"), True),
]


@dataclass(frozen=True)
class Change:
    """One figure of one allocator on one trace, before and after."""

    trace: str
    allocator: str
    metric: Metric
    before: statistics.Interval
    after: statistics.Interval
    ratio: statistics.Interval
    delta: float | None  # None: the figure repeats, so there is nothing to test
    p: float | None  # corrected
    verdict: str  # "better", "worse", "within noise", "the same", "too few runs"


def _samples(results: Results, metric: Metric) -> dict[tuple[str, ...], list[float]]:
    rows = results.of_pass(metric.pass_name)
    rows = rows.assign(value=[metric.read(figures) for figures in rows["figures"]]).dropna(subset=["value"])
    return {key: list(group["value"]) for key, group in rows.groupby(KEY, sort=False)}


def _exact(name: tuple[str, ...], metric: Metric, before: list[float], after: list[float]) -> Change:
    """Of a figure that repeats; where it does not (a malloc of others), the worst of the runs stands for them."""
    old, new = max(before), max(after)
    ratio = new / old if old else math.inf if new else 1.0
    verdict = "the same" if new == old else "worse" if new > old else "better"
    before_, after_, ratio_ = (statistics.Interval(value, value, value, 1) for value in (old, new, ratio))
    return Change(name[0], name[2], metric, before_, after_, ratio_, None, None, verdict)


def judge(found: statistics.Difference, threshold: float = THRESHOLD) -> str:
    """The verdict on a difference whose p is corrected."""
    ratio = found.ratio
    if not found.sure(ALPHA) or abs(math.log(ratio.median)) <= math.log1p(threshold):
        return "within noise"
    return "worse" if ratio.median > 1 else "better"


def _timed(
    metric: Metric, pairs: dict[tuple[str, ...], tuple[list[float], list[float]]], threshold: float
) -> Iterator[Change]:
    needed = statistics.fewest_runs(len(pairs), ALPHA)
    testable = {name: pair for name, pair in pairs.items() if min(map(len, pair)) >= needed}
    found = {name: statistics.difference(*pair) for name, pair in testable.items()}
    corrected = dict(zip(found, statistics.corrected([one.p for one in found.values()])))
    for name, (before, after) in pairs.items():
        old, new = statistics.median_interval(before), statistics.median_interval(after)
        if name in found:
            one = replace(found[name], p=corrected[name])
            verdict = judge(one, threshold)
            yield Change(name[0], name[2], metric, old, new, one.ratio, one.delta, one.p, verdict)
        else:
            ratio = statistics.Interval(new.median / old.median, math.nan, math.nan, min(old.n, new.n))
            yield Change(
                name[0], name[2], metric, old, new, ratio, None, None, f"too few runs (needs {needed})"
            )


def compare(old: Results, new: Results, threshold: float = THRESHOLD) -> list[Change]:
    """Every figure that both have, metric by metric."""
    changes: list[Change] = []
    for metric in METRICS:
        before, after = _samples(old, metric), _samples(new, metric)
        pairs = {name: (before[name], after[name]) for name in before if name in after}
        if metric.repeats:
            changes += [_exact(name, metric, *pair) for name, pair in pairs.items()]
        else:
            changes += _timed(metric, pairs, threshold)
    return changes


# ---- Words and tables ------------------------------------------------------------------------------------------------

COLUMNS = [
    "trace",
    "allocator",
    "figure",
    "before",
    "after",
    "change",
    "95 % interval",
    "effect",
    "p",
    "verdict",
]
COLOURS = {"better": "green", "worse": "bold red"}


def number(value: float) -> str:
    """Three or four digits, as far as they mean something."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _percent(ratio: float) -> str:
    return "–" if math.isnan(ratio) else f"{(ratio - 1) * 100:+.1f} %"


def _cells(change: Change) -> list[str]:
    ratio = change.ratio
    interval = "exact" if change.metric.repeats else f"{_percent(ratio.low)} … {_percent(ratio.high)}"
    return [
        change.trace,
        change.allocator,
        f"{change.metric.name} [{change.metric.unit}]",
        number(change.before.median),
        number(change.after.median),
        _percent(ratio.median),
        interval,
        "" if change.delta is None else f"{change.delta:+.2f}",
        "" if change.p is None else f"{change.p:.2g}",
        change.verdict,
    ]


def _ordered(changes: Sequence[Change], show_all: bool) -> list[Change]:
    rank = {"worse": 0, "better": 1}
    shown = [change for change in changes if show_all or change.verdict in rank]
    return sorted(
        shown, key=lambda change: (rank.get(change.verdict, 2), -abs(math.log(change.ratio.median or 1)))
    )


def _summary(changes: Sequence[Change]) -> str:
    count = {
        verdict: sum(change.verdict == verdict for change in changes)
        for verdict in ("worse", "better", "within noise", "the same")
    }
    rest = len(changes) - sum(count.values())
    parts = [
        f"{count['worse']} worse",
        f"{count['better']} better",
        f"{count['within noise']} within noise",
        f"{count['the same']} the same",
    ]
    if rest:
        parts.append(f"{rest} with too few runs to tell")
    found = "no difference found" if not count["worse"] and not count["better"] else "differences found"
    return f"{found}: of {len(changes)} figures " + ", ".join(parts)


def to_markdown(changes: Sequence[Change]) -> str:
    """A table for a pull request."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(change)) + " |" for change in changes
    ]
    return "\n".join(lines)


def _print_table(changes: Sequence[Change]) -> None:
    table = Table(*COLUMNS, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[3:9]:
        column.justify = "right"
    for change in changes:
        table.add_row(*_cells(change), style=COLOURS.get(change.verdict))
    console = Console()
    Console(width=console.width if console.is_terminal else 200).print(table)


def _say_what_differs(program: str, old: Results, new: Results) -> None:
    """The conditions of measurement that are not the same in both."""
    for fact in ("name", "cpu_model", "governor", "compiler", "flags"):
        before, after = (
            {str(host.get(fact)) for host in results.table["host_facts"]} for results in (old, new)
        )
        if before != after:
            words.print(
                f"{program}: not like with like: {fact} was {', '.join(sorted(before))}, is {', '.join(sorted(after))}",
                markup=False,
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit code."""
    parser = Parser(
        prog="compare",
        description="Tell what changed between two results of ./replay --json.",
        epilog="Exit status: 0 nothing got worse; 1 something did; 2 usage; 3 a bad input file.",
    )
    parser.add_argument("old", type=Path, help="results before (JSON lines)")
    parser.add_argument("new", type=Path, help="results after")
    parser.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD * 100,
        metavar="PERCENT",
        help="the least difference of times that counts (%(default)g)",
    )
    parser.add_argument("--markdown", action="store_true", help="a Markdown table")
    parser.add_argument("--all", action="store_true", help="show what did not change, too")
    options = parser.parse_args(arguments)
    if not 0 <= options.threshold < 100:
        parser.error(f"--threshold={options.threshold:g} is not a percentage from 0 to 100")
    old, new = (read_results(parser.prog, [path]) for path in (options.old, options.new))
    _say_what_differs(parser.prog, old, new)
    changes = compare(old, new, options.threshold / 100)
    if not changes:
        fail(
            parser.prog,
            EXIT_INPUT,
            "the two have no trace and allocator in common; compare results of the same command",
        )
    shown = _ordered(changes, options.all)
    if shown:
        print(to_markdown(shown)) if options.markdown else _print_table(shown)
    print(("\n" if shown and options.markdown else "") + _summary(changes))
    return EXIT_FAILED if any(change.verdict == "worse" for change in changes) else EXIT_DONE

"""compare.py - what changed between two results of the same traces and allocators, and how sure that is.

Figures that repeat exactly (instructions, memory) changed when they differ. Times did when three things hold: the
Mann-Whitney test, corrected for the number of comparisons, finds a difference; the medians differ by more than the
threshold; and the whole bootstrap interval of their ratio lies beyond 1. The threshold is what two sweeps of one build
differ by on a shared machine; `make selftest-repeat` measures it, `make selftest-stat` what the tests find. The
allocators' own worst cases are shown, and not judged: each is one figure of a sweep, which no test applies to. One in
cycles is never set beside one in ns.

What fails now and did not before got worse, too, whatever its other figures are. What only one of the two has is counted.

Results of two hosts are compared like those of two revisions, when each file is of one host; where a file has several,
each host is compared with itself. What no comparison could tell apart, two revisions in one file, is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis import statistics
from analysis.command import EXIT_DONE, EXIT_FAILED, EXIT_INPUT, Parser, fail, read_results, words
from analysis.load import LATENCY_UNITS, UNIT_WORDS, Results, figure_at, latency_unit, own_worst

KEY = ["trace_name", "hash", "spec", "touch", "pages"]
ALPHA = 0.05
POWER = 0.9
THRESHOLD = 0.03
NOT_JUDGED = "not judged"
NORMAL = NormalDist()


@dataclass(frozen=True)
class Metric:
    """A figure that is compared; more of any of them is worse."""

    name: str
    unit: str
    pass_name: str
    path: Sequence[str]  # to it in a row's figures
    repeats: bool  # the same in every run, to the last digit
    judged: bool = True  # False: one figure of a sweep, that no test applies to


METRICS = [
    Metric("time", "ns/op", "throughput", ("ns_per_op",), False),
    Metric(
        "malloc, mean",
        "instructions",
        "instructions",
        ("instructions", "malloc", "mean_instructions"),
        True,
    ),
    Metric(
        "malloc, worst",
        "instructions",
        "instructions",
        ("instructions", "malloc", "worst_instructions"),
        True,
    ),
    Metric(
        "free, mean", "instructions", "instructions", ("instructions", "free", "mean_instructions"), True
    ),
    Metric(
        "free, worst", "instructions", "instructions", ("instructions", "free", "worst_instructions"), True
    ),
    Metric("held, peak", "bytes", "space", ("held_peak_bytes",), True),
    *(
        Metric("slowest op, own", UNIT_WORDS[unit], "latency", (f"worst_of_least_{unit}",), False, False)
        for unit in LATENCY_UNITS
    ),
]


@dataclass(frozen=True)
class Change:
    """One figure of one allocator on one trace, before and after."""

    trace: str
    allocator: str  # and its page source and host, where that takes it
    metric: Metric
    before: statistics.Interval
    after: statistics.Interval
    ratio: statistics.Interval
    delta: float | None  # None: the figure repeats, so there is nothing to test
    p: float | None  # corrected
    findable: float | None  # the least difference, as a share, that such runs show 9 times of 10; None: nothing to test
    verdict: str  # "better", "worse", "within noise", "the same", "too few runs", "not judged"


@dataclass(frozen=True)
class Sample:
    """The values of a figure over the runs, of one cell of a file."""

    name: tuple[str, str]  # of the trace, and of the allocator
    emulated: bool
    values: list[float]


Samples = dict[tuple[str, ...], Sample]


def _samples(results: Results, metric: Metric, key: Sequence[str]) -> Samples:
    rows = results.of_pass(metric.pass_name)
    if metric.judged:
        rows = rows.assign(value=[figure_at(figures, metric.path) for figures in rows["figures"]])
    else:
        rows = own_worst(rows, metric.path[0])
    rows = rows.dropna(subset=["value"])
    return {
        cell: Sample(_name(group, key), bool(group["emulated"].any()), list(group["value"]))
        for cell, group in rows.groupby([*key, "instruction_set"], sort=False)
    }


def _name(rows: pd.DataFrame, key: Sequence[str]) -> tuple[str, str]:
    """The trace and the allocator of a cell in words, as it is named beside others."""
    first = rows.iloc[0]
    return str(first["trace"]), first["allocator"] + (f", {first['host']}" if "machine" in key else "")


def _exact(trace: str, allocator: str, metric: Metric, before: list[float], after: list[float]) -> Change:
    """Of a figure that repeats; where it does not (a malloc of others), the worst of the runs stands for them."""
    old, new = max(before), max(after)
    ratio = new / old if old else math.inf if new else 1.0
    verdict = "the same" if new == old else "worse" if new > old else "better"
    before_, after_, ratio_ = (statistics.Interval(value, value, value, 1) for value in (old, new, ratio))
    return Change(trace, allocator, metric, before_, after_, ratio_, None, None, None, verdict)


def _of_sweep(trace: str, allocator: str, metric: Metric, before: list[float], after: list[float]) -> Change:
    """Of a figure that one row has over a sweep's runs, with nothing to say how sure it is."""
    before_, after_ = (statistics.Interval(runs[-1], math.nan, math.nan, 1) for runs in (before, after))
    ratio = statistics.Interval(after[-1] / before[-1], math.nan, math.nan, 1)
    return Change(trace, allocator, metric, before_, after_, ratio, None, None, None, NOT_JUDGED)


def judge(found: statistics.Difference, threshold: float = THRESHOLD) -> str:
    """The verdict on a difference whose p is corrected."""
    ratio = found.ratio
    if not found.sure(ALPHA) or abs(math.log(ratio.median)) <= math.log1p(threshold):
        return "within noise"
    return "worse" if ratio.median > 1 else "better"


def findable(ratio: statistics.Interval, comparisons: int, threshold: float) -> float:
    """The least difference, as a share, that would be found in POWER of comparisons as uncertain as this, of so many.
    Normal quantiles of the ratio's logarithm, whose standard error is told from the interval: an estimate."""
    error = math.log(ratio.high / ratio.low) / 2 / NORMAL.inv_cdf((1 + statistics.CONFIDENCE) / 2)
    beyond_chance = error * NORMAL.inv_cdf(1 - ALPHA / 2 / comparisons)
    return math.expm1(max(beyond_chance, math.log1p(threshold)) + error * NORMAL.inv_cdf(POWER))


def _timed(
    metric: Metric, pairs: dict[tuple[str, str], tuple[list[float], list[float]]], threshold: float
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
            least = findable(one.ratio, len(found), threshold)
            yield Change(*name, metric, old, new, one.ratio, one.delta, one.p, least, verdict)
        else:
            ratio = statistics.Interval(new.median / old.median, math.nan, math.nan, min(old.n, new.n))
            yield Change(*name, metric, old, new, ratio, None, None, None, f"too few runs (needs {needed})")


def _key(old: Results, new: Results) -> list[str]:
    """What a pair has to have in common: the host too, where a file has several."""
    tables = (old.table, new.table)
    several = any(table["host"].nunique() > 1 for table in tables)
    sizes = any((table[table["word_bits"] != ""].groupby("machine")["word_bits"].nunique() > 1).any() for table in tables)
    return [*KEY, *(["machine", "emulated"] if several else []), *(["word_bits"] if sizes else [])]


@dataclass(frozen=True)
class Lost:
    """What an allocator did on a trace before, in one pass, and fails in now."""

    trace: str
    allocator: str
    pass_name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.allocator} on {self.trace} fails now, and did not before, in the {self.pass_name} pass: {self.reason}"


@dataclass(frozen=True)
class Unmatched:
    """What has no pair: what fails now, and of how many allocators, traces and passes only one of the two has figures."""

    lost: list[Lost]
    before_only: int
    after_only: int


def unmatched(old: Results, new: Results) -> Unmatched:
    """Of what one has done, what the other has not."""
    key = _key(old, new)
    before, after = (dict(list(results.table.groupby([*key, "pass"], sort=False))) for results in (old, new))
    done_before, done_after, fails_before, fails_after = (
        {cell for cell, rows in cells.items() if (rows["status"] == status).any()}
        for status in ("done", "failed")
        for cells in (before, after)
    )
    lost = []
    for cell in (cell for cell in before if cell in (done_before - fails_before) & fails_after):
        rows = after[cell][after[cell]["status"] == "failed"]
        lost.append(Lost(*_name(rows, key), str(cell[-1]), str(rows["reason"].iloc[0])))
    return Unmatched(lost, len(done_before - done_after - fails_after), len(done_after - done_before))


def compare(old: Results, new: Results, threshold: float = THRESHOLD) -> list[Change]:
    """Every figure that both have, metric by metric."""
    changes: list[Change] = []
    key = _key(old, new)
    for metric in METRICS:
        before, after = _samples(old, metric, key), _samples(new, metric, key)
        common = [cell for cell in before if cell in after]
        pairs = {before[cell].name: (before[cell].values, after[cell].values) for cell in common}
        if metric.repeats:
            changes += [_exact(*name, metric, *pair) for name, pair in pairs.items()]
            continue
        if any(before[cell].emulated or after[cell].emulated for cell in common):
            metric = replace(metric, unit=f"{metric.unit}, emulated")
        if not metric.judged:
            changes += [_of_sweep(*name, metric, *pair) for name, pair in pairs.items()]
            continue
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
    timed = "–" if math.isnan(ratio.low) else f"{_percent(ratio.low)} … {_percent(ratio.high)}"
    interval = "exact" if change.metric.repeats else timed
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


def _summary(changes: Sequence[Change], unpaired: Unmatched) -> str:
    count = {
        verdict: sum(change.verdict == verdict for change in changes)
        for verdict in ("worse", "better", "within noise", "the same")
    }
    told = sum(change.verdict == NOT_JUDGED for change in changes)
    rest = len(changes) - sum(count.values()) - told
    parts = [
        f"{count['worse']} worse",
        f"{count['better']} better",
        f"{count['within noise']} within noise",
        f"{count['the same']} the same",
    ]
    if rest:
        parts.append(f"{rest} with too few runs to tell")
    if told:
        parts.append(f"{told} not judged, as one figure of a sweep has no test")
    found = "no difference found" if not count["worse"] + count["better"] + len(unpaired.lost) else "differences found"
    words = f"{found}: of {len(changes)} figures " + ", ".join(parts)
    for n, which in ((unpaired.before_only, "old"), (unpaired.after_only, "new")):
        if n:
            words += f"\n{n} not compared, as only the {which} results have figures of that allocator, trace and pass"
    return words + "".join(f"\n{one}" for one in unpaired.lost) + _findable_words(changes)


def _findable_words(changes: Sequence[Change]) -> str:
    """How small a difference of times these runs could show."""
    known = sorted(
        ((change.findable, change) for change in changes if change.findable is not None),
        key=lambda pair: pair[0],
    )
    if not known:
        return ""
    middle, (most, widest) = known[len(known) // 2][0], known[-1]
    words = f"\nby so many runs and this noise, 9 times of 10 a difference of times is found from {middle:.1%} on"
    if most > middle * 1.05:
        words += f" (half of them; {widest.allocator} on {widest.trace}: {most:.1%})"
    return words


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
        table.add_row(*map(Text, _cells(change)), style=COLOURS.get(change.verdict))
    console = Console()
    Console(width=console.width if console.is_terminal else 200).print(table)


# Of passes whose rows may be in several units, that of a row.
UNITS: dict[str, Callable[[dict[str, Any]], str]] = {
    "latency": lambda figures: UNIT_WORDS[latency_unit(figures)],
    "instructions": lambda figures: f"{figures['instruction_set']} instructions",
}


def _say_what_differs(program: str, old: Results, new: Results) -> None:
    """The conditions of measurement that are not the same in both."""
    for fact in ("name", "emulated_by", "word_bits", "cpu_model", "governor", "compiler", "flags"):
        before, after = (
            {str(host.get(fact)) for host in results.table["host_facts"]} for results in (old, new)
        )
        if before != after:
            words.print(
                f"{program}: not like with like: {fact} was {', '.join(sorted(before))}, is {', '.join(sorted(after))}",
                markup=False,
            )
    ways = {"touch": [{f"mode {touch}" for touch in results.table["touch"]} for results in (old, new)]}
    for name, unit in UNITS.items():
        ways[name] = [{unit(figures) for figures in results.of_pass(name)["figures"]} for results in (old, new)]
    for name, (before, after) in ways.items():
        if before and after and before != after:
            words.print(
                f"{program}: not like with like: {name} was in {', '.join(sorted(before))}, is in "
                f"{', '.join(sorted(after))}; only what is in the same is compared",
                markup=False,
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit code."""
    parser = Parser(
        prog="compare",
        description="Tell what changed between two results of ./replay --json.",
        epilog="Exit status: 0 nothing got worse; 1 something did, or fails now; 2 usage; 3 a bad input "
        "file; 4 this machine's Python lacks a module.",
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
    for path, results in ((options.old, old), (options.new, new)):
        for machine, rows in results.table.groupby("machine"):
            if rows["revision"].nunique() > 1:
                revisions = ", ".join(dict.fromkeys(rows["revision"]))
                fail(
                    parser.prog,
                    EXIT_INPUT,
                    f"{path} has several revisions of {machine} ({revisions}); give a file of each",
                )
    _say_what_differs(parser.prog, old, new)
    changes, unpaired = compare(old, new, options.threshold / 100), unmatched(old, new)
    if not changes and not unpaired.lost:
        fail(
            parser.prog,
            EXIT_INPUT,
            "the two have no trace and allocator in common, or no host where one has several; compare results of the "
            "same command",
        )
    shown = _ordered(changes, options.all)
    if shown:
        print(to_markdown(shown)) if options.markdown else _print_table(shown)
    print(("\n" if shown and options.markdown else "") + _summary(changes, unpaired))
    worse = unpaired.lost or any(change.verdict == "worse" for change in changes)
    return EXIT_FAILED if worse else EXIT_DONE

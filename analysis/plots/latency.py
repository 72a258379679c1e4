"""latency.py - how slow the slowest calls are: the share of calls that take longer, and each allocator's own worst."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from analysis import style
from analysis.load import Results
from analysis.plots.base import Picture, Selection, by_trace, log_axes, need, rows_of, sheet, time_label
from matplotlib.lines import Line2D


POINTS = 160  # of a curve: finer than its line is wide


def _share_above(cell: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Times and the share of all calls of all runs that took longer, at no more than POINTS times evenly spaced by their
    logarithm; without the last, whose share is nothing."""
    counts: Counter[float] = Counter()
    for figures in cell["figures"]:
        for upto, count in figures["histogram"]["upto_ns_and_count"]:
            counts[upto] += count
    times = sorted(counts)
    shares = 1 - np.cumsum([counts[time] for time in times]) / sum(counts.values())
    places = np.floor(np.log(np.maximum(times, 1.0) / max(times[0], 1.0)) * POINTS / max(np.log(times[-1]), 1.0))
    kept = np.flatnonzero(np.diff(places, append=np.inf))  # the last of each place, as a step down is read there
    return [times[at] for at in kept[:-1]], [float(shares[at]) for at in kept[:-1]]


def _of_single_calls(figures: dict[str, Any]) -> bool:
    """Whether the row has calls by the nanosecond: a coarse clock times many at once, another counts cycles."""
    return "upto_ns_and_count" in figures["histogram"]


def latency(results: Results, selection: Selection) -> Picture:
    """Complementary cumulative distributions on log axes, all runs together, the allocator's own worst case marked."""
    table = selection.of(results.of_pass("latency"))
    table = need(table[table["figures"].map(_of_single_calls).astype(bool)], "times of single calls", "latency")
    traces = list(by_trace(table))
    looks = style.looks_of(style.order_of(table["allocator"]))
    worst_mark = Line2D(
        [], [], color="black", marker="o", markerfacecolor="none", linestyle="none", label="own worst case"
    )
    page = sheet(len(traces), len(looks) + 1, height=2.4)
    least_share = 1.0
    for axes, (name, rows) in zip(page.panels, traces):
        style.panel_title(axes, name)
        for spec, cell in rows.groupby("allocator"):
            look = looks[str(spec)]
            times, shares = _share_above(cell)
            axes.step(times, shares, where="post", color=look.colour, linestyle=look.dash)
            last = cell.sort_values("line").iloc[-1]["figures"]
            ops = last["histogram"]["upto_ns_and_count"]
            share = 1 / sum(count for _, count in ops)
            least_share = min(least_share, share / len(cell))
            axes.plot(
                last["worst_of_least_ns"],
                share,
                color=look.colour,
                marker=look.marker,
                markerfacecolor="none",
                markersize=6,
            )
        log_axes(axes, "x", "y")
        time_label(axes, "time of a call", "ns", rows)
    page.label_height("share of calls slower")
    page.panels[0].set_ylim(least_share / 2, 1)
    page.legend(looks, extra=[worst_mark])
    error = float(table["figures"].iloc[0]["histogram"]["relative_error"])
    runs = table.groupby(["hash", "allocator"]).size()
    n = "–".join(str(number) for number in sorted({int(runs.min()), int(runs.max())}))
    caption = (
        f"Share of calls that took longer than a time, n = {n} runs together, interrupts and the clock's own cost "
        f"included; a time may be read up to {error * 100:.2g} % too high. Hollow marks: the worst case of the "
        "allocator itself, the largest over all ops of the least time that the op took in any run."
    )
    return Picture("latency", page.figure, caption, rows_of(table))

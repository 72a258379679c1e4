"""latency.py - how slow the slowest calls are: the share of calls that take longer, and each allocator's own worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis import style
from analysis.load import CELL, LATENCY_UNITS, Results, latency_unit, own_worst
from analysis.plots.base import Picture, Selection, by_trace, legend_lines, log_axes, need, rows_of, sheet, time_label

POINTS = 160  # of a curve: finer than its line is wide


MARKED = 1 / 40  # of the share of one call: how far down the marks of the worst cases go

# In words, the horizontal axis of each unit.
AXIS = {"ns": ("time of a call", "ns"), "cycles": ("time of a call", "cycles"), "ns_per_op": ("batch over its ops", "ns")}


def share_above(cell: pd.DataFrame, unit: str) -> tuple[list[float], list[float]]:
    """Times and the share of all calls of all runs that took longer, at no more than POINTS times evenly spaced by their
    logarithm. At the last it would be nothing, which has no place on a log axis: it stays as it is until there."""
    counts: Counter[float] = Counter()
    for figures in cell["figures"]:
        for upto, count in figures["histogram"][f"upto_{unit}_and_count"]:
            counts[upto] += count
    times = sorted(counts)
    shares = 1 - np.cumsum([counts[time] for time in times]) / sum(counts.values())
    places = np.floor(np.log(np.maximum(times, 1.0) / max(times[0], 1.0)) * POINTS / max(np.log(times[-1]), 1.0))
    kept = np.flatnonzero(np.diff(places, append=np.inf))  # the last of each place, as a step down is read there
    if len(kept) < 2:
        return [], []
    above = [float(shares[at]) for at in kept[:-1]]
    return [times[at] for at in kept], [*above, above[-1]]


def _panels(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The rows of each trace and unit: two units have no axis in common."""
    units = table["figures"].map(latency_unit)
    for name, rows in by_trace(table):
        for unit in LATENCY_UNITS:
            mine = rows[units[rows.index] == unit]
            if len(mine):
                yield name, unit, mine


def _draw(axes: Axes, rows: pd.DataFrame, unit: str, looks: dict[str, style.Look]) -> float:
    """The curves of one panel; the share that one call is of all runs, where they end."""
    least_share = 1.0
    for spec, cell in rows.groupby("allocator"):
        times, shares = share_above(cell, unit)
        axes.step(times, shares, where="post", color=looks[str(spec)].colour, linestyle=looks[str(spec)].dash)
        calls = sum(count for figures in cell["figures"] for _, count in figures["histogram"][f"upto_{unit}_and_count"])
        least_share = min(least_share, 1 / calls)
    log_axes(axes, "x", "y")
    time_label(axes, *AXIS[unit], rows)
    return least_share


def _mark(axes: Axes, rows: pd.DataFrame, unit: str, looks: dict[str, style.Look], end: float) -> None:
    """The own worst cases below the end of the curves, each on a line of its own, as many lie at nearly one time."""
    heights = dict(zip(looks, np.geomspace(end / 2, end * MARKED * 1.5, len(looks))))
    known = own_worst(rows, f"worst_of_least_{unit}").dropna(subset=["value"])
    for spec, worst in zip(known["allocator"], known["value"]):
        look = looks[str(spec)]
        axes.plot(
            worst,
            heights[str(spec)],
            color=look.colour,
            marker=look.marker,
            markerfacecolor="none",
            markersize=4,
        )


def latency(results: Results, selection: Selection) -> Picture:
    """Complementary cumulative distributions on log axes, all runs together, the allocator's own worst case marked."""
    table = need(selection.of(results.of_pass("latency")), "times of single calls", "latency")
    panels = list(_panels(table))
    looks = style.looks_of(style.order_of(table["allocator"]))
    worst_mark = Line2D(
        [], [], color="black", marker="o", markerfacecolor="none", linestyle="none", label="own worst case"
    )
    alike = len({unit for _, unit, _ in panels}) == 1
    page = sheet(len(panels), legend_lines(looks, [worst_mark]), height=2.4, share=alike)
    ends = []
    for axes, (name, unit, rows) in zip(page.panels, panels):
        style.panel_title(axes, name)
        ends.append(_draw(axes, rows, unit, looks))
    end = min(ends)
    for axes, (_, unit, rows) in zip(page.panels, panels):
        _mark(axes, rows, unit, looks, end)
        axes.set_ylim(end * MARKED, 1)
    page.label_height("share slower")
    page.legend(looks, extra=[worst_mark])
    error = float(table["figures"].iloc[0]["histogram"]["relative_error"])
    runs = table.groupby(CELL).size()
    n = "–".join(str(number) for number in sorted({int(runs.min()), int(runs.max())}))
    batches = sorted({figures.get("batch_ops", 1) for figures in table["figures"]} - {1})
    caption = (
        f"Share of calls that took longer than a time, n = {n} runs together, interrupts and the clock's own cost "
        f"included; a time may be read up to {error * 100:.2g} % too high; a curve ends at the slowest. "
        "Hollow marks below the curves: the worst case of the allocator itself, the largest over all ops of the least "
        "time that the op took in any run, where there are two or more; their height only keeps them apart."
    )
    if batches:
        numbers = " or ".join(map(str, batches))
        caption += f" Where it says batch, {numbers} ops were timed together, and the time is theirs over their number."
    return Picture("latency", page.figure, caption, rows_of(table))

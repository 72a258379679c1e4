"""throughput.py - time per op of every allocator, beside the floor that the replay loop itself sets."""

from __future__ import annotations

from analysis import statistics, style
from analysis.load import FLOOR, Results
from analysis.plots.base import Picture, Selection, by_trace, need, plain_log, rows_of, sheet, time_label


def throughput(results: Results, selection: Selection) -> Picture:
    """A dot an allocator with its interval, on a log axis; the floor is the dashed line."""
    everything = results.figure("throughput", "ns_per_op")
    table = need(selection.of(everything), "times", "throughput")
    table = table[table["spec"] != FLOOR]
    traces = list(by_trace(need(table, "times of an allocator", "throughput")))
    specs = style.order_of(table["allocator"])
    looks = style.looks_of(specs)
    page = sheet(len(traces), 0, height=0.55 + 0.15 * len(specs))
    runs: set[int] = set()
    for axes, (name, rows) in zip(page.panels, traces):
        style.panel_title(axes, name)
        floor = everything[
            everything["hash"].isin(rows["hash"])
            & everything["host"].isin(rows["host"])
            & (everything["spec"] == FLOOR)
        ]
        for _, own in floor.groupby("allocator"):  # that of each way of touching
            axes.axvline(own["value"].median(), color="black", linestyle="--", linewidth=0.8)
        bars: list[tuple[int, float, float, str]] = []
        for spec, cell in rows.groupby("allocator"):
            interval = statistics.median_interval(cell["value"].to_numpy())
            runs.add(interval.n)
            look, place = looks[str(spec)], specs.index(str(spec))
            axes.plot(interval.median, place, color=look.colour, marker=look.marker)
            bars.append((place, interval.low, interval.high, look.colour))
        places, lows, highs, colours = map(list, zip(*bars))
        axes.hlines(places, lows, highs, colors=colours, linewidth=1)
        axes.scatter(lows + highs, places * 2, c=colours * 2, s=12, marker="|", linewidths=1)
        axes.set_ylim(len(specs) - 0.5, -0.5)
        axes.set_yticks(range(len(specs)), specs)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        plain_log(axes)
        time_label(axes, "time per op", "ns", rows)
    counts = "–".join(str(n) for n in sorted({min(runs), max(runs)}))
    caption = (
        f"Time per op, median of n = {counts} runs, each a process of its own; bars: 95 % bootstrap interval of the "
        "median. Log axis. Dashed: what the replay loop takes by itself (null), which every time contains."
    )
    return Picture("throughput", page.figure, caption, rows_of(table))

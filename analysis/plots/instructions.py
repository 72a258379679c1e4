"""instructions.py - how many instructions an op takes, exactly: the mean, and how far the worst op is from it."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis import style
from analysis.load import Results
from analysis.plots.base import Picture, Selection, by_trace, need, plain_log, rows_of, sheet

KINDS = {"malloc": -0.18, "free": 0.18}  # and how far from the allocator's line it is drawn


def _draw(axes: Axes, drawn: list[tuple[float, dict[str, Any], str]]) -> None:
    """Of each place, with its figures and colour, a line from the mean to the worst with three marks; all at once."""
    places, colours = [place for place, _, _ in drawn], [colour for _, _, colour in drawn]
    names = ("mean_instructions", "p99_9_instructions", "worst_instructions")
    means, p999s, worsts = ([max(0.8, figures[name]) for _, figures, _ in drawn] for name in names)
    axes.hlines(places, means, worsts, colors=colours, linewidth=0.8, zorder=1)
    axes.scatter(means, places, s=14, c=colours, zorder=2)
    axes.scatter(p999s, places, s=25, c=colours, marker="|", linewidths=1, zorder=2)
    axes.scatter(worsts, places, s=14, facecolors="white", edgecolors=colours, zorder=3)


def instructions(results: Results, selection: Selection) -> Picture:
    """For malloc and for free, from the mean to the worst op, on a log axis."""
    table = need(selection.of(results.of_pass("instructions")), "instructions", "instructions")
    traces = list(by_trace(table))
    specs = style.order_of(table["allocator"])
    looks = style.looks_of(specs)
    page = sheet(len(traces), 1, height=0.5 + 0.2 * len(specs))
    for axes, (name, rows) in zip(page.panels, traces):
        style.panel_title(axes, name)
        drawn = [
            (specs.index(spec) + shift, figures["instructions"][kind], looks[spec].colour)
            for spec, figures in zip(rows["allocator"], rows["figures"])
            for kind, shift in KINDS.items()
            if kind in figures["instructions"]
        ]
        _draw(axes, drawn)
        plain_log(axes)
        axes.set_ylim(len(specs) - 0.4, -0.6)
        axes.set_yticks(range(len(specs)), specs)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("instructions of a call")
    marks = [
        Line2D([], [], color="black", marker="o", linestyle="none", label="mean"),
        Line2D([], [], color="black", marker="|", linestyle="none", label="99.9 % take no more"),
        Line2D([], [], color="black", marker="o", markerfacecolor="white", linestyle="none", label="worst"),
    ]
    page.foot.legend(handles=marks, loc="center", ncols=3)
    sets = ", ".join(sorted({str(figures["instruction_set"]) for figures in table["figures"]}))
    caption = (
        f"Instructions ({sets}) from call to return, counted exactly in one replay; upper line of each allocator: "
        "malloc, lower line: free. Log axis. What the page source executes is not included."
    )
    return Picture("instructions", page.figure, caption, rows_of(table))

"""pareto.py - time against memory, the worst case as the size of the mark: which allocators are worth a choice."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D

from analysis import statistics, style, summary
from analysis.load import Results
from analysis.plots.base import NothingToShow, Picture, Selection, legend_lines, plain_log, rows_of, sheet

HIGHEST = 2.2  # touched over live; the axis is linear, so that the useful ones are told apart


def _areas(values: statistics.Numbers, low: float, high: float) -> statistics.Numbers:
    """Areas of marks, in points squared, by the logarithm."""
    share = (np.log(values) - np.log(low)) / max(np.log(high) - np.log(low), 1e-9)
    return np.asarray(16 + 120 * share)


def pareto(results: Results, selection: Selection) -> Picture:
    """A panel a trace; allocators of the Pareto set are filled, those that another one betters in all three hollow."""
    chosen = Results(selection.of(results.table))
    found = []
    for study in summary.studies(chosen):
        columns = study.axes()
        table = study.table.dropna(subset=columns)
        kept = summary.pareto(table, columns)
        table = table[(table["memory"] <= HIGHEST) & (table["time"] > 0)]
        if len(table) > 1:
            found.append((study, columns, kept, table))
    if not found:
        raise NothingToShow(
            "no trace has time, memory and worst case, of two runs at least, of two allocators; measure with "
            "./replay --passes=space,throughput,latency"
        )
    several = len({study.host for study, *_ in found}) > 1 or any(study.emulated for study, *_ in found)
    specs = style.order_of(spec for *_, table in found for spec in table.index)
    looks = style.looks_of(specs)
    marks = [
        Line2D([], [], color="black", marker="o", linestyle="none", label="in the Pareto set"),
        Line2D(
            [],
            [],
            color="black",
            marker="o",
            markerfacecolor="none",
            linestyle="none",
            label="bettered in all",
        ),
    ]
    page = sheet(len(found), legend_lines(specs, marks), height=2.3)
    for axes, (study, columns, kept, table) in zip(page.panels, found):
        name = study.trace.removesuffix(".trace")
        style.panel_title(axes, f"{name} on {study.host}" if several else name)
        worst = table[columns[2]].to_numpy()
        areas = _areas(worst, float(worst.min()), float(worst.max()))
        for place in np.argsort(-areas):  # the small ones over the large
            spec, row, area = table.index[place], table.iloc[place], areas[place]
            look = looks[str(spec)]
            face = look.colour if spec in kept else "none"
            axes.scatter(
                row["time"],
                row["memory"],
                s=area,
                marker=look.marker,
                facecolor=face,
                edgecolor=look.colour,
                alpha=0.85,
            )
        plain_log(axes)
        axes.set_xlabel("time above the floor [ns/op]" + (", emulated" if study.emulated else ""))
    least = min(float(table["memory"].min()) for *_, table in found)
    page.panels[0].set_ylim(min(1, least) - 0.05, HIGHEST)
    page.label_height("touched / live")
    page.legend(specs, lines=False, extra=marks)
    worst_words = " or ".join(sorted({summary.AXES[columns[2]][0] for _, columns, *_ in found}))
    caption = (
        "Time above the floor (median over runs) against the peak of touched pages over the peak of live bytes; left and "
        f"low is good. The larger the mark, the worse the worst case ({worst_words}; logarithmic, least to most of the "
        f"panel). Allocators that touch more than {HIGHEST} times what is live, or take no longer than the floor, are left "
        "out. Filled: no other allocator is better in one of the three and no worse in the others."
    )
    rows = chosen.table[
        (chosen.table["status"] == "done")
        & chosen.table["pass"].isin(["throughput", "space", "latency", "instructions"])
    ]
    return Picture("pareto", page.figure, caption, rows_of(rows))

"""scaling.py - how the cost of an op grows with the number of live blocks: rows of one model at several of its live=N."""

from __future__ import annotations

import re

import pandas as pd
from matplotlib.axes import Axes

from analysis import style
from analysis.load import Results, figure_at
from analysis.plots.base import NARROW, NothingToShow, Picture, Selection, legend_lines, log_axes, plain_log, rows_of, sheet

# Each panel: its title, the pass, the unit, and where the figure stands in a row.
PANELS = (
    ("malloc, mean", "instructions", "instructions", ("instructions", "malloc", "mean_instructions")),
    ("malloc, worst", "instructions", "instructions", ("instructions", "malloc", "worst_instructions")),
    ("free, mean", "instructions", "instructions", ("instructions", "free", "mean_instructions")),
    ("free, worst", "instructions", "instructions", ("instructions", "free", "worst_instructions")),
    ("time per op", "throughput", "ns", ("ns_per_op",)),
    ("touched over live", "space", "peaks", ("touched_peak_per_requested_peak",)),
)
GROWS = re.compile(r":(live|ops)=\d+")  # what differs between the sizes of one model


def _sized(results: Results, selection: Selection) -> pd.DataFrame:
    """The rows of models that come in several sizes on a host, with the number of live blocks and the model's name."""
    table = selection.of(results.table)
    table = table[(table["status"] == "done") & table["trace_name"].str.contains(":live=")]
    table = table.assign(
        model=table["trace_name"].str.replace(GROWS, "", regex=True),
        live=[facts["peak_live_blocks"] for facts in table["trace_facts"]],
    )
    sizes = table.groupby(["host", "model"])["live"].transform("nunique")
    return table[sizes > 1]


def _draw(axes: Axes, rows: pd.DataFrame, looks: dict[str, style.Look]) -> None:
    for spec, mine in rows.groupby("allocator"):
        look, medians = looks[str(spec)], mine.groupby("live")["value"].median()
        axes.plot(medians.index, medians, color=look.colour, marker=look.marker, linestyle=look.dash)
    log_axes(axes, "x", "y")
    for name, (low, high) in (("x", axes.get_xlim()), ("y", axes.get_ylim())):
        if high < NARROW * low:
            plain_log(axes, name)
    axes.set_xlabel("live blocks")


def scaling(results: Results, selection: Selection) -> Picture:
    """A panel a figure of each model that was replayed at several sizes, a line an allocator, on log axes."""
    table = _sized(results, selection)
    if table.empty:
        raise NothingToShow("no model was replayed at several live=N; make bench-scaling does")
    drawn = []
    for (host, model), rows in table.groupby(["host", "model"], sort=False):
        for title, pass_name, unit, path in PANELS:
            mine = rows[rows["pass"] == pass_name]
            mine = mine.assign(value=pd.to_numeric(mine["figures"].map(lambda figures: figure_at(figures, path))))
            mine = mine.dropna(subset=["value"])
            if mine["live"].nunique() > 1:
                emulated = ", emulated" if unit == "ns" and mine["emulated"].any() else ""
                drawn.append((f"{title} [{unit}{emulated}]", host, model, mine))
    if not drawn:
        raise NothingToShow("no figure of a model is known at several live=N; make bench-scaling measures some")
    several = len({(host, model) for _, host, model, _ in drawn}) > 1
    specs = style.order_of(spec for *_, rows in drawn for spec in rows["allocator"])
    looks = style.looks_of(specs)
    page = sheet(len(drawn), legend_lines(specs), share=False)
    for axes, (title, host, model, rows) in zip(page.panels, drawn):
        style.panel_title(axes, f"{model} on {host}: {title}" if several else title)
        _draw(axes, rows, looks)
    page.legend(specs)
    models = ", ".join(dict.fromkeys(str(model) for _, _, model, _ in drawn))
    caption = (
        f"What an op costs as the number of live blocks grows, in {models}: instructions of a call, exact; time with the "
        "replay loop, median over runs; peak of touched pages over the peak of live bytes. Log axes; a level line does "
        "not depend on the size of the heap."
    )
    return Picture("scaling", page.figure, caption, rows_of(pd.concat([rows for *_, rows in drawn])))

"""memory.py - memory held over time against what is live, and what the peak of it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis import style
from analysis.load import Results
from analysis.plots.base import Picture, Selection, by_trace, legend_lines, need, rows_of, sheet

MIB = 1 << 20
THIN = 0.7  # points: touched, where held is not known
HIGHEST = 2.5  # of the peak of live: what is above leaves the panel


def _drawn(figures: dict[str, Any]) -> str | None:
    """What is drawn of a row: held, or touched where that is not known."""
    names = ("held_bytes", "touched_bytes")
    known = [name for name in names if figures[name.replace("_", "_peak_")] is not None]
    return known[0] if known else None


def memory(results: Results, selection: Selection) -> Picture:
    """Held at up to 256 points of the replay, a line an allocator; the grey area is what is live."""
    table = selection.of(results.of_pass("space"))
    drawn = table["figures"].map(_drawn)
    table = need(table.assign(drawn=drawn)[drawn.notna()], "bytes held", "space")
    traces = list(by_trace(table))
    looks = style.looks_of(style.order_of(table["allocator"]))
    held = set(table.loc[table["drawn"] == "held_bytes", "allocator"])
    extra = [
        Line2D([], [], color=look.colour, linestyle=look.dash, linewidth=THIN, label=spec)
        for spec, look in looks.items()
        if spec not in held
    ]
    if extra:
        extra.append(Line2D([], [], color="black", linewidth=THIN, label="thin: touched"))
    extra.append(Line2D([], [], color="#cccccc", linewidth=6, label="live (requested)"))
    page = sheet(len(traces), legend_lines(held, extra), share=False)
    for axes, (name, rows) in zip(page.panels, traces):
        style.panel_title(axes, name)
        for _, row in rows.iterrows():
            samples, look = row["figures"]["samples"], looks[row["allocator"]]
            axes.plot(
                np.array(samples["op_index"]) / 1e3,
                np.array(samples[row["drawn"]], dtype=float) / MIB,
                color=look.colour,
                linestyle=look.dash,
                linewidth=None if row["drawn"] == "held_bytes" else THIN,
            )
        samples = rows.iloc[0]["figures"]["samples"]
        ops, requested = np.array(samples["op_index"]) / 1e3, np.array(samples["requested_bytes"]) / MIB
        axes.fill_between(ops, requested, color="#cccccc", linewidth=0)
        peak = max(figures["requested_peak_bytes"] for figures in rows["figures"]) / MIB
        axes.set_ylim(0, min(axes.get_ylim()[1], HIGHEST * peak))
        axes.set_xlim(0, max(ops))
        axes.set_xlabel("op [thousands]")
    page.label_height("memory [MiB]")
    page.legend(held, extra=extra)
    caption = (
        "Memory taken from the page source as the replay goes on, at up to 256 evenly spaced ops of one replay (it "
        "repeats exactly), over what the program asked for (grey). Mallocs of others reserve more than they use: of "
        "them the thin line is what they have really written. Above "
        f"{HIGHEST} times the peak of live a line leaves its panel."
    )
    return Picture("memory", page.figure, caption, rows_of(table))


PARTS = {"internal": "#4477AA", "external": "#EE6677", "metadata": "#CCBB44"}


def _parts(figures: dict[str, Any]) -> dict[str, float] | None:
    """What is held beyond the live bytes at the peak of live, over them; None where it is not known."""
    live, granted = figures["requested_peak_bytes"], figures["granted_at_peak_bytes"]
    free, metadata = figures["free_at_peak_bytes"], figures.get("metadata_at_peak_bytes")
    if free is None or metadata is None or not live:
        return None
    return {"internal": (granted - live) / live, "external": free / live, "metadata": metadata / live}


def fragmentation(results: Results, selection: Selection) -> Picture:
    """Stacked bars: blocks larger than asked for, free blocks, and what the allocator keeps for itself."""
    table = selection.of(results.of_pass("space"))
    parts = table["figures"].map(_parts)
    table = need(table.assign(parts=parts)[parts.notna()], "the bytes in free blocks at the peak", "space")
    traces = list(by_trace(table))
    specs = style.order_of(table["allocator"])
    page = sheet(len(traces), 1, height=0.55 + 0.16 * len(specs))
    most = 0.0
    for axes, (name, rows) in zip(page.panels, traces):
        style.panel_title(axes, name)
        places = [specs.index(spec) for spec in rows["allocator"]]
        left = np.zeros(len(rows))
        for part, colour in PARTS.items():
            widths = np.array([row[part] * 100 for row in rows["parts"]])
            axes.barh(places, widths, left=left, color=colour, height=0.7)
            left += widths
        most = max(most, float(left.max()))
        axes.set_ylim(len(specs) - 0.4, -0.6)
        axes.set_yticks(range(len(specs)), specs)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("beyond live [%]")
    limit = float(np.quantile([sum(row.values()) * 100 for row in table["parts"]], 0.9)) * 1.3
    if limit < most:
        _cut_bars(page.panels, traces, specs, limit)
    page.foot.legend(handles=[Patch(color=c, label=p) for p, c in PARTS.items()], loc="center", ncols=3)
    caption = (
        "Memory held at the peak of live beyond the live bytes, in percent of them: internal (blocks larger than asked "
        "for), external (free blocks) and metadata (what is in no block: headers, tables, unused ends, and what watermark "
        "loses). Bars that end in a number are longer than drawn."
    )
    return Picture("fragmentation", page.figure, caption, rows_of(table))


def _cut_bars(
    panels: list[Any], traces: list[tuple[str, pd.DataFrame]], specs: list[str], limit: float
) -> None:
    """Writes the length of what goes beyond the axis at its end."""
    panels[0].set_xlim(0, limit)
    for axes, (_, rows) in zip(panels, traces):
        for _, row in rows.iterrows():
            total = sum(row["parts"].values()) * 100
            if total > limit:
                at = (limit * 0.98, specs.index(row["allocator"]))
                axes.text(
                    *at,
                    f"{total:,.0f} %",
                    ha="right",
                    va="center",
                    fontsize=6,
                    color="white",
                    fontweight="bold",
                )

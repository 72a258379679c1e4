"""heapmap.py - where in memory the live blocks lie as a replay goes on: an image an allocator, all of one trace."""

from __future__ import annotations

import base64
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from analysis import style
from analysis.load import Results
from analysis.plots.base import Picture, Selection, by_trace, need, rows_of, sheet

MIB = 1 << 20
MOST = 9  # images, when no allocator was named
FIRST = ("segfit", "buddy", "slab", "libc", "tlsf", "slob", "jemalloc", "tcmalloc", "mimalloc")  # before others
ONE_PLACE = ("null", "null-inline")  # have one block for all
HIGHEST = 2.2  # of the peak of live: what is above leaves its panel
LIVE = "#CC3311"  # of the line; P. Tol's "vibrant" scheme has it for what is to stand out


def _colours() -> Colormap:
    """Uniform to the eye, also of the colour-blind (cividis); darker is fuller, white is empty, grey is a gap."""
    shades = matplotlib.colormaps["cividis_r"](np.linspace(0, 1, 255))
    return ListedColormap(np.vstack([[1, 1, 1, 1], shades]), name="live").with_extremes(bad="#bbbbbb")


def _has_map(figures: dict[str, Any]) -> bool:
    return bool(figures.get("heap_map", {}).get("bin_index"))


def shares(heap_map: dict[str, Any]) -> npt.NDArray[np.float64]:
    """How much of each bin is live, in percent: a line a bin, from the lowest address on, a column an op; for each gap
    in the addresses a line of NaN."""
    places = np.array(heap_map["bin_index"])
    lines = [np.frombuffer(base64.b64decode(line), dtype=np.uint8) for line in heap_map["live_of_255"]]
    gaps = np.flatnonzero(np.diff(places) > 1) + 1
    return np.insert(np.array(lines, dtype=float) / 2.55, gaps, np.nan, axis=0)


def _shown(table: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """A row an allocator, in the order of the images."""
    rows = table.drop_duplicates("allocator", keep="last").set_index("allocator", drop=False)
    specs = style.order_of(rows.index)
    if selection.allocators:  # as they were named
        names = list(selection.allocators)
        specs.sort(key=lambda spec: names.index(spec if spec in names else style.base_name(spec)))
    else:
        specs = [spec for spec in specs if style.base_name(spec) not in ONE_PLACE]
        specs = sorted(specs, key=lambda spec: FIRST.index(spec) if spec in FIRST else len(FIRST))[:MOST]
    return rows.loc[specs]


def _draw(axes: Axes, figures: dict[str, Any], colours: Colormap) -> AxesImage:
    """One allocator's map, and the line of what is live."""
    heap_map, samples = figures["heap_map"], figures["samples"]
    image = shares(heap_map)
    top, end = len(image) * heap_map["bin_bytes"] / MIB, (heap_map["op_index"][-1] + 1) / 1e3
    drawn = axes.imshow(
        image,
        cmap=colours,
        vmin=0,
        vmax=100,
        extent=(0, end, 0, top),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    ops, live = np.array(samples["op_index"]) / 1e3, np.array(samples["requested_bytes"]) / MIB
    axes.plot(ops, live, color=LIVE, linewidth=0.8)
    axes.set_xlim(0, end)
    axes.grid(False)
    axes.set_xlabel("op [thousands]")
    return drawn


def heapmap(results: Results, selection: Selection) -> Picture:
    """Address against op, the share that is live as colour; the line is what is live, packed without a hole."""
    table = selection.of(results.of_pass("space"))
    table = need(table[table["figures"].map(_has_map).astype(bool)], "a heap map", "space")
    name, rows = next(by_trace(table))
    rows = need(_shown(rows, selection), "a heap map of an allocator", "space")
    page = sheet(len(rows), 3)  # the scale needs the room of as many lines
    colours = _colours()
    maps = []
    for axes, (_, row) in zip(page.panels, rows.iterrows()):
        style.panel_title(axes, row["allocator"])
        maps.append(_draw(axes, row["figures"], colours))
    peak = rows.iloc[0]["figures"]["requested_peak_bytes"] / MIB
    page.panels[0].set_ylim(0, min(max(one.get_extent()[3] for one in maps), HIGHEST * peak))
    page.label_height("memory [MiB]")
    scale, beside = page.foot.subplots(1, 2, width_ratios=[3, 1])
    beside.remove()  # room for the legend
    page.figure.colorbar(maps[0], cax=scale, orientation="horizontal").set_label("live [%]")
    page.foot.legend(handles=[Line2D([], [], color=LIVE, label="live, if packed")], loc="right")
    caption = (
        f"Memory of each allocator on {name} from the lowest address of a block upwards, at up to 96 evenly spaced ops of "
        "one replay; the darker, the more of it is in live blocks (requested bytes). Only memory in which a block ever "
        "lay is drawn: a grey line is a gap of any length. The red line is what is live: as high as it would reach "
        f"without a hole. Above {HIGHEST} times the peak of live a map leaves its panel."
    )
    return Picture("heapmap", page.figure, caption, rows_of(rows))

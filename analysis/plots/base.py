"""base.py - what all pictures share: a picture with its caption and its rows, panels, legends, and choosing of rows."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from analysis import style
from analysis.load import Results

Row = tuple[str, int]  # a result's file and line

WIDTH = 7.2  # inches: two columns of a paper
PANEL = 2.1  # inches high
LEGEND_COLUMNS = 7  # at most
LEGEND_ENTRY, LEGEND_LETTER = 38, 4.2  # points: the mark with the room around it, and a letter of a name
NARROW = 100  # from the least to the largest of an axis: powers of ten alone may not name two places of it
PLACES = 6  # of a panel's place in its figure, which is 1 wide and high


class NothingToShow(Exception):
    """No row has what a picture needs; says which pass would make it."""


@dataclass
class Picture:
    """A figure, what it shows in words (what n is, what a bar means), and the rows it was made of."""

    name: str
    figure: Figure
    caption: str
    rows: list[Row] = field(default_factory=list)

    def lay_out(self) -> None:
        """Places the panels, once and for all: savefig() would draw everything once in vain for it. To a millionth of the
        figure, as the solver's last digits differ from one time to the next, and the same picture is to be the same file.
        """
        engine = self.figure.get_layout_engine()
        if engine is not None:
            engine.execute(self.figure)
            self.figure.set_layout_engine("none")
        for part in self.figure.subfigs:
            part.bbox_relative.set_points(part.bbox_relative.get_points().round(PLACES))
        for axes in self.figure.get_axes():
            axes.set_position([round(number, PLACES) for number in axes.get_position(original=True).bounds])

    def svg(self) -> str:
        """The picture as SVG."""
        self.lay_out()
        text = io.StringIO()
        FigureCanvasSVG(self.figure).print_svg(text, metadata={"Date": None})
        return text.getvalue()

    def close(self) -> None:
        """Frees the figure."""
        plt.close(self.figure)


@dataclass(frozen=True)
class Selection:
    """Which traces and allocators to show, by name; empty: all."""

    traces: Sequence[str] = ()
    allocators: Sequence[str] = ()

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows that were chosen; a name without its options or its .trace serves, too."""
        chosen = table
        if self.traces:
            name = chosen["trace_name"]
            chosen = chosen[
                name.isin(self.traces) | name.str.removesuffix(".trace").isin(self.traces) | chosen["trace"].isin(self.traces)
            ]
        if self.allocators:
            base = chosen["allocator"].map(style.base_name)
            chosen = chosen[chosen["allocator"].isin(self.allocators) | base.isin(self.allocators)]
        return chosen


Maker = Callable[[Results, Selection], Picture]


def rows_of(table: pd.DataFrame) -> list[Row]:
    """Where the rows of a table stand."""
    return list(zip(table["file"], table["line"]))


def need(table: pd.DataFrame, what: str, pass_name: str) -> pd.DataFrame:
    """The table, when it has rows."""
    if table.empty:
        raise NothingToShow(f"no row has {what}; measure with ./replay --passes={pass_name}")
    return table


@dataclass
class Sheet:
    """A figure of panels with room for one legend below them all, so that it lies over no data."""

    figure: Figure
    panels: list[Axes]
    foot: SubFigure
    columns: int

    def label_height(self, words: str) -> None:
        """Names the vertical axis of the panels that stand on the left."""
        for axes in self.panels[:: self.columns]:
            axes.set_ylabel(words)

    def legend(self, specs: Iterable[str], lines: bool = True, extra: Sequence[Line2D] = ()) -> None:
        """Names the allocators, and what else is drawn."""
        looks = style.looks_of(style.order_of(specs))
        handles = [
            Line2D(
                [],
                [],
                color=look.colour,
                marker=look.marker,
                linestyle=look.dash if lines else "none",
                label=spec,
            )
            for spec, look in looks.items()
        ]
        handles += list(extra)
        columns = legend_columns(_labels(specs, extra))
        self.foot.legend(handles=handles, loc="center", ncols=columns, handlelength=2.6)


def legend_columns(labels: Sequence[str]) -> int:
    """In how many columns a legend of these names fits into a figure's width; it is filled column by column."""
    for columns in range(LEGEND_COLUMNS, 1, -1):
        each, more = divmod(len(labels), columns)
        ends = list(itertools.accumulate(each + (place < more) for place in range(columns)))
        parts = [labels[begin:end] for begin, end in zip([0, *ends], ends)]
        widths = [LEGEND_ENTRY + LEGEND_LETTER * max(map(len, part)) for part in parts if part]
        if sum(widths) <= WIDTH * 72:
            return columns
    return 1


def _labels(specs: Iterable[str], extra: Sequence[Line2D]) -> list[str]:
    """What a legend names, in its order."""
    return [*style.order_of(specs), *(str(line.get_label()) for line in extra)]


def legend_lines(specs: Iterable[str], extra: Sequence[Line2D] = ()) -> int:
    """How many lines Sheet.legend() makes of these."""
    labels = _labels(specs, extra)
    return math.ceil(len(labels) / legend_columns(labels))


def columns_of(count: int) -> int:
    """How many panels stand in a line: three, or where that leaves a single one over, two."""
    return 2 if count == 4 else min(3, count)


def sheet(count: int, legend: int, height: float = PANEL, share: bool = True) -> Sheet:
    """So many panels, each `height` inches high; a legend of so many lines below. Panels share their axes, so that
    they can be compared by eye."""
    columns = columns_of(count)
    lines = math.ceil(count / columns)
    below = 0.1 + 0.17 * legend
    figure = plt.figure(figsize=(WIDTH, height * lines + below), layout="constrained")
    top, foot = figure.subfigures(2, 1, height_ratios=[height * lines, below])
    grid = top.subplots(lines, columns, squeeze=False, sharex=share, sharey=share)
    flat = [axes for line in grid for axes in line]
    for axes in flat[count:]:
        axes.remove()
    for axes in flat[:count]:  # each has a title of its axis, which wants numbers
        axes.xaxis.set_tick_params(labelbottom=True)
    return Sheet(figure, flat[:count], foot, columns)


def by_trace(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each trace, in the order of first appearance; of several hosts, each host's. Of an emulated one each
    panel says so."""
    several = table["host"].nunique() > 1 or table["emulated"].any()
    for (host, trace, _), rows in table.groupby(["host", "trace", "hash"], sort=False):
        name = str(trace).removesuffix(".trace")
        yield (f"{name} on {host}" if several else name), rows


def time_label(axes: Axes, words: str, unit: str, rows: pd.DataFrame) -> None:
    """Names a horizontal axis of times, and says where they are those of an emulated machine."""
    axes.set_xlabel(f"{words} [{unit}]" + (", emulated" if rows["emulated"].any() else ""))


def log_axes(axes: Axes, *names: str) -> None:
    """Makes the axes of these names, "x" and "y", logarithmic; without minor ticks, which are most of what a picture of
    many panels takes to draw, and no more than a decade's grid tells."""
    for name in names:
        axes.set(**{f"{name}scale": "log"})
        getattr(axes, f"{name}axis").set_minor_locator(NullLocator())


def plain_log(axes: Axes, name: str = "x") -> None:
    """Makes the axis of this name logarithmic, with plain numbers, at least two of them; once the data are drawn."""
    log_axes(axes, name)
    axis: Axis = getattr(axes, f"{name}axis")
    low, high = axis.get_view_interval()
    steps = (
        (1.0,) if high > NARROW * low else (1.0, 2.0, 5.0) if high > 4 * low else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    )
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(lambda value, _: f"{value:g}")

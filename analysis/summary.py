"""summary.py - the three things one chooses an allocator by, on each trace: time, memory and worst case; and the Pareto
set, the allocators that no other one betters in all three.

Time is the median above the floor (of the replay loop), memory the peak of touched pages over the peak of live bytes
(the one figure that a malloc of others has, too), the worst case the most instructions of a malloc or free where
they were counted, else the allocator's own slowest call, which it takes two runs to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import style
from analysis.load import FLOOR, LATENCY_UNITS, UNIT_WORDS, Results, own_worst

YARDSTICKS = (FLOOR, "null-inline", "oracle")  # they are measured by, not chosen
TIMES = ("time", "worst")  # of the axes

# Column, what it is in words, its unit where the words do not say it, and how its figures are written.
AXES = {
    "time": ("time above the floor", "ns/op", ",.2f"),
    "memory": ("touched over live, peaks", "", ".3f"),
    "worst": ("slowest op", "ns", ",.0f"),
    "worst_instructions": ("most instructions of a malloc or free", "", ",.0f"),
}


@dataclass(frozen=True)
class Study:
    """One trace on one host: a row an allocator, columns AXES, NaN where not measured."""

    host: str
    trace: str
    hash: str
    table: pd.DataFrame
    emulated: bool = False
    worst_unit: str = "ns"

    def axis_text(self, axis: str) -> str:
        """An axis in words with its unit; it says so where its figures are times of an emulated machine."""
        words, unit, _ = AXES[axis]
        unit = self.worst_unit if axis == "worst" else unit
        parts = [words, unit, "emulated" if self.emulated and axis in TIMES else ""]
        return ", ".join(part for part in parts if part)

    def axes(self) -> list[str]:
        """The columns to choose by: of the two worst cases, the exact one where all have it that have the others."""
        others = [name for name in ("time", "memory") if self.table[name].notna().any()]
        exact = self.table.dropna(subset=others)["worst_instructions"]
        return ["time", "memory", "worst_instructions" if len(exact) and exact.notna().all() else "worst"]

    def unrankable(self) -> pd.Series:
        """Of each column, whether somebody's figure is nothing or less, such as a time that is lost in the noise of the
        floor's: then there are no ratios to it."""
        return self.table.min() <= 0


def is_yardstick(name: str) -> bool:
    """Whether an allocator is there to measure others by."""
    return style.base_name(name) in YARDSTICKS


def _median(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby("allocator")["value"].median()


def _worst_instructions(rows: pd.DataFrame) -> pd.Series:
    """Of malloc and free: what a realloc copies is the program's doing."""
    worst = [
        max(
            (kind["worst_instructions"] for name, kind in figures["instructions"].items() if name in ("malloc", "free")),
            default=np.nan,
        )
        for figures in rows["figures"]
    ]
    return rows.assign(value=worst).groupby("allocator")["value"].max()


def _of_cell(rows: pd.DataFrame, cell: dict[str, str]) -> pd.DataFrame:
    """Those of one trace on one host."""
    return rows[(rows[list(cell)] == list(cell.values())).all(axis=1)]


def _own_worst(latency: pd.DataFrame) -> tuple[pd.Series, str]:
    """The allocators' own worst cases in the first unit that one of them has, and its name: units are not mixed."""
    found, said = pd.Series(dtype=float), UNIT_WORDS[LATENCY_UNITS[0]]
    for unit in LATENCY_UNITS:
        found = own_worst(latency, f"worst_of_least_{unit}").dropna(subset=["value"]).set_index("allocator")["value"]
        if len(found):
            said = UNIT_WORDS[unit]
            break
    return found, said


def studies(results: Results) -> Iterator[Study]:
    """Every trace of every host that has an allocator to choose, in the order of first appearance."""
    parts = {
        "time": results.figure("throughput", "above_floor_ns_per_op"),
        "memory": results.figure("space", "touched_peak_per_requested_peak"),
        "worst_instructions": results.of_pass("instructions"),
    }
    latency = results.of_pass("latency")
    for (host, trace, hash_), rows in results.table.groupby(["host", "trace", "hash"], sort=False):
        cell = {"host": str(host), "trace": str(trace), "hash": str(hash_)}
        columns = {}
        for name, part in parts.items():
            mine = _of_cell(part, cell)
            if name == "worst_instructions":
                columns[name] = _worst_instructions(mine)
            else:
                columns[name] = _median(mine)
        columns["worst"], unit = _own_worst(_of_cell(latency, cell))
        known = [name for name in dict.fromkeys(rows["allocator"]) if not is_yardstick(name)]
        if not known:
            continue
        table = pd.DataFrame(columns, index=known, dtype=float)
        yield Study(str(host), str(trace), str(hash_), table, bool(rows.iloc[0]["emulated"]), unit)


def pareto(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The rows that no other row betters: none is at most as large in all columns and smaller in one. Rows that lack a
    figure cannot be judged and are left out."""
    known = table.dropna(subset=list(columns))
    values = known[list(columns)].to_numpy()
    kept = []
    for place, name in enumerate(known.index):
        no_worse = (values <= values[place]).all(axis=1)
        better = (values < values[place]).any(axis=1)
        if not (no_worse & better).any():
            kept.append(str(name))
    return kept


def best(table: pd.DataFrame, column: str) -> str | None:
    """The allocator with the least of a column; None when nobody has it."""
    values = table[column].dropna()
    return str(values.idxmin()) if len(values) else None


def _logarithms(study: Study) -> pd.DataFrame:
    """Of each figure's ratio to the least; 0 where there is none."""
    ratios = (study.table / study.table.min()).loc[:, ~study.unrankable()]
    return np.log(ratios).reindex(columns=study.table.columns, fill_value=0.0)


def overall(found: Sequence[Study]) -> pd.DataFrame:
    """Geometric means over the traces of each column's ratio to the best there: 1 is the best everywhere. Only
    allocators that did every trace; NaN where a figure is missing of one. Traces where a column is unrankable() are left
    out of its mean."""
    if not found:
        return pd.DataFrame(columns=list(AXES))
    logs = [_logarithms(study) for study in found]
    everywhere = set.intersection(*(set(log.index) for log in logs))
    names = [name for name in logs[0].index if name in everywhere]
    counts = sum((~study.unrankable()).astype(int) for study in found)
    means = np.exp(sum(log.loc[names] for log in logs) / counts.where(counts > 0))
    return pd.DataFrame(means, index=names)

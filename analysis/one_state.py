"""one_state.py - times of several sweeps as they would have been in one state of the machine: at one clock rate of the
core, and with one time of a load from beyond the core's own caches.

Both drift by what the machine's other users do, for minutes, and a median of runs with them; and both were found out in
each run, by work in which no allocator has a part. In cycles of the core, the rest of a time is the same at any clock
rate. How much longer it takes where loads do is found for each allocator and trace by itself, from how its runs differ
within the sweeps, so that what differs between them is not explained away by it (analysis of covariance: R. Fisher,
Statistical Methods for Research Workers, 4th edition (1932), 49.1). One run that was disturbed must not turn that line:
its slope is the median of those between two runs (P. Sen, Estimates of the regression coefficient based on Kendall's
tau, JASA 63 (1968)). A load is only found as it was just before and after a run, so that the line is rather too flat
than too steep: some of what the machine did stays in the times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.statistics import CONFIDENCE, Numbers

FEWEST_POINTS = 10  # runs of all sweeps: of fewer, a slope tells of their scatter
LOADS = ("memory_load_ns", "last_cache_load_ns")  # the second is not known of every machine, nor in older rows


def _centred(sweeps: Sequence[Numbers]) -> Numbers:
    return np.concatenate([one - np.median(one) for one in sweeps])


def _slope(loads: Sequence[Numbers], times: Sequence[Numbers]) -> float:
    """By which power of the load the time goes, from 0 to 1: more than all of a time cannot be loads. Both in cycles, as
    logarithms, each less the median of its sweep. 0 as well where it may be that, by its interval."""
    x, y = _centred(loads), _centred(times)
    if len(x) < FEWEST_POINTS or np.ptp(x) == 0:
        return 0.0
    found = stats.theilslopes(y, x, CONFIDENCE)
    return float(min(found[0], 1.0)) if found[2] > 0 else 0.0


def _at_one_load(times: Sequence[Numbers], loads: Sequence[Numbers]) -> list[Numbers]:
    slope, load = _slope(loads, times), np.median(np.concatenate(loads))
    return [its_times - slope * (its_loads - load) for its_times, its_loads in zip(times, loads)]


def _scatter(times: Sequence[Numbers]) -> float:
    return float(np.median(np.abs(_centred(times))))


def _of_cell(sweeps: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """By that of the loads which leaves the least scatter: a heap of some MB and one that needs all of the cache do not go
    with the same."""
    times = [np.log(one["cycles"].to_numpy()) for one in sweeps]
    known = [name for name in LOADS if all(one[name].notna().all() for one in sweeps)]
    ways = [_at_one_load(times, [np.log(one[name] * one["ghz"]).to_numpy() for one in sweeps]) for name in known]
    best = ways[int(np.argmin([_scatter(way) for way in ways]))]
    ghz = float(pd.concat([one["ghz"] for one in sweeps]).median())
    return [one.assign(value=np.exp(moved) / ghz) for one, moved in zip(sweeps, best)]


def at_one_state(sweeps: Sequence[pd.DataFrame], cell: Sequence[str]) -> list[pd.DataFrame]:
    """Rows of the throughput pass of each sweep, with their times (ns, column `value`) as at one clock rate and load, which
    are the medians of the cell's runs. `cell`: the columns that tell allocators and traces apart. Left out are runs whose
    clock rate or load is not known, and cells that not all sweeps have."""
    known = []
    for rows in sweeps:
        cycles = pd.to_numeric(rows["figures"].map(lambda figures: figures.get("cycles_per_op")))
        rows = rows.assign(cycles=cycles, ghz=cycles / rows["value"], **{name: pd.to_numeric(rows[name]) for name in LOADS})
        known.append(dict(list(rows.dropna(subset=["cycles", LOADS[0]]).groupby(list(cell), sort=False))))
    cells = [name for name in known[0] if all(name in one for one in known)]
    if not cells:
        return [rows.iloc[:0] for rows in sweeps]
    return [pd.concat(moved) for moved in zip(*(_of_cell([one[name] for one in known]) for name in cells))]

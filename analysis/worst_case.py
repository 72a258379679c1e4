"""worst_case.py - the noise-free worst case of several runs that did not know of each other: the largest, over the ops, of
the least that each took in any of them.

A row has the slowest ops of its run, and what no other took more than. So of an op that a run has not, the least is not
known, but that it is no more than this: what comes out is never too small, and exact where every run has the op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def _slowest(figures: Mapping[str, Any], unit: str) -> tuple[dict[int, float], float]:
    """The ops of a row of the latency pass with their least times, and what all others are at most. A row of a version
    that did not write them has none: its worst case, which may be of several runs, is at least what each op has."""
    ops = figures.get("slowest_ops")
    if ops is None:
        return {}, float(figures[f"worst_of_least_{unit}"])
    return dict(zip(ops["index"], ops[f"least_{unit}"])), float(ops[f"others_least_{unit}"])


def of_runs(rows: Sequence[Mapping[str, Any]], unit: str = "ns") -> float:
    """Of the figures of some rows of one allocator and trace, one at least, in the unit of LATENCY_UNITS that they have."""
    runs = [_slowest(figures, unit) for figures in rows]
    known = {op for ops, _ in runs for op in ops}
    least = (min(ops.get(op, others) for ops, others in runs) for op in known)
    return max([*least, min(others for _, others in runs)])

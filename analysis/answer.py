"""answer.py - which allocator suits which trace, and overall: what wins on each axis, the Pareto set, and both in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis import style, summary

# What a reader must know of an allocator before taking its figures for an answer.
CAVEATS = {
    "watermark": "never takes a block back",
    "pool": "is told the sizes of the trace beforehand",
}


@dataclass(frozen=True)
class Winner:
    """The best of an axis, with its figure as text."""

    name: str
    figure: str
    caveat: str


@dataclass(frozen=True)
class Answer:
    """What wins on one trace; where the winner has a caveat, the best without one stands behind it."""

    host: str
    trace: str
    fastest: list[Winner]
    smallest: list[Winner]
    steadiest: list[Winner]
    pareto: list[str]
    worst_axis: str


def caveat_of(name: str) -> str:
    """What to know before taking an allocator's figures for an answer; "": nothing."""
    return CAVEATS.get(style.base_name(name), "")


def _free_of_caveats(study: summary.Study) -> summary.Study:
    return replace(study, table=study.table.loc[[name for name in study.table.index if not caveat_of(str(name))]])


def _winners(study: summary.Study, axis: str) -> list[Winner]:
    names = [summary.best(one.table, axis) for one in (study, _free_of_caveats(study))]
    emulated = " emulated" if study.emulated and axis in summary.TIMES else ""
    return [
        Winner(name, f"{study.table.loc[name, axis]:{summary.AXES[axis][2]}}{emulated}", caveat_of(name))
        for name in dict.fromkeys(names)
        if name is not None
    ]


def answers(found: Sequence[summary.Study]) -> list[Answer]:
    """Of every trace, the least of each axis and the Pareto set."""
    made = []
    for study in found:
        axes = study.axes()
        time_axis, memory_axis, worst_axis = (_winners(study, axis) for axis in axes)
        kept = style.order_of(summary.pareto(study.table, axes))
        worst_text = study.axis_text(axes[2])
        made.append(
            Answer(study.host, study.trace, time_axis, memory_axis, worst_axis, kept, worst_text)
        )
    return made


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


ALIKE = 1.01  # ratios of two that are called alike


def _beyond(ratio: float) -> str:
    """A ratio to the best as it is said."""
    if ratio < ALIKE:
        return "less than 1 % over"
    return f"{(ratio - 1) * 100:.0f} % over" if ratio < 1.995 else f"{ratio:.3g} times"


def _ranking(ratios: pd.Series) -> str:
    """The best in words, alone or with those that are alike, and the next two."""
    first = ratios.iloc[0]
    alike = [str(name) for name, ratio in ratios.items() if ratio <= first * ALIKE]
    rest = ratios.iloc[len(alike) : len(alike) + 2]
    best = "the best on every trace" if first < 1.0005 else f"on average {_beyond(first)} the best of each trace"
    if len(alike) > 1:
        best = f"alike to 1 %, {best}"
    return "; ".join([f"{_listed(alike)}, {best}"] + [f"{name}, {_beyond(ratio)}" for name, ratio in rest.items()])


def sentences(found: Sequence[summary.Study]) -> list[str]:
    """The answer over all traces of a host in words, "what: who and by how much"; of allocators without a caveat, the
    others named apart. Averages are geometric means."""
    emulated = any(study.emulated for study in found)
    studies = [study for study in map(_free_of_caveats, found) if len(study.table)]
    means = summary.overall(studies)
    exact = all(study.axes()[2] == "worst_instructions" for study in found)
    axes = {
        "time": "Fastest",
        "memory": "Least memory",
        "worst_instructions" if exact else "worst": "Best worst case",
    }
    told = []
    for axis, lead in axes.items():
        ranked = means[axis].dropna().sort_values() if len(means) else means
        if len(ranked) > 1:
            what = summary.AXES[axis][0] + (", emulated" if emulated and axis in summary.TIMES else "")
            told.append(f"{lead} ({what}): {_ranking(ranked)}.")
    together = means[list(axes)].dropna().prod(axis=1).sort_values() if len(means) else means
    if len(together) > 1:
        ratios = [float(means.loc[together.index[0], axis]) for axis in axes]
        parts = [
            f"{name} {_beyond(ratio)} the best" if ratio > ALIKE else f"the best {name}"
            for name, ratio in zip(("emulated time" if emulated else "time", "memory", "worst case"), ratios)
        ]
        told.insert(0, f"One for everything: {together.index[0]}, with {_listed(parts)} (the least product of the three).")
    left_out = [study.trace for study in studies if study.unrankable()["time"]]
    if left_out and told:
        told.append(f"Not in the average of times, as somebody's is no more than the floor's: {_listed(left_out)}.")
    sets = Counter(name for answer in answers(found) for name in answer.pareto)
    if sets:
        told.append(
            "Worth a choice, since nothing betters them in all three: "
            + ", ".join(f"{name} (on {count} of {len(found)})" for name, count in sets.most_common())
            + "."
        )
    known = style.order_of(str(name) for study in found for name in study.table.index)
    apart = [f"{name} {caveat_of(name)}" for name in known if caveat_of(name)]
    if apart and told:
        told.append(f"Not ranked here, as they ask for something in return: {_listed(apart)}.")
    return told


def sentences_by_host(found: Sequence[summary.Study]) -> dict[str, list[str]]:
    """The answer in words for each host that has one."""
    names = dict.fromkeys(study.host for study in found)
    told = {name: sentences([study for study in found if study.host == name]) for name in names}
    return {name: words for name, words in told.items() if words}

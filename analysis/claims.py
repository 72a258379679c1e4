"""claims.py - what writing on operating systems says of allocators, each claim put to the figures that were measured.

A claim is judged by a rule that stands beside it: it holds, it fails, or it depends, and on what. One that needs a trace
or an allocator that the results lack is not judged, and says what to measure (make bench has all of it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.figures import COLUMNS, TIMED, Figure, Table

ONE_SIZE = "model:churn:min=64:max=64"
TINY = "model:churn:min=8:max=16"
SMALL_HEAP = "model:churn:live=100:ops=200000"
CHURN = "model:churn"
KERNEL = "model:kernel"
APART = "model:apart"

OWN = (
    "freelist",
    "bitmap",
    "slob",
    "buddy",
    "slab",
    "segfit",
    "tlsf",
)  # serve any size, and take blocks back


_TITLES = {column.name: column.title for column in COLUMNS}
_PASSES = {column.name: column.pass_name for column in COLUMNS}


class Lacking(Exception):
    """A figure that a claim needs is not in the results; says which."""


class Found(dict[str, float]):
    """The figures of those allocators that have one; of another, Lacking is raised."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def __missing__(self, allocator: str) -> float:
        raise Lacking(self._what.format(allocator))


@dataclass(frozen=True)
class Evidence:
    """A figure that a claim was judged by."""

    trace: str
    allocator: str
    column: str
    figure: Figure


@dataclass
class Facts:
    """The figures of one host, asked for by trace, allocator and column; remembers what was asked."""

    tables: dict[str, Table]
    used: list[Evidence] = field(default_factory=list)

    def value(self, trace: str, allocator: str, column: str) -> float:
        """A figure; raises Lacking where there is none, and where a time is lost in the noise of the floor: claims are
        about ratios."""
        table = self.tables.get(trace)
        if table is not None and table.emulated and _PASSES[column] in TIMED:
            raise Lacking(f"{_TITLES[column]} of {allocator} on {trace} that is not emulated")
        figure = table.lines.get(allocator, {}).get(column) if table is not None else None
        if figure is None or math.isnan(figure.value):
            raise Lacking(f"{_TITLES[column]} of {allocator} on {trace}")
        if column == "above" and figure.value <= 0:
            raise Lacking(f"time of {allocator} on {trace} that is above the floor's")
        self.used.append(Evidence(trace, allocator, column, figure))
        return figure.value

    def values(self, trace: str, allocators: Sequence[str], column: str) -> dict[str, float]:
        """The figures of those allocators that have one; raises Lacking when fewer than two do, or when one was not tried on
        the trace: it might be the best of all."""
        found = Found(f"{_TITLES[column]} of {{}} on {trace}")
        untried = [name for name in allocators if trace in self.tables and name not in self.tables[trace].lines]
        if untried:
            raise Lacking(f"{_TITLES[column]} of {', '.join(untried)} on {trace}")
        for allocator in allocators:
            try:
                found[allocator] = self.value(trace, allocator, column)
            except Lacking:
                continue
        if len(found) < 2:
            raise Lacking(f"{_TITLES[column]} of {', '.join(allocators)} on {trace}")
        return found

    def recorded(self) -> list[str]:
        """The traces that were recorded from programs, not computed; raises Lacking when there is none."""
        names = [name for name in self.tables if not name.startswith("model:")]
        if not names:
            raise Lacking("a recorded trace")
        return names


@dataclass(frozen=True)
class Verdict:
    """What became of a claim: "holds", "fails", "depends" or "not judged", and why in a sentence with figures."""

    word: str
    why: str


@dataclass(frozen=True)
class Claim:
    """A claim in a sentence, and the rule that judges it."""

    name: str
    statement: str
    rule: str
    judge: Callable[[Facts], Verdict]


@dataclass(frozen=True)
class Judged:
    """A claim on one host, with the verdict and its evidence."""

    host: str
    claim: Claim
    verdict: Verdict
    evidence: Sequence[Evidence]


def _word(first: bool, second: bool) -> str:
    return "holds" if first and second else "depends" if first or second else "fails"


def _list(values: dict[str, float], unit: str = "", digits: str = ".3g") -> str:
    ranked = sorted(values.items(), key=lambda item: item[1])
    return ", ".join(f"{name} {value:{digits}}" for name, value in ranked) + (f" {unit}" if unit else "")


def _least(values: dict[str, float], name: str, slack: float = 1.02) -> bool:
    """Whether an allocator has the least of all, or as good as."""
    return values[name] <= min(values.values()) * slack


def _mean(facts: Facts, traces: Sequence[str], allocator: str, column: str) -> float:
    """The geometric mean over traces."""
    return float(np.exp(np.mean([math.log(facts.value(trace, allocator, column)) for trace in traces])))


# ---- The rules ---------------------------------------------------------------------------------------------------------


def _slab_one_size(facts: Facts) -> Verdict:
    time, held = (facts.values(ONE_SIZE, OWN, column) for column in ("above", "held"))
    fast, tight = _least(time, "slab"), _least(held, "slab")
    return Verdict(
        _word(fast, tight),
        f"Objects of 64 bytes. Time above the floor: {_list(time, 'ns/op')}. Held over live: {_list(held)}.",
    )


def _slab_small_heap(facts: Facts) -> Verdict:
    small = facts.value(SMALL_HEAP, "slab", "held") / facts.value(SMALL_HEAP, "segfit", "held")
    large = facts.value(CHURN, "slab", "held") / facts.value(CHURN, "segfit", "held")
    return Verdict(
        _word(small > 1.05, small > large),
        f"Held by slab over held by segfit: {small:.2f} times with 100 blocks live, {large:.2f} times with 20,000.",
    )


def _buddy_waste(facts: Facts) -> Verdict:
    powers, others = (facts.value(trace, "buddy", "internal") for trace in (KERNEL, CHURN))
    return Verdict(
        "fails" if others <= 0.15 else "holds" if powers < 0.02 else "depends",
        f"Internal fragmentation: {powers * 100:.1f} % where all sizes are powers of two, {others * 100:.1f} % where they are not.",
    )


def _buddy_predictable(facts: Facts) -> Verdict:
    spread = {}
    for name in ("buddy", "slab", "segfit", "tlsf", "slob"):
        worst = max(facts.value(CHURN, name, f"{op}_worst") for op in ("malloc", "free"))
        spread[name] = worst / facts.value(CHURN, name, "malloc_mean")
    steady = sorted(spread, key=lambda name: spread[name]).index("buddy") == 0
    return Verdict(
        _word(steady, spread["buddy"] < 50),
        f"Most instructions of an op over the mean of a malloc, on churn: {_list(spread)}. Its bound is one step an order; "
        "what is shorter and steadier is another question.",
    )


def _slob(facts: Facts) -> Verdict:
    traces = facts.recorded()
    names = [name for name in OWN if name != "bitmap"]
    held = {name: _mean(facts, traces, name, "held") for name in names}
    time = {name: _mean(facts, traces, name, "above") for name in names}
    external = float(np.mean([facts.value(trace, "slob", "external") for trace in traces]))  # may be 0
    little, slow = _least(held, "slob", 1.05), time["slob"] == max(time.values())
    return Verdict(
        _word(little, slow),
        f"Recorded traces, geometric means. Held over live: {_list(held)}. Time above the floor: {_list(time, 'ns/op')}. In the "
        f"mean {external * 100:.0f} % of slob's free memory is not in its largest block. The slowest is "
        f"{max(time, key=lambda name: time[name])}; the least is held by {min(held, key=lambda name: held[name])}.",
    )


def _pool(facts: Facts) -> Verdict:
    taken = {
        op: [facts.value(ONE_SIZE, "pool", f"{op}_{what}") for what in ("mean", "worst")] for op in ("malloc", "free")
    }
    held = facts.value(ONE_SIZE, "pool", "held")
    words = [f"a {op} takes {mean:.1f} instructions in the mean, {worst:,.0f} at most" for op, (mean, worst) in taken.items()]
    return Verdict(
        _word(all(worst == mean for mean, worst in taken.values()), held < 1.02),
        f"Blocks of one size: {', '.join(words)}; held over live {held:.3f}.",
    )


def _watermark(facts: Facts) -> Verdict:
    worst = {}
    for trace in facts.recorded():
        time = facts.values(trace, ("watermark", "pool", *OWN), "malloc_mean")
        worst[trace] = time["watermark"] / min(value for name, value in time.items() if name != "watermark")
    lead = max(worst.values())
    memory = {trace: facts.value(trace, "watermark", "held") for trace in worst}
    return Verdict(
        "holds" if lead <= 1 else "fails",
        f"Instructions of a malloc over those of the next best: {lead:.2f} at most. While it lasts: it held "
        f"{min(memory.values()):.1f} to {max(memory.values()):.1f} times what was live.",
    )


def _tlsf(facts: Facts) -> Verdict:
    traces = [*facts.recorded(), CHURN, KERNEL]
    worst = {
        name: max(
            max(facts.value(trace, name, f"{op}_worst") for op in ("malloc", "free")) for trace in traces
        )
        for name in ("tlsf", "freelist")
    }
    least = max(facts.value(trace, "tlsf", "malloc_mean") for trace in traces)
    return Verdict(
        "holds" if worst["tlsf"] < 10 * least else "fails",
        f"Most instructions of any malloc or free on {len(traces)} traces: tlsf {worst['tlsf']:,.0f}, an address-ordered list {worst['freelist']:,.0f}.",
    )


def _segfit(facts: Facts) -> Verdict:
    traces = [*facts.recorded(), CHURN, KERNEL]
    time = {name: _mean(facts, traces, name, "above") for name in ("segfit", "tlsf", "libc")}
    held = {name: _mean(facts, traces, name, "held") for name in OWN}
    fast, tight = time["segfit"] <= time["libc"], held["segfit"] <= min(held.values()) * 1.05
    return Verdict(
        _word(fast, tight),
        f"Geometric means over {len(traces)} traces. Time above the floor: {_list(time, 'ns/op')}. Held over live: {_list(held)}.",
    )


def _tags(facts: Facts) -> Verdict:
    tagged = {name: facts.value(TINY, name, "held") for name in ("freelist", "segfit", "tlsf")}
    others = {name: facts.value(TINY, name, "held") for name in ("slab", "bitmap")}
    larger = {name: facts.value(CHURN, name, "held") for name in tagged}
    cost = min(tagged.values()) > max(others.values())
    shrinks = all(tagged[name] > larger[name] for name in tagged)
    return Verdict(
        _word(cost, shrinks),
        f"Blocks of 8 to 16 bytes, held over live: with tags {_list(tagged)}; without {_list(others)}. On blocks of 16 to "
        f"4096 bytes, with tags: {_list(larger)}.",
    )


def _microkernel(facts: Facts) -> Verdict:
    traces = facts.recorded()
    kernel = facts.value(KERNEL, "slab", "held") / facts.value(KERNEL, "segfit", "held")
    user = _mean(facts, traces, "slab", "held") / _mean(facts, traces, "segfit", "held")
    faster = facts.value(KERNEL, "segfit", "above") / facts.value(KERNEL, "slab", "above")
    faster_user = _mean(facts, traces, "segfit", "above") / _mean(facts, traces, "slab", "above")
    return Verdict(
        _word(kernel < 1.1 and faster > 1, user > 1.1),
        f"slab against segfit: on a kernel's few sizes it holds {kernel:.2f} times as much and is {faster:.1f} times as fast; on "
        f"programs it holds {user:.2f} times as much and is {faster_user:.1f} times as fast. So in user space memory speaks for "
        f"{'malloc-like ones' if user > 1 else 'slab'}, time for {'slab' if faster_user > 1 else 'malloc-like ones'}.",
    )


def _first_fit(facts: Facts) -> Verdict:
    held = {trace: facts.value(trace, "freelist", "held") for trace in facts.recorded()}
    low = sum(value <= 1.15 for value in held.values())
    return Verdict(
        _word(low == len(held), low * 2 > len(held)),
        f"Held over live, headers and all: {_list(held, digits='.3f')}.",
    )


def _apart(facts: Facts) -> Verdict:
    keeps: dict[str, float] = {}
    gives: dict[str, float] = {}
    for name in ("watermark", "libc", *OWN):
        try:
            share = facts.value(APART, name, "held_at_end")
        except Lacking:
            continue
        (gives if share < 0.1 else keeps)[name] = share
    if not keeps and not gives:
        raise Lacking(f"what is held at the end of {APART}")
    return Verdict(
        "depends" if gives and keeps else "holds" if keeps else "fails",
        f"64 MiB between two small blocks, freed: held at the end over the peak. Keep it: {_list(keeps) or 'nobody'}. "
        f"Give the middle back: {_list(gives) or 'nobody'}.",
    )


def _raspberry(facts: Facts) -> Verdict:
    time = facts.values(KERNEL, ("slab", "slob", "buddy", "tlsf", "segfit"), "above")
    held = facts.values(KERNEL, ("slab", "slob", "buddy", "tlsf", "segfit"), "held")
    worst = {
        name: max(facts.value(KERNEL, name, f"{op}_worst") for op in ("malloc", "free"))
        for name in ("slab", "slob", "buddy", "tlsf", "segfit")
    }
    right = [_least(time, "slab"), _least(held, "slob"), _least(worst, "buddy")]
    return Verdict(
        "holds" if all(right) else "depends" if any(right) else "fails",
        f"A kernel's trace. Fastest: {_list(time, 'ns/op')}. Held over live: {_list(held, digits='.3f')}. Most instructions of an "
        f"op: {_list(worst, digits=',.0f')}. For a bound, {min(worst, key=lambda name: worst[name])}; when memory is tight, "
        f"{min(held, key=lambda name: held[name])}.",
    )


CLAIMS = [
    Claim(
        "slab-one-size",
        "Slab is the fastest and the least fragmenting for objects of one size.",
        "Least time above the floor, and least held, of all that serve any size and free it, to 2 %.",
        _slab_one_size,
    ),
    Claim(
        "slab-small-heap",
        "Slab costs more memory in small heaps.",
        "With 100 live blocks it holds over 5 % more than segfit, and more so than with 20,000.",
        _slab_small_heap,
    ),
    Claim(
        "buddy-waste",
        "Buddy wastes on sizes that are not powers of two.",
        "Internal fragmentation above 15 % on mixed sizes; depends, where it is not below 2 % on powers of two.",
        _buddy_waste,
    ),
    Claim(
        "buddy-times",
        "The times of buddy are predictable.",
        "Its worst op over its mean is the least of five allocators, and below 50.",
        _buddy_predictable,
    ),
    Claim(
        "slob",
        "SLOB has the least overhead, and is slow and fragments.",
        "Of all that serve any size, but bitmap: holds the least to 5 %, and takes the most time, on the mean of recorded "
        "traces.",
        _slob,
    ),
    Claim(
        "pool",
        "A pool is constant-time without fragmentation.",
        "On one size every malloc takes the same instructions, and every free, and held is within 2 % of live.",
        _pool,
    ),
    Claim(
        "watermark",
        "A watermark is the fastest while it lasts.",
        "The fewest instructions of a malloc on every recorded trace.",
        _watermark,
    ),
    Claim("tlsf", "TLSF is bounded.", "The worst op of any trace is below ten times the mean malloc.", _tlsf),
    Claim(
        "segfit",
        "Segregated fit is good all round.",
        "On the mean of all traces as fast as the C library, and within 5 % of the least held.",
        _segfit,
    ),
    Claim(
        "tags",
        "Tags cost most on blocks of 8 and 16 bytes.",
        "There all that are tagged hold more than all without tags, and each more than on larger blocks.",
        _tags,
    ),
    Claim(
        "microkernel",
        "Slab suits a microkernel's few small types, malloc-like allocators suit user space.",
        "Against segfit: on the kernel's trace at most 10 % more memory and less time; on programs over 10 % more memory.",
        _microkernel,
    ),
    Claim(
        "first-fit",
        "Address-ordered first fit hardly fragments on real traces.",
        "Held within 15 % of live on every recorded trace.",
        _first_fit,
    ),
    Claim(
        "apart",
        "Two words far apart keep a heap large.",
        "Held at the end over the peak, above or below a tenth.",
        _apart,
    ),
    Claim(
        "raspberry-pi",
        "For a Raspberry Pi kernel: slab in general, SLOB when memory is tight, buddy for real time.",
        "Of slab, slob, buddy, tlsf and segfit, to 2 %, on the kernel's trace: slab is the fastest, slob holds the "
        "least, buddy's worst op is the least.",
        _raspberry,
    ),
]


def judge(tables: Sequence[Table]) -> list[Judged]:
    """Every claim on every host."""
    judged = []
    for host in dict.fromkeys(table.host for table in tables):
        mine = {table.trace: table for table in tables if table.host == host}
        for claim in CLAIMS:
            facts = Facts(mine)
            try:
                verdict = claim.judge(facts)
            except Lacking as lacking:
                verdict = Verdict("not judged", f"The results have no {lacking}. make bench measures it.")
                facts.used.clear()
            judged.append(Judged(host, claim, verdict, facts.used))
    return judged

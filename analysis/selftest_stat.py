"""selftest_stat.py - whether the statistics keep their word on this machine: how often they find a difference where
there is none, and how small a one they find.

An allocator, A, is measured beside a second copy of itself and beside copies that are slower by known amounts
(driver/tests/slowed.c), in sweeps as users make them: every run a process, the copies in turn, a new order each round.
Each sweep gives one comparison of A with each copy, and no value serves in two comparisons of one kind. How much slower
a copy was is not taken on trust: the loop in it is set by a measurement before, and what came of it is stated. The same
measurement tells how noisy the machine is, and so how many rounds a sweep takes.

A run's figure is free of short disturbances (driver/throughput.c). The trace is a short one, so that a run has a dozen
repetitions, and long enough not to be learned by the branch predictor. Within a sweep a difference is found by an
exact test (statistics.paired_difference) at the level of 3 %: what is promised is at most 5 % of false alarms, and 200
comparisons are to stay below that by more than luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis import compare, statistics
from analysis.load import Results
from analysis.statistics import Difference, Numbers

ALPHA = 0.05  # no larger share of comparisons errs
LEVEL = 0.03  # of p, at which one within a sweep counts as different
WANTED = 0.02  # the slowdown that has to be found
POWER = 0.9  # in this share of the comparisons

# What the copies are slower by, in the order of the plug-in's option `copy`; the first is A.
PLANTED = (0.0, 0.0, 0.01, 0.02, 0.05)
A, A_AGAIN = 0, 1
SMALLEST_SOUGHT = 200  # thousandths

TRACE = "model:churn:live=1000:ops=100000"  # some 1.4 ms a repetition

CALIBRATION_WORK = 4000  # turns; slows segfit by some 10 %
CALIBRATION_ROUNDS = 80
SURE_POWER = 0.95  # what rounds are reckoned for: noise may grow
# A calm calibration tells nothing of a virtual machine's neighbours, who come and go: where they slowed two runs of five
# by 40 %, 15 rounds found WANTED in 166 of 200 sweeps, 30 in 97 of 100; at a load of ten on two cores 38 did in 91.
FEWEST_ROUNDS = 36

Pool = dict[int, Numbers]  # of each copy the ns/op, [sweep, round]
Comparison = Callable[[Pool, int, float], list[Difference]]


def specs(plugin: str, work: Iterable[int]) -> list[str]:
    """The copies as --alloc wants them, with the turns of the loop in each."""
    return [f"{plugin}:copy={copy}:work={turns}" for copy, turns in enumerate(work)]


def pool_of(results: Results) -> Pool:
    """The times by copy, sweep (each has a seed of its own) and round. Sweeps that lack a run are left out."""
    rows = results.figure("throughput", "ns_per_op")
    rows = rows.assign(
        copy=rows["spec"].str.extract(r":copy=(\d+):", expand=False),
        seed=[settings["seed"] for settings in rows["settings"]],
    ).dropna(subset=["copy"])
    table = rows.pivot_table(index=["seed", "run"], columns="copy", values="value")
    rounds = table.groupby(level="seed").size()
    full = [
        seed
        for seed in rounds.index
        if rounds[seed] == rounds.max() and table.loc[seed].notna().all(axis=None)
    ]
    return {
        int(copy): np.array([table.loc[seed, copy].to_numpy() for seed in full]) for copy in table.columns
    }


def joined(pool: Pool, sweeps: int) -> Pool:
    """The same with so many neighbouring sweeps made one, of more rounds; what is left over at the end is left out."""
    whole = len(pool[A]) // sweeps
    return {copy: values[: whole * sweeps].reshape(whole, -1) for copy, values in pool.items()}


def turns_for(pool: Pool) -> list[int]:
    """The turns of the loop that slow each copy as planted, from a pool of two: without, and with CALIBRATION_WORK of
    them. ValueError: the machine is too noisy to tell."""
    slowed = statistics.paired_ratio(pool[A_AGAIN].ravel(), pool[A].ravel())
    if not slowed.low > 1:
        raise ValueError(
            f"a loop of {CALIBRATION_WORK} turns slows the allocator by {slowed.low - 1:+.1%} to {slowed.high - 1:+.1%}"
        )
    return [round(percent / (slowed.median - 1) * CALIBRATION_WORK) for percent in PLANTED]


def rounds_for(pool: Pool, most: int) -> int:
    """How many rounds a sweep takes here to find WANTED, from such a pool; FEWEST_ROUNDS at least."""
    ratios = pool[A_AGAIN].ravel() / pool[A].ravel()
    needed = statistics.rounds_needed(ratios, 1 + WANTED, SURE_POWER, max(most, FEWEST_ROUNDS), LEVEL)
    return max(needed, FEWEST_ROUNDS)


# ---- Comparisons -----------------------------------------------------------------------------------------------------


def within_sweeps(pool: Pool, copy: int, factor: float = 1.0) -> list[Difference]:
    """A and a copy (times `factor`) of one sweep, round by round."""
    return [statistics.paired_difference(a, b * factor) for a, b in zip(pool[A], pool[copy])]


def between_sweeps(pool: Pool, copy: int, factor: float = 1.0) -> list[Difference]:
    """A of one sweep and the copy (times `factor`) of the next, as two files are compared."""
    return [statistics.difference(a, b * factor) for a, b in zip(pool[A], pool[copy][1:])]


def found_in_rounds(difference: Difference) -> bool:
    """Of two in one sweep: by the paired test, which is exact."""
    return difference.p <= LEVEL


def found_by_test(difference: Difference) -> bool:
    """At the level ALPHA, and nothing asked of its size."""
    return difference.sure(ALPHA)


def found_by_compare(difference: Difference) -> bool:
    """As ./compare judges a single pair."""
    return compare.judge(difference) != "within noise"


@dataclass(frozen=True)
class Count:
    """Of n comparisons, how many found a difference."""

    found: int
    n: int

    @property
    def share(self) -> float:
        """Of all, NaN when there was none."""
        return self.found / self.n if self.n else math.nan

    def interval(self) -> tuple[float, float]:
        """What the share may be in the long run, with 95 % confidence (Clopper and Pearson, Biometrika 26, 1934)."""
        bounds = stats.binomtest(self.found, self.n).proportion_ci(statistics.CONFIDENCE, method="exact")
        return float(bounds.low), float(bounds.high)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.found} of {self.n} ({low:.1%} to {high:.1%} in the long run)"


def count(differences: Sequence[Difference], found: Callable[[Difference], bool]) -> Count:
    """How often a difference was found."""
    return Count(sum(map(found, differences)), len(differences))


def smallest_found(pool: Pool, compared: Comparison, found: Callable[[Difference], bool]) -> float | None:
    """The least slowdown, in steps of 0.1 %, with which POWER of the comparisons find a difference when A's second
    copy is taken to be that much slower; None: not even 20 % is found."""
    below, least = 0, SMALLEST_SOUGHT + 1  # thousandths: not found, found
    while least - below > 1:
        middle = (below + least) // 2
        if count(compared(pool, A_AGAIN, 1 + middle / 1000), found).share >= POWER:
            least = middle
        else:
            below = middle
    return least / 1000 if least <= SMALLEST_SOUGHT else None


# ---- What came of it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One way in which results are compared."""

    name: str
    counts: list[Count]  # in the order of PLANTED, without A itself
    smallest: float | None


@dataclass(frozen=True)
class Findings:
    """What the self-test found."""

    slower: list[statistics.Interval]  # really, over all rounds, against A; as Way.counts
    ways: list[Way]
    rounds: int

    def faults(self) -> list[str]:
        """What is not as promised of comparisons within a sweep, in words."""
        alarms, *found = self.ways[0].counts
        wrong = []
        if alarms.share > ALPHA:
            wrong.append(f"more false alarms than the level of {ALPHA:.0%} allows: {alarms}")
        planted = found[PLANTED[2:].index(WANTED)]
        if planted.share < POWER:
            wrong.append(f"{WANTED:.0%} was found in fewer than {POWER:.0%} of the comparisons: {planted}")
        return wrong


def findings(pool: Pool) -> Findings:
    """Compares A with each copy in each way."""
    ways: list[tuple[str, Comparison, Callable[[Difference], bool]]] = [
        ("in one sweep, paired by round", within_sweeps, found_in_rounds),
        ("one sweep and the next", between_sweeps, found_by_test),
        ("the same, as ./compare judges", between_sweeps, found_by_compare),
    ]
    copies = range(A_AGAIN, len(PLANTED))
    slower = [statistics.paired_ratio(pool[copy].ravel(), pool[A].ravel()) for copy in copies]
    return Findings(
        slower,
        [
            Way(
                name,
                [count(compared(pool, copy, 1.0), found) for copy in copies],
                smallest_found(pool, compared, found),
            )
            for name, compared, found in ways
        ],
        pool[A].shape[1],
    )

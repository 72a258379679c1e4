"""statistics.py - what may be concluded from repeated measurements of one machine that does other things too.

Times of runs are skewed and have outliers, so all here goes by ranks, signs and medians: no mean, no normal
distribution.
Sources: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), 13 (percentile intervals); H. Mann and D.
Whitney, Annals of Mathematical Statistics 18 (1947); N. Cliff, Psychological Bulletin 114 (1993) (delta); Y.
Benjamini and Y. Hochberg, Journal of the Royal Statistical Society B 57 (1995).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Numbers = npt.NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
TRIALS = 300  # of a guess at how many rounds it takes
SEED = 1  # a report made twice of the same rows is the same report


@dataclass(frozen=True)
class Interval:
    """A median and the percentile bootstrap interval around it, in the unit of the values; n: of how many."""

    median: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half of the interval: what stands behind ±."""
        return (self.high - self.low) / 2


def _resample_medians(values: Numbers) -> Numbers:
    random = np.random.default_rng(SEED)
    drawn: Numbers = np.median(values[random.integers(0, len(values), (RESAMPLES, len(values)))], axis=1)
    return drawn


def median_interval(values: Sequence[float] | Numbers) -> Interval:
    """The median with its interval; of a single value, the interval is not known: NaN. Of none, all are NaN."""
    known = np.asarray(values, dtype=float)
    if len(known) == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    if len(known) == 1:
        return Interval(float(known[0]), np.nan, np.nan, 1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(_resample_medians(known), [tail, 1 - tail])
    return Interval(float(np.median(known)), float(low), float(high), len(known))


def paired_ratio(numerator: Sequence[float] | Numbers, denominator: Sequence[float] | Numbers) -> Interval:
    """The median of the ratios round by round, so that what slows a whole round cancels. Both in the order of rounds."""
    top, bottom = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    if len(top) != len(bottom):
        raise ValueError(f"{len(top)} values cannot be paired with {len(bottom)}")
    return median_interval(top / bottom)


def cliffs_delta(a: Sequence[float] | Numbers, b: Sequence[float] | Numbers) -> float:
    """How often a value of b is larger than one of a, less how often it is smaller: -1 to 1, 0 where they overlap wholly."""
    return float(np.sign(np.subtract.outer(np.asarray(b, dtype=float), np.asarray(a, dtype=float))).mean())


def corrected(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for how many they are (step-up), in the same order: of what is called a difference at some
    level, no larger share is none; where there is no difference at all, none is found with that probability.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    smallest_above = np.minimum.accumulate(np.minimum(scaled, 1.0)[::-1])[::-1]
    result = np.empty(len(p))
    result[order] = smallest_above
    return [float(value) for value in result]


@dataclass(frozen=True)
class Difference:
    """b against a: the ratio of their medians with its interval, the effect size, and how likely it is by chance."""

    ratio: Interval
    delta: float
    p: float

    def sure(self, alpha: float = 1 - CONFIDENCE) -> bool:
        """Whether the test finds a difference at that level, and no ratio of the interval says otherwise. Each of the two
        errs in at most that share; together they err less often."""
        return self.p <= alpha and (self.ratio.low > 1 or self.ratio.high < 1)


def _ratio_interval(a: Numbers, b: Numbers) -> Interval:
    """Of medians of two samples that are not paired: both are drawn anew."""
    random = np.random.default_rng(SEED)
    drawn_a = np.median(a[random.integers(0, len(a), (RESAMPLES, len(a)))], axis=1)
    drawn_b = np.median(b[random.integers(0, len(b), (RESAMPLES, len(b)))], axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn_b / drawn_a, [tail, 1 - tail])
    return Interval(float(np.median(b) / np.median(a)), float(low), float(high), min(len(a), len(b)))


def difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Compares two samples of at least two values each by the Mann-Whitney test, two-sided; exact where there are no
    ties and not many values."""
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if min(len(first), len(second)) < 2:
        raise ValueError("a comparison needs two values of each at least")
    p = float(stats.mannwhitneyu(first, second, alternative="two-sided", method="auto").pvalue)
    return Difference(_ratio_interval(first, second), cliffs_delta(first, second), p)


def _signs_that_differ_as_much(differences: npt.NDArray[np.int64]) -> float:
    """Of all ways to give each of these whole numbers either sign, the share whose sum is as far from 0 as theirs."""
    share = np.ones(1)  # of the sums that can be, from the least to the largest in steps of 2
    for size in np.abs(differences):
        share = (np.append(share, np.zeros(size)) + np.append(np.zeros(size), share)) / 2
    sums = 2 * np.arange(len(share)) - np.abs(differences).sum()
    return float(min(1.0, share[np.abs(sums) >= abs(differences.sum())].sum()))


FAR = 2.0  # times the median difference: beyond 0.7 of that, the larger a difference, the less it counts
STEPS = 100  # that the weights of differences are rounded to


def _weighed(differences: Numbers) -> npt.NDArray[np.int64]:
    """Differences as whole numbers by how much each tells: d exp(-(d / s)^2), s being FAR times their median size."""
    middle = float(np.median(np.abs(differences)))
    steps = np.ones(len(differences))  # where most rounds tell nothing, the others tell which was slower, and no more
    if middle > 0:
        weights = np.abs(differences) * np.exp(-((differences / (FAR * middle)) ** 2))
        steps = np.maximum(np.rint(weights / weights.max() * STEPS), 1)
    weighed: npt.NDArray[np.int64] = (steps * np.sign(differences)).astype(np.int64)
    return weighed


def sign_interval(values: Sequence[float] | Numbers) -> Interval:
    """The median with the exact interval of the sign test, which holds for any distribution: from the k-th least to the
    k-th largest value. Of fewer than six values there is none: NaN."""
    known = np.sort(np.asarray(values, dtype=float))
    k = int(stats.binom.ppf((1 - CONFIDENCE) / 2, len(known), 0.5))
    if k < 1:
        return Interval(float(np.median(known)), np.nan, np.nan, len(known))
    return Interval(float(np.median(known)), float(known[k - 1]), float(known[-k]), len(known))


def paired_difference(a: Sequence[float] | Numbers, b: Sequence[float] | Numbers) -> Difference:
    """Compares two allocators of one sweep by their rounds, two at least, both in the order of rounds.

    Were there no difference, either might have taken either time of a round, and the logarithm of their ratio might have
    either sign: p is the share of all signs with which these differences add up to as much (R. Fisher, The Design of
    Experiments (1935), 21). Exact, whatever the noise; what slows a whole round cancels. A difference far beyond the
    others' is one run that was disturbed, and counts for next to nothing (its weight comes down to 0 again, as P. Huber,
    Robust Statistics (1981), 4.8 has it): ranks would make the most of it. The interval is the sign test's, exact as
    well, and wider than the test's own would be. The effect size is how often b took longer in a round less how often a did.
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values cannot be paired with {len(second)}")
    if len(first) < 2:
        raise ValueError("a comparison needs two rounds at least")
    p = _signs_that_differ_as_much(_weighed(np.log(second / first)))
    return Difference(sign_interval(second / first), float(np.sign(second - first).mean()), p)


def rounds_needed(
    alike: Sequence[float] | Numbers, ratio: float, power: float, most: int, level: float = 1 - CONFIDENCE
) -> int:
    """How many rounds paired_difference() needs to find a ratio of b to a at that level in `power` of the comparisons,
    where the ratios of two that are alike scatter as these do: by trying out draws of them. `most` where so many do not
    do."""
    random = np.random.default_rng(SEED)
    scatter = np.asarray(alike, dtype=float) / np.median(alike)
    below, enough = 5, most  # of five, all slower, p is 1 / 16
    while enough - below > 1 + below // 20:
        rounds = (below + enough) // 2
        drawn = random.choice(scatter, (TRIALS, rounds)) * ratio
        found = sum(paired_difference(np.ones(rounds), one).p <= level for one in drawn)
        below, enough = (below, rounds) if found >= power * TRIALS else (rounds, enough)
    return enough


def fewest_runs(comparisons: int, alpha: float = 1 - CONFIDENCE) -> int:
    """How many runs of each the test needs so that it can find anything at all among so many comparisons: below that,
    the least p that it can give, 2 / C(2n, n), stays above alpha / comparisons."""
    n = 2
    least = 2 / 6.0
    while least * comparisons > alpha:
        least *= (n + 1) / (2 * (2 * n + 1))
        n += 1
    return n

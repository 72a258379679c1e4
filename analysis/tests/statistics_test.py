"""statistics_test.py - the analysis' statistics against values worked out by hand, and against what they promise."""

from common import finish, ok

import numpy as np

from analysis import statistics

# Benjamini and Hochberg 1995: sorted p times all over rank, never more than the next one.
ok(
    np.allclose(statistics.corrected([0.01, 0.04, 0.03, 0.005]), [0.02, 0.04, 0.04, 0.02]),
    "the correction of four p-values",
    statistics.corrected([0.01, 0.04, 0.03, 0.005]),
)
ok(statistics.corrected([0.9, 0.8]) == [0.9, 0.9], "a corrected p-value is at most the next larger one's")
ok(statistics.corrected([]) == [], "no comparison needs no correction")

apart = statistics.difference([1, 2, 3, 4, 5], [11, 12, 13, 14, 15])
ok(abs(apart.p - 2 / 252) < 1e-12, "five against five wholly apart: p = 2 / C(10, 5)", apart.p)
ok(apart.delta == 1.0, "every value of b larger than every one of a: delta 1", apart.delta)
ok(statistics.cliffs_delta([1, 2, 3], [1, 2, 3]) == 0.0, "the same against itself: delta 0")
ok(apart.ratio.median == 13 / 3, "the ratio is that of the medians", apart.ratio)
try:
    statistics.difference([1.0], [1.0, 2.0])
    ok(False, "one value cannot be compared")
except ValueError as error:
    ok("two values" in str(error), "one value cannot be compared", error)

ok(
    [statistics.fewest_runs(n) for n in (1, 10, 100)] == [4, 6, 8],
    "runs needed for 1, 10 and 100 comparisons",
    [statistics.fewest_runs(n) for n in (1, 10, 100)],
)

slowed = statistics.paired_ratio([1.1, 2.2, 3.3, 4.4], [1, 2, 3, 4])
ok(
    np.isclose(slowed.median, 1.1) and np.isclose(slowed.high - slowed.low, 0),
    "what slows a whole round cancels in pairs",
    slowed,
)
# Of the 2^8 ways to sign eight differences, two give all the same sign.
found = statistics.paired_difference(range(1, 9), [value * (1.01 + value / 1000) for value in range(1, 9)])
ok(abs(found.p - 2 / 256) < 1e-12, "eight rounds, all slower: p = 2 / 2^8", found)
ok(found.delta == 1.0 and found.ratio.low > 1 and found.sure(), "it is sure, and its effect is 1", found)
same = statistics.paired_difference([1, 2, 3], [1, 2, 3])
ok(same.p == 1.0 and not same.sure() and same.delta == 0.0, "the same against itself: p = 1", same)
equal = statistics.paired_difference([*range(1, 9), 20], [*(value * 1.01 for value in range(1, 9)), 20])
ok(abs(equal.p - 2 / 256) < 1e-12, "a round in which both took as long says nothing", equal)
# Logarithms of 1 1 1 -100, s = 2, weigh 100, 100, 100 and -1 steps: of 16 sums, 299 and 301 and their negatives are as far.
few = statistics.paired_difference(np.ones(4), np.exp([1.0, 1.0, 1.0, -100.0]))
ok(few.p == 4 / 16 and few.delta == 0.5, "a round far off counts for little: p = 4 / 2^4", few)
few = statistics.paired_difference([1, 1, 1, 1, 1], [1.1, 1, 1, 1, 1])
ok(few.p == 1.0, "where most rounds are alike, one that is not says nothing", few)

# Of 9 values, the second least to the second largest: outside with 2 (1 + 9) / 2^9 = 3.9 %; with the next, 18 %.
interval = statistics.sign_interval([5, 1, 9, 2, 8, 3, 7, 4, 6])
ok((interval.low, interval.high, interval.median) == (2, 8, 5), "the sign test's interval of nine", interval)
ok(np.isnan(statistics.sign_interval([1, 2, 3, 4, 5]).low), "five values have none")


def disturbed(random, count, slower=0.0):
    """Times of runs of which one in ten is far slower: the noise of a machine with others on it."""
    late = (random.random(count) < 0.1) * random.uniform(0.05, 0.4, count)
    return np.exp(slower + random.exponential(0.006, count) + random.normal(0, 0.004, count) + late)


def pairs(draw, slower, count):
    random = np.random.default_rng(11)
    return [statistics.paired_difference(draw(random, 15), draw(random, 15, slower)) for _ in range(count)]


def even(random, count, slower=0.0):
    return np.exp(slower + random.normal(0, 0.014, count))


# A binomial's mean and two deviations: 62 and 41 of 1000.
for kind, draw in (("one-sided and heavy-tailed", disturbed), ("normal", even)):
    found = pairs(draw, 0.0, 1000)
    at = [sum(one.p <= level for one in found) for level in (0.05, 0.03)]
    ok(at[0] <= 63 and at[1] <= 41, f"{kind} noise: the test errs no more often than its level, 5 % and 3 %", at)
found = [sum(one.p <= 0.03 for one in pairs(disturbed, slower, 300)) for slower in (0.02, 0.05)]
ok(min(found) >= 0.95 * 300, "of 2 and 5 % in such noise, 15 rounds find 95 in 100", found)
needs = statistics.rounds_needed(np.exp(np.random.default_rng(2).normal(0, 0.03, 400)), 1.02, 0.9, 200)
# Of a normal distribution the mean alone would take (1.96 + 1.28)^2 (3/2)^2 = 24, signs 3.14 / 2 times that; both at once more.
ok(24 <= needs <= 75, "rounds needed for 2 % in 3 % of noise", needs)
for first, second, said in (([1.0], [1.0], "two rounds"), ([1.0, 2.0], [1.0], "cannot be paired")):
    try:
        statistics.paired_difference(first, second)
        ok(False, f"refused: {said}")
    except ValueError as error:
        ok(said in str(error), f"refused: {said}", error)
drifting = [1, 2, 4, 8, 16, 32, 64, 128]
slowed = [value * 1.02 for value in drifting]
ok(
    statistics.paired_difference(drifting, slowed).sure()
    and not statistics.difference(drifting, slowed).sure(),
    "2 % within drift: seen in pairs, not in two heaps of values",
)

alone = statistics.median_interval([3.0])
ok(alone.median == 3.0 and np.isnan(alone.low) and alone.n == 1, "one value has a median, and no interval")
ok(np.isnan(statistics.median_interval([]).median), "no value has no median")
ok(
    statistics.median_interval(list(range(15))) == statistics.median_interval(list(range(15))),
    "the same rows give the same interval",
)

# The interval of the median of 15 values of a skewed distribution holds the true median about as often as it says.
random = np.random.default_rng(7)
trials, true = 400, np.exp(0.0)
held = 0
for _ in range(trials):
    interval = statistics.median_interval(random.lognormal(0.0, 0.5, 15))
    held += interval.low <= true <= interval.high
ok(
    0.90 <= held / trials <= 0.99,
    "a 95 % interval holds the true median 90 to 99 times of 100",
    held / trials,
)

# Samples of one distribution: the share of alarms is the level asked for, or less.
alarms = sum(
    statistics.difference(random.lognormal(0, 0.1, 9), random.lognormal(0, 0.1, 9)).p <= 0.05
    for _ in range(400)
)
ok(
    alarms / 400 <= 0.08,
    "two samples of one distribution differ at the 5 % level in some 5 of 100",
    alarms / 400,
)

finish()

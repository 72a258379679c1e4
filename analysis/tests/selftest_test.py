"""selftest_test.py - what ./selftest concludes of noise whose making is known, and that it runs.

The noise is that of a shared machine: it drifts from round to round and more from sweep to sweep, and some runs are far
off. Drift slows all copies of a round alike.
"""

import copy
import os
import subprocess
import sys

from common import BUILD, finish, measured, ok, replay, source, throughput_rows, work, written

import numpy as np

from analysis import selftest_repeat, selftest_stat, worst_case
from analysis.load import latency_unit, load

SWEEPS, ROUNDS = 100, 15


def noisy_pool(slower, spread=0.01, drift=0.01, seed=1):
    """Times of copies that are this much slower than 9 ns/op; `spread` of a run and `drift` of a round, as shares."""
    random = np.random.default_rng(seed)
    level = np.zeros(SWEEPS * ROUNDS)
    for place in range(1, len(level)):
        level[place] = 0.95 * level[place - 1] + random.normal(0, drift * 0.3)
    rounds = 9 * np.exp(level.reshape(SWEEPS, ROUNDS))
    pool = {}
    for number, percent in enumerate(slower):
        run = random.normal(0, spread, rounds.shape)
        run += (random.random(rounds.shape) < 0.05) * random.exponential(0.3, rounds.shape)
        pool[number] = rounds * (1 + percent) * np.exp(run)
    return pool


# ---- False alarms and what is found ------------------------------------------------------------------------------------

pool = noisy_pool(selftest_stat.PLANTED)
findings = selftest_stat.findings(pool)
within, between, compared = findings.ways
ok(
    1 <= within.counts[0].found <= 0.05 * SWEEPS,
    "no difference: found in at most 5 of 100 sweeps, and not never",
    within,
)
ok(within.counts[2].share >= 0.9, "2 % slower: found 9 times of 10", within)
ok(within.counts[3].share == 1.0, "5 % slower: always found", within)
ok(within.counts[1].share < 0.9, "1 % slower: not found 9 times of 10 in this noise", within)
ok(0.01 < within.smallest <= 0.02, "the smallest that is found lies between", within)
ok(findings.faults() == [], "nothing is wrong with that", findings.faults())
ok(
    between.counts[0].n == SWEEPS - 1 and between.counts[0].share > 0.05,
    "sweeps that drifted apart differ more often than in 5 of 100 by the test alone",
    between,
)
ok(compared.counts[0].share <= 0.05, "./compare's threshold keeps these out", compared)
ok(
    abs(findings.slower[2].median - 1.02) < 0.002 and findings.slower[2].n == SWEEPS * ROUNDS,
    "how much slower a copy was is taken from all rounds",
    findings.slower,
)

scatter = {selftest_stat.A: pool[0], selftest_stat.A_AGAIN: pool[1]}
few = selftest_stat.rounds_for(scatter, 100)
ok(few == selftest_stat.FEWEST_ROUNDS, "where all is calm, the fewest rounds are done", few)
many = selftest_stat.rounds_for(noisy_pool((0, 0), spread=0.03), 200)
ok(few < many < 200, "three times the noise takes more", many)
ok(selftest_stat.rounds_for(noisy_pool((0, 0), spread=0.5), 40) == 40, "and never more than there is time for")

pair = selftest_stat.joined({0: np.arange(10).reshape(5, 2)}, 2)[0]
ok(pair.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]], "neighbouring sweeps made one", pair)


def counts(*found):
    way = selftest_stat.Way("", [selftest_stat.Count(number, 200) for number in found], None)
    return selftest_stat.Findings([], [way], ROUNDS)


ok(counts(10, 20, 180, 200).faults() == [], "5 % alarms, 2 % found 9 times of 10: as promised")
wrong = counts(30, 20, 179, 200).faults()
ok(
    len(wrong) == 2 and "more false alarms" in wrong[0] and "2% was found in fewer" in wrong[1],
    "15 % alarms, 2 % found less often: both are faults",
    wrong,
)
hopeless = {number: values[:10] for number, values in noisy_pool(selftest_stat.PLANTED, spread=1.0).items()}
hopeless = selftest_stat.smallest_found(hopeless, selftest_stat.within_sweeps, selftest_stat.found_in_rounds)
ok(hopeless is None, "where nothing can be told apart, that is said", hopeless)

# Clopper and Pearson: of none in n, the upper bound is 1 - 0.025^(1/n).
low, high = selftest_stat.Count(0, 200).interval()
ok(low == 0 and abs(high - (1 - 0.025 ** (1 / 200))) < 1e-9, "the interval of 0 of 200", (low, high))

turns = selftest_stat.turns_for({0: np.full((1, 9), 10.0), 1: np.full((1, 9), 12.0)})
ok(turns == [0, 0, 200, 400, 1000], "4000 turns add 20 %: 200 add 1 %", turns)
try:
    selftest_stat.turns_for({0: np.full((1, 9), 10.0), 1: np.linspace(9, 11, 9).reshape(1, 9)})
    ok(False, "a machine too noisy to set the slowdowns")
except ValueError as error:
    ok("4000 turns" in str(error), "a machine too noisy to set the slowdowns", error)

# ---- Two sweeps --------------------------------------------------------------------------------------------------------

TIMES = {"one.trace": {"null": [2.0] * 3, "slab": [10.0, 10.2, 30.0], "tlsf": [20.0] * 3}}
LATER = {"one.trace": {"null": [2.0] * 3, "slab": [10.1, 10.1, 10.3], "tlsf": [21.0] * 3}}


def latency_rows(worst, seen, visits=None):
    """Rows of the latency pass of one allocator, a run each: the worst case, whatever op has it, the slowest call, the
    visit."""
    row = measured("--alloc=slab", "--runs=1", "--passes=latency")[0]
    del row["figures"]["slowest_ops"]
    made = []
    for run, (visit, *figures) in enumerate(zip(visits or range(len(worst)), worst, seen)):
        row = copy.deepcopy(row)
        row["trace"]["name"], row["run"], row["settings"]["seed"] = "one.trace", run, visit
        row["figures"].update(zip(("worst_of_least_ns", "max_ns"), figures))
        made.append(row)
    return made


def selftest(*args):
    return subprocess.run(
        [sys.executable, os.path.join(BUILD, "selftest"), *args], capture_output=True, text=True, timeout=300
    )


first = written(throughput_rows(TIMES) + latency_rows([900, 500, 400, 700, 600], [9000, 8000, 7000, 9000, 9000]))
second = written(throughput_rows(LATER, memory_load_ns=120.0) + latency_rows([800, 420, 420], [3000, 90000, 2000]))
time, one_state, of_all, fastest, cycles, whole, memory, worst, usual, seen = selftest_repeat.agreements(
    load([first]), load([second])
)
ok(
    np.allclose(time.table["apart"], [0, 10.2 / 10.1 - 1, 0.05]),
    "times: medians of the runs are compared, the larger over the smaller",
    time.table,
)
ok(list(time.outside().index) == [("one.trace", "tlsf")], "5 % apart is outside of 3 %", time.outside())
ok(np.allclose(fastest.table["apart"], [0, 0.01, 0.05]), "and the fastest of them", fastest.table)
ok(
    np.allclose(memory.table["apart"], 0.2) and memory.outside().empty,
    "memory is told, of which nothing is asked",
    memory.table,
)
ok(
    np.allclose(cycles.table["apart"], time.table["apart"]) and cycles.outside().empty,
    "in cycles they are told, too",
    cycles.table,
)
ok(list(one_state.outside().index) == [("one.trace", "tlsf")], "nor at one clock rate and load", one_state.table)
ok(whole.outside().empty, "of whole replays nothing is asked", whole.outside())
ok(
    np.isclose(worst.table["apart"].item(), 0.05) and worst.outside().empty,
    "worst cases: that of all runs of all visits",
    worst.table,
)
ok(
    np.isclose(usual.table["apart"].item(), 600 / 420 - 1) and usual.outside().empty,
    "and of the row in the middle, of which nothing is asked",
    usual.table,
)
ok(
    np.isclose(seen.table["apart"].item(), 9.0) and seen.outside().empty,
    "the slowest call seen may differ tenfold",
    seen.table,
)
result = selftest("repeat", "--from", first, second)
ok(
    result.returncode == 1 and "tlsf" in result.stdout and "2 of 3" in result.stdout,
    "what is outside is named, exit code 1",
    result,
)
few = written(throughput_rows({"one.trace": {"slab": [10.0] * 3, "tlsf": [20.0] * 2}}))
time = selftest_repeat.agreements(load([first]), load([few]))[0]
ok(
    time.left_out == ["tlsf on one.trace"] and list(time.table.index) == [("one.trace", "slab")],
    "two runs are too few to compare, and that is said",
    time,
)
crowded = throughput_rows({"one.trace": {"slab": [10.0, 10.2, 10.4, 12.0, 12.0, 12.0, 12.0], "tlsf": [20.0] * 3}})
for row in crowded:
    row["condition"]["core"]["cache_shared"] = row["figures"]["ns_per_op"] > 11
crowded = load([written(crowded)])
time = selftest_repeat.agreements(load([first]), crowded)[0]
ok(
    np.allclose(time.table["apart"], 0) and len(time.table) == 2,
    "runs of a shared cache do not count where there are three others",
    time.table,
)
crowded.table.loc[crowded.table["spec"] == "slab", "shared"] = [False, False] + [True] * 5
time = selftest_repeat.agreements(load([first]), crowded)[0]
ok(np.allclose(sorted(time.table["apart"]), [0, 12 / 10.2 - 1]), "of two others, all count", time.table)


def disturbed(quiet, load_name="memory_load_ns", others_ns=115.0):
    """Rows of which so many of slab had a load of 100 to 109 ns and 10 ns/op, the others a longer one and 12; tlsf's, too."""
    made = throughput_rows({"one.trace": {"slab": [10.0] * quiet + [12.0] * 5, "tlsf": [20.0] * 3 + [22.0] * 5}})
    loads = [*np.linspace(100, 109, quiet), *[others_ns] * 5, *np.linspace(100, 109, 3), *[others_ns] * 5]
    for row, load_ns in zip(made, loads):
        row["condition"]["core"][load_name] = load_ns
    return load([written(made)])


for quiet, slab, what in (
    (3, 10.2 / 10 - 1, "runs that neighbours disturbed do not count in the time"),
    (2, 12 / 10.2 - 1, "where there are two others only, all do"),
):
    times = {one.figure.title: one for one in selftest_repeat.agreements(load([first]), disturbed(quiet))}
    found = times["time"].table["apart"]
    ok(np.allclose(found[[("one.trace", "slab"), ("one.trace", "tlsf")]], [slab, 0]), what, found)
for others_ns, tlsf, what in (
    (155.0, 0, "nor those that most of the last cache was filled in"),
    (115.0, 0.1, "but some of it may be"),
):
    found = selftest_repeat.agreements(load([first]), disturbed(3, "last_cache_load_ns", others_ns))[0].table["apart"]
    ok(np.isclose(found["one.trace", "tlsf"], tlsf), what, found)
of_all = times["time of all runs"]
ok(
    np.isclose(of_all.table["apart"]["one.trace", "tlsf"], 0.1) and of_all.outside().empty,
    "in that of all runs they do, of which nothing is asked",
    of_all.table,
)
noisy = disturbed(3)
noisy.table["memory_load_ns"] = 110.0
for sweeps in ((disturbed(3), noisy), (noisy, disturbed(3))):
    found = selftest_repeat.agreements(*sweeps)[0].table["apart"]
    ok(np.allclose(found, 0), "runs are disturbed by the bar of the sweep that had it less quiet", found)
unknown = disturbed(3)
unknown.table["memory_load_ns"] = None
time = selftest_repeat.agreements(load([first]), unknown)[0]
ok(np.allclose(time.table["apart"].max(), 12 / 10.2 - 1), "a run whose load is not known counts", time.table)


def drifting(seed, slower=1.0, busy=1.0, ghz=3.0, power=0.5, runs=20, clock=True, spread=0.1):
    """A sweep's rows of slab, which takes 10 ns with a load of 100 ns at 3 GHz, and goes with this power of the load, the
    rest with the clock; the load is `busy` times as long, and scatters. One run took thrice the time."""
    random = np.random.default_rng(seed)
    loads = 100 * busy * np.exp(random.normal(0, spread, runs))
    scatter = np.exp(random.normal(0, 0.002, runs))
    times = 10 * slower * (loads / 100) ** power * (3 / ghz) ** (1 - power) * scatter
    times[0] *= 3
    made = throughput_rows({"one.trace": {"slab": list(times)}})
    for row, load_ns in zip(made, loads):
        row["condition"]["core"]["memory_load_ns"] = load_ns
        row["figures"]["cycles_per_op"] = row["figures"]["ns_per_op"] * ghz if clock else None
    return load([written(made)])


def later_over_first(before, after):
    """Of the time as measured, and at one clock rate and load."""
    found = {one.figure: one.table for one in selftest_repeat.agreements(before, after)}
    return [(found[figure]["second"] / found[figure]["first"]).item() for figure in selftest_repeat.FIGURES[:2]]


QUIET = drifting(1)
for later, expected, what in (
    (dict(busy=1.3), 1, "a load that takes longer"),
    (dict(ghz=2.8), 1, "a clock that is slower"),
    (dict(busy=1.3, ghz=2.8), 1, "both"),
    (dict(slower=1.05), 1.05, "an allocator that is slower is"),
    (dict(slower=1.05, busy=1.3), 1.05, "so is one that is slower beside them"),
    (dict(slower=1.05, busy=0.9, ghz=3.2), 1.05, "or where they are quicker"),
    (dict(busy=1.3, runs=4), 1, "four runs of one that has more in the other sweep"),
):
    seen, moved = later_over_first(QUIET, drifting(2, **later))
    ok(abs(moved - expected) < 0.01 and abs(seen - 1) > 0.015, f"at one clock rate and load: {what}", (seen, moved))
seen, moved = later_over_first(drifting(1, power=0), drifting(2, power=0, busy=1.3))
ok(abs(moved - 1) < 0.005, "one whose runs do not go with the load is not moved by it", (seen, moved))
seen, moved = later_over_first(drifting(1, power=0, ghz=3), drifting(2, power=0, ghz=2.8))
ok(abs(seen - 3 / 2.8) < 0.005 and abs(moved - 1) < 0.005, "but by the clock wholly", (seen, moved))
seen, moved = later_over_first(drifting(1, power=1), drifting(2, power=1, busy=1.3, ghz=2.8))
ok(abs(seen - 1.3) < 0.1 and abs(moved - 1) < 0.005, "one that does nothing but loads, by the load wholly", (seen, moved))
seen, moved = later_over_first(drifting(1, spread=0), drifting(2, spread=0, slower=1.05))
ok(abs(moved - 1.05) < 0.005, "where all loads of a sweep were the same, they explain nothing", (seen, moved))
seen, moved = later_over_first(drifting(1, runs=4), drifting(2, runs=4, busy=1.3))
ok(moved > 1.05, "nor with four runs in each", (seen, moved))


def with_most(results):
    """Their loads of most of the last cache are what their loads of a part were, which are of no use now."""
    table = results.table
    random = np.random.default_rng(4)
    results.table = table.assign(
        last_cache_load_ns=table["memory_load_ns"], memory_load_ns=random.uniform(90, 110, len(table))
    )
    return results


seen, moved = later_over_first(with_most(drifting(1)), with_most(drifting(2, busy=1.3)))
ok(abs(moved - 1) < 0.01, "of two loads that which the times go with counts", (seen, moved))
seen, moved = later_over_first(drifting(1), with_most(drifting(2)))
ok(abs(moved / seen - 1) < 0.1, "one that is known in one sweep only does not", (seen, moved))
ONE_STATE = selftest_repeat.FIGURES[1]
found = [one.figure for one in selftest_repeat.agreements(QUIET, drifting(2, clock=False))]
ok(ONE_STATE not in found and selftest_repeat.FIGURES[0] in found, "there is none where no clock rate is known", found)
scattered = drifting(3, spread=0.02)
ok(len(selftest_repeat.unsteady(scattered)) == 0, "a time that is known well in both ways needs no more runs")
for more in (dict(power=0.5), dict(power=0.5, clock=False)):
    found = selftest_repeat.unsteady(drifting(3, **more))
    ok(found == [("one.trace", "slab")], f"one that is not known well as measured does: {more}", found)
result = selftest("repeat", "--from", first, first)
ok(
    result.returncode == 0 and "farther" not in result.stdout,
    "a sweep agrees with itself, exit code 0",
    result,
)

# ---- The program -------------------------------------------------------------------------------------------------------

slowed = os.path.join(BUILD, "driver", "tests", "slowed.so")
shipped = os.path.join(source, "traces", "sqlite3.trace")
result = replay(f"--alloc={slowed}:work=100", "--passes=verify", shipped)
ok(result.returncode == 0, "the slowed copy is a right allocator", result)

rows = os.path.join(work.name, "stat.jsonl")
for calibration in [12] * 5 + [80] * 5:  # others may be so much in the way that it cannot set the slowdowns, as it says
    result = selftest(
        "stat",
        "--sweeps=2",
        "--rounds=2",
        f"--calibration={calibration}",
        f"--trace={shipped}",
        f"--output={rows}",
    )
    if "too noisy" not in result.stderr:
        break
ok(
    result.returncode in (0, 1)
    and "itself, slower by 2%" in result.stdout
    and "Traceback" not in result.stderr,
    "two sweeps measured and judged",
    result,
)
again = selftest("stat", "--from", rows)
ok(again.stdout == result.stdout, "their rows judged again: the same", again.stdout)
pool = selftest_stat.pool_of(load([rows]))
ok(
    sorted(pool) == [0, 1, 2, 3, 4] and {values.shape for values in pool.values()} == {(2, 2)},
    "rows by copy, sweep and round",
    pool,
)
with open(rows, encoding="utf-8") as file:
    cut = written(file.read().splitlines()[:-1])
pool = selftest_stat.pool_of(load([cut]))
ok({values.shape for values in pool.values()} == {(1, 2)}, "a sweep that was cut off is left out", pool)

TO_STEADY = {"slab": [10.0, 10.1] * 4, "tlsf": [10.0, 10.5] * 4, "pool": [10.0] * 5}
for times, more, what in (
    (TO_STEADY, ["tlsf", "pool"], "who has few runs is to have more, and takes no turn from who scatters"),
    ({"slab": [10.0, 10.1] * 4, "pool": [10.0] * 5}, ["pool"], "nor needs one that does"),
    ({**TO_STEADY, "pool": [10.0] * 6}, ["tlsf"], "then who scatters only"),
    ({**TO_STEADY, "pool": [10.0, 10.4] * 4}, ["tlsf", "pool"], "and who does nearly as much"),
    ({**TO_STEADY, "pool": [10.0, 10.2] * 4}, ["tlsf"], "but not yet who does less"),
    ({"pool": [10.0, 10.2] * 4}, ["pool"], "until the others do no more"),
    ({"slab": [10.0, 10.1] * 4}, [], "nor who hardly does"),
):
    found = selftest_repeat.unsteady(load([written(throughput_rows({"one.trace": times}))]))
    ok(found == [("one.trace", name) for name in more], what, found)
known = written(throughput_rows({"one.trace": TO_STEADY}) + latency_rows([400] * 15, [9000] * 15))
few = written(throughput_rows({"one.trace": {"slab": [10.0] * 3}}) + latency_rows([400] * 14, [9000] * 14))
result = selftest("repeat", "--from", known, few)
ok(
    "first: 2 of 3 times are not known to 0.75% (more --minutes); a load" in result.stdout
    and "second: 1 of 1 times are not known to 0.75%, 1 of 1 worst cases may fall yet (more" in result.stdout,
    "what a sweep was too short to know is said",
    result,
)
known = written(throughput_rows({"one.trace": {"slab": [10.0, 10.1] * 4}}))
result = selftest("repeat", "--from", known, known)
ok("first: a load" in result.stdout, "nothing of a sweep that knows all", result)
slow = written(throughput_rows({"one.trace": {"slob": [1e9] * 3, "slab": [10.0] * 3}}))
ok(selftest_repeat.quick(load([slow])) == [("one.trace", "slab")], "but not who takes seconds for a replay")
found = selftest_repeat.wanted_visits(load([slow]))
ok(found == {("one.trace", "slob"): 5, ("one.trace", "slab"): 15}, "whose worst case takes long is visited less", found)

for worst, visits, settled, what in (
    ([400, 700, 410, 900], None, True, "a worst case that three more visits did not lower"),
    ([410, 700, 400, 900], None, True, "nor by more than 3 %"),
    ([700, 410, 400, 900], None, False, "one that they did"),
    ([410] * 8 + [390] + [410] * 3, None, False, "one that the last four of twelve did, though not the last three"),
    ([400, 410, 420], None, False, "one of three visits"),
    ([400, 500, 405, 410], [0, 1, 1, 1], False, "one of two visits, of which one has three runs"),
):
    latencies = load([written(latency_rows(worst, [9000] * len(worst), visits))])
    found = selftest_repeat.unsettled(latencies, {("one.trace", "slab"): selftest_repeat.FEWEST_RUNS})
    ok(found == ([] if settled else [("one.trace", "slab")]), f"{what}: {'settled' if settled else 'more visits'}", found)

latencies = load([written(latency_rows([400] * 4, [9000] * 4, None))])
ok(
    [selftest_repeat.unsettled(latencies, {("one.trace", "slab"): wanted}) for wanted in (4, 5)] == [[], [("one.trace", "slab")]],
    "alike in few visits is not enough where many are short",
)
for pages, kept in (("arena", {"libc"}), ("avl", {"libc"}), ("mmap", {"libc", "slab"})):
    there = load([written(measured("--alloc=null,libc,slab", f"--pages={pages}", "--runs=1", "--passes=throughput"))])
    found = {spec: visits for (_, spec), visits in selftest_repeat.wanted_visits(there).items() if spec != "null"}
    ok(
        found == {spec: 10 if spec in kept else 15 for spec in ("libc", "slab")},
        f"whose heap is not in the arena, with pages of {pages}, and so is visited less: {', '.join(sorted(kept))}",
        found,
    )


def of_ops(least, others):
    """Figures of a run whose slowest ops took so many ns at least, {index: ns}."""
    return {"slowest_ops": {"index": list(least), "least_ns": list(least.values()), "others_least_ns": others}}


for runs, worst, what in (
    ([of_ops({1: 10, 2: 8}, 5)], 10, "of one run, the worst case is that of its slowest op"),
    ([of_ops({1: 10, 2: 8}, 5), of_ops({2: 9, 3: 7}, 6)], 8, "of two, no op's is more than in either"),
    ([of_ops({1: 10}, 5), of_ops({2: 10}, 7)], 7, "nor than those that a run has not took in it at most"),
    ([of_ops({}, 5), of_ops({1: 3}, 2)], 3, "whatever these are"),
    ([of_ops({1: 10, 2: 8}, 5), {"worst_of_least_ns": 9}], 9, "a row without ops has its worst case for all"),
):
    found = worst_case.of_runs(runs)
    ok(found == worst, what, found)
both = measured("--alloc=slab", "--runs=2", "--passes=latency")
unit = latency_unit(both[0]["figures"])
found = worst_case.of_runs([row["figures"] for row in both], unit)
ok(
    abs(found / both[1]["figures"][f"worst_of_least_{unit}"] - 1) < 1e-6,
    "two runs that know of each other found the same",
    found,
)

output = os.path.join(work.name, "repeat")
for minutes in (0.7, 2):  # a machine may be too slow to do more than the fewest runs in the one
    result = selftest(
        "repeat",
        "--runs=3",
        "--settle=0",
        f"--minutes={minutes}",
        "--alloc=slab",
        f"--output={output}",
        "model:churn:live=300:ops=20000",
    )
    passes = {name: load([f"{output}-first.jsonl"]).of_pass(name) for name in ("throughput", "latency")}
    runs = {name: rows_of.groupby("spec").size() for name, rows_of in passes.items()}
    if runs["throughput"].max() > 3:
        break
ok(
    result.returncode in (0, 1) and "time of whole replays" in result.stdout and "Traceback" not in result.stderr,
    "three sweeps compared",
    result,
)
ok(runs["throughput"].min() >= 3 and runs["throughput"].max() > 3, "few runs are followed by more, while there is time", runs)
at_once = passes["throughput"]["run"].max() + 1
ok(at_once == 4, "by some at once of times that are known worst", at_once)
ok(runs["latency"].index.tolist() == ["slab"] and runs["latency"].min() >= 3, "each has visits of latency, but null", runs)

for name, args, code, said in (
    ("no command", [], 2, "stat|repeat"),
    ("one sweep", ["stat", "--sweeps=1"], 2, "1 is less than 2"),
    ("more sweeps joined than there are", ["stat", "--from", rows, "--join=2"], 3, "too few sweeps"),
    ("a trace that is not there", ["stat", "--trace=/no/such", f"--output={rows}"], 3, "/no/such"),
    ("rows of one sweep", ["repeat", "--from", first], 2, "two sweeps"),
    ("too few runs", ["repeat", "--runs=2"], 2, "2 is less than 3"),
    ("two traces of one name", ["repeat", shipped, shipped], 2, "two traces are named sqlite3.trace"),
    ("rows of something else", ["stat", "--from", first], 3, "no whole sweep"),
    ("a file that cannot be written", ["stat", "--output=/dev/null/rows"], 4, "/dev/null"),
):
    result = selftest(*args)
    ok(
        result.returncode == code and said in result.stderr and "Traceback" not in result.stderr,
        f"{name}: exit code {code}, and why",
        result,
    )

finish()

"""summary_test.py - what one chooses by, and the Pareto set."""

import copy
from dataclasses import replace

from common import finish, measured, ok, written

import pandas as pd

from analysis.answer import answers, sentences
from analysis.load import load, own_worst
from analysis.summary import best, overall, pareto, studies

table = pd.DataFrame(
    {
        "time": [1.0, 2.0, 3.0, 2.0, 9.0],
        "memory": [3.0, 2.0, 1.0, 2.0, 9.0],
        "worst": [5.0, 5.0, 5.0, 6.0, None],
    },
    index=["fast", "middle", "small", "bettered", "unknown"],
)
columns = ["time", "memory", "worst"]
ok(
    pareto(table, columns) == ["fast", "middle", "small"],
    "what another betters in one and matches in the rest is out",
)
twins = pd.DataFrame({"time": [1.0, 1.0], "memory": [1.0, 1.0]}, index=["a", "b"])
ok(pareto(twins, ["time", "memory"]) == ["a", "b"], "two alike are both in")
ok(pareto(table.iloc[4:], columns) == [], "what lacks a figure is not judged")
ok(
    best(table, "memory") == "small" and best(table.iloc[4:], "worst") is None,
    "the least of a column, or nobody",
)

rows = measured("--alloc=null,watermark,slab,libc", "--runs=2", "--passes=space,throughput,latency")
found = list(studies(load([written(rows)])))
ok(
    len(found) == 1 and set(found[0].table.index) == {"watermark", "slab", "libc"},
    "yardsticks are not chosen",
    found,
)
ok(
    found[0].table[["time", "memory", "worst"]].notna().all().all(),
    "every axis has its figure",
    found[0].table,
)
times = [
    r["figures"]["above_floor_ns_per_op"]
    for r in rows
    if r["pass"] == "throughput" and r["allocator"]["spec"] == "slab"
]
ok(
    abs(found[0].table.loc["slab", "time"] - sum(times) / 2) < 1e-9,
    "the time is the median of the runs",
    times,
)
once = [row for row in rows if row["run"] == 0 or row["pass"] == "space"]
ok(
    next(studies(load([written(once)]))).table["worst"].isna().all(),
    "one run cannot tell an allocator's own worst from an interrupt",
)
ok(found[0].axes()[2] == "worst", "without instructions the slowest op stands for the worst case")

ok(
    not list(studies(load([written([row for row in rows if row["allocator"]["spec"] == "null"])]))),
    "a trace with a yardstick alone has nothing to choose",
)

copied = [{**row, "trace": {**row["trace"], "name": "copy.trace"}} for row in rows]
ok(
    [(study.trace, len(study.table)) for study in studies(load([written(rows + copied)]))]
    == [(found[0].trace, 3), ("copy.trace", 3)],
    "a trace and its copy under another name are two",
)

# No run can make the least time of an op longer: of a cell's rows over several runs, the least has the worst case.
timed = [row for row in rows if row["pass"] == "latency" and row["allocator"]["spec"] == "slab"]


def sweep(*worst):
    """Rows of a sweep: the own worst case, over one run, two, and so on."""
    made = [copy.deepcopy(timed[0]) for _ in worst]
    for run, (row, ns) in enumerate(zip(made, worst)):
        row["run"] = run
        row["figures"].update(worst_of_least_ns=ns, worst_of_least_runs=run + 1)
    return made


for sweeps, line, what in (
    ([sweep(900, 600, 500)], 3, "of a sweep, its last row counts"),
    ([sweep(900, 600, 500)[::-1]], 1, "wherever it stands"),
    ([sweep(900, 500, 500)], 3, "though it is as the one before"),
    ([sweep(900, 500), sweep(900, 800, 700)], 2, "of two, that with the least worst case, though the other has more runs"),
    ([sweep(900, 800, 700), sweep(900, 500)], 5, "or comes first"),
    ([sweep(900, 500), sweep(400)], 2, "but that of one run may be of anything"),
    ([sweep(900, 500, None)], 3, "less than a step of the clock is the least"),
):
    known = own_worst(load([written(sum(sweeps, []))]).table, "worst_of_least_ns")
    ok(list(known["line"]) == [line], what, known)
known = own_worst(load([written([timed[0], timed[0]])]).table, "worst_of_least_ns")
ok(known.empty, "two sweeps of one run each are not two runs", known)

# Of the two worst cases, the exact one where all have it that have the rest.
exact = replace(found[0], table=found[0].table.assign(time=[1.0, 2.0, 3.0], worst_instructions=[10.0, 20.0, 30.0]))
ok(exact.axes()[2] == "worst_instructions", "the worst case is exact where it was counted")
failing = exact.table.copy()
failing.loc["slab"] = float("nan")
ok(
    replace(exact, table=failing).axes()[2] == "worst_instructions",
    "one that failed takes it from nobody",
    failing,
)
failing = exact.table.copy()
failing.loc["slab", "worst_instructions"] = float("nan")
ok(replace(exact, table=failing).axes()[2] == "worst", "one that was not counted does")
ok(
    answers([exact])[0].worst_axis in " ".join(sentences([exact])),
    "words and table are of the same worst case",
    sentences([exact]),
)

# A time that is lost in the floor's noise has no ratio.
near = exact.table.copy()
near.loc["slab", "time"] = -0.02
both = overall([exact, replace(exact, table=near)])
ok(
    (abs(both["time"] - overall([exact])["time"]) < 1e-9).all() and (both["memory"] >= 1).all(),
    "a trace where somebody's time is the floor's is left out of the mean of times",
    both,
)
ok(
    any("no more than the floor" in sentence for sentence in sentences([exact, replace(exact, table=near)])),
    "and that is said",
)

means = overall([found[0], found[0]])
ratios = found[0].table["memory"] / found[0].table["memory"].min()
ok(
    (abs(means["memory"] - ratios) < 1e-9).all(),
    "the overall mean of a trace and itself is that trace",
    means,
)
ok(overall([]).empty, "no trace has no overall")

finish()

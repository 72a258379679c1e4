"""summary_test.py - what one chooses by, and the Pareto set."""

from common import finish, measured, ok, written

import pandas as pd

from analysis.load import load
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

means = overall([found[0], found[0]])
ratios = found[0].table["memory"] / found[0].table["memory"].min()
ok(
    (abs(means["memory"] - ratios) < 1e-9).all(),
    "the overall mean of a trace and itself is that trace",
    means,
)
ok(overall([]).empty, "no trace has no overall")

finish()

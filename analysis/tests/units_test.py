"""units_test.py - latency in nanoseconds, in cycles and of batches of ops: each has columns, axes and comparisons of its
own, and nothing of two units is put together."""

import os
import re
import subprocess
import sys

from common import BUILD, finish, in_cycles, measured, ok, skip, work, written

from analysis import figures, style, summary
from analysis.load import load

NAMES = "--alloc=null,slab,tlsf"
single = measured(NAMES, "--runs=3", "--passes=latency,throughput,space", "--latency-batch=1", "--clock=timer")
batches = measured(NAMES, "--runs=3", "--passes=latency", "--latency-batch=16", "--clock=timer")
cycles = [in_cycles(row) if row["pass"] == "latency" else row for row in single]
for row in [*single, *batches, *cycles]:
    row["trace"]["name"] = "small.trace"
UNITS = {"ns": single, "cycles": cycles, "ns_per_op": batches}


def run(program, *args):
    command = [sys.executable, os.path.join(BUILD, program), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=work.name)


files = {unit: written(rows) for unit, rows in UNITS.items()}
for unit, path in files.items():
    results = load([path])
    ok(not results.problems and len(results.table), f"{unit}: the schema knows such rows", results.problems)
    (table,) = figures.tables(results, style.order_of)
    columns = [column for column in table.columns if column.pass_name == "latency"]
    ok([column.latency_unit for column in columns] == [unit] * 3, f"{unit}: columns of it, and of no other", columns)
    tail, own, seen = (table.lines["slab"][column.name] for column in columns)
    rows = [row["figures"] for row in UNITS[unit] if row["pass"] == "latency" and row["allocator"]["spec"] == "slab"]
    ok(
        own.value == rows[-1][f"worst_of_least_{unit}"] and seen.value == max(row[f"max_{unit}"] for row in rows),
        f"{unit}: the figures are the rows'",
        (own, seen),
    )
    (study,) = summary.studies(results)
    ok(study.table.loc["slab", "worst"] == own.value, f"{unit}: the answer is of it", study.table)
    ok(study.worst_unit.startswith(unit.replace("_per_", "/")), f"{unit}: and says so", study.worst_unit)
    result = run("compare", path, path, "--all")
    said = re.findall(r"slowest op, own \[(.*?)\].*not judged", result.stdout)
    ok(result.returncode == 0 and set(said) == {study.worst_unit}, f"{unit}: compared in it, and not judged", result)

result = run("compare", files["ns"], files["cycles"], "--all")
ok(
    result.returncode == 0 and "slowest op" not in result.stdout and "latency was in ns, is in cycles" in result.stderr,
    "ns and cycles are not compared, and that is said",
    result,
)

# One allocator by batches, the others call by call: a dash and the reason, no figure of another unit.
mixed = [row for row in single if row["allocator"]["spec"] != "slab"]
mixed += [row for row in batches if row["allocator"]["spec"] == "slab"]
(table,) = figures.tables(load([written(mixed)]), style.order_of)
ok(
    table.lines["slab"]["own_worst"].note == "measured in ns/op of a batch"
    and table.lines["slab"]["own_worst_ns_per_op"].value > 0
    and not table.lines["tlsf"]["own_worst_ns_per_op"].value > 0,
    "two units on one trace: each under its own column",
    table.lines["slab"],
)
both = [row for row in single + batches if row["allocator"]["spec"] == "slab"]
(table,) = figures.tables(load([written(both)]), style.order_of)
counted = [len(table.lines["slab"][name].rows) for name in ("p999", "p999_ns_per_op")]
ok(counted == [3, 3], "one allocator in two units: each figure of the rows of its own", counted)

page = run("publish", files["cycles"], "--output=cycles.html")
with open(os.path.join(work.name, "cycles.html"), encoding="utf-8") as file:
    text = file.read()
ok(
    page.returncode == 0 and 'data-figure="own_worst_cycles"' in text and "time of a call [cycles]" in text,
    "the report has them, in its tables and its picture",
    page,
)
try:
    import matplotlib.pyplot  # noqa: F401
except ImportError:
    skip("the picture", "this python3 has no matplotlib (Debian: python3-matplotlib)")
    finish()
from analysis.plots import PICTURES  # noqa: E402
from analysis.plots.base import Selection  # noqa: E402

picture = PICTURES["latency"](load(list(files.values())), Selection())
axes = [panel for panel in picture.figure.findobj(lambda one: hasattr(one, "get_xlabel"))]
ok(
    {panel.get_xlabel() for panel in axes}
    == {"time of a call [ns]", "time of a call [cycles]", "batch over its ops [ns]"},
    "the picture has a panel for each unit",
    [panel.get_xlabel() for panel in axes],
)
ok(
    not any(axes[0].get_shared_x_axes().joined(axes[0], panel) for panel in axes[1:]),
    "and no axis is shared by two of them",
)
ok(f"{batches[0]['figures']['batch_ops']} ops were timed together" in picture.caption, "the caption says how many ops a batch has", picture.caption)
picture.close()

finish()

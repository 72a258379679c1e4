"""hosts_test.py - results of several hosts, revisions and page sources given at once: each keeps its own figures, and the
names tell them apart, no longer than they have to be."""

import copy
import os
import re
import subprocess
import sys

from common import BUILD, core_of_ones_own, finish, measured, ok, work, written

from analysis import claims, figures, style, summary
from analysis.load import load


def on(rows, host, revision="abc", factor=1.0, **facts):
    """The rows as another host, or revision, would have written them, with times so much longer."""
    made = copy.deepcopy(rows)
    for row in made:
        row["host"].update(name=host, revision=revision, **facts)
        row["trace"]["name"] = "small.trace"
        if row["pass"] == "throughput":
            for name in ("ns_per_op", "ns_per_op_median", "floor_ns_per_op", "above_floor_ns_per_op"):
                row["figures"][name] *= factor
    return made


def tables(*rows):
    return list(figures.tables(load([written([row for some in rows for row in some])]), style.order_of))


def run(program, *args):
    command = [sys.executable, os.path.join(BUILD, program), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=work.name)


rows = measured("--alloc=null,slab,tlsf,libc", "--runs=6", "--passes=space,throughput,latency,instructions")
(alone,) = tables(on(rows, "desk"))
ok(alone.host == "desk" and list(alone.lines)[:1] == ["null"], "one of each: names as short as they were", alone.host)

two = tables(on(rows, "desk"), on(rows, "board", factor=3.0))
ok([table.host for table in two] == ["desk", "board"], "two hosts are two tables", [table.host for table in two])
desk, board = (table.lines["slab"]["time"].value for table in two)
ok(abs(board / desk - 3) < 1e-9, "each with its own figures", (desk, board))

both = tables(on(rows, "desk", "old"), on(rows, "desk", "new", factor=2.0), on(rows, "board"))
ok([table.host for table in both] == ["desk old", "desk new", "board"], "two revisions of one host: said, of no other")
old, new = (table.lines["slab"]["time"].value for table in both[:2])
ok(abs(new / old - 2) < 1e-9, "and not made one figure", (old, new))

mapped = measured("--alloc=null,slab,libc", "--pages=mmap", "--runs=2", "--passes=space,throughput,latency")
(mixed,) = tables(on(rows, "desk"), on(mapped, "desk"))
ok(
    {"slab", "slab on mmap", "tlsf", "libc"} <= set(mixed.lines) and "libc on mmap" not in mixed.lines,
    "an allocator on two page sources is two, the usual one unsaid; who has none, or one, keeps its name",
    list(mixed.lines),
)
(only,) = tables(on(mapped, "desk"))
ok("slab" in only.lines and "slab on mmap" not in only.lines, "one page source needs no name", list(only.lines))
(study,) = summary.studies(load([written(on(rows, "desk") + on(mapped, "desk"))]))
ok("null on mmap" not in study.table.index, "the floor on another page source is chosen by nobody", study.table.index)

# ---- The programs ------------------------------------------------------------------------------------------------------

path = written(on(rows, "desk") + on(rows, "board", factor=3.0) + on(mapped, "desk"))
result = run("publish", path, "--output=two.html")
ok(result.returncode == 0, "a report of two hosts is made", result)
with open(os.path.join(work.name, "two.html"), encoding="utf-8") as file:
    page = file.read()
ok(result.returncode == 0 and "On desk:" in result.stdout and "On board:" in result.stdout, "the answer of each", result)
beside = page[page.index('id="hosts"') :]
beside = beside[: beside.index("</section>")]
cells = dict(re.findall(r'data-figure="above"[^>]*data-host="(\w+)" data-allocator="tlsf"[^>]*data-value="([^"]*)"', beside))
ok(
    abs(float(cells["board"]) / float(cells["desk"]) - 3) < 1e-9,
    "hosts stand side by side, each figure under its host",
    cells,
)
result = run("plot", "all", path, "--directory=two")
ok(
    result.returncode == 0 and result.stderr.count(":") >= 7 and "Traceback" not in result.stderr,
    "pictures of both are made",
    result,
)

first, other = written(on(rows, "desk")), written(on(rows, "board", factor=3.0))
result = run("compare", first, other, "--all")
ok(
    result.returncode == 1 and "name was desk, is board" in result.stderr and re.search("slab .*worse", result.stdout),
    "a host compared with another",
    result,
)
ok("9 times of 10 a difference of times is found from" in result.stdout, "and how small a difference shows", result)
result = run("compare", path, path, "--all")
ok(
    result.returncode == 0 and "slab, board" in result.stdout and "slab on mmap, desk" in result.stdout,
    "a file of two hosts: each with itself",
    result,
)
revisions = written(on(rows, "desk", "old") + on(rows, "desk", "new"))
result = run("compare", revisions, first)
ok(
    result.returncode == 3 and "several revisions of desk (old, new)" in result.stderr,
    "two revisions in a file: refused, with their names",
    result,
)
result = run("compare", path, written(on(rows, "elsewhere")))
ok(result.returncode == 3 and "in common" in result.stderr, "no host in common where one file has several", result)

# ---- Emulated, and throttled -------------------------------------------------------------------------------------------

fake = on(rows, "guest", emulated=True, emulated_by="QEMU")
(table,) = tables(fake)
ok(
    table.host == "guest (emulated)"
    and all(("emulated" in table.unit(c)) == (c.pass_name in figures.TIMED) for c in table.columns),
    "every time of an emulated host says so, and nothing else",
    [table.unit(column) for column in table.columns],
)
judged = {one.claim.name: one.verdict.word for one in claims.judge([table])}
ok(judged["slab-one-size"] == "not judged", "no claim is judged by them", judged)
result = run("publish", written(fake), "--output=fake.html", "--latex=fake")
with open(os.path.join(work.name, "fake.html"), encoding="utf-8") as file:
    page = file.read()
ok("time above the floor, ns/op, emulated" in page, "the answer says so", result.stdout)
ok("(time above the floor, emulated)" in result.stdout, "in words, too", result.stdout)
ok(page.count("time per op [ns], emulated") >= 1, "and the axes of the pictures")
result = run("compare", written(fake), written(fake), "--all")
ok("[ns/op, emulated]" in result.stdout, "compare does", result.stdout)

for row in rows:
    row.update(throttled=False, repetition=0)
again = [row for row in rows if row["pass"] == "throughput" and row["allocator"]["spec"] == "slab"][:2]
hot = copy.deepcopy(again)
for row in again:
    row["repetition"] = 1
for row in hot:
    row["throttled"] = True
    row["figures"]["ns_per_op"] = 1e6
results = load([written(on(hot + rows, "desk"))])
ok((results.hot_left_out, results.hot_kept) == (2, 0), "throttled rows that were measured again are left out")
ok(results.figure("throughput", "ns_per_op")["value"].max() < 1e6, "of the figures, too")
results = load([written(on(hot, "desk"))])
ok((results.hot_left_out, results.hot_kept) == (0, 2), "those that were not are kept, and counted")
result = run("publish", written(on(hot + rows, "desk")), "--output=hot.html")
with open(os.path.join(work.name, "hot.html"), encoding="utf-8") as file:
    ok("2 rows were measured while the machine slowed itself down" in file.read(), "and the report says how many")

for row in rows:  # whatever the neighbours of this machine did meanwhile
    row["condition"]["core"] = core_of_ones_own(90.0)
for row in again:
    row["condition"]["core"]["shared"] = True
results = load([written(on(again, "desk"))])
ok(results.shared == 2 and results.table["shared"].all(), "rows of a shared core are kept, and counted", results.problems)
result = run("publish", written(on(rows, "desk")), "--output=shared.html")
with open(os.path.join(work.name, "shared.html"), encoding="utf-8") as file:
    page = file.read()
ok("2 rows were measured while somebody else had a part" in page, "the report says how many", result)
ok("; a load from beyond the core's own caches took " in page.replace("&#39;", "'"), "and how fast memory was")
again[0]["condition"]["core"].update(shared=False, cache_shared=True)
again[1]["condition"]["core"]["shared"] = False
del again[1]["condition"]["core"]["cache_shared"]
results = load([written(on(again, "desk"))])
ok(
    results.shared == 1 and not results.problems,
    "so are rows of a shared last cache; rows of before that was looked at count as alone",
    (results.shared, results.problems),
)

finish()

"""publish_test.py - the report: every figure can be worked out again from the rows it names, and what is wrong or missing
is said where it stands."""

import html.parser
import importlib
import json
import os
import random
import statistics
import subprocess
import sys

from common import BUILD, above_noise, finish, measured, ok, skip, work, written

for module in ("matplotlib", "jinja2"):
    try:
        importlib.import_module(module)
    except ImportError:
        skip("the report", f"this python3 has no {module} (Debian: python3-{module})")
        finish()

import pandas as pd  # noqa: E402

from analysis import latex  # noqa: E402
from analysis.answer import sentences  # noqa: E402
from analysis.figures import tables  # noqa: E402
from analysis.load import load  # noqa: E402
from analysis.summary import Study  # noqa: E402


def publish(*args):
    command = [sys.executable, os.path.join(BUILD, "publish"), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=work.name)


class Page(html.parser.HTMLParser):
    """The cells of the tables that hold figures, the links, and what the page would fetch."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.targets, self.ids, self.fetched = [], [], [], []
        self.text = text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "data-figure" in attrs:
            self.cells.append(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.targets.append(attrs["href"])
        for name in ("src", "href", "data"):
            if attrs.get(name, "").split(":")[0] in ("http", "https", "file"):
                self.fetched.append(attrs[name])


# What each column is, said once more and apart from the code that is tested.
def last(name):
    return lambda figures: figures[-1][name]


def median(name):
    return lambda figures: statistics.median(one[name] for one in figures)


def kind(op, name):
    return lambda figures: figures[-1]["instructions"][op][name]


AGAIN = {
    "time": median("ns_per_op"),
    "above": median("above_floor_ns_per_op"),
    "p999": median("p99_9_ns"),
    "own_worst": last("worst_of_least_ns"),
    "seen_worst": lambda figures: max(one["max_ns"] for one in figures),
    "malloc_mean": kind("malloc", "mean_instructions"),
    "malloc_worst": kind("malloc", "worst_instructions"),
    "free_mean": kind("free", "mean_instructions"),
    "free_worst": kind("free", "worst_instructions"),
    "held": lambda figures: figures[-1]["held_peak_bytes"] / figures[-1]["requested_peak_bytes"],
    "held_at_end": lambda figures: figures[-1]["held_at_end_bytes"] / figures[-1]["held_peak_bytes"],
    "touched": lambda figures: figures[-1]["touched_peak_bytes"] / figures[-1]["requested_peak_bytes"],
    "arena": lambda figures: figures[-1]["smallest_arena_bytes"] / figures[-1]["requested_peak_bytes"],
    "internal": lambda figures: 1
    - figures[-1]["requested_peak_bytes"] / figures[-1]["granted_at_peak_bytes"],
    "external": last("external_fragmentation_at_peak"),
    "metadata": lambda figures: (
        figures[-1]["held_at_peak_bytes"]
        - figures[-1]["granted_at_peak_bytes"]
        - figures[-1]["free_at_peak_bytes"]
    )
    / figures[-1]["requested_peak_bytes"],
    # The trace is so short that every op is a sample.
    "mean_fragmentation": lambda figures: statistics.mean(
        held / live - 1
        for held, live in zip(
            figures[-1]["samples"]["held_bytes"], figures[-1]["samples"]["requested_bytes"], strict=True
        )
        if live
    ),
    "peak_fragmentation": last("fragmentation_3_held"),
}

names = "null,libc,watermark,pool,freelist,slob,buddy,slab,segfit,tlsf"
rows = measured(f"--alloc={names}", "--runs=3", "--passes=space,throughput,latency,instructions")
rows += measured("--alloc=slab,segfit", "--arena=min", "--passes=space")
for row in rows:
    row["trace"]["name"] = "small.trace"  # that of both runs
above_noise(rows)
path = written(rows)
result = publish(path, "--output=report.html", "--latex=tex")
ok(result.returncode == 0, "a report is made", result)
with open(os.path.join(work.name, "report.html"), encoding="utf-8") as file:
    page = Page(file.read())

known = [cell for cell in page.cells if "data-value" in cell]
ok(len(known) >= 80, "it has figures", len(known))
wrong = []
seed = random.randrange(2**32)
print(f"# 50 figures, chosen with seed {seed}")
for cell in random.Random(seed).sample(known, 50):
    file, lines = cell["data-rows"].rsplit(":", 1)
    with open(os.path.join(work.name, file), encoding="utf-8") as results:
        found = [
            json.loads(line) for number, line in enumerate(results, 1) if str(number) in lines.split(",")
        ]
    mine = {(row["allocator"]["spec"], row["trace"]["hash"], row["host"]["name"]) for row in found}
    if mine != {(cell["data-allocator"], cell["data-trace"], cell["data-host"])}:
        wrong.append(f"rows of others: {cell}")
        continue
    again = AGAIN[cell["data-figure"]]([row["figures"] for row in found])
    if abs(again - float(cell["data-value"])) > 1e-9 * max(1, abs(again)):
        wrong.append(f"{again} from the rows of {cell}")
ok(
    not wrong,
    "fifty figures taken at random can be worked out again from the rows they name",
    "\n".join(wrong),
)
ok({cell["data-figure"] for cell in known} <= set(AGAIN), "and no kind of figure is left out of that")
none = [cell for cell in page.cells if "data-value" not in cell]
ok(none and all(cell.get("title") for cell in none), "a figure that is missing says why", none[:3])
ok(not page.fetched, "it fetches nothing", page.fetched)
ok(
    all(target[1:] in page.ids for target in page.targets if target.startswith("#")),
    "its links lead somewhere",
    page.targets,
)
doubled = {name for name in page.ids if page.ids.count(name) > 1}
ok(not doubled, "no id is used twice", sorted(doubled)[:5])
for words in ("One for everything", "Fastest", "Least memory", "Worth a choice", "went elsewhere"):
    ok(words in page.text, f"it says: {words}")

with open(os.path.join(work.name, "tex", "report.tex"), encoding="utf-8") as file:
    tex = file.read()
ok(
    tex.count("\\toprule") == tex.count("\\bottomrule") == tex.count("\\begin{tabular}") > 0,
    "the LaTeX fragment has its tables",
)
ok(
    tex.count("\\resizebox{") == tex.count("\\end{tabular}}") == tex.count("\\begin{tabular}"),
    "none of them wider than the text",
)
drawn = [line.split("{")[-1].rstrip("}") for line in tex.splitlines() if "includegraphics" in line]
there = [name for name in drawn if os.path.exists(os.path.join(work.name, "tex", name))]
ok(len(drawn) >= 5 and there == drawn, "and the pictures it includes", drawn)

ok(
    latex.tex(r"{a_b}$^\ 5%") == r"\{a\_b\}\$\textasciicircum{}\textbackslash{} 5\%",
    "what means something to LaTeX is escaped",
    latex.tex(r"{a_b}$^\ 5%"),
)

null = [row for row in rows if row["allocator"]["spec"] == "null"]
result = publish(written(null), "--output=null.html")
ok(result.returncode == 0 and "report: null.html" in result.stdout, "of the floor alone there is a report, too", result)

# What is wrong in the results is said, and the rest is reported.
failed = [
    {**row, "status": "failed", "reason": "out of memory & <b>sad</b>", "figures": None}
    for row in rows
    if row["allocator"]["spec"] == "slob"
]
rest = [row for row in rows if row["allocator"]["spec"] != "slob"]
spoiled = written([*rest, *failed, "nonsense", json.dumps({**rows[0], "schema": 0})])
result = publish(spoiled, "--output=spoiled.html")
with open(os.path.join(work.name, "spoiled.html"), encoding="utf-8") as file:
    text = file.read()
ok(result.returncode == 0 and result.stderr.count(spoiled) == 2, "rows that cannot be used are told", result)
ok("not JSON" in text and "schema 0" in text, "in the page, too")
ok(
    "out of memory &amp; &lt;b&gt;sad" in text,
    "an allocator that failed is there with its reason, its words no markup",
)
ok(("emulated by" in text) == bool(rows[0]["host"]["emulated"]), "by what it is emulated stands where a machine is")
here = [row for row in [*rest, *failed] if row["pass"] == "throughput"]
there = [{**row, "host": {**row["host"], "name": "elsewhere"}} for row in here]
publish(written(here + there), "--output=hosts.html")
with open(os.path.join(work.name, "hosts.html"), encoding="utf-8") as file:
    both = file.read()
ok(
    f"slob on {rows[0]['host']['name']}" in both and "slob on elsewhere" in both,
    "of several hosts it says on which one it failed",
)

# One that failed in two passes; and a slowest call that was less than a step of the clock.
twice = [
    {**row, "status": "failed", "reason": f"in {row['pass']}", "figures": None} if row["allocator"]["spec"] == "slob" else row
    for row in rows
]
(table,) = tables(load([written(twice)]), sorted)
ok(
    all(f"in {name}" in table.lines["slob"][column].note for name, column in (("throughput", "time"), ("space", "held"))),
    "of an allocator that failed in two passes each figure has the reason of its own",
    {name: figure.note for name, figure in table.lines["slob"].items()},
)
stepped = [row for row in rows if row["allocator"]["spec"] == "slab" and row["pass"] == "latency"]
stepped = [
    {**row, "figures": {**row["figures"], "max_ns": value, "max_op": {**row["figures"]["max_op"], "index": index}}, "missing": {"max_ns": "less than a step"}}
    for index, (row, value) in enumerate(zip(stepped, (None, 52.0, 12.0)))
]
(table,) = tables(load([written(stepped)]), sorted)
seen = table.lines["slab"]["seen_worst"]
ok(seen.value == 52 and seen.note.endswith("op 1"), "a figure that one run lacks is told with the op of the run that has it", seen)
few = Page(text)
ok(
    any(cell["data-allocator"] == "tlsf" and "data-value" in cell for cell in few.cells),
    "the rest is reported",
)

for name, args, code, said in (
    ("no results", [], 2, "required"),
    ("an empty file", [written([])], 3, "has no rows"),
    ("no place to write", [path, "--output=/dev/null/report.html"], 4, "cannot be written"),
):
    result = publish(*args)
    ok(
        result.returncode == code and said in result.stderr and "Traceback" not in result.stderr,
        f"{name}: exit code {code}, and why",
        result,
    )

# The answer in words, of figures that anyone can reckon in his head.
def study(name, figures):
    """A trace with {allocator: (time, memory, most instructions)}."""
    table = pd.DataFrame(figures, index=["time", "memory", "worst_instructions"]).T.assign(worst=1.0)
    return Study("host", name, name, table)


told = sentences(
    [
        study("a", {"slab": (10, 2.0, 900), "tlsf": (20, 1.0, 100), "segfit": (40, 1.001, 100), "pool": (1, 1, 1)}),
        study("b", {"slab": (20, 2.0, 400), "tlsf": (20, 1.0, 100), "segfit": (40, 1.001, 200), "pool": (1, 1, 1)}),
    ]
)
for words in (
    "One for everything: tlsf, with time 41 % over the best, the best memory and the best worst case (",
    "Fastest (time above the floor): slab, the best on every trace; tlsf, 41 % over; segfit, 2.83 times.",
    "Least memory (touched over live, peaks): tlsf and segfit, alike to 1 %, the best on every trace; slab, 2 times.",
    "free): tlsf, the best on every trace; segfit, 41 % over; slab, 6 times.",
    "Worth a choice, since nothing betters them in all three: pool (on 2 of 2).",
    "something in return: pool is told the sizes of the trace beforehand.",
):
    ok(any(words in sentence for sentence in told), f"the answer says: {words}", "\n".join(told))
ok(sentences([]) == [], "no trace, no answer")
ok(sentences([study("a", {"slab": (1, 1, 1)})])[0].startswith("Worth"), "one allocator is ranked with nobody")

best = {cell["data-allocator"] for cell in known if "best" in cell.get("class", "")}
ok(best and "null" not in best, "the best of columns are marked, the floor never", best)

finish()

"""formats.py - the table of ./replay as CSV and Markdown, and on a narrow terminal."""

import csv
import fcntl
import io
import os
import pty
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import termios

sys.dont_write_bytecode = True
from tap import FAULTY, REPLAY, SMALL, finish, ok, replay, rows, trace  # noqa: E402

small = trace(SMALL)
# One op, which copies, takes more than a step of any clock: there is a worst time.
copies = trace([*SMALL, "malloc 0x20000 4000000", "malloc 0x30000 1", "realloc 0x40000 0x20000 5000000"])

# ---- CSV: the figures are those of the rows, to nine digits ----
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "out.jsonl")
    result = replay(
        "--alloc=watermark,libc",
        f"--alloc={FAULTY}:fault=refuse:at=5",
        "--runs=3",
        "--arena=min",
        "--passes=space,throughput,latency",
        "--latency-batch=1",
        "--format=csv",
        f"--json={path}",
        copies,
        copies,
    )
    with open(path, encoding="utf-8") as file:
        found = rows(file.read())
lines = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
ok(
    [line["allocator"] for line in lines] == ["null", "watermark", "libc", f"{FAULTY}:fault=refuse:at=5"] * 2
    and {line["trace"] for line in lines} == {os.path.basename(copies)},
    "csv: one heading, then a line for each trace and allocator",
    result.stdout + result.stderr,
)
ok(
    all(None not in line and None not in line.values() for line in lines),
    "csv: every line has as many fields as the heading",
    result.stdout,
)


def figures(name, pass_name):
    return [row["figures"] for row in found[: len(found) // 2] if row["allocator"]["name"] == name and row["pass"] == pass_name]


EXPECTED = {
    "ns_per_op": ("throughput", lambda all_, name: statistics.median(one[name] for one in all_)),
    "max_ns": ("latency", lambda all_, name: max(one[name] for one in all_)),
    "worst_of_least_ns": ("latency", lambda all_, name: all_[-1][name]),
    "held_peak_per_requested_peak": ("space", lambda all_, name: all_[-1][name]),
    "touched_peak_per_requested_peak": ("space", lambda all_, name: all_[-1][name]),
    "internal_fragmentation_at_peak": ("space", lambda all_, name: all_[-1][name]),
    "external_fragmentation_at_peak": ("space", lambda all_, name: all_[-1][name]),
    "smallest_arena_per_requested_peak": ("arena", lambda all_, name: all_[-1][name]),
}
for name, (pass_name, make) in EXPECTED.items():
    mine = make(figures("watermark", pass_name), name)
    ok(
        abs(float(lines[1][name]) - mine) <= 1e-8 * abs(mine),
        f"csv: {name} is that of the rows",
        f"{lines[1][name]}, rows: {mine}",
    )
ok(lines[0]["held_peak_per_requested_peak"] == "" == lines[2]["external_fragmentation_at_peak"], "csv: what is missing is empty")
ok(
    lines[3]["status"] == "failed" and "op 5" in lines[3]["note"] and lines[3]["ns_per_op"] == "" and lines[1]["status"] == "done",
    "csv: a failure has its reason, and no figure",
    lines[3],
)
ok(result.returncode == 1, "and the exit code is what it is without", result.returncode)

# ---- Markdown ----
result = replay("--alloc=watermark,libc", f"--alloc={FAULTY}:fault=refuse:at=5", "--runs=2", "--format=markdown", small)
table = [line for line in result.stdout.splitlines() if line.startswith("|")]
ok(
    len(table) == 6 and len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1,
    "markdown: a table whose lines have as many cells as its head",
    result.stdout,
)
ok(re.fullmatch(r"\|( -+:? \|)+", table[1]) and "---:" in table[1], "markdown: its second line says how columns stand", table[1])
ok("**" in result.stdout and "**" not in table[2], "markdown: the best is bold, the floor is not", result.stdout)
ok(
    result.stdout.startswith("### trace ") and re.search(r"^- .*faulty\.so.* failed: .*op 5", result.stdout, re.M),
    "markdown: the trace is a heading, a failure an item",
    result.stdout,
)

# ---- A terminal ----


def on_terminal(columns, *args):
    """What ./replay prints on a terminal that wide, without its colours."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([REPLAY, *args], stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    text = b""
    try:
        while got := os.read(master, 65536):
            text += got
    except OSError:  # EIO: the other side is closed
        pass
    os.close(master)
    process.wait()
    return re.sub(r"\033\[[0-9;]*m", "", text.decode()).replace("\r\n", "\n")


args = ("--alloc=watermark,libc", "--runs=2", "--passes=space,throughput,latency", "--latency-batch=1", small)
titles = "ns/op ± Mops/s −null p50 p99 p99.9 max worst of op held touched intern extern".split()
for columns in (50, 80, 200):
    text = on_terminal(columns, *args)
    heads = [line for line in text.splitlines() if line.startswith("allocator ")]
    cells = [line for line in text.splitlines() if re.match("(null|watermark|libc) ", line)]
    seen = [title for line in heads for title in line.split()[1:]]
    ok(
        seen == titles and (len(heads) == 1) == (columns == 200) and len(cells) == 3 * len(heads),
        f"{columns} columns: every figure is there, in as many blocks as it takes",
        text,
    )
    ok(all(len(line) <= columns for line in heads + cells), f"{columns} columns: no line is longer", text)
ok("\nnull " in on_terminal(9, *args), "a terminal too narrow for anything gets a column at a time")

for args, words in (
    (["--format=html", small], "--format=html: one of table, markdown, csv"),
    (["--format=csv", "--json=-", small], "--json=- leaves no table on stdout"),
):
    result = replay(*args)
    ok(result.returncode == 2 and words in result.stderr and result.stdout == "", f"exit 2: {args[0]}", result.stderr)

os.unlink(small)
os.unlink(copies)
finish()

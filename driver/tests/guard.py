"""guard.py - --guard finds what --plant plants, in every allocator, and finds nothing where nothing is planted."""

import glob
import itertools
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from tap import BUILD, FAULTY, SMALL, SOURCE, finish, ok, replay, rows, skip, trace  # noqa: E402

path = trace(SMALL)
MALLOC, CALLOC, REALLOC, FREE, EMPTY = 5, 2, 3, 7, 8  # ops of SMALL, by their kind; EMPTY: a malloc of no bytes

# What the report calls each fault, and whether it is seen at the op itself.
PLANTS = {
    "overflow": ("overflow: something wrote byte SIZE of the block of SIZE bytes", False),
    "underflow": ("underflow: something wrote byte -1 of the block of SIZE bytes", False),
    "double-free": ("double free: the block of SIZE bytes", True),
    "foreign-free": ("is no block of this heap", True),
    "write-after-free": ("write after free: something wrote byte 0 of the block of SIZE bytes", False),
}
SIZES = {MALLOC: 5000, CALLOC: 200, REALLOC: 300, FREE: 300, EMPTY: 0}


TRACE = os.path.join(BUILD, "trace")


def trace_of(lines):
    with tempfile.NamedTemporaryFile("wb", suffix=".txt", delete=False) as file:
        file.writelines(lines)
    return file.name


def named(found, plant, op):
    """Whether the row's reason has the fault, and the op that committed it."""
    words, _ = PLANTS[plant]
    reason = found["reason"] or ""
    at = f"op {op} ("
    return (
        found["status"] == "failed"
        and words.replace("SIZE", str(SIZES[op])) in reason
        and at in reason
        and found["settings"]["plant"] == {"kind": plant, "index": op}
        and found["settings"]["guard"] is not None
    )


listed = replay("--list").stdout.split("Page sources")[0]
guarded, foreign = [], []
for name, rest in re.findall(r"^  (\w+) +(.*)$", listed, re.M):
    if name not in ("null", "oracle") and "(not installed" not in rest:
        guarded.append(name)
        foreign += [name] if "in place of" in rest else []
sanitized = "-fsanitize" in rows(replay("--alloc=null", "--passes=throughput", "--runs=1", "--json=-", path).stdout)[0]["host"]["flags"]
if sanitized:
    guarded = [name for name in guarded if name not in foreign]
    skip("mallocs of others", "the sanitizer's own malloc cannot be replaced")

others = ["pages:avl", os.path.join(BUILD, "allocators", "skeleton.so"), FAULTY]
every = ",".join([*guarded, *others])
count = len(guarded) + len(others)
for plant, (_, at_once) in PLANTS.items():
    for op in (MALLOC, FREE):
        result = replay("--guard", f"--plant={plant}@{op}", f"--alloc={every}", "--passes=verify", "--json=-", path)
        found = rows(result.stdout)
        ok(
            result.returncode == 1
            and len(found) == count
            and all(named(row, plant, op) and (not at_once or row["op"]["index"] == op) for row in found),
            f"{plant} at op {op} is named in each of {count} allocators",
            "\n".join(f"{row['allocator']['spec']}: {row['reason']}" for row in found) + result.stderr,
        )
    for op in (CALLOC, REALLOC, EMPTY):
        found = rows(replay("--guard", f"--plant={plant}@{op}", "--alloc=segfit", "--passes=verify", "--json=-", path).stdout)
        ok(len(found) == 1 and named(found[0], plant, op), f"{plant} at op {op} is named", found[0]["reason"])

# Seen at the very next op when every call looks, and otherwise when verify next looks at the heap.
long = trace([f"malloc {hex(0x1000 * (i + 1))} 10" for i in range(4000)])
seen = []
for guard in ("--guard", "--guard=every=1"):
    found = rows(replay(guard, "--plant=overflow@1001", "--alloc=tlsf", "--passes=verify", "--json=-", long).stdout)
    seen.append((found[0]["op"]["index"], "whole when last seen" in found[0]["reason"]))
ok(seen[0][0] > 1002 and seen[1] == (1002, False), "with every=1 the next op finds it", seen)
found = rows(replay("--guard=every=1", f"--plant=overflow@{FREE}", "--alloc=tlsf", "--passes=verify", "--json=-", path).stdout)
ok(
    found[0]["op"]["index"] == FREE and f"whole when last seen at op {FREE - 1}" in found[0]["reason"],
    "the last op at which the block was whole is told",
    found[0]["reason"],
)

# An allocator that writes into a live block is caught too, and by every pass.
for passes in ("verify", "space", "throughput", "latency"):
    result = replay(
        "--guard", f"--alloc={FAULTY}:fault=scribble:at=5", f"--passes={passes}", "--runs=1", "--warmup=0", "--json=-", path
    )
    found = [row for row in rows(result.stdout) if row["allocator"]["name"] == "faulty"]
    ok(
        result.returncode == 1 and "overflow: something wrote byte" in found[0]["reason"] and "allocated by op 5 (malloc of 5000" in found[0]["reason"],
        f"{passes}: a block that the allocator wrote into is named",
        f"{found[0]['reason']}\n{result.stderr}",
    )

# Nothing is found where nothing is wrong; figures say that they are the guard's too.
result = replay("--guard", f"--alloc={every},null,oracle", "--runs=1", "--json=-", path)
found = rows(result.stdout)
ok(
    result.returncode == 0
    and all(row["status"] == "done" for row in found)
    and all((row["settings"]["guard"] is None) == (row["allocator"]["name"] in ("null", "oracle")) for row in found)
    and all(row["settings"]["plant"] is None for row in found),
    "a clean trace is clean in every allocator, in every pass; the rows say that they were guarded",
    [row["reason"] for row in found if row["reason"]],
)
result = replay("--guard", "--alloc=slab", "--runs=1", path)
ok(", guarded" in result.stdout.splitlines()[0] and "\nguarded: figures" in result.stdout, "the table says that it was guarded", result.stdout)
result = replay("--alloc=slab", "--runs=1", path)
ok("guarded" not in result.stdout, "and does not say so without --guard", result.stdout)

aligned = trace([f"memalign {hex(0x1000 * (i + 1))} {2 ** (i % 13)} {i * 7 + 1}" for i in range(40)] + ["free 0x1000", "free 0x2000"])
offers = [name for name in guarded if name not in ("pool", "slob")]
result = replay("--guard", f"--alloc={','.join(offers)}", "--passes=verify", "--json=-", aligned)
ok(
    all(row["status"] == "done" or "this size at this alignment" in row["reason"] or "no aligned blocks" in row["reason"] for row in rows(result.stdout)),
    "aligned blocks are guarded",
    [row["reason"] for row in rows(result.stdout)],
)

# The beginning of every shipped recording.
OPS = 20000
for shipped in sorted(glob.glob(os.path.join(SOURCE, "traces", "*.trace"))):
    name = os.path.basename(shipped)
    with subprocess.Popen([TRACE, "export", "--format=android", shipped, "-o", "-"], stdout=subprocess.PIPE) as export:
        beginning = trace_of(itertools.islice(export.stdout, OPS))
        export.kill()
    result = replay("--guard=depth=200:bytes=1M", f"--alloc={every}", "--passes=verify", "--json=-", beginning)
    found = rows(result.stdout)
    ok(
        result.returncode == 0 and len(found) == count,
        f"no false alarm in {OPS} ops of {name}, in any of {count} allocators",
        "\n".join(f"{row['allocator']['spec']}: {row['reason']}" for row in found) + result.stderr,
    )
    os.unlink(beginning)

ERRORS = [
    (["--guard=depth=0", path], "depth=0 is not accepted"),
    (["--guard=deep=1", path], "no option 'deep'"),
    (["--guard", "--plant=overflow", path], "write FAULT@OP"),
    (["--guard", "--plant=leak@1", path], "write FAULT@OP"),
    (["--guard", "--plant=overflow@-1", path], "write FAULT@OP"),
    (["--guard", "--plant=overflow@1x", path], "write FAULT@OP"),
    (["--guard", f"--plant=overflow@{len(SMALL)}", path], f"op {len(SMALL)} of "),
    (["--plant=overflow@1", path], "needs --guard"),
    (["--guard", "--plant=overflow@1", "--passes=space", path], "needs --guard"),
]
for args, words in ERRORS:
    result = replay("--alloc=slab", *args)
    ok(result.returncode == 2 and words in result.stderr and result.stdout == "", f"exit 2: {' '.join(args[:-1])}", result.stderr)
result = replay("--alloc-help=guard")
ok(
    result.returncode == 0 and all(word in result.stdout for word in ("depth", "zone", "default 1024")),
    "--alloc-help=guard tells the options",
    result.stdout,
)

for file in (path, long, aligned):
    os.unlink(file)
finish()

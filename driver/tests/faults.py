"""faults.py - every way of going wrong must become a row that names the op and what broke."""

import os
import sys

sys.dont_write_bytecode = True
from tap import FAULTY, SMALL, finish, ok, replay, rows, trace  # noqa: E402

# What is planted at which op, where it must be seen (None: at no op), and the words that name it.
VERIFY = [
    ("overlap", 2, 2, "overlap: the block at"),
    ("misalign", 5, 5, "misaligned: the block at"),
    ("outside", 5, 5, "outside its pages: the block at"),
    ("too-small", 5, 5, "too small: usable() of the block"),
    ("unsteady", 5, 6, "changed from"),
    ("scribble", 5, 7, "corrupted: byte 299 of the live block"),
    ("lose", 3, 3, "lost content: byte 99 of 100"),
    ("dirty", 2, 2, "not zero: byte 100 of the calloc'ed block"),
    ("refuse", 5, 5, "the allocator does not serve this size"),
    ("quit", 5, 5, "exit code 7"),
    ("double-page", 4, 4, "gave back a page that it does not hold"),
    ("leak-page", 0, None, "destroy() kept"),
    ("check", 5, 5, "check() of the heap: a planted complaint"),
    ("walk-free", 5, 5, "walk() calls a block free that lies on a live block"),
    ("walk-short", 5, 5, "walk() finds"),
    ("no-heap", 0, None, "create() refused"),
]
path = trace(SMALL)


def run(fault, at, passes, *more):
    result = replay(f"--alloc={FAULTY}:fault={fault}:at={at}", f"--passes={passes}", "--json=-", "--runs=1", *more, path)
    return result, [row for row in rows(result.stdout) if row["allocator"]["name"] == "faulty"]


def is_failure(result, found, seen, words):
    return (
        result.returncode == 1
        and len(found) == 1
        and found[0]["status"] == "failed"
        and words in found[0]["reason"]
        and (found[0]["op"] or {}).get("index") == seen
    )


result, found = run("nothing", 0, "verify,space,throughput,latency")
ok(
    result.returncode == 0 and [row["status"] for row in found] == ["done"] * 4,
    "an allocator that does nothing wrong passes",
    result.stdout + result.stderr,
)
sanitized = "-fsanitize" in found[0]["host"]["flags"]
crash = "exit code" if sanitized else "SIGSEGV"

for fault, at, seen, words in VERIFY:
    result, found = run(fault, at, "verify,space,throughput,latency")
    ok(is_failure(result, found, seen, words), f"verify names: {fault}", f"{[row['reason'] for row in found]}\n{result.stderr}")

for passes in ("verify", "space", "throughput", "latency"):
    result, found = run("crash", 5, passes)
    ok(is_failure(result, found, 5, f"{crash}"), f"{passes} names the op of a crash", f"{found}\n{result.stderr}")
    result, found = run("refuse", 5, passes)
    ok(is_failure(result, found, 5, "(malloc of 5000 bytes)"), f"{passes} names the op that is refused", found)
for passes in ("throughput", "latency"):
    for fault, words in (("crash", crash), ("refuse", "(malloc of 5000 bytes)")):
        result, found = run(f"{fault}:heap=1", 5, passes)
        ok(is_failure(result, found, 5, words), f"{passes} names the op of a {fault} after the warm-up", found)
for passes in ("verify", "throughput"):
    for patience in ("0.5", "5", "50"):  # a busy machine, or an emulator, has to get to the op first
        result, found = run("hang", 5, passes, f"--timeout={patience}")
        if is_failure(result, found, 5, ""):
            break
    ok(
        is_failure(result, found, 5, f"still busy after {patience} s") and "--timeout=" in found[0]["reason"],
        f"{passes} names the op of a hang, and what to do",
        found,
    )
for passes in ("verify", "throughput"):
    result, found = run("late-crash", 0, passes)
    ok(is_failure(result, found, None, f"{crash} " if not sanitized else crash), f"{passes} survives a crash in destroy()", found)
    ok("at the end" in found[0]["reason"], f"{passes} says that it was at the end", found)

result = replay(f"--alloc={FAULTY}:fault=crash:at=5,libc", "--runs=1", path)
ok(
    "faulty.so:fault=crash:at=5 verify: " in result.stdout and result.returncode == 1,
    "the table has a row of why",
    result.stdout,
)
ok(
    any(line.startswith("libc ") and "-" not in line.split()[1] for line in result.stdout.splitlines()),
    "the other allocators go on",
    result.stdout,
)

# What the allocator cannot do, with the op, its kind and size, and the reason.
aligned = trace(["malloc 0x1000 10", "memalign 0x2000 64 100"])
result = replay(f"--alloc={FAULTY}", "--passes=throughput", "--runs=1", aligned)
ok(
    "at op 1 (aligned of 100 bytes to 64) refused: the allocator offers no aligned blocks" in result.stdout,
    "an aligned alloc that is not offered is named",
    result.stdout,
)
result = replay("--alloc=pool", "--passes=verify", aligned)
ok(
    "at op 1 (aligned of 100 bytes to 64) refused: the allocator does not serve this size at this alignment" in result.stdout,
    "an alignment that is not served is named",
    result.stdout,
)
full = trace([f"malloc {hex(4096 * (i + 1))} 4000" for i in range(64)])
for passes in ("verify", "throughput"):
    result = replay("--alloc=watermark", f"--passes={passes}", "--runs=1", "--arena=64K", full)
    ok(
        "(malloc of 4000 bytes) out of memory: the 0.1 MiB of --pages=arena are used up" in result.stdout
        and "--arena=SIZE" in result.stdout
        and "arena 0.06 MiB" in result.stdout,
        f"{passes} says that the arena is used up, and what to do",
        result.stdout,
    )

for file in (path, aligned, full):
    os.unlink(file)
finish()

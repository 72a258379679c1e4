"""oracle.py - the allocator that knows the trace: right on every kind of op, and as low as its packing."""

import os
import shutil
import sys

sys.dont_write_bytecode = True
from tap import SMALL, SOURCE, finish, ok, replay, rows, skip, trace  # noqa: E402


def figures(result, name):
    return next(row["figures"] for row in rows(result.stdout) if row["pass"] == name)


small = trace(SMALL)
large = trace(
    [
        "memalign 0x10000 65536 100",
        "memalign 0x30000 8192 10",
        "realloc 0x40000 0x30000 100000",
        "realloc 0x50000 0x40000 0",
        "calloc 0x60000 0 8",
        "free 0x10000",
        "malloc 0x70000 70000",
    ]
)
for path in (small, large):
    for pages in ("arena", "buddy", "mmap"):
        result = replay("--alloc=oracle", f"--pages={pages}", "--touch=all", "--runs=1", "--warmup=0", "--json=-", path)
        done = [row["pass"] for row in rows(result.stdout) if row["allocator"]["name"] == "oracle"]
        ok(
            result.returncode == 0 and done == ["verify", "space", "throughput", "latency"],
            f"every pass is done on {pages}, {'large alignments' if path == large else 'all kinds of ops'}",
            result.stdout + result.stderr,
        )

# It goes no lower than what is live, and, as blocks are multiples of 16 bytes, a little above.
path = os.path.join(SOURCE, "traces", "perl.trace")
result = replay("--alloc=oracle", "--passes=verify,space", "--json=-", path)
space = figures(result, "space")
ok(
    result.returncode == 0 and 1 <= space["held_peak_bytes"] / space["requested_peak_bytes"] < 1.03,
    "a recording verifies, and needs at most 3 % more than is live",
    result.stdout + result.stderr,
)
again = figures(replay("--alloc=oracle", "--passes=space", "--json=-", path), "space")
ok(again["held_peak_bytes"] == space["held_peak_bytes"], "a packing is the same each time", again)
result = replay("--alloc=oracle", "--passes=space", "--arena=64K", path)
ok(result.returncode == 1 and "are used up" in result.stdout, "an arena that is too small is a row", result.stdout)

# It takes no part unless it is named: packing takes time.
result = replay("--alloc=all", "--passes=space", "--json=-", small)
ok(all(row["allocator"]["name"] != "oracle" for row in rows(result.stdout)), "it is not of 'all'", result.stdout)
listed = replay("--list").stdout
ok("  oracle " in listed, "--list names it", listed)

if shutil.which("qemu-x86_64") or shutil.which("qemu-aarch64"):
    result = replay("--alloc=oracle", "--passes=instructions", small)
    ok(result.returncode in (0, 4), "its instructions are counted", result.stdout + result.stderr)
else:
    skip("its instructions are counted", "no qemu-user")
for path in (small, large):
    os.unlink(path)
finish()

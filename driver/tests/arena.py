"""arena.py - the search for the smallest arena: exact on a known allocator, honest where more memory does not help."""

import os
import sys

sys.dont_write_bytecode = True
from tap import FAULTY, SMALL, finish, ok, replay, rows, trace  # noqa: E402

PAGE = os.sysconf("SC_PAGE_SIZE")
HOLES = 20


def block(npages):
    """The size of which FAULTY makes so many pages, its header included."""
    return npages * PAGE - 100


# FAULTY holds a page, and pages for each block. 40 blocks of one page, every other one freed, and one of 40 pages that
# fits no hole: 61 pages are held, and 81 needed.
holes = trace(
    [f"malloc {i * 16 + 16:#x} {block(1)}" for i in range(2 * HOLES)]
    + [f"free {i * 16 + 16:#x}" for i in range(0, 2 * HOLES, 2)]
    + [f"malloc 0x100000 {block(2 * HOLES)}"]
)
HELD = 1 + HOLES + 2 * HOLES
NEEDED = 1 + 2 * HOLES + 2 * HOLES
PEAK = HOLES * block(1) + block(2 * HOLES)


def search(spec, *args, path=holes):
    result = replay(f"--alloc={spec}", "--arena=min", "--json=-", *args, path)
    return result, rows(result.stdout)


result, found = search(FAULTY)
figures = found[0]["figures"]
ok(result.returncode == 0 and len(found) == 1 and found[0]["pass"] == "arena", "--arena=min is a pass of its own", result.stdout)
ok(
    figures["requested_peak_bytes"] == PEAK
    and figures["smallest_arena_bytes"] == NEEDED * PAGE
    and abs(figures["smallest_arena_per_requested_peak"] - NEEDED * PAGE / PEAK) < 1e-6,
    "the smallest arena is found to the page",
    figures,
)
ok(
    figures["monotonic"] is True and figures["largest_failed_arena_bytes"] == (NEEDED - 1) * PAGE,
    "it is monotonic where a page less is the largest that fails",
    figures,
)
held = rows(replay(f"--alloc={FAULTY}", "--passes=space", "--json=-", holes).stdout)[0]["figures"]["held_peak_bytes"]
ok(held == HELD * PAGE, "which is more than the pages held", held)

_, found = search(FAULTY, "--pages=mmap")
ok(found[0]["figures"]["smallest_arena_bytes"] == HELD * PAGE, "a page source without an arena needs what is held", found)

# One size more than needed in which the heap cannot be made.
result, found = search(f"{FAULTY}:fault=picky:at={NEEDED + 3}")
figures = found[0]["figures"]
ok(
    figures["smallest_arena_bytes"] == NEEDED * PAGE
    and figures["largest_failed_arena_bytes"] == (NEEDED + 3) * PAGE
    and figures["monotonic"] is False,
    "a larger arena that fails is found",
    figures,
)
result = replay(f"--alloc={FAULTY}:fault=picky:at={NEEDED + 3}", "--arena=min", holes)
ok(
    f"not monotonic: it completes in {NEEDED * PAGE} bytes, but not in {(NEEDED + 3) * PAGE}" in result.stdout,
    "the table says that it is not monotonic",
    result.stdout,
)
_, found = search(f"{FAULTY}:fault=picky:at={NEEDED}")
ok(
    found[0]["figures"]["smallest_arena_bytes"] == (NEEDED + 1) * PAGE and found[0]["figures"]["monotonic"] is True,
    "the smallest that fails for its size alone makes the next one the smallest",
    found[0]["figures"],
)

# A heap that takes 30 pages more where there are NEEDED + 3 besides its own: in a large arena it needs 30 more.
_, found = search(f"{FAULTY}:fault=greedy:at={NEEDED + 3}")
ok(
    found[0]["figures"]["smallest_arena_bytes"] == NEEDED * PAGE
    and found[0]["figures"]["largest_failed_arena_bytes"] == (NEEDED + 29) * PAGE
    and found[0]["figures"]["monotonic"] is False,
    "a smaller arena that does, far below larger ones that do not, is found",
    found[0]["figures"],
)

# What an allocator does wrong shows in small arenas, too.
result, found = search(f"{FAULTY}:fault=fragile")
crash = "exit code" if "-fsanitize" in found[0]["host"]["flags"] else "SIGSEGV"
ok(
    result.returncode == 1 and found[0]["status"] == "failed" and crash in found[0]["reason"] and "in an arena of" in found[0]["reason"],
    "exit 1: a crash for want of pages is a failure, with the arena",
    result.stdout,
)
result, found = search(f"{FAULTY}:fault=overlap:at=3")
ok(
    result.returncode == 1 and f"in an arena of {NEEDED * PAGE} bytes: at op 3" in str(found[0]["reason"]),
    "exit 1: the smallest arena is verified",
    result.stdout,
)
result = replay(f"--alloc={FAULTY}", "--passes=arena", f"--arena={(NEEDED - 1) * PAGE}", "--json=-", holes)
ok(
    result.returncode == 1 and "out of memory" in str(rows(result.stdout)[0]["reason"]),
    "exit 1: not even the largest arena will do",
    result.stdout,
)
result = replay(f"--alloc={FAULTY}", "--passes=arena", f"--arena={NEEDED * PAGE}", "--json=-", holes)
ok(
    result.returncode == 0 and rows(result.stdout)[0]["figures"]["smallest_arena_bytes"] == NEEDED * PAGE,
    "the largest arena may be the smallest",
    result.stdout,
)

# The C library's budget is a limit of the kernel's; null shows no memory at all.
large = trace([f"malloc {i * 16 + 16:#x} 100000" for i in range(100)])
result, found = search("libc", path=large)
figures = found[0]["figures"]
if figures["smallest_arena_bytes"] is None:
    ok("mallinfo2" in found[0]["missing"]["smallest_arena_bytes"], "libc's is missing with the reason", found[0]["missing"])
else:
    ok(1 <= figures["smallest_arena_per_requested_peak"] < 1.1, "libc's smallest is near what it must hold", figures)
result = replay("--alloc=libc,null,watermark", "--arena=min", "--passes=space", small := trace(SMALL))
heading = result.stdout.splitlines()[1].split()
ok(
    result.returncode == 0 and heading == ["allocator", "held", "touched", "intern", "extern", "arena"],
    "--arena=min goes with other passes",
    result.stdout + result.stderr,
)
result = replay("--alloc=libc", "--arena=min", "--json=-", small, env={**os.environ, "HEAPBENCH_RUNNER": "/usr/bin/env"})
ok(
    result.returncode == 0 and rows(result.stdout)[0]["missing"].get("smallest_arena_bytes"),
    "libc's limit is not set on a runner",
    result.stdout,
)
for file in (holes, large, small):
    os.unlink(file)
finish()

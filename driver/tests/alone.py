"""alone.py - a page source replayed alone on a page trace, in every pass."""

import shutil
import sys

sys.dont_write_bytecode = True
from tap import finish, ok, replay, rows, skip  # noqa: E402

# Runs of whole pages, whatever a page of this machine is up to 64 KiB.
UNIT, LIVE = 65536, 1024
WORK = f"model:adversary:live={LIVE}:largest=16:unit={UNIT}"
SOURCES = ["arena", "stack", "bitmap", "bitmap:fit=next", "buddy", "avl", "mmap"]

listed = replay("--list").stdout.split("Page sources")[1]
kinds = {line.split()[0] for line in listed.splitlines()[1:] if line.startswith("  ")}
ok(kinds == {source.split(":")[0] for source in SOURCES}, "every page source is tried", kinds)
ok("--alloc=pages:NAME" in listed, "--list says how to replay one alone", listed)

for source in SOURCES:
    result = replay(f"--alloc=pages:{source}", "--runs=1", "--warmup=0", "--limit=1", "--json=-", WORK)
    found = {row["pass"]: row for row in rows(result.stdout) if row["allocator"]["name"] == "pages"}
    ok(
        result.returncode == 0
        and set(found) == {"verify", "space", "throughput", "latency"}
        and all(row["pages"]["spec"] == source and row["status"] == "done" for row in found.values()),
        f"pages:{source} does every pass",
        result.stdout + result.stderr,
    )
    space = found["space"]["figures"]
    ok(
        space["granted_peak_bytes"] == space["requested_peak_bytes"] == space["held_peak_bytes"] == LIVE * UNIT,
        f"pages:{source} holds exactly what is live",
        space,
    )

result = replay("--alloc=pages:avl,libc", "--pages=mmap", "--passes=space", "--json=-", WORK)
found = {row["allocator"]["spec"]: row["pages"] for row in rows(result.stdout)}
ok(
    found["pages:avl"]["name"] == "avl" and found["libc"] is None,
    "--pages is not for a page source that is replayed alone",
    found,
)
result = replay("--alloc=pages:avl", "--passes=space,verify", "model:churn:ops=3000:live=500:min=1:max=300K")
ok(result.returncode == 0, "sizes are rounded up to whole pages", result.stdout + result.stderr)
result = replay("--alloc=pages:buddy", "--passes=space", "--arena=40M", WORK)
ok(
    result.returncode == 1 and "out of memory: the 40.0 MiB of --pages=buddy are used up" in result.stdout,
    "an arena that is too small is a row that says so",
    result.stdout + result.stderr,
)
if shutil.which("qemu-x86_64") or shutil.which("qemu-aarch64"):
    runs = [replay("--alloc=pages:avl", "--passes=instructions", "--json=-", WORK) for _ in range(2)]
    figures = [rows(run.stdout)[0]["figures"] for run in runs]  # null in a build that cannot be counted
    ok(
        runs[0].returncode in (0, 4) and figures[0] == figures[1],
        "its instructions are counted, the same in every run",
        runs[0].stdout + runs[0].stderr,
    )
else:
    skip("its instructions are counted, the same in every run", "no qemu-user")
finish()

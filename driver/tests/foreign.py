"""foreign.py - foreign recordings replay as they are: HEAPBENCH_FOREIGN, or ../shared/traces beside the source."""

import glob
import os
import sys

sys.dont_write_bytecode = True
from tap import SOURCE, finish, ok, replay, rows  # noqa: E402

folder = os.environ.get("HEAPBENCH_FOREIGN", os.path.join(SOURCE, "..", "shared", "traces"))
systemui = os.path.join(folder, "android", "systemui.zip")
wee = sorted(glob.glob(os.path.join(folder, "wee_alloc", "*.trace")))
if not os.path.exists(systemui) or len(wee) != 9:
    print(f"1..0 # SKIP no foreign recordings in {folder} (set HEAPBENCH_FOREIGN)")
    sys.exit(0)

result = replay("--alloc=libc,segfit", "--runs=1", "--json=-", systemui)
found = rows(result.stdout)
facts = found[0]["trace"] if found else {}
ok(result.returncode == 0 and all(row["status"] == "done" for row in found), "systemui replays", result.stderr)
ok(
    facts.get("threads") == 393 and facts.get("peak_live_bytes") == 10441709 and facts.get("ops") == 770279,
    "all its ops that do something, threads and the peak of live are seen",
    facts,
)
ok("replay: " + systemui not in result.stderr, "no op of it is refused", result.stderr)
segfit = [row for row in found if row["allocator"]["name"] == "segfit" and row["pass"] == "verify"]
ok(len(segfit) == 1 and segfit[0]["figures"]["heap_checks"] > 200, "verify checked the heap as it went", segfit)

result = replay("--alloc=libc,segfit", "--passes=verify,throughput", "--runs=1", "--json=-", *wee)
found = rows(result.stdout)
names = {row["trace"]["name"] for row in found if row["status"] == "done" and row["pass"] == "verify"}
ok(result.returncode == 0 and len(names) == 9, "all nine traces of wee_alloc replay", f"{names}\n{result.stderr}")
ok(
    sum(row["trace"]["ops"] for row in found if row["pass"] == "verify" and row["allocator"]["name"] == "libc") == 72678,
    "all 72,678 ops of theirs",
)
finish()

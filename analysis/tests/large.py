"""large.py - how long the report of many traces takes, and how large it is: 12 traces × all allocators × all passes, made
of a real sweep of two under other names. For people; `make bench-report` runs it where ./replay and ./publish are."""

import json
import os
import resource
import subprocess
import sys
import tempfile

TRACES, SOURCES = 12, ("perl.trace", "sqlite3.trace")
SECONDS, BYTES = 30, 5_000_000  # what it is to stay below


def swept(traces, path):
    """The rows of a sweep of these traces with all that this machine has."""
    command = ["./replay", "--alloc=all,oracle,foreign", "--runs=5", "--limit=1", f"--json={path}"]
    command += ["--passes=space,arena,throughput,latency,instructions", *traces]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # what an allocator fails is a row, too
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main():
    traces = [os.path.join(os.environ.get("top_srcdir", "."), "traces", name) for name in SOURCES]
    with tempfile.TemporaryDirectory(prefix="report") as work:
        rows = swept(traces, os.path.join(work, "real.jsonl")) if len(sys.argv) < 2 else []
        for path in sys.argv[1:]:  # or of results that are there
            with open(path, encoding="utf-8") as file:
                rows += [json.loads(line) for line in file]
        names = list(dict.fromkeys(row["trace"]["name"] for row in rows))
        large, count = os.path.join(work, "large.jsonl"), 0
        with open(large, "w", encoding="utf-8") as file:
            for number in range(TRACES):
                mine = [row for row in rows if row["trace"]["name"] == names[number % len(names)]]
                for row in mine:
                    facts = {**row["trace"], "name": f"trace{number}.trace", "hash": f"{number:032x}"}
                    file.write(json.dumps({**row, "trace": facts}) + "\n")
                count += len(mine)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        page = os.path.join(work, "report.html")
        subprocess.run(["./publish", large, f"--output={page}"], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        size = os.path.getsize(page)
    allocators = len({row["allocator"]["spec"] for row in rows})
    print(f"{TRACES} traces, {allocators} allocators, {count} rows: {took:.1f} s of processor, {size / 1e6:.2f} MB")
    return 0 if took < SECONDS and size < BYTES else 1


sys.exit(main())

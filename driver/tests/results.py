"""results.py - the rows that ./replay writes: the schema, the fields, what is kept, and in which order runs are done."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import jsonschema

sys.dont_write_bytecode = True
from tap import FAULTY, PATIENCE_S, REPLAY, SMALL, SOURCE, finish, ok, replay, rows, trace  # noqa: E402

with open(os.path.join(SOURCE, "results", "schema.json"), encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
small = trace(SMALL)


def errors(found):
    return [f"{row['pass']}: {list(e.path)}: {e.message[:200]}" for row in found for e in validator.iter_errors(row)]


EVERY = ("--alloc=null,libc,watermark,null-inline", f"--alloc={FAULTY}:fault=refuse:at=5", "--latency-batch=1")
result = replay(*EVERY, "--runs=2", "--json=-", small)
found = rows(result.stdout)
ok(len(found) == 19, "--json=- is one JSON document a line, and nothing else", result.stdout[:2000])
ok(errors(found) == [], "every row is as the schema says", "\n".join(errors(found)))
ok({row["pass"] for row in found} == {"verify", "space", "throughput", "latency"}, "rows of every pass were checked")
arena = rows(replay("--alloc=libc,watermark", "--arena=min", "--json=-", small).stdout)
ok(len(arena) == 2 and errors(arena) == [], "every row of a search for the smallest arena is, too", "\n".join(errors(arena)))
ok({row["status"] for row in found} == {"done", "failed"}, "rows of success and of failure were checked")

# The schema refuses what is not as it says: it is no formality.
for name, spoil in {
    "an unknown field": lambda row: row.update(surprise=1),
    "a field less": lambda row: row.pop("turn"),
    "a figure of another pass": lambda row: row["figures"].update(p50_ns=1.0),
    "a done row without figures": lambda row: row.update(figures=None),
}.items():
    row = json.loads(json.dumps(next(row for row in found if row["pass"] == "throughput")))
    spoil(row)
    ok(list(validator.iter_errors(row)) != [], f"the schema refuses {name}")


def mentioned(value):
    """All keys and enum members of the schema."""
    if isinstance(value, dict):
        return set(value) | set().union(*map(mentioned, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(mentioned, value)) if value else set()
    return set()


with open(os.path.join(SOURCE, "driver", "fields.h"), encoding="utf-8") as file:
    fields = set(re.findall(r'^#define FIELD_\w+\s+"(\w+)"', file.read(), re.M))
ok(len(fields) > 60 and fields <= mentioned(schema), "the schema knows every field", fields - mentioned(schema))

# Nothing unknown is a number: it is null, and there is a reason.
libc = next(row for row in found if row["allocator"]["name"] == "libc" and row["pass"] == "space")
ok(
    libc["figures"]["external_fragmentation_at_peak"] is None
    and "walk()" in libc["missing"]["external_fragmentation_at_peak"],
    "what cannot be measured is null with the reason",
    libc["missing"],
)
ok(
    all(key in row["missing"] for row in found if row["figures"] for key, value in row["figures"].items() if value is None),
    "every null figure has its reason",
)
throughput = [row for row in found if row["pass"] == "throughput" and row["allocator"]["name"] != "faulty"]
ok(
    all(
        abs(row["figures"]["ns_per_op"] - row["figures"]["floor_ns_per_op"] - row["figures"]["above_floor_ns_per_op"]) < 1e-6
        for row in throughput
    ),
    "raw and floor-corrected figures agree",
)
ok(
    all(row["turn"] == 0 and row["figures"]["above_floor_ns_per_op"] == 0 for row in throughput if row["allocator"]["spec"] == "null"),
    "null is first in its round and its own floor",
)
timed = {
    seconds: [
        row["figures"]
        for row in rows(replay("--alloc=tlsf", "--passes=throughput", "--runs=2", f"--timed={seconds}", "--json=-", "model:churn:ops=20000").stdout)
    ]
    for seconds in ("60", "1e-9")
}
ok(
    all(one["parts"] == 3 and one["ns_per_op"] <= one["wall_ns_per_op"] * (1 + 1e-9) for all_ in timed.values() for one in all_),
    "a trace of 20000 ops is timed in 3 parts; with each at its fastest, it takes no longer than a whole repetition",
    timed,
)
ok(
    [{len(one["repetitions_ns"]) for one in timed[seconds]} for seconds in ("60", "1e-9")] == [{64}, {1}],
    "it is replayed until --timed is up, or 64 times",
    timed,
)
verify = next(row for row in found if row["allocator"]["name"] == "libc" and row["pass"] == "verify")
ok(verify["figures"]["blocks_checked"] == 2 + 4 + 3, "verify compares each block at realloc, at free, and at the end", verify["figures"])
latency = [row for row in found if row["allocator"]["name"] == "libc" and row["pass"] == "latency"]
ok(
    all(sum(count for _, count in row["figures"]["histogram"]["upto_ns_and_count"]) == len(SMALL) for row in latency),
    "the histogram counts every op once",
)
ok(
    [row["figures"]["worst_of_least_runs"] for row in latency] == [1, 2]
    and (latency[1]["figures"]["worst_of_least_ns"] or 0) <= (latency[0]["figures"]["worst_of_least_ns"] or 0),  # null: under a step
    "the worst of the least does not grow with runs",
    [row["figures"]["worst_of_least_ns"] for row in latency],
)

# Space figures of a known allocator on a known trace, byte by byte: FAULTY holds a page for itself and each block.
space = rows(replay(f"--alloc={FAULTY}", "--passes=space", "--json=-", small).stdout)[0]["figures"]
page = found[0]["host"]["page_bytes"]
peak = 300 + 200 + 5000 - 200  # the blocks a (resized), d, and c of 200
ok(space["requested_peak_bytes"] == 300 + 5000 + 200, "peak of live", space)
ok(
    space["held_at_peak_bytes"] == page * (1 + 1 + 1 + (64 + 5000) // page + 1)
    and space["granted_at_peak_bytes"] == 5500
    and space["internal_fragmentation_at_peak"] == 0,
    "held and granted at the peak",
    space,
)
ok(space["touched_at_end_bytes"] % page == 0 and space["touched_at_end_bytes"] >= 3 * page, "touched is whole pages", space)
ok(
    space["touched_peak_bytes"] == space["touched_at_end_bytes"] == space["samples"]["touched_bytes"][-1]
    and space["samples"]["touched_bytes"] == sorted(space["samples"]["touched_bytes"]),
    "an arena's pages stay touched",
    space,
)


def rounded(number, unit):
    return -(-number // unit) * unit


def near(values, expected):
    return all(value is not None and abs(value - one) < 1e-6 for value, one in zip(values, expected, strict=True))


# Johnstone and Wilson's measures by hand. watermark puts blocks side by side, each with a word, at multiples of 16
# bytes, behind some 200 bytes of its own. It has a page at first, and when a block does not fit takes the 16 KiB it
# is told, or pages for the whole block when that is more. All that is live is written, so that it is touched.
hand = trace(["malloc 0x1 2000", "malloc 0x2 4000", "free 0x1", "malloc 0x3 20000", "free 0x3", "malloc 0x4 18000", "free 0x2", "free 0x4"])
space = rows(replay("--alloc=watermark:grow=16K", "--touch=all", "--passes=space", "--json=-", hand).stdout)[0]["figures"]
foreign = rows(replay("--alloc=libc", "--passes=space", "--json=-", hand).stdout)[0]
live = [2000, 6000, 4000, 24000, 4000, 22000, 18000, 0]
behind = [200 + used for used in (2016, 6032, 6032, 26048, 26048, 44064, 44064, 44064)]
held = [page]
for end, size in zip(behind, (2000, 4000, 0, 20000, 0, 18000, 0, 0)):
    held.append(held[-1] if end <= held[-1] else held[-1] + rounded(max(16384, size + 48), page))
for name, used in (("held", held[1:]), ("touched", [rounded(end, page) for end in behind])):
    ok(space["samples"][f"{name}_bytes"] == used, f"{name} after every op", (space["samples"], used))
    first = used.index(max(used))
    measures = [
        sum(u / b - 1 for u, b in zip(used, live) if b) / 7,
        used[3] / 24000 - 1,
        max(used) / live[first] - 1,
        max(used) / 24000 - 1,
    ]
    found_measures = [space[f"fragmentation_{i}_{name}"] for i in range(1, 5)]
    ok(near(found_measures, measures), f"Johnstone and Wilson's four measures of {name}", (found_measures, measures))
ok(
    space["metadata_at_peak_bytes"]
    == space["held_at_peak_bytes"] - space["granted_at_peak_bytes"] - space["free_at_peak_bytes"]
    and space["metadata_at_peak_bytes"] >= 2016
    and space["free_at_peak_blocks"] == space["samples"]["free_blocks"][3] == 1,
    "what is held in no block, and how many blocks are free",
    space,
)
source = rows(replay("--alloc=pages:buddy", "--passes=space", "--json=-", small).stdout)[0]
ok(
    source["figures"]["metadata_at_peak_bytes"] is None and "not held" in source["missing"]["metadata_at_peak_bytes"],
    "of a page source alone, whose free pages are not held, that is missing",
    source["missing"],
)
ok(
    foreign["figures"]["fragmentation_1_touched"] is None
    and "pages come and go" in foreign["missing"]["fragmentation_1_touched"],
    "without an arena touched is not known after every op, and that is said",
    foreign["missing"],
)

# The map of it: 44 KB in bins of 512 bytes, with what is live in each.
heap_map = space["heap_map"]
lines = [base64.b64decode(line) for line in heap_map["live_of_255"]]
ok(
    heap_map["bin_bytes"] == 512
    and heap_map["bin_index"] == list(range(len(lines)))
    and len(lines) in (87, 88)
    and heap_map["op_index"] == list(range(8)),
    "a heap map has bins of one size, up to 128, and ops",
    heap_map,
)
drawn = [sum(line[op] for line in lines) * 512 / 255 for op in range(8)]
ok(all(0 <= d - b < 2 * len(lines) for d, b in zip(drawn, live)), "all live bytes are in it after every op", drawn)
second = [place for place, line in enumerate(lines) if line[4]]
ok(
    second == list(range(second[0], second[-1] + 1))
    and second[0] * 512 <= heap_map["lowest_address"] % 512 + 2016 + 512
    and len(second) in (8, 9)
    and all(lines[place][4] == 255 for place in second[1:-1]),
    "a block is where it lies",
    second,
)
os.unlink(hand)

# A block that is small, and is mapped for its alignment; under a sanitizer the C library's heap is not its own.
apart = trace(["malloc 0xa000 100", "memalign 0x200000 2097152 4096", "malloc 0xb000 10", "free 0x200000", "malloc 0xc000 10"])
held = rows(replay("--alloc=libc", "--passes=space", "--json=-", apart).stdout)[0]["figures"]
ok(
    held["held_peak_bytes"] is None or held["held_peak_bytes"] >= 2 << 20 > held["held_at_end_bytes"],
    "what the C library holds for an aligned block is seen when it comes and when it goes",
    held,
)
os.unlink(apart)

# Without an arena pages come and go: here the most are touched neither at the peak of live nor at the end.
names = [f"{i * 16 + 16:#x}" for i in range(300)]
hump = trace([f"malloc {name} 100" for name in names] + [f"free {name}" for name in names] + ["malloc 0x10 100000"])
space = rows(replay(f"--alloc={FAULTY}", "--pages=mmap", "--passes=space", "--json=-", hump).stdout)[0]["figures"]
os.unlink(hump)
beside = space["touched_at_peak_bytes"] - space["held_at_peak_bytes"]  # a sanitizer's notes on memory stay touched
ok(
    beside >= 0
    and 301 <= (space["touched_peak_bytes"] - beside) / page < 340
    and space["touched_at_peak_bytes"] < 100 * page
    and space["touched_peak_bytes"] == max(space["samples"]["touched_bytes"])
    and space["touched_peak_per_requested_peak"] == space["touched_peak_bytes"] / 100000,
    "touched has its peak wherever it was",
    space,
)


def order(seed):
    out = replay("--alloc=libc,watermark,null,null-inline", "--passes=throughput", "--runs=5", f"--seed={seed}", "--json=-", small)
    return [(row["run"], row["turn"], row["allocator"]["spec"]) for row in rows(out.stdout)]


first = order(1)
ok(first == order(1) and first != order(2), "the seed decides the order of turns")
ok(
    all(sorted(spec for run, _, spec in first if run == r) == ["libc", "null", "null-inline", "watermark"] for r in range(5)),
    "every allocator has one turn a round",
    first,
)

# A sweep that is interrupted keeps its rows, prints its table, and dies of the signal.
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "kept rows.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"from": "before"}\n')
    sweep = subprocess.Popen(
        [REPLAY, "--alloc=libc", "--runs=10000", "--passes=throughput", f"--json={path}", small],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with open(path, encoding="utf-8") as file:
            if file.read().count("\n") >= 5:
                break
        time.sleep(0.02)
    sweep.send_signal(signal.SIGINT)
    out, err = sweep.communicate(timeout=PATIENCE_S)
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    ok(sweep.returncode == -signal.SIGINT, "an interrupted sweep dies of the signal", sweep.returncode)
    ok(json.loads(lines[0]) == {"from": "before"}, "rows are appended")
    ok(len(lines) >= 5 and errors(map(json.loads, lines[1:])) == [], "the rows of an interrupted sweep are kept", lines[-1][:300])
    ok("\nlibc " in out and "kept" in err, "the table of what there is is printed", out + err)

    # Time that is up is said, and what was done stays.
    out = replay("--alloc=libc", "--runs=10000", "--passes=throughput", "--limit=0.5", small).stdout
    ok("of 10000 runs, as --limit=0.5 seconds were up" in out, "runs left out for want of time are said", out)

    # Where a run is pinned is in the row; so is that a machine cannot pin, which is told.
    allowed = os.sched_getaffinity(0)
    for cpu, args, patient in ((min(allowed), [f"--cpu={min(allowed)}"], False), (max(allowed), ["--settle=0"], True)):
        found = rows(replay("--alloc=null", "--runs=1", *args, "--json=-", small, patient=patient).stdout)
        ok(
            errors(found) == [] and {(row["settings"]["cpu"], row["settings"]["pinned"]) for row in found} == {(cpu, True)},
            f"runs are pinned to the {'highest CPU' if patient else 'CPU that was named'}",
            found,
        )
    result = replay("--alloc=null", "--runs=1", "--cpu=65535", "--json=-", small)
    ok(
        all(not row["settings"]["pinned"] for row in rows(result.stdout)) and "cannot be pinned" in result.stderr,
        "a CPU that is not there is said",
        result.stderr,
    )
    result = replay("--alloc=null,pool", "--runs=1", "--randomize", "--json=-", small)
    ok(all(row["settings"]["address_randomisation"] for row in rows(result.stdout)), "--randomize is in the rows", result.stdout)
    timed = {row["pass"]: row["settings"]["code_on_own_pages"] for row in rows(result.stdout)}
    ok(
        timed["throughput"] and timed["latency"] and not timed["space"],
        "the code of timed runs is on pages of its own, and that is in the rows",
        timed,
    )

result = replay("--alloc=null", "--runs=1", "--json=-", small, env={**os.environ, "HEAPBENCH_RUNNER": "/usr/bin/env RUN=1"})
ok(
    result.returncode == 0 and all(row["settings"]["runner"] == "/usr/bin/env RUN=1" for row in rows(result.stdout)),
    "HEAPBENCH_RUNNER is put before the runs, and is in the rows",
    result.stdout + result.stderr,
)

result = replay("--alloc=libc", "--runs=1", "--json=-", small, env={**os.environ, "HEAPBENCH_RUNNER": "/nosuch/runner"})
ok(
    result.returncode == 4 and rows(result.stdout)[0]["status"] == "lacks" and "/nosuch/runner" in rows(result.stdout)[0]["reason"],
    "exit 4 and a row: a run that cannot be started",
    result.stdout + result.stderr,
)

os.unlink(small)
finish()

"""latency.py - the clocks of the latency pass: single ops, batches, cycles, and the units of their figures."""

import os
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from tap import FAULTY, SMALL, finish, ok, replay, rows, trace  # noqa: E402

small = trace(SMALL)
SINGLE = {"p50_ns", "p99_ns", "p99_9_ns", "max_ns", "worst_of_least_ns"}
PER_OP = {f"{name}_per_op" for name in SINGLE}


# The clocks of two CPUs may differ; that of a test beside this one is probably another.
_cpus = sorted(os.sched_getaffinity(0))
CPU = _cpus[os.getpid() % len(_cpus)]


def latency(*args):
    return rows(replay("--passes=latency", "--json=-", "--runs=2", f"--cpu={CPU}", *args).stdout)


def counted(row):
    (counts,) = (value for name, value in row["figures"]["histogram"].items() if name.endswith("_and_count"))
    return sum(count for _, count in counts)


row = latency("--alloc=watermark", "--latency-batch=1", small)[-1]
ok(
    row["figures"]["batch_ops"] == 1 and counted(row) == len(SMALL) and not PER_OP & set(row["figures"]),
    "each op is timed alone",
    row["figures"],
)
figures = latency("--alloc=watermark", small)[-1]["figures"]
ok(
    figures["batch_ops"] == 1 or (figures["batch_ops"] == len(SMALL) and figures["clock_resolution_ns"] >= 8),
    "so it is by itself, but for a clock that is too coarse",
    figures,
)

# 13 ops: three batches of 4, each with one that takes more than a step of any clock, and one op that is in none.
batched = latency(f"--alloc={FAULTY}:fault=slow", "--latency-batch=4", small)[-1]
figures = batched["figures"]
ok(figures["batch_ops"] == 4 and counted(batched) == 3, "ops are timed in batches, whole ones", figures)
ok(
    set(figures["histogram"]) == {"relative_error", "upto_ns_per_op_and_count"} and all(figures[name] > 0 for name in PER_OP),
    "figures of batches have names of their own",
    figures,
)
ok(
    all(figures[name] is None and f"4 ops were timed together: {name}_per_op" == batched["missing"][name] for name in SINGLE),
    "those of single ops are null, with the reason",
    batched["missing"],
)
ok(
    figures["max_op"]["index"] % 4 == 0 and figures["worst_of_least_op"]["index"] % 4 == 0,
    "the worst op is the first of its batch",
    figures,
)

# What is said of an op is its own time, whatever the length of the batch, and however fast or busy the machine is. No op
# of these takes less than SLOW_NS, as a sleep never ends early; and all together take no longer than ./replay has run.
# Both clocks are one in a thousand exact, and one of them may step.
SLOW_NS = 100_000
slow = trace([f"malloc {i * 64 + 64:#x} 64" for i in range(400)])
for ops in (1, 16, 128):
    begin = time.monotonic_ns()
    row = latency(f"--alloc={FAULTY}:fault=slow", f"--latency-batch={ops}", "--clock=timer", slow)[-1]
    spent = time.monotonic_ns() - begin
    ((_, buckets),) = (item for item in row["figures"]["histogram"].items() if item[0].endswith("_and_count"))
    step = row["figures"]["clock_resolution_ns"]
    ok(
        counted(row) == 400 // ops
        and min(upto for upto, _ in buckets) >= 0.999 * SLOW_NS - step / ops
        and sum(upto * count for upto, count in buckets) * ops / (1 + row["figures"]["histogram"]["relative_error"]) <= 1.001 * spent,
        f"ops timed by {ops} take what one takes at least, and no more together than there was",
        (buckets, step, spent),
    )

# After three replays, only those ops are timed that may be the slowest.
for at, timed_s in ((0, 1), (399, 0.1), (100, 1)):
    row = latency(f"--alloc={FAULTY}:fault=slow:at={at}", f"--timed={timed_s}", "--latency-batch=1", "--clock=timer", slow)[-1]
    figures = row["figures"]
    ok(
        counted(row) == 400
        and figures["worst_of_least_op"]["index"] >= at
        and 0.999 * SLOW_NS - figures["clock_resolution_ns"] <= figures["worst_of_least_ns"] <= figures["max_ns"],
        f"the slowest op is one that always is: those from {at} on",
        figures,
    )
# Later replays end with the slowest op, here the third, which clears the most. What goes wrong in or before it is found.
clearing = trace(["malloc 0x100 100", "malloc 0x200 100", "calloc 0x1000000 1 4194304", "malloc 0x300 100", "free 0x100"])
for fault, at in (("refuse", 1), ("refuse", 2), ("crash", 1), ("crash", 2)):
    row = latency(f"--alloc={FAULTY}:fault={fault}:at={at}:heap=10", "--timed=5", "--latency-batch=1", clearing)[-1]
    ok(row["status"] == "failed" and row["op"]["index"] == at, f"what goes wrong in a later replay names its op: {fault} at {at}", row)
# It is done again with the ops before it.
late = trace([f"malloc {i * 256 + 256:#x} 16" for i in range(1500)] + ["calloc 0x1000000 1 4194304", "malloc 0x2000000 16"])
for alloc in ("segfit", "buddy", "libc", FAULTY):
    row = latency(f"--alloc={alloc}", "--latency-batch=1", late)[-1]
    ok(row["status"] == "done" and row["figures"]["worst_of_least_op"]["index"] == 1500, f"a late op is the slowest of {alloc}", row)
for fault, at in (("refuse", 1400), ("crash", 1500)):
    row = latency(f"--alloc={FAULTY}:fault={fault}:at={at}:heap=10", "--timed=5", "--latency-batch=1", late)[-1]
    ok(row["status"] == "failed" and row["op"]["index"] == at, f"what goes wrong there names its op: {fault} at {at}", row)
figures = latency("--alloc=null", "--latency-batch=65536", small)[-1]["figures"]
ok(figures["batch_ops"] == len(SMALL), "a batch has no more ops than the trace", figures)

table = replay("--passes=latency", "--alloc=watermark,libc", "--latency-batch=4", small).stdout
ok(
    ", latency of 4 ops together\n" in table and " p50/op " in table and "batches of up to 4 ops" in table,
    "the table says it in its heading, its columns and its legend",
    table,
)
csv = replay("--passes=latency", "--alloc=watermark", "--latency-batch=4", "--format=csv", small).stdout.splitlines()
ok(
    csv[0] == "trace,allocator,p50_ns_per_op,p99_ns_per_op,p99_9_ns_per_op,max_ns_per_op,worst_of_least_ns_per_op,worst_op,status,note",
    "so do the names of the CSV",
    csv[0],
)

# An allocator that fails in a batch is found, op and all.
crashed = latency(f"--alloc={FAULTY}:fault=crash:at=5", "--latency-batch=4", small)[-1]
ok(crashed["status"] == "failed" and crashed["op"]["index"] == 5, "a failure in a batch names its op", crashed)

# What makes no sense, and what this machine has not.
result = replay("--latency-batch=4", "--clock=cycles", small)
ok(result.returncode == 2 and "--latency-batch" in result.stderr, "batches of cycles: exit 2", result.stderr)
for wrong in ("--latency-batch=0", "--latency-batch=many", "--clock=sundial", "--cooldown=-1"):
    result = replay(wrong, small)
    ok(result.returncode == 2 and wrong in result.stderr, f"{wrong}: exit 2, and it is named", result.stderr)
result = replay("--passes=latency", "--clock=cycles", "--alloc=null", "--runs=1", "--json=-", small)
ok(
    (result.returncode == 4 and "--clock=cycles: the cycle counter cannot be had: " in result.stderr and result.stdout == "")
    or (result.returncode == 0 and rows(result.stdout)[0]["figures"]["p50_cycles"] >= 0 and rows(result.stdout)[0]["figures"]["p50_ns"] is None),
    "cycles are had, or it is said why not, exit 4",
    result.stderr,
)

# Emulated, as the user says or as the runner tells.
found = rows(replay("--alloc=null", "--passes=throughput", "--runs=1", "--emulated=a model of a chip", "--json=-", small).stdout)
ok(
    found[0]["host"]["emulated"] is True and found[0]["host"]["emulated_by"] == "a model of a chip",
    "--emulated is in the rows",
    found[0]["host"],
)
with tempfile.TemporaryDirectory() as folder:
    runner = os.path.join(folder, "qemu-pretender")
    with open(runner, "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\nexec "$@"\n')
    os.chmod(runner, 0o755)
    for form, said in (("table", ", emulated\n"), ("markdown", ", emulated\n"), ("csv", ",done,emulated\r\n")):
        result = replay(
            "--alloc=null", "--passes=throughput", "--runs=1", f"--format={form}", small, env={**os.environ, "HEAPBENCH_RUNNER": runner}
        )
        ok(
            said.strip() in result.stdout and "emulated by qemu-pretender" in result.stderr,
            f"times of an emulator are marked in a {form}",
            result.stdout + result.stderr,
        )
found = rows(replay("--alloc=null", "--passes=throughput", "--runs=1", "--emulated=no", "--json=-", small).stdout)
ok(found[0]["host"]["emulated"] is False and found[0]["host"]["emulated_by"] is None, "--emulated=no is believed", found[0]["host"])

os.unlink(small)
os.unlink(slow)
os.unlink(clearing)
os.unlink(late)
finish()

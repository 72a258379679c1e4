"""common.py - what the tests of the analysis share: the driver's TAP functions, and rows of a run that really was, with
figures of our choice. Imported first: it leaves the test out when Python lacks a module."""

import copy
import functools
import importlib
import json
import os
import sys
import tempfile

sys.dont_write_bytecode = True
source = os.path.abspath(os.environ.get("top_srcdir", "."))
sys.path[:0] = [source, os.path.join(source, "driver", "tests")]

for module in ("jsonschema", "fastjsonschema", "numpy", "scipy", "pandas", "rich"):
    try:
        importlib.import_module(module)
    except ImportError:
        print(f"1..0 # SKIP this python3 has no {module} (Debian: python3-{module})")
        sys.exit(0)

from tap import BUILD, SMALL, finish, ok, replay, rows, skip, trace  # noqa: E402, F401

work = tempfile.TemporaryDirectory(prefix="analysis ")


@functools.cache
def _lines(*args):
    path = trace(SMALL)
    result = replay("--timed=0.01", *args, "--json=-", path)
    os.unlink(path)
    return result.stdout


def measured(*args):
    """The rows of a real run on a small trace, as ./replay writes them; the same ones when asked for the same."""
    return rows(_lines(*args))


def above_noise(rows):
    """Makes the times longer: of so few ops, some would be lost in the noise of the floor's."""
    for row in rows:
        if row["pass"] == "throughput" and row["allocator"]["spec"] != "null":
            row["figures"]["above_floor_ns_per_op"] += 100


def core_of_ones_own(memory_load_ns):
    """What a row says of its processor core."""
    return {
        "shared": False,
        "cache_shared": False,
        "repetitions_left_out": 0,
        "clock_hz": 3e9,
        "memory_load_ns": memory_load_ns,
    }


def throughput_rows(times, memory_load_ns=100.0):
    """Rows of the throughput pass with these ns/op, {trace: {allocator: [of each round]}}."""
    names = sorted({name for cells in times.values() for name in cells})
    templates = {
        row["allocator"]["spec"]: row
        for row in measured("--alloc=" + ",".join(names), "--runs=1", "--passes=throughput")
    }
    made = []
    for trace_name, cells in times.items():
        for name, values in cells.items():
            for run, value in enumerate(values):
                row = copy.deepcopy(templates[name])
                row["trace"]["name"] = trace_name
                row["run"] = run
                row["figures"]["ns_per_op"] = row["figures"]["ns_per_op_median"] = value
                row["figures"]["cycles_per_op"] = 3 * value
                row["condition"]["core"] = core_of_ones_own(memory_load_ns)
                made.append(row)
    return made


def in_cycles(row, per_ns=2.5):
    """A row of the latency pass as a machine writes it whose processor counts cycles, so many a nanosecond."""
    row = copy.deepcopy(row)
    figures = row["figures"]
    for name in ("p50", "p99", "p99_9", "max", "worst_of_least", "clock_cost", "clock_resolution"):
        figures[f"{name}_cycles"] = figures[f"{name}_ns"] * per_ns
        figures[f"{name}_ns"], row["missing"][f"{name}_ns"] = None, f"measured in cycles: {name}_cycles"
    ops = figures["slowest_ops"]
    ops["least_cycles"] = [least * per_ns for least in ops.pop("least_ns")]
    ops["others_least_cycles"] = ops.pop("others_least_ns") * per_ns
    buckets = figures["histogram"].pop("upto_ns_and_count")
    figures["histogram"]["upto_cycles_and_count"] = [[upto * per_ns, count] for upto, count in buckets]
    return row


_files = 0


def written(found):
    """A file of these rows, or of these lines; its path."""
    global _files
    _files += 1
    path = os.path.join(work.name, f"{_files}.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        for row in found:
            file.write((row if isinstance(row, str) else json.dumps(row)) + "\n")
    return path

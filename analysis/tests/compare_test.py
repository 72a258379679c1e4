"""compare_test.py - what ./compare says of two sweeps, and how it ends.

The times are those of two sweeps of one build, one after the other, on a shared virtual machine with two cores (ns/op,
nine rounds): noise as it is.
"""

import copy
import os
import re
import subprocess
import sys

from common import BUILD, finish, measured, ok, skip, throughput_rows, written

# fmt: off
BEFORE = {
    "sqlite3.trace": {
        "null": [2.333, 3.365, 2.406, 2.376, 2.371, 2.379, 2.347, 2.353, 2.373],
        "pool": [4.404, 6.437, 4.374, 4.321, 4.348, 4.354, 4.375, 4.34, 4.307],
        "libc": [10.614, 10.454, 10.709, 10.45, 10.444, 10.319, 10.632, 10.566, 10.645],
        "tlsf": [10.347, 13.574, 10.305, 10.061, 10.222, 10.333, 10.207, 10.281, 10.28],
        "slab": [6.691, 6.649, 6.476, 6.514, 6.708, 6.707, 6.413, 6.44, 6.403],
    },
    "python3.trace": {
        "null": [2.493, 2.529, 2.513, 2.508, 2.552, 2.554, 2.54, 2.524, 2.568],
        "tlsf": [14.304, 14.283, 14.269, 14.422, 14.149, 14.234, 14.478, 14.466, 14.509],
        "pool": [5.302, 5.216, 5.263, 5.251, 5.27, 5.22, 5.352, 5.25, 5.284],
        "libc": [16.269, 16.203, 16.189, 15.966, 16.446, 16.33, 16.423, 16.505, 16.489],
        "slab": [7.413, 7.401, 7.414, 7.424, 7.871, 7.84, 7.558, 8.932, 7.514],
    },
    "perl.trace": {
        "null": [4.411, 4.407, 4.436, 4.403, 4.415, 4.438, 4.445, 4.412, 4.427],
        "tlsf": [15.277, 15.099, 15.065, 15.23, 15.089, 16.676, 15.011, 14.905, 14.877],
        "libc": [18.276, 18.151, 18.026, 17.934, 18.651, 18.115, 18.02, 18.36, 18.384],
        "pool": [7.539, 7.566, 7.724, 7.612, 7.759, 7.73, 7.637, 7.617, 7.683],
        "slab": [8.697, 8.917, 8.868, 8.737, 8.91, 12.583, 8.99, 8.717, 8.866],
    },
}
AFTER = {
    "sqlite3.trace": {
        "null": [2.36, 2.333, 2.359, 2.379, 2.372, 2.33, 2.38, 2.352, 2.394],
        "pool": [4.381, 4.452, 4.443, 4.367, 4.339, 4.32, 4.495, 4.473, 4.384],
        "libc": [10.569, 10.908, 10.819, 10.499, 10.616, 10.598, 10.979, 10.881, 10.666],
        "tlsf": [10.223, 10.306, 10.258, 10.493, 10.321, 10.342, 10.552, 10.524, 10.41],
        "slab": [6.424, 6.422, 6.575, 6.651, 6.555, 6.582, 6.657, 6.588, 6.482],
    },
    "python3.trace": {
        "null": [2.517, 2.515, 2.512, 2.509, 2.526, 2.512, 2.504, 2.538, 2.509],
        "tlsf": [14.396, 14.425, 14.398, 14.367, 14.358, 14.519, 14.444, 14.295, 14.409],
        "pool": [5.262, 5.388, 5.325, 5.533, 5.321, 5.381, 5.306, 5.252, 5.377],
        "libc": [16.243, 16.622, 16.442, 16.534, 16.657, 16.567, 16.389, 16.37, 16.345],
        "slab": [7.475, 7.55, 7.455, 7.557, 7.507, 7.496, 7.492, 7.57, 7.587],
    },
    "perl.trace": {
        "null": [4.418, 4.41, 4.398, 4.417, 5.029, 4.407, 4.486, 4.391, 4.382],
        "tlsf": [15.592, 15.083, 15.123, 20.249, 18.469, 15.106, 15.062, 15.027, 15.021],
        "libc": [18.302, 18.307, 18.117, 18.126, 18.42, 18.407, 17.962, 18.322, 18.22],
        "pool": [7.678, 7.919, 7.568, 7.598, 8.447, 8.247, 7.609, 7.683, 7.523],
        "slab": [8.78, 8.86, 8.876, 8.816, 8.824, 8.903, 8.799, 8.751, 9.03],
    },
}
# fmt: on


def compare(*args):
    return subprocess.run(
        [sys.executable, os.path.join(BUILD, "compare"), *args], capture_output=True, text=True, timeout=120
    )


def slowed(times, factor, *names):
    return {
        trace: {
            name: [value * (factor if name in names else 1) for value in values]
            for name, values in cells.items()
        }
        for trace, cells in times.items()
    }


before, after = written(throughput_rows(BEFORE)), written(throughput_rows(AFTER))
result = compare(before, after)
ok(
    result.returncode == 0 and "no difference found: of 15 figures" in result.stdout,
    "two sweeps of one build: no difference",
    result,
)
result = compare(after, before)
ok(result.returncode == 0 and "no difference found" in result.stdout, "nor the other way round", result)

planted = written(throughput_rows(slowed(AFTER, 1.05, "tlsf")))
result = compare(before, planted)
worse = [line.split()[:2] for line in result.stdout.splitlines() if line.rstrip().endswith("worse")]
expected = [[trace, "tlsf"] for trace in BEFORE]
ok(
    sorted(worse) == sorted(expected),
    "one allocator slowed by 5 %: found on every trace, and no other",
    result.stdout,
)
ok(result.returncode == 1, "something got worse: exit code 1", result)
result = compare(planted, before)
ok(
    result.returncode == 0 and result.stdout.count("better") == 4,
    "the other way round: better on three, exit code 0",
    result.stdout,
)
result = compare(before, planted, "--threshold=9")
ok(
    result.returncode == 0 and "no difference" in result.stdout,
    "a threshold above it: no difference",
    result.stdout,
)

result = compare(before, planted, "--markdown", "--all")
lines = [line for line in result.stdout.splitlines() if line.startswith("|")]
ok(
    len(lines) == 17 and len({line.count(" |") for line in lines}) == 1,
    "--markdown is a table of all figures",
    result.stdout,
)

few = written(throughput_rows({name: {a: v[:3] for a, v in cells.items()} for name, cells in BEFORE.items()}))
result = compare(few, few)
ok(
    "15 with too few runs to tell" in result.stdout,
    "three runs are too few to tell, and that is said",
    result.stdout,
)

spaces = measured("--alloc=watermark,slab", "--passes=space")
first = written(spaces)
for row in spaces:
    if row["allocator"]["spec"] == "slab":
        row["figures"]["held_peak_bytes"] += 4096
result = compare(first, written(spaces))
ok(
    result.returncode == 1 and "held, peak" in result.stdout and "1 worse" in result.stdout,
    "a page more is held: found, exactly",
    result.stdout,
)

# ---- What has no pair ----------------------------------------------------------------------------------------------------


def failed(row):
    return {**row, "status": "failed", "reason": "no memory", "op": None, "figures": None}


def is_slab(row):
    return row["allocator"]["spec"] == "slab"


fails = written([failed(row) if is_slab(row) else row for row in spaces])
without = written([row for row in spaces if not is_slab(row)])
LOST = "fails now, and did not before, in the space pass: no memory"
OLD_ONLY, NEW_ONLY = (f"1 not compared, as only the {which} results have" for which in ("old", "new"))
for old, new, code, said, what in (
    (first, fails, 1, LOST, "what failed in the new results alone is told, exit code 1"),
    (fails, first, 0, NEW_ONLY, "the other way round: counted, exit code 0"),
    (fails, fails, 0, None, "what failed before as well is no change"),
    (first, without, 0, OLD_ONLY, "what is in the old results alone is counted"),
):
    result = compare(old, new)
    found = [words for words in (LOST, OLD_ONLY, NEW_ONLY) if words in result.stdout]
    ok(result.returncode == code and found == [said] * (said is not None), what, result)

others = copy.deepcopy(spaces)
for row in others:
    row["trace"]["hash"] = "f" * 32
twins = written(spaces + others)
grown = copy.deepcopy(spaces)
for row in grown:
    row["figures"]["held_peak_bytes"] += 4096
result = compare(twins, written(grown + others))
name = spaces[0]["trace"]["name"]
ok(
    result.returncode == 1 and "2 worse" in result.stdout and f"{name} {spaces[0]['trace']['hash'][:8]}" in result.stdout,
    "two traces of one name are two, told apart by their hashes",
    result,
)

counted = measured("--alloc=slab", "--passes=instructions")
if counted and counted[0]["status"] == "done":
    elsewhere = copy.deepcopy(counted)
    for row in elsewhere:
        row["figures"]["instruction_set"] = "aarch64" if row["figures"]["instruction_set"] == "x86_64" else "x86_64"
        row["figures"]["instructions"]["malloc"]["mean_instructions"] *= 2
    result = compare(written(counted + spaces), written(elsewhere + spaces))
    ok(
        result.returncode == 0 and "instructions was in" in result.stderr and "malloc, mean" not in result.stdout,
        "instructions of two machines are not compared, and that is said",
        result,
    )
    both = written(counted + elsewhere)
    result = compare(both, both, "--all")
    ok(
        result.returncode == 0 and len(re.findall("slab, .* instructions .*malloc, mean", result.stdout)) == 1,
        "in one file they are told apart by name",
        result,
    )
else:
    skip("instructions of two machines", "they cannot be counted here")

# ---- Bad input --------------------------------------------------------------------------------------------------------

for name, args, code, said in (
    ("one file", [before], 2, "required"),
    ("a threshold that is none", [before, after, "--threshold=-1"], 2, "not a percentage"),
    ("a file that is not there", [before, "/no/such"], 3, "/no/such: cannot be read"),
    ("a file without a good row", [before, written(["{}"])], 3, "schema not stated"),
    ("nothing in common", [before, first], 3, "have no trace and allocator in common"),
):
    result = compare(*args)
    ok(
        result.returncode == code and said in result.stderr and "Traceback" not in result.stderr,
        f"{name}: exit code {code}, and why",
        result,
    )

finish()

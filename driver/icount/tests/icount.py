"""icount.py - the instruction pass: exact, the same each time, as the disassembly says, and as stepping through says."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

import jsonschema

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "driver", "tests"))
from tap import BUILD, FAULTY, REPLAY, SMALL, SOURCE, finish, ok, replay, rows, skip, trace  # noqa: E402

WORKER = os.path.join(BUILD, "driver", "icount", "worker-aarch64")  # when the build had a cross compiler
STEP = os.path.join(BUILD, "driver", "icount", "tests", "step")
PLUGIN = os.path.join(BUILD, "driver", "icount", "icount.so")
MACHINE = os.uname().machine
EMULATOR = f"qemu-{MACHINE}"
small = trace(SMALL)


def count(*args, path=None, program=REPLAY):
    """Runs the instruction pass; the finished process and its rows."""
    env = os.environ if path is None else {**os.environ, "PATH": path}
    args = [program, "--passes=instructions", "--json=-", *args]
    result = subprocess.run(args, capture_output=True, text=True, timeout=300, env=env, check=False)
    return result, rows(result.stdout)


def figures(found):
    return {row["allocator"]["spec"]: row["figures"] for row in found}


def lacks(name, words, *args, **kwargs):
    """Nothing is measured, the row says why, and the exit code is 4."""
    result, found = count("--alloc=null", small, *args, **kwargs)
    ok(
        result.returncode == 4 and [row["status"] for row in found] == ["lacks"] and words in found[0]["reason"],
        name,
        result.stdout + result.stderr,
    )


# The C library clears and copies with other code on other CPUs, and the emulated one is older than most: all shall have
# the code of the oldest.
os.environ["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX512VL,-AVX512BW,-ERMS,-FSRM"

# Nothing of this needs the emulator.
ok("instructions" not in replay("--alloc=null", "--runs=1", small).stdout, "the pass is not among those done unasked")
reason = count("--alloc=null", small)[1][0]["reason"] or ""
unfit = next((words for words in ("sanitizers", "have marks") if words in reason), None)
if unfit:
    lacks("a build that cannot be counted says so", unfit)
    os.unlink(small)
    finish()
with tempfile.TemporaryDirectory() as folder:
    lacks("without qemu-user: exit 4, and what to install", "install qemu-user", path=folder)
    with open(os.path.join(folder, EMULATOR), "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 1\n")
    os.chmod(file.name, 0o755)
    lacks("an emulator without plugins: exit 4, and which one has them", "qemu-user 7.2", path=f"{folder}:/usr/bin:/bin")
    with open(os.path.join(folder, EMULATOR), "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift 2; done\nexec "$@"\n')
    lacks("an emulator that does not count is found out", "nobody counts", path=f"{folder}:/usr/bin:/bin")

if shutil.which(EMULATOR) is None:
    skip("counting under an emulator", f"no {EMULATOR} (Debian: qemu-user)")
    os.unlink(small)
    finish()

# The rows.
with open(os.path.join(SOURCE, "results", "schema.json"), encoding="utf-8") as file:
    validator = jsonschema.Draft202012Validator(json.load(file))
result, found = count("--alloc=all", small)
wrong = [f"{row['allocator']['spec']}: {e.message[:200]}" for row in found for e in validator.iter_errors(row)]
ok(result.returncode == 0 and len(found) > 5 and wrong == [], "every row is as the schema says", "\n".join(wrong) + result.stderr)
if found:
    row = json.loads(json.dumps(found[0]))
    row["figures"]["instructions"]["malloc"]["mean_ns"] = 1
    ok(list(validator.iter_errors(row)) != [], "the schema refuses a figure it does not know")
ops = {kind: of["ops"] for kind, of in figures(found)["null"]["instructions"].items()}
ok(ops == {"malloc": 5, "calloc": 1, "aligned": 1, "realloc": 2, "free": 4}, "every op is counted once, as its kind", ops)


def disassembled(function, program=REPLAY, objdump="objdump"):
    """How many instructions a function has, which must be a straight line to its return; None: not to be known."""
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=True).stdout
    body = re.search(rf"^[0-9a-f]+ <{function}>:\n((?:.+\n)+)", text, re.M)
    lines = re.findall(r"^\s+[0-9a-f]+:\s+(\S+)", body.group(1), re.M) if body else []
    end = next((i for i, word in enumerate(lines) if word.startswith("ret")), None)
    return None if end is None or any(word[0] in "jb" for word in lines[:end]) else end + 1


def compare_with_objdump(null, isa, **disassembler):
    """The counts of null against the machine code."""
    for kind, function in {"malloc": "null_alloc", "free": "null_release", "realloc": "null_resize"}.items():
        known = disassembled(function, **disassembler)
        seen = null["instructions"][kind]
        ok(
            known is not None and seen["mean_instructions"] == seen["p50_instructions"] == seen["worst_instructions"] == known,
            f"{isa}: {kind} of null takes the instructions that objdump shows",
            f"{known} {seen}",
        )


if shutil.which("objdump"):
    compare_with_objdump(figures(found)["null"], MACHINE)
else:
    skip("null takes the instructions that objdump shows", "no objdump (Debian: binutils)")

# The page source is counted apart: FAULTY asks for pages at each op, null never.
pages = figures(count(f"--alloc=null,{FAULTY}", small)[1])
ok(
    pages["null"]["instructions"]["malloc"]["pages_worst_instructions"] == 0
    and pages[FAULTY]["instructions"]["malloc"]["pages_mean_instructions"] > 1
    and pages[FAULTY]["instructions"]["free"]["pages_worst_instructions"] > 1,
    "what the page source takes is counted apart",
    pages,
)

# An allocator that fails is a row, as in any pass.
result, found = count(f"--alloc={FAULTY}:fault=refuse:at=5", small)
ok(
    result.returncode == 1 and found[0]["status"] == "failed" and found[0]["op"] is not None,
    "an allocator that fails says at which op",
    result.stdout + result.stderr,
)

# 2,000 ops of malloc and free. slab's code is long enough for instructions that cross pages, and it clears memory.
chance = random.Random(1)
lines, live = [], []
for index in range(2000):
    if live and chance.random() < 0.45:
        lines.append(f"free {live.pop(chance.randrange(len(live)))}")
    else:
        live.append(hex(0x1000 * (index + 1)))
        lines.append(f"malloc {live[-1]} {int(2 ** chance.uniform(0, 13))}")
ops2000 = trace(lines)
ALLOCATORS = "null,libc,watermark,segfit,tlsf,slab,buddy"
emulated = figures(count(f"--alloc={ALLOCATORS}", ops2000)[1])
again = figures(count(f"--alloc={ALLOCATORS}", "--seed=7", ops2000)[1])
ok(
    len(emulated) == 7 and json.dumps(emulated, sort_keys=True) == json.dumps(again, sort_keys=True),
    "two runs have the same figures, to the last digit",
    f"{emulated}\n{again}",
)
worst = emulated["tlsf"]["instructions"]["malloc"]
ok(
    lines[worst["worst_op"]["index"]].endswith(f" {worst['worst_op']['size_bytes']}")
    and worst["p50_instructions"] <= worst["p99_instructions"] <= worst["p99_9_instructions"] <= worst["worst_instructions"],
    "the worst op is named, and the percentiles ascend",
    worst,
)

# Another instruction set, by a worker that was built for it.
OTHER = ["--isa=aarch64"]
ok(replay("--isa=z80", small).returncode == 2, "an instruction set that is not known is refused")
with tempfile.TemporaryDirectory() as folder:
    shutil.copy(REPLAY, folder)
    alone = os.path.join(folder, "replay")
    result, found = count(*OTHER, "--alloc=null", small, program=alone)
    if result.returncode == 0:
        skip("without a worker for aarch64", "it is not needed, or one is installed")
    else:
        lacks("without a worker for aarch64: exit 4, and what to install", "no worker was built", *OTHER, program=alone)
if MACHINE == "aarch64" or not os.path.exists(WORKER) or shutil.which("qemu-aarch64") is None:
    why = "counted already" if MACHINE == "aarch64" else "no libc6-dev-arm64-cross, gcc-aarch64-linux-gnu or qemu-user"
    skip("counts of aarch64", why)
else:
    result, found = count(*OTHER, f"--alloc={FAULTY}", small)
    ok(
        result.returncode == 4 and "library for this machine" in found[0]["reason"],
        "a library of this machine is not counted in another set",
        result.stdout + result.stderr,
    )
    result, found = count(*OTHER, f"--alloc={ALLOCATORS}", ops2000)
    wrong = [e.message[:200] for row in found for e in validator.iter_errors(row)]
    other = figures(found)
    ok(
        result.returncode == 0 and wrong == [] and all(of["instruction_set"] == "aarch64" for of in other.values()),
        "counts of aarch64, and every row says so",
        "\n".join(wrong) + result.stdout + result.stderr,
    )
    ok(
        other == figures(count(*OTHER, f"--alloc={ALLOCATORS}", "--seed=7", ops2000)[1]),
        "aarch64: two runs have the same figures, to the last digit",
    )
    null = figures(count(*OTHER, "--alloc=null", small)[1])["null"]
    if shutil.which("aarch64-linux-gnu-objdump"):
        compare_with_objdump(null, "aarch64", program=WORKER, objdump="aarch64-linux-gnu-objdump")
    else:
        skip("aarch64: null takes the instructions that objdump shows", "no aarch64-linux-gnu-objdump")

# A folder whose name has what separates arguments.
with tempfile.TemporaryDirectory(prefix="a, b=c ") as folder:
    os.makedirs(os.path.join(folder, "driver", "icount"))
    shutil.copy(REPLAY, folder)
    shutil.copy(PLUGIN, os.path.join(folder, "driver", "icount"))
    result, found = count("--alloc=null", small, program=os.path.join(folder, "replay"))
    ok(result.returncode == 0, "the plugin is found under any name of its folder", result.stdout + result.stderr)

# The table.
result = replay("--alloc=null,tlsf", "--passes=instructions", ops2000)
ok(
    "i/malloc" in result.stdout and "worst instructions of tlsf: " in result.stdout,
    "the table has columns and the worst ops",
    result.stdout + result.stderr,
)

# The same by single steps: step.c in the emulator's place, on one CPU, where it takes half the time.
name = "equal to a count by single steps"
with tempfile.TemporaryDirectory() as folder:
    os.symlink(STEP, os.path.join(folder, EMULATOR))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    result, found = count("--alloc=null", "--cpu=none", small, path=folder)
    if MACHINE != "x86_64":
        skip(name, "stepping is written for x86-64 alone")
    elif result.returncode == 4 and "cannot trace" in result.stderr:
        skip(name, "no process may be traced here (ptrace)")
    else:
        result, found = count(f"--alloc={ALLOCATORS}", "--cpu=none", ops2000, path=folder)
        stepped = figures(found)
        for spec in ALLOCATORS.split(","):
            ok(
                stepped.get(spec) is not None and stepped[spec] == emulated[spec],
                f"{name}: {spec}, 2,000 ops",
                f"{stepped.get(spec)}\n{emulated[spec]}\n{result.stderr}",
            )
os.unlink(small)
os.unlink(ops2000)
finish()

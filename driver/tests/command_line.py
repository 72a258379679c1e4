"""command_line.py - options, their errors and the exit codes of ./replay."""

import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from tap import FAULTY, OTHER_ABI, REPLAY, SMALL, WORD_BITS, finish, ok, replay, rows, trace  # noqa: E402

small = trace(SMALL)

# Arguments, the exit code, and words that must stand on stderr.
ERRORS = [
    ([], 2, "no trace is named"),
    (["--nonsense", small], 2, "unrecognized option"),
    (["--alloc=nosuch", small], 2, "--alloc=nosuch: no such allocator; --list names them"),
    (["--alloc=null:x=1", small], 2, "no option 'x'"),
    (["--alloc=./nosuch.so", small], 2, "cannot be loaded"),
    ([f"--alloc={OTHER_ABI}", small], 2, "built for ABI 999"),
    (["--alloc=/lib/libnosuch.so", small], 2, "cannot be loaded"),
    ([f"--alloc={FAULTY}:fault=sometimes", small], 2, "fault=sometimes is not accepted"),
    (["--pages=nosuch", small], 2, "no such page source"),
    (["--alloc=pages:nosuch", small], 2, "--alloc=pages:nosuch: no such page source; --list names them"),
    (["--alloc=pages:bitmap:fit=worst", small], 2, "--alloc=pages:bitmap: fit=worst is not accepted"),
    (["--alloc=pages", small], 2, "--alloc=pages: name a page source, as pages:avl"),
    (["--passes=throughput,speed", small], 2, "no pass 'speed'"),
    (["--passes=", small], 2, "name at least one"),
    (["--arena=7", small], 2, "write auto, min, or bytes"),
    (["--arena=lots", small], 2, "write auto, min, or bytes"),
    (["--runs=0", small], 2, "--runs=0: not a whole number from 1"),
    (["--runs=-1", small], 2, "not a whole number"),
    (["--warmup=x", small], 2, "not a whole number"),
    (["--seed=99999999999999999999", small], 2, "not a whole number"),
    (["--timeout=0", small], 2, "not a number of seconds"),
    (["--limit=soon", small], 2, "not a number of seconds"),
    (["--cpu=first", small], 2, "not a whole number"),
    (["--touch=most", small], 2, "one of none, word, page, all"),
    (["--alloc-help=nosuch"], 2, "no such allocator"),
    (["/nosuch/file.trace"], 3, "/nosuch/file.trace"),
    (["--json=/nosuch/dir/out.jsonl", small], 4, "/nosuch/dir/out.jsonl"),
]
for args, code, words in ERRORS:
    result = replay(*args)
    shown = " ".join(arg for arg in args if arg != small).replace(os.path.dirname(FAULTY), "…") or "no arguments"
    ok(
        result.returncode == code and words in result.stderr and result.stdout == "",
        f"exit {code}: {shown}",
        f"exit {result.returncode}\n{result.stdout}\n{result.stderr}",
    )

with tempfile.NamedTemporaryFile("w", suffix=".so") as file:
    file.write("not a library")
    file.flush()
    result = replay(f"--alloc={file.name}", small)
    ok(result.returncode == 2 and "cannot be loaded" in result.stderr, "a file that is no library is refused", result.stderr)

with tempfile.NamedTemporaryFile("w", suffix=".trace") as file:
    file.write("this is no trace\n")
    file.flush()
    result = replay("--alloc=null", file.name)
    ok(result.returncode == 3 and file.name in result.stderr, "exit 3: a file that is no trace", result.stderr)

result = replay("--list")
ok(
    result.returncode == 0 and all(f"  {name} " in result.stdout for name in ("null", "libc", "null-inline", "arena", "mmap")),
    "--list names allocators and page sources",
    result.stdout,
)
for args in (["--list"], ["--alloc=null", "--passes=throughput", "--runs=1", small]):
    with open("/dev/full", "w") as full:
        result = subprocess.run([REPLAY, *args], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    ok(
        result.returncode == 4 and "standard output cannot be written" in result.stderr,
        f"exit 4: no room for the output of {args[0]}",
        f"exit {result.returncode}\n{result.stderr}",
    )
# A stream that is closed is not the next file that is opened.
with tempfile.TemporaryDirectory() as directory:
    for closed, more, code in (("2>&-", ["no/such.trace"], 3), (">&-", [], 4)):
        path = os.path.join(directory, "rows.jsonl")
        words = [REPLAY, f"--json={path}", "--alloc=null", "--passes=throughput", "--runs=1", small, *more]
        result = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *words], capture_output=True, text=True, timeout=120)
        with open(path) as file:
            lines = file.read()
        ok(
            result.returncode == code and all(row["status"] == "done" for row in rows(lines)),
            f"with {closed} the results have rows alone, exit {code}",
            f"exit {result.returncode}\n{lines}\n{result.stderr}",
        )
        os.unlink(path)
result = replay("--list", "--alloc=null")
ok(result.returncode == 0, "--list needs no trace", result.stderr)
result = replay(f"--alloc-help={FAULTY}")
ok(
    result.returncode == 0 and "fault" in result.stdout and "default nothing" in result.stdout and "overlap" in result.stdout,
    "--alloc-help prints the option table, of a plug-in too",
    result.stdout,
)
result = replay("--alloc-help=null")
ok(result.returncode == 0 and "no options" in result.stdout, "--alloc-help of what has none", result.stdout)
result = replay("--version")
ok(result.returncode == 0 and result.stdout.startswith("heapbench-replay "), "--version", result.stdout)
result = replay("--help")
ok(result.returncode == 0 and "--passes" in result.stdout and "Exit status" in result.stdout, "--help", result.stdout)

result = replay("--alloc=null,libc", "--alloc=watermark:grow=64K", "--runs=1", small)
names = [line.split()[0] for line in result.stdout.splitlines()[2:5]]
ok(
    result.returncode == 0 and names == ["null", "libc", "watermark:grow=64K"],
    "--alloc may hold several and be given again",
    result.stdout + result.stderr,
)
result = replay("--alloc=libc", "--runs=1", small)
ok("\033" not in result.stdout and "\r" not in result.stderr, "no colour and no progress but on a terminal", repr(result.stderr))
ok("\nnull " in result.stdout, "null is added as the floor", result.stdout)
result = replay("--alloc=libc", "--runs=1", "--passes=space", small)
ok("\nnull " not in result.stdout and "ns/op" not in result.stdout, "no floor and no columns without throughput", result.stdout)
result = replay("--alloc=watermark", "--runs=1", "--pages=mmap", "--json=-", small)
ok(
    result.returncode == 0 and all(row["pages"]["name"] == "mmap" for row in rows(result.stdout)),
    "--pages=mmap serves an allocator",
    result.stdout + result.stderr,
)

# Sizes at the ends: 0 in SMALL; more than 32 bits as an extra.
large = trace(["malloc 0x1000 4300000000", "free 0x1000", "calloc 0x2000 0 8", "malloc 0x3000 10", "realloc 0x4000 0x3000 0"])
result = replay("--alloc=libc,watermark", "--runs=1", "--touch=word", "--passes=space,throughput,latency", "--json=-", large)
found = rows(result.stdout)
if WORD_BITS == 64:
    ok(
        result.returncode == 0
        and all(row["figures"]["requested_peak_bytes"] == 4300000000 for row in found if row["pass"] == "space"),
        "sizes of 0 and of more than 4 GiB",
        result.stdout + result.stderr,
    )
else:
    ok(
        result.returncode == 1
        and all("can span" in row["reason"] for row in found if row["allocator"]["name"] != "null"),
        "a size that no address here can span is refused as such",
        result.stdout + result.stderr,
    )
for file in (small, large):
    os.unlink(file)
finish()

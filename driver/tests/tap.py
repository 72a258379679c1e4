"""tap.py - what the driver's Python tests share: TAP output, running ./replay, small traces."""

import json
import os
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("top_srcdir", ".")
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
REPLAY = os.path.join(BUILD, "replay")
FAULTY = os.path.join(BUILD, "driver", "tests", "faulty.so")
OTHER_ABI = os.path.join(BUILD, "driver", "tests", "other_abi.so")

with open(REPLAY, "rb") as _program:
    WORD_BITS = 32 * _program.read(5)[4]  # of what is tested, which may be of another machine: the class of an ELF file

PATIENCE_S = 1200 if os.environ.get("HEAPBENCH_EMULATED") else 120  # the longest time for a replay

_count = 0
_failed = 0


def ok(condition, name, detail=""):
    """One test; the detail is shown when it fails."""
    global _count, _failed
    _count += 1
    print(f"{'ok' if condition else 'not ok'} {_count} - {name}")
    if not condition:
        _failed += 1
        for line in str(detail).splitlines():
            print(f"# {line}")
    sys.stdout.flush()


def skip(name, reason):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {reason}")


def finish():
    print(f"1..{_count}")
    sys.exit(1 if _failed else 0)


def replay(*args, patient=False, **kwargs):
    """Runs ./replay to its end; stdout, stderr and returncode of the result. Unless told to be patient, it waits for no
    quiet and no cool machine, and for no CPU that others have: tests run side by side, and those that need one say so."""
    beside = [] if patient else ["--settle=0", "--cooldown=0", "--cpu=none"]
    return subprocess.run([REPLAY, *beside, *args], capture_output=True, text=True, timeout=PATIENCE_S, **kwargs)


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def trace(lines):
    """A trace of Android's text format with these lines; its path."""
    file = tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="trace ", delete=False)
    file.write("".join(f"1: {line}\n" for line in lines))
    file.close()
    return file.name


# Thirteen ops of all kinds; a block's address is its name.
SMALL = [
    "malloc 0xa000 100",
    "malloc 0xb000 200",
    "calloc 0xc000 4 50",
    "realloc 0xa100 0xa000 300",
    "free 0xb000",
    "malloc 0xd000 5000",
    "realloc 0xc100 0xc000 20",
    "free 0xa100",
    "malloc 0xe000 0",
    "malloc 0xf000 7",
    "free 0xd000",
    "memalign 0x10000 8 40",
    "free 0xf000",
]

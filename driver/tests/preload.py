"""preload.py - mallocs of others, preloaded into a worker in place of the C library's: by name and by path."""

import glob
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from tap import REPLAY, SMALL, finish, ok, replay, rows, skip, trace  # noqa: E402

small = trace(SMALL)
result = replay("--alloc=lib:/no/such/library.so", "--runs=1", small)
ok(result.returncode == 2 and "lib:/no/such/library.so" in result.stderr, "a path that is no file is refused", result.stderr)
result = replay("--alloc=lib:library.so", "--runs=1", small)
ok(result.returncode == 2 and "'/'" in result.stderr, "a path without a '/' is refused", result.stderr)

listed = [line.split() for line in replay("--list").stdout.splitlines() if "in place of the C library's malloc" in line]
ok({"jemalloc", "tcmalloc", "mimalloc"} <= {words[0] for words in listed}, "--list names them", listed)
installed = {words[0]: words[1] for words in listed if "installed;" not in words}

# Files that are no libraries stand before the real ones: as if none were installed.
with tempfile.TemporaryDirectory() as folder:
    for words in listed:
        with open(os.path.join(folder, words[1]), "w", encoding="utf-8"):
            pass
    hidden = {**os.environ, "LD_LIBRARY_PATH": folder}
    result = replay("--alloc=foreign", "--passes=space", small, env=hidden)
    ok(result.returncode == 4 and "--list names packages" in result.stderr and result.stdout == "",
       "foreign alone, where none is installed, does not mean all", f"{result.returncode} {result.stdout}{result.stderr}")
    result = replay("--alloc=libc,foreign", "--passes=space", small, env=hidden)
    ok(result.returncode == 0 and "\nlibc " in result.stdout and "malloc " not in result.stdout,
       "foreign among others is those installed", f"{result.returncode} {result.stdout}{result.stderr}")

linked = subprocess.run(["ldd", REPLAY], capture_output=True, text=True, check=False).stdout
if "libasan" in linked or b"__asan_init" in open(REPLAY, "rb").read():
    skip("others replace malloc", "AddressSanitizer's own malloc cannot be replaced")
    finish()

other = next(path for path in glob.glob("/lib/*/libc.so.6") + glob.glob("/lib*/libm.so.6") + ["/lib/libm.so.6"])
other = os.path.join(os.path.dirname(os.path.realpath(other)), "libm.so.6")
result = replay(f"--alloc=lib:{other}", "--passes=verify", "--runs=1", small)
ok(result.returncode == 4 and "malloc does not come from" in result.stdout + result.stderr,
   "a library without a malloc is told from one that has it", result.stdout + result.stderr)

for name, library in installed.items():
    found = rows(replay(f"--alloc={name}", "--runs=1", "--json=-", small).stdout)
    mine = [row for row in found if row["allocator"]["spec"] == name]
    ok(len(mine) == 4 and all(row["status"] == "done" for row in mine), f"{name} passes all passes", found)
    space = next(row for row in mine if row["pass"] == "space")
    ok(space["figures"]["held_peak_bytes"] is None and space["missing"].get("held_peak_bytes"),
       f"what {name} holds is missing, with the reason", space)
    arena = rows(replay(f"--alloc={name}", "--arena=min", "--json=-", small).stdout)[0]
    ok(arena["status"] == "done" and arena["missing"].get("smallest_arena_bytes"),
       f"the smallest arena of {name} is missing, with the reason", arena)
if not installed:
    skip("others replace malloc", "none is installed (Debian: libmimalloc2.0)")
finish()

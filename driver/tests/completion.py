"""completion.py - the completion of command lines in bash: the function is asked as bash asks it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from tap import BUILD, SOURCE, finish, ok, replay, skip  # noqa: E402

BASH = shutil.which("bash")
if BASH is None:
    skip("completion", "no bash")
    finish()

FILE = os.path.abspath(os.path.join(SOURCE, "driver", "completion.bash"))
ASK = """. "$1" || exit 1
COMP_LINE=$2 COMP_POINT=${#2} COMP_CWORD=$(($# - 3))
COMP_WORDS=("${@:3}")
set -- $(complete -p "${COMP_WORDS[0]}")
[ "$3" = _heapbench ] || exit 1
"$3" "${COMP_WORDS[0]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(line, **kwargs):
    """What bash would offer at the end of the line, which it splits at blanks and, as ever, at "=" and ":"."""
    words = re.findall(r"[^\s=:]+|[=:]", line) + ([""] if line.endswith(" ") else [])
    result = subprocess.run(
        [BASH, "-c", ASK, "bash", FILE, line, *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=kwargs.get("cwd", BUILD),
        env={**os.environ, "PATH": kwargs.get("path", "") + os.environ["PATH"]},
    )
    return sorted(result.stdout.split()) if result.returncode == 0 else [f"exit {result.returncode}", result.stderr]


listed = replay("--list").stdout
own = re.findall(r"^  ([a-z-]+) ", listed.split("Page sources")[0], re.M)
sources = re.findall(r"^  ([a-z-]+) ", listed.split("Page sources")[1], re.M)
passes = re.search("there are (.*)", replay("--passes=x").stderr).group(1).split(", ")
options = re.findall(r"^ +(?:-[A-Za-z?][^-]*)?(--[a-z-]+=?)", replay("--help").stdout, re.M)

for line, expected in (
    ("./replay --", options),
    ("./replay --al", ["--alloc-help=", "--alloc="]),
    ("./replay --alloc=", [*own, "all", "foreign"]),
    ("./replay --alloc=sl", ["slab", "slob"]),
    ("./replay --alloc=slab,tl", ["slab,tlsf"]),
    ("./replay -a tl", ["tlsf"]),
    ("./replay --pages=", sources),
    ("./replay --passes=", passes),
    ("./replay --passes=verify,th", ["verify,throughput"]),
    ("./replay --touch=", ["none", "word", "page", "all"]),
    ("./replay --format=", ["table", "markdown", "csv"]),
    ("./replay --arena=", ["auto", "min"]),
    ("./replay --alloc-help=gu", ["guard"]),
    ("./replay --runs=", []),
    ("./trace ", ["info", "head", "import", "convert", "export"]),
    ("./trace export --format=", ["android", "wee_alloc"]),
    ("./record --lev", ["--level="]),
):
    found = completed(line)
    ok(found == sorted(expected) and len(options) > 15, line, found)

if subprocess.run([os.path.join(BUILD, "plot"), "--help"], capture_output=True).returncode == 0:
    found = completed("./plot la")
    ok(found == ["latency"], "./plot la", found)
    found = completed("./compare --m")
    ok(found == ["--markdown"], "./compare --m", found)
else:
    skip("./plot, ./compare", "this python3 cannot run them")

with tempfile.TemporaryDirectory(prefix="completion ") as folder:
    for name in ("a.trace", "b.jsonl"):
        open(os.path.join(folder, name), "w").close()
    os.symlink(os.path.join(BUILD, "replay"), os.path.join(folder, "heapbench-replay"))
    for line, expected in (
        ("heapbench-replay a", ["a.trace"]),
        ("heapbench-replay --randomize a", ["a.trace"]),
        ("heapbench-replay --json=b", ["b.jsonl"]),
        ("heapbench-replay --alloc=tl", ["tlsf"]),
    ):
        found = completed(line, cwd=folder, path=folder + ":")
        ok(found == expected, f"{line}, installed", found)

finish()

"""manuals.py - every program has a manual, with just the options that its --help lists."""

import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from tap import BUILD, SOURCE, finish, ok, skip  # noqa: E402

MANUALS = (
    "driver/replay.1",
    "traces/record/record.1",
    "traces/tool/trace.1",
    "analysis/compare.1",
    "analysis/plot.1",
    "analysis/publish.1",
    "driver/pi/pi-bench.1",
)


def in_help(text):
    """The options that lines of --help begin with."""
    found = set()
    for line in text.splitlines():
        start = re.match(r"\s{2,6}(?:(-[A-Za-z?])\b[^-]*|(-\?)[^-]*)?(--[a-z][a-z-]*)?", line)
        if start:
            found.update(option for option in start.groups() if option)
    return found


def in_manual(text):
    """The options that stand as heads of paragraphs."""
    heads = re.findall(r"^\.TP\n(\.BR?I? \\-.*)", text, re.M)
    return {option for head in heads for option in re.findall(r"--[a-z][a-z-]*|(?<!\S)-[A-Za-z?]", head.replace("\\-", "-"))}


ok(
    in_help("  -a, --all=X   as --other\n      --long   -x\n  -o FILE, --out FILE\n      as --no") == {"-a", "--all", "--long", "-o", "--out"}
    and in_manual(".TP\n.BR \\-a \", \" \\-\\-all= \\fIX\nas\n.B \\-\\-other\n.TP\n.B \\-\\-long\\-er\n") == {"-a", "--all", "--long-er"},
    "options are told from words",
)
for path in MANUALS:
    name = os.path.basename(path)[:-2]
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        text = file.read()
    program = path[:-2] if name == "pi-bench" else name  # make pi-bench runs it
    asked = subprocess.run([os.path.join(BUILD, program), "--help"], capture_output=True, text=True, timeout=120)
    if asked.returncode == 4:
        skip(f"{name}: options of --help and of the manual", asked.stderr.strip())
        continue
    help_, manual = in_help(asked.stdout), in_manual(text)
    ok(
        len(help_) >= 4 and help_ == manual,
        f"{name}: --help and the manual have the same options",
        f"only in --help: {sorted(help_ - manual)}\nonly in the manual: {sorted(manual - help_)}",
    )
    ok(
        text.isascii() and f"heapbench-{name} \\- " in text and all(f"\n.SH {part}" in text for part in ("SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO")),
        f"{name}: the manual has the sections that one looks for",
    )
    if shutil.which("groff"):
        shown = subprocess.run(["groff", "-man", "-ww", "-z", os.path.join(SOURCE, path)], capture_output=True, text=True)
        ok(shown.returncode == 0 and shown.stderr == "", f"{name}: groff finds nothing wrong", shown.stderr)
    else:
        skip(f"{name}: groff finds nothing wrong", "no groff (Debian: groff-base)")

finish()

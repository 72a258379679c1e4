#!/usr/bin/python3
"""What recording costs: `make bench-record`.

Two programs run plain, under ./record and under heaptrack. hyperfine times each run; since it cannot interleave commands,
it is called for single runs that alternate, in an order that is shuffled anew for each round. The table has medians and
ratios to plain with the spread of the rounds; each run is a line of FILE.
"""
import argparse
import json
import os
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def cc1():
    """gcc's own compiler proper, without the driver before it."""
    return subprocess.run(["gcc", "-print-prog-name=cc1"], check=True, capture_output=True, text=True).stdout.strip()


def preprocess(source, into):
    """A real source as the compiler sees it."""
    subprocess.run(["gcc", "-E", "-O2", source, "-o", into], check=True)


def time_once(command, environment, scratch):
    """Seconds of one run, by hyperfine."""
    out = os.path.join(scratch, "hyperfine.json")
    subprocess.run(
        ["hyperfine", "--shell=none", "--runs=1", "--style=none", "--export-json", out, shlex.join(command)],
        check=True, cwd=scratch, env=dict(os.environ, **environment), stdout=subprocess.DEVNULL)
    with open(out, encoding="utf-8") as file:
        return json.load(file)["results"][0]["times"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", required=True, help="the recorder")
    parser.add_argument("--workloads", required=True, help="the folder with the programs' input")
    parser.add_argument("--output", required=True, help="the file of JSON lines that each run is added to")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--heaptrack-rounds", type=int, default=10, help="it takes most of the time: fewer are enough")
    options = parser.parse_args()
    if not shutil.which("hyperfine"):
        sys.exit("overhead.py: hyperfine is missing (Debian: hyperfine)")

    with tempfile.TemporaryDirectory() as scratch:
        record = [os.path.abspath(options.record), "-o", os.path.join(scratch, "run.trace"), "--"]
        source = os.path.abspath(options.workloads)
        preprocess(os.path.join(source, "xxhash.c"), os.path.join(scratch, "xxhash.i"))
        programs = {
            "python3 json": (["/usr/bin/python3", os.path.join(source, "json_workload.py")], {"PYTHONMALLOC": "malloc"}),
            "cc1 -O2": ([cc1(), "-quiet", "-O2", "xxhash.i", "-o", "xxhash.s"], {}),
        }
        tools = {"plain": [], "record": record}
        if shutil.which("heaptrack"):
            tools["heaptrack"] = ["heaptrack", "-o", os.path.join(scratch, "heaptrack")]
        os.makedirs(os.path.dirname(options.output) or ".", exist_ok=True)
        times = {(program, tool): [] for program in programs for tool in tools}
        with open(options.output, "a", encoding="utf-8") as results:
            for turn in range(-1, max(options.rounds, options.heaptrack_rounds)):  # -1: to warm up, not counted
                runs = [(p, t) for p, t in times
                        if turn < (options.heaptrack_rounds if t == "heaptrack" else options.rounds)
                        and not (turn < 0 and t == "heaptrack")]
                random.shuffle(runs)
                for program, tool in runs:
                    command, environment = programs[program]
                    seconds = time_once(tools[tool] + command, environment, scratch)
                    if turn < 0:
                        continue
                    times[program, tool].append(seconds)
                    results.write(json.dumps({"bench": "record-overhead", "program": program, "tool": tool,
                                              "round": turn, "seconds": seconds, "when": int(time.time())}) + "\n")
                    results.flush()

    print(f"{'program':14} {'tool':10} {'runs':>4} {'median s':>9} {'ratio':>6}   least to most s")
    for program in programs:
        plain = statistics.median(times[program, "plain"])
        for tool in tools:
            seconds = times[program, tool]
            if seconds:
                median = statistics.median(seconds)
                print(f"{program:14} {tool:10} {len(seconds):4} {median:9.3f} {median / plain:5.3f}x"
                      f"   {min(seconds):.3f} to {max(seconds):.3f}")
    print("Each time is one run under hyperfine; the runs alternate, shuffled per round.")


if __name__ == "__main__":
    main()

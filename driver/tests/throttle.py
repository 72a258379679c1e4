"""throttle.py - a board that throttles in mid-run, by a vcgencmd that says so: the run is marked, and done again."""

import os
import re
import stat
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from tap import SMALL, finish, ok, replay, rows, trace  # noqa: E402

# It answers each call by the next line of a file, and its last line from then on; what it was asked is kept, and what of
# that was answered.
VCGENCMD = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$*" >>asked
case $* in
    measure_temp) echo "temp=61.8'C" ;;
    "measure_clock arm") echo "frequency(48)=1500345728" ;;
    get_throttled)
        read -r answer <answers
        [ "$(wc -l <answers)" -le 1 ] || sed -i 1d answers
        [ "$answer" = hang ] && exec sleep 60
        [ "$answer" = fail ] && { echo "VCHI initialization failed" >&2; echo "$*" >>answered; exit 255; }
        echo "$answer"
        ;;
esac
echo "$*" >>answered
"""

folder = tempfile.mkdtemp(prefix="throttle ")
program = os.path.join(folder, "vcgencmd")
with open(program, "w", encoding="utf-8") as file:
    file.write(VCGENCMD)
os.chmod(program, os.stat(program).st_mode | stat.S_IXUSR)
small = trace(SMALL)


def calls(name):
    with open(os.path.join(folder, name), encoding="utf-8") as kept:
        return kept.read().splitlines()


def on_board(answers, *args):
    """Runs ./replay where get_throttled gives these answers, one after the other, and the last for ever; again when the
    machine was too busy for one of them to come within the 2 s that ./replay waits."""
    environment = {**os.environ, "PATH": folder + os.pathsep + os.environ["PATH"]}
    for _ in range(5):
        for name, text in (("answers", "\n".join(answers) + "\n"), ("asked", ""), ("answered", "")):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as kept:
                kept.write(text)
        result = replay("--alloc=null", "--settle=0", *args, small, env=environment, patient=True)
        if "hang" in answers or calls("asked") == calls("answered"):
            break
    return result


def told(found):
    return [(row["run"], row["repetition"], row["throttled"], row["condition"]["throttled_by"]) for row in found]


def calm(count):
    return ["throttled=0x0"] * count


TIMED = ("--passes=throughput", "--runs=3", "--json=-")

result = on_board(calm(1), *TIMED)
found = rows(result.stdout)
ok(told(found) == [(run, 0, False, []) for run in range(3)], "a cool board: no run is marked", (told(found), result.stderr))
before = found[0]["condition"]["before"]
ok(
    before["temperature_celsius"] == 61.8
    and before["clock_hz"] == 1500345728
    and before["throttled_bits"] == 0
    and found[0]["condition"]["throttling_source"] == "vcgencmd get_throttled"
    and before["missing"] == {},
    "temperature, clock and throttling are the firmware's",
    found[0]["condition"],
)
asked = calls("asked")
ok(asked.count("get_throttled") == 6, "it is asked once before and once after a run", asked)

# Before and after run 0, before and after run 1: hot; one look while waiting: hot still; the next: cool.
begin = time.monotonic()
result = on_board([*calm(3), "throttled=0x50005", "throttled=0x50004", "throttled=0x50000"], *TIMED)
spent = time.monotonic() - begin
found = rows(result.stdout)
asked = calls("asked")
ok(
    told(found)
    == [(0, 0, False, []), (1, 0, True, ["under-voltage", "throttled"]), (1, 1, False, []), (2, 0, False, [])],
    "a run in which the board throttled is marked with what, and done again",
    (told(found), result.stderr),
)
ok(
    "throughput of null: under-voltage, throttled at 61.8 °C: its row is marked; waiting up to 300 s" in result.stderr
    and result.returncode == 0,
    "that is said",
    result.stderr,
)
waits = [int(wait) for wait in re.findall(r"recovered after (\d+) s: once more\n", result.stderr)]
ok(
    asked.count("get_throttled") == 2 * len(found) + 2 and len(waits) == 1 and 2 <= waits[0] <= spent + 0.5,
    "there are two looks, each after a second or, on a busy machine, more; and how long the wait was is said",
    (asked, spent, result.stderr),
)
ok(
    found[1]["condition"]["after"]["throttled_bits"] == 0x50005 and found[1]["status"] == "done" and found[1]["figures"] is not None,
    "the marked row stays as it is, figures and all",
    found[1],
)
ok(
    found[2]["condition"]["unseen"] == ["under-voltage", "throttled"] and "restart the machine" in result.stderr,
    "what is on record already can come and go unseen: that is said, too",
    (found[2]["condition"], result.stderr),
)

# Only the record since boot tells of what was over before the run was.
result = on_board([*calm(1), "throttled=0x20000"], *TIMED)
found = rows(result.stdout)
ok(
    told(found)[:2] == [(0, 0, True, ["frequency capped"]), (0, 1, False, [])],
    "what came and went within the run is seen by the record",
    (told(found), result.stderr),
)

# The table has the repetition alone.
result = on_board([*calm(1), "throttled=0x4", *calm(1)], "--passes=throughput,latency", "--runs=1")
ok(
    "done again" not in result.stdout and "throttled" not in result.stdout and "recovered" in result.stderr,
    "the table has only what counts",
    result.stdout + result.stderr,
)
found = rows(on_board([*calm(2), "throttled=0x0", "throttled=0x4", *calm(1)], "--passes=latency", "--runs=2", "--json=-").stdout)
ok(
    [row["figures"]["worst_of_least_runs"] for row in found] == [1, 1, 2],
    "a marked run has no part in the least of every op",
    [row["figures"]["worst_of_least_runs"] for row in found],
)

# Never cool: one wait, bounded; then each run is marked and counts, and the last words say so.
result = on_board(["throttled=0x4"], "--cooldown=2", *TIMED)
found = rows(result.stdout)
ok(
    told(found) == [(run, 0, True, ["throttled"]) for run in range(3)] and result.returncode == 0,
    "a board that never cools: every run marked, none done again, exit 0",
    (told(found), result.stderr),
)
ok(
    result.stderr.count("waiting up to 2 s") == 1 and result.stderr.count("has not recovered") == 1,
    "it is waited for once, and said",
    result.stderr,
)
found = rows(on_board(["throttled=0x4"], "--cooldown=1", "--passes=latency", "--runs=3", "--json=-").stdout)
ok(
    [row["figures"]["worst_of_least_runs"] for row in found] == [1, 2, 3],
    "the rows after the wait have the least of every op over all runs so far",
    [row["figures"]["worst_of_least_runs"] for row in found],
)
result = on_board(["throttled=0x4"], "--cooldown=1", "--passes=throughput", "--runs=2")
ok("null the machine was throttled in 2 of the timed runs that count" in result.stdout, "the table says so", result.stdout)

# Cool again at every look, hot in every run: it ends.
result = on_board(["throttled=0x4", "throttled=0x4", "throttled=0x0"] * 8, "--passes=throughput", "--runs=1", "--json=-")
ok(
    [(row["repetition"], row["throttled"]) for row in rows(result.stdout)] == [(0, True), (1, True), (2, True), (3, True)],
    "a run that is throttled each time is done again three times",
    told(rows(result.stdout)),
)
result = on_board(["throttled=0x4"], "--cooldown=0", *TIMED)
ok(len(rows(result.stdout)) == 3 and "waiting" not in result.stderr, "--cooldown=0 only marks", result.stderr)
result = on_board(["throttled=0x4"], "--passes=verify,space", "--json=-", "--alloc=watermark")
ok(
    [(row["throttled"], row["repetition"]) for row in rows(result.stdout)] == [(True, 0)] * 2 and "waiting" not in result.stderr,
    "runs without a clock are marked, and not done again",
    result.stderr,
)

# What is no answer is no zero.
for answer, said in {
    "throttled=0xzz": "vcgencmd get_throttled says 0xzz",
    "The weather is fine": "not understood: The weather is fine",
    "throttled=": "vcgencmd get_throttled says ",
    "fail": "vcgencmd get_throttled failed: VCHI initialization failed",
    "hang": "gives no answer within 2 s",
}.items():
    result = on_board([answer], "--passes=throughput", "--runs=1", "--json=-")
    found = rows(result.stdout)
    why = found[0]["condition"]["after"]["missing"].get("throttled", "")
    ok(
        result.returncode == 0 and found[0]["throttled"] is None and said in why and "throttled_bits" not in found[0]["condition"]["after"],
        f"a vcgencmd that says {answer!r}: null, with the reason",
        (found[0]["condition"], result.stderr),
    )

for name in os.listdir(folder):
    os.unlink(os.path.join(folder, name))
os.rmdir(folder)
os.unlink(small)
finish()

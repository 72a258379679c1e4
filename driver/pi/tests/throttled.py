"""throttled.py - pi-bench with a board that slows down in mid-run, by a vcgencmd that says so: it arrives, and is told."""

import os

from network import PATH, PATIENCE_S, Network, each_once, finish, ok, wait_for

RUNS = 60
WORK = ("--trace=model:churn:ops=2000:live=100", "--alloc=libc", "--passes=throughput", f"--runs={RUNS}")
VCGENCMD = """#!/bin/sh
case $* in
    measure_temp) echo "temp=81.2'C" ;;
    get_throttled) cat /mnt/throttled ;;
    *) exit 1 ;;
esac
"""

with Network() as network:
    board = network.board("pi4", path=f"/mnt/bin:{PATH}")
    os.mkdir(os.path.join(board.folder, "bin"))
    program = os.path.join(board.folder, "bin", "vcgencmd")
    with open(program, "w", encoding="utf-8") as file:
        file.write(VCGENCMD)
    os.chmod(program, 0o755)

    def firmware(bits):
        """What it says from now on."""
        new = os.path.join(board.folder, "new")
        with open(new, "w", encoding="utf-8") as file:
            file.write(f"throttled={bits}\n")
        os.rename(new, os.path.join(board.folder, "throttled"))

    firmware("0x0")
    process = network.begin(board.name, *WORK)
    ok(wait_for(lambda: network.part() >= 5), "a cool board is at work", network.words())
    ok("81 °C, not throttled" in network.words(), "its temperature is told", network.words())
    firmware("0x50005")
    ok(wait_for(lambda: '"throttled":true' in network.part_text()), "a row is marked as soon as it slows down", network.words())
    firmware("0x50000")
    ok(process.wait(timeout=PATIENCE_S) == 0, "it has cooled: the work goes on", network.words())
    rows = network.rows(board.name)
    marked = [row for row in rows if row["throttled"]]
    again = [row for row in rows if row["repetition"] > 0 and not row["throttled"]]
    ok(
        len(marked) >= len(again) >= 1 and each_once(rows, 2 * RUNS + len(marked)),
        "marked runs are done again, and every result is here once",
        f"{len(rows)} rows, {len(marked)} marked, {len(again)} done again",
    )
    ok(
        "of them marked, as the board slowed down (throttled, under-voltage)" in network.words() and "power supply is too weak" in network.words(),
        "pi-bench says so, and why",
        network.words(),
    )
    ok(board.left() == "", "nothing is left on the board", board.left())
finish()

"""runner.py - pi-bench with one board: complete results, whatever happens to the connection, the board or pi-bench."""

import glob
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

from network import BUILD, PATH, PATIENCE_S, Network, each_once, finish, interrupt, ok, somebody_else, wait_for

TRACE = "--trace=model:churn:ops=2000:live=100"
QUICK = (TRACE, "--alloc=slab,libc", "--passes=verify,space")
QUICK_ROWS = 4
# Some seconds long: rows come one by one.
LONG = (TRACE, "--alloc=libc", "--passes=throughput", "--runs=60")
LONG_ROWS = 120
LONGER = (*LONG[:-1], "--runs=360")

# All that a board needs to have beside a shell; a board with these alone has no compiler and no Python.
TOOLS = "awk cat cut date dd df dirname grep head id ln ls mkdir mv nohup rm rmdir sed sh sleep tail tar tr uname wc"

# A board that saves power and lets nobody read counters.
SAVING = """
mount -t tmpfs tmpfs /sys/devices/system/cpu
for cpu in cpu0 cpu1; do
    mkdir -p /sys/devices/system/cpu/$cpu/cpufreq
    echo ondemand >/sys/devices/system/cpu/$cpu/cpufreq/scaling_governor
done
echo 3 >/run/paranoid
mount --bind /run/paranoid /proc/sys/kernel/perf_event_paranoid
"""
SETTINGS = "cat /sys/devices/system/cpu/cpu[01]/cpufreq/scaling_governor /proc/sys/kernel/perf_event_paranoid | tr '\\n' ' '"


def begun(network, *args, **kwargs):
    """pi-bench at work, with the first rows here."""
    process = network.begin(*args, **kwargs)
    ok(wait_for(lambda: network.part() >= 5), "rows come while it runs", network.words())
    return process


def complete(network, board, rows, name):
    """Results are complete, and nothing of ours is left on the board or here."""
    found = network.rows(board.name)
    ok(each_once(found, rows), f"{name}: every result, once", f"{len(found)} rows, expected {rows}")
    ok(board.left() == "", f"{name}: nothing is left on the board", board.left())
    state = [path for path in glob.glob(os.path.join(network.results, "pi-bench", "*")) if os.path.isdir(path)]
    ok(not state, f"{name}: nothing is left here", state)


def simple(network, board):
    done = network.pi_bench(board.name, *QUICK)
    path = os.path.join(network.results, f"{board.name}.jsonl")
    ok(done.returncode == 0 and done.stdout == f"{path}\n", "a board is measured", f"exit {done.returncode}\n{done.stderr}")
    for words in ("reaching b1", "64-bit" if sys.maxsize > 2**32 else "32-bit", "KiB pages", "counters readable", "copied", ": 4 runs"):
        ok(words in done.stderr, f"it says: {words}", done.stderr)
    ok(all(row["host"]["name"] == board.name for row in network.rows(board.name)), "results carry the board's own name")
    complete(network, board, QUICK_ROWS, "a board is measured")
    done = network.pi_bench(board.name, *QUICK)
    ok(done.returncode == 0 and len(network.rows(board.name)) == 2 * QUICK_ROWS, "done again, it measures again", done.stderr)


def cable(network, board):
    network.forget()
    process = begun(network, board.name, *LONG)
    board.cable(False)
    ok(wait_for(lambda: "connection lost" in network.words()), "the cable is pulled: it is said", network.words())
    there = "cat ~/.heapbench/sweeps/*/*/rows.* | wc -l"
    ok(wait_for(lambda: board.do(there) == str(LONG_ROWS), PATIENCE_S), "the board goes on by itself", board.do(there))
    board.cable(True)
    ok(process.wait(timeout=60) == 0 and "connection is back" in network.words(), "the cable is back: it goes on", network.words())
    complete(network, board, LONG_ROWS, "the cable was pulled")


def given_up(network, board):
    network.forget()
    process = begun(network, board.name, *LONG, "--patience=1")
    board.cable(False)
    ok(process.wait(timeout=60) == 4, "the cable stays out: it gives up, exit 4", network.words())
    board.cable(True)
    done = network.pi_bench(board.name, *LONG)
    ok(done.returncode == 0, "and the same command fetches it all", done.stderr)
    complete(network, board, LONG_ROWS, "it was given up")


def interrupted(network, board):
    network.forget()
    sockets = tempfile.mkdtemp(dir=network.work)  # of no other test that runs beside this
    here = {**os.environ, "TMPDIR": sockets}
    process = begun(network, board.name, *LONGER, env=here)
    second = network.pi_bench(board.name, *LONGER, env=here)
    ok(second.returncode == 4 and "at work on this machine already" in second.stderr, "twice on one machine: refused", second.stderr)
    other = network.pi_bench(board.name, *QUICK, env=here)
    ok(other.returncode == 4 and "another run of yours" in other.stderr, "another command on that board: refused", other.stderr)
    guest = network.pi_bench(board.name, *LONGER, f"--output={network.path('guest')}", env={**somebody_else(), "TMPDIR": sockets})
    ok(
        guest.returncode == 4 and "is at work there since" in guest.stderr,
        "two people at once: the second is told who is there, exit 4",
        guest.stderr,
    )
    ok(interrupt(process) == -signal.SIGINT, "Ctrl-C ends it as a signal does", network.words())
    ok("goes on by itself" in network.words(), "and says that the board goes on", network.words())
    ok(os.listdir(sockets) == [], "and leaves no sockets", os.listdir(sockets))
    done = network.pi_bench(board.name, *LONGER)
    ok(done.returncode == 0, "given again, it goes on where it stopped", done.stderr)
    complete(network, board, 6 * LONG_ROWS, "it was interrupted")


def power_cut(network, board):
    network.forget()
    process = begun(network, board.name, *LONG)
    board.off()
    board.on()
    code = process.wait(timeout=60)
    ok(code == 0, "the power goes and comes back: it begins anew", f"exit {code}\n{network.words()}")
    complete(network, board, LONG_ROWS, "there was a power cut")


def settings(network, board):
    network.forget()
    before = board.do(SETTINGS)
    ok(before == "ondemand ondemand 3", "a board that saves power", before)
    process = begun(network, board.name, *LONG)
    ok(board.do(SETTINGS) == "performance performance 2", "governor and sysctl are set while it runs", board.do(SETTINGS))
    ok("governor of cpu0 set to performance" in network.words(), "and it is said", network.words())
    board.cable(False)
    interrupt(process)
    ok(wait_for(lambda: board.do(SETTINGS) == before), "and put back at the end, without a connection", board.do(SETTINGS))
    board.cable(True)
    process = network.pi_bench(board.name, *LONG)
    complete(network, board, LONG_ROWS, "its results waited for the connection")

    network.forget()
    process = begun(network, board.name, *LONG)
    interrupt(process)
    board.do("kill -9 $(sed -n s/^pid=//p /tmp/heapbench.lock); kill -9 $(ps -eo pid=,args= | grep '[r]eplay' | sed 's/ *\\([0-9]*\\).*/\\1/')")
    guest = network.pi_bench(board.name, *QUICK, env=somebody_else())
    ok(guest.returncode == 0 and "took over the lock of" in guest.stderr, "a stale lock is taken over, and it is said", guest.stderr)
    ok(board.do(SETTINGS) == before, "settings that were left with it are put back", board.do(SETTINGS))
    ok(len(network.rows(board.name)) == QUICK_ROWS, "and the work is done")
    done = network.pi_bench(board.name, "--stop")
    ok(done.returncode == 0 and board.left() == "", "--stop removes what was left", done.stderr + board.left())

    network.forget()
    network.pi_bench(board.name, *QUICK, "--no-tune")
    ok(len(network.rows(board.name)) == QUICK_ROWS and board.do(SETTINGS) == before, "--no-tune leaves them alone")


def stop(network, board):
    network.forget()
    process = begun(network, board.name, *LONGER)
    interrupt(process)
    done = network.pi_bench(board.name, "--stop")
    ok(done.returncode == 0 and "ended, and removed" in done.stderr, "--stop ends the work", done.stderr)
    ok(board.left() == "", "and leaves nothing", board.left())


def keep(network, board):
    network.forget()
    network.pi_bench(board.name, *QUICK, "--keep=files")
    left = board.do("cd ~/.heapbench && find . -type f | sed 's/[0-9a-f]\\{12\\}/HASH/' | sort | tr '\\n' ' '")
    ok(left == "./bin/HASH/replay ./board.sh", "--keep=files keeps the program", left)
    done = network.pi_bench(board.name, *QUICK)
    ok(done.returncode == 0 and "KiB to .heapbench" in done.stderr, "which is not copied again", done.stderr)
    ok(board.left() == "", "nor kept, unless told so again", board.left())


def bare(network):
    """A board with little on it, and not even setsid."""
    board = network.board("bare", path="/mnt/bin")
    os.mkdir(os.path.join(board.folder, "bin"))
    for tool in TOOLS.split():
        os.symlink(shutil.which(tool, path=PATH), os.path.join(board.folder, "bin", tool))
    network.forget()
    process = begun(network, board.name, *LONG)
    board.cable(False)
    ok(wait_for(lambda: "connection lost" in network.words()), "a bare board, whose cable is pulled", network.words())
    board.cable(True)
    ok(process.wait(timeout=60) == 0, "a board without compiler and Python is measured", network.words())
    complete(network, board, LONG_ROWS, "a bare board")


def from_make(network, board):
    network.forget()
    options = shlex.join([*network.command()[5:], *QUICK])
    make = ["ip", "netns", "exec", network.here, "make", "-s", "pi-bench"]
    done = subprocess.run([*make, f"PI={board.name}", f"PI_OPTIONS={options}"], cwd=BUILD, capture_output=True, text=True)
    ok(done.returncode == 0, "make pi-bench PI=b1", done.stderr)
    complete(network, board, QUICK_ROWS, "make pi-bench")


with Network() as network:
    first = network.board("b1", more=SAVING)
    simple(network, first)
    cable(network, first)
    given_up(network, first)
    interrupted(network, first)
    power_cut(network, first)
    settings(network, first)
    stop(network, first)
    keep(network, first)
    bare(network)
    from_make(network, first)
finish()

"""fleet.py - pi-bench with two boards of one model: GNU parallel gives them the jobs of a sweep, and each is done once."""

import getpass
import glob
import os

from network import Network, finish, interrupt, ok, parallel_or_skip, wait_for

parallel_or_skip()
JOBS = 60
FEWER = 12


def sweep(jobs):
    """Options for a sweep of so many jobs."""
    return tuple(f"--trace=model:churn:ops=1000:live=50:seed={seed}" for seed in range(jobs))


WORK = ("--alloc=null,libc", "--passes=verify,space")
ROWS_OF_A_JOB = 2


def landed(network):
    """How many jobs are done."""
    return sum(os.path.basename(path).startswith("model") for path in glob.glob(f"{network.results}/pi-bench/*/*.jsonl"))


def complete(network, boards, jobs, name):
    """Each job was done by one board, and is here once."""
    rows = [row for board in boards for row in network.rows(board.name)]
    done = {(row["trace"]["name"], row["allocator"]["spec"], row["pass"]) for row in rows}
    ok(
        len(rows) == len(done) == jobs * ROWS_OF_A_JOB,
        f"{name}: all results of {jobs} jobs, each once",
        f"{len(rows)} rows, {len(done)} different, expected {jobs * ROWS_OF_A_JOB}",
    )
    by_trace = {}
    for row in rows:
        by_trace.setdefault(row["trace"]["name"], set()).add(row["host"]["name"])
    ok(all(len(hosts) == 1 for hosts in by_trace.values()), f"{name}: each job by one board")


with Network() as network:
    boards = [network.board(name) for name in ("b1", "b2")]
    hosts = network.path("hosts")
    with open(hosts, "w") as file:
        file.write("# two of one model\nb1\n\nb2 # the second\n")

    process = network.begin(f"--hosts={hosts}", *sweep(JOBS), *WORK, "--patience=1")
    ok(wait_for(lambda: landed(network) >= 10), "two boards from a file of hosts are at work", network.words())
    boards[1].off()
    ok(process.wait(timeout=120) == 0, "one is lost in the middle of the sweep: exit 0", network.words())
    ok("b2: given up" in network.words(), "and it is said", network.words())
    complete(network, boards, JOBS, "one was lost")
    ok(all(network.rows(board.name) for board in boards), "both had a part in it")
    logs = glob.glob(f"{network.results}/pi-bench/*.joblog")
    ok(len(logs) == 1 and open(logs[0]).read().count("--job") == JOBS, "parallel's log of jobs is kept", logs)
    ok(boards[0].left() == "", "nothing is left on the board that stayed", boards[0].left())

    network.forget()
    boards[1].on()
    ok(network.pi_bench("b2", "--stop").returncode == 0 and boards[1].left() == "", "--stop removes what the lost one had", boards[1].left())
    logins = [f"{getpass.getuser()}@{name}" for name in ("b1", "b2")]
    process = network.begin(*logins, *sweep(FEWER), *WORK)
    ok(wait_for(lambda: landed(network) >= 3), "the lost one is back: both are at work", network.words())
    interrupt(process)
    before = landed(network)
    ok(0 < before < FEWER, "Ctrl-C in the middle of the sweep", before)
    done = network.pi_bench(*logins, *sweep(FEWER), *WORK)
    ok(done.returncode == 0 and f"{before} of {FEWER} jobs done" in done.stderr, "given again, it goes on where it stopped", done.stderr)
    complete(network, boards, FEWER, "it was interrupted")
    ok(all(board.left() == "" for board in boards), "nothing is left on either", [board.left() for board in boards])
finish()

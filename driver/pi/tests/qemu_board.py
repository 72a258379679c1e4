"""qemu_board.py - ./replay on a board that is not this machine: an arm64 Linux in QEMU, with 64-bit and 32-bit binaries.

Every allocator replays a small model, verified; with BOARD_TRACES=all, as in make check-board, every shipped recording.
What the rows say of the board is compared with what it is, and no time leaves it without the word emulated.
"""

import glob
import json
import os
import queue
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
source = os.path.abspath(os.environ.get("top_srcdir", "."))
sys.path[:0] = [os.path.join(source, "driver", "tests"), os.path.join(source, "driver", "pi", "tests")]
from tap import BUILD, SMALL, finish, ok, replay, rows, trace  # noqa: E402
import vm  # noqa: E402

WHOLE = os.environ.get("BOARD_TRACES") == "all"
MACHINES = {"aarch64": 64, "armhf": 32}
PI_BENCH = os.path.join(BUILD, "driver", "pi", "pi-bench")
SYSROOT = os.path.join(BUILD, "cross", "board")
MODEL = "model:churn:live=500:ops=5000"
SWEEP_S = 3600  # the longest time for one trace and all allocators


def build(machine):
    """A static ./replay for the board, in the build tree; its path."""
    done = subprocess.run(
        ["sh", os.path.join(source, "driver", "pi", "cross.sh"), machine], cwd=BUILD, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise vm.Missing(f"no binary for {machine}: {done.stderr.strip()[-300:]}".replace("\n", " "))
    return done.stdout.strip()


def rows_of(done):
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def measure(board, program, trace_path):
    """All allocators on one trace, a model or a file, as a user does it: the rows, how pi-bench ended, what it left on the
    board, and how long it took in seconds."""
    began = time.time()
    folder = tempfile.mkdtemp(dir=board.work)
    # fmt: off
    done = subprocess.run(
        [PI_BENCH, f"--ssh=ssh -F '{board.config}'", f"--replay={program}", f"--trace={trace_path}", "--passes=verify,space",
         f"--output={folder}", "--no-report", "--every=2", "--patience=60", "board"],
        capture_output=True, text=True, timeout=SWEEP_S,
    )
    # fmt: on
    try:
        with open(os.path.join(folder, "board.jsonl"), encoding="utf-8") as file:
            found = rows(file.read())
    except OSError:
        found = []
    left = board.ssh("ls -A /root; cat /proc/sys/kernel/perf_user_access").stdout.decode()
    return found, done, left, time.time() - began


def check_sweep(machine, trace_path, measured, expected):
    """Whether all expected runs are there, of allocator, pass and trace; the board's rows."""
    found, done, left, seconds = measured
    ok(
        done.returncode == 0 and "board: linux,dummy-virt, aarch64, 64-bit, 4 KiB pages, 1 core, Linux 6." in done.stderr,
        f"{machine}: pi-bench finds out what the board is, and exits with 0",
        done.stderr,
    )
    ok(left == ".ssh\n0\n", f"{machine}: the board is left as it was", left)
    told = {(row["allocator"]["spec"], row["pass"], row["trace"]["hash"]) for row in found}
    failed = [row["reason"] for row in found if row["status"] != "done"]
    ok(
        len(found) == len(expected) and told == expected and not failed,
        f"{machine}: {os.path.basename(trace_path)}, every allocator verified and its memory measured, the trace's hash as "
        f"here ({len(found)} runs, {len(failed)} failed, {seconds:.0f} s)",
        (sorted(told ^ expected), failed, done.stderr),
    )
    return found


def check_sweeps(boards, programs, traces):
    """The traces by the programs of all machines, in as many jobs at once as there are boards; each machine's first rows."""
    free = queue.SimpleQueue()
    for board in boards:
        free.put(board)

    def do(program, path):
        board = free.get()
        try:
            return measure(board, program, path)
        finally:
            free.put(board)

    first = {}
    runs = [(row["allocator"]["spec"], row["pass"]) for row in rows(replay("--passes=verify,space", "--json=-", MODEL).stdout)]
    hashes = {path: rows(replay("--alloc=watermark", "--passes=verify", "--json=-", path).stdout)[0]["trace"]["hash"] for path in traces}
    with ThreadPoolExecutor(max_workers=len(boards)) as pool:
        jobs = {(path, machine): pool.submit(do, programs[machine], path) for path in traces for machine in programs}
        for path in traces:
            expected = {(*run, hashes[path]) for run in runs}
            for machine in programs:
                first.setdefault(machine, check_sweep(machine, path, jobs[path, machine].result(), expected))
    return first


def check_facts(machine, found):
    if not found:
        return  # that it failed is said
    row, host = found[0], found[0]["host"]
    ok(
        (host["board_model"], host["word_bits"], host["page_bytes"], host["cpus"], host["name"])
        == ("linux,dummy-virt", MACHINES[machine], 4096, 1, "board")
        and host["kernel"].startswith("Linux 6."),
        f"{machine}: model, word size, page size, cores, name and kernel are the board's",
        host,
    )
    ok(
        host["emulated"] is True and "QEMU" in host["emulated_by"] and row["throttled"] is None and row["condition"]["after"]["missing"]["throttled"],
        f"{machine}: that it is emulated is found out, and what it does not tell is null with the reason",
        (host, row["condition"]),
    )


def check_latency(board, small):
    """The timer and its batches; the cycle counter, once user space may read it."""
    command = f"/tmp/aarch64 --alloc=null,tlsf --passes=latency --runs=2 --json=- /tmp/{small}"
    done = board.ssh(command)
    figures = [row["figures"] for row in rows_of(done)]
    ok(
        all(f["clock"] == "cntvct" and abs(f["clock_resolution_ns"] - 16) < 0.1 and f["batch_ops"] == min(16, len(SMALL)) for f in figures)
        and all(f["p50_ns"] is None and f["p50_ns_per_op"] > 0 and "p50_cycles" not in f for f in figures),
        "the generic timer's resolution is stated, and ops are timed in batches",
        (figures, done.stderr.decode()),
    )
    ok(
        "steps by 16.0 ns: latency is that of batches of 16 ops; the cycle counter cannot be had: sysctl "
        "kernel.perf_user_access is 0: set it to 1" in done.stderr.decode(),
        "why there are no cycles is said",
        done.stderr.decode(),
    )
    done = board.ssh(command.replace("--alloc", "--clock=cycles --alloc"))
    ok(done.returncode == 4 and b"kernel.perf_user_access" in done.stderr, "--clock=cycles: exit 4, with what to do", done.stderr)

    board.ssh("sysctl -w kernel.perf_user_access=1")
    done = board.ssh(command)
    found = rows_of(done)
    figures = [row["figures"] for row in found]
    ok(
        len(found) == 4
        and all(row["host"]["counters"] == "by user space" for row in found)
        and all(f["clock"] == "cycles" and f["batch_ops"] == 1 and f["p50_cycles"] > 0 for f in figures)
        and all(f["p50_ns"] is None and f["clock_cost_ns"] is None and "p50_ns_per_op" not in f for f in figures),
        "allowed to, user space reads the cycle counter, and cycles have names of their own",
        (figures, done.stderr.decode()),
    )
    histograms = {}
    for row in found:
        histograms.setdefault(row["allocator"]["spec"], []).append(row["figures"]["histogram"])
    ok(
        all(sum(count for _, count in one["upto_cycles_and_count"]) == len(SMALL) for all_of in histograms.values() for one in all_of),
        "each op's cycles are counted",
        histograms,
    )
    least = {spec: min(upto for upto, _ in all_of[0]["upto_cycles_and_count"]) for spec, all_of in histograms.items()}
    ok(
        figures[0]["clock_cost_cycles"] <= least["null"] < least["tlsf"] < 1000,
        "null takes little more cycles than reading them, tlsf takes more",
        (least, figures[0]["clock_cost_cycles"]),
    )
    table = board.ssh(command.replace("--json=- ", "")).stdout.decode()
    ok(", emulated, latency in cycles\n" in table and " cy " in table, "so does the table, with the word emulated", table)
    done = board.ssh(command.replace("/aarch64", "/armhf"))
    figures = [row["figures"] for row in rows_of(done)]
    ok(
        len(figures) == 4 and all(f["clock"] == "clock_gettime" and f["batch_ops"] > 1 for f in figures),
        "a 32-bit process has the system's clock, and batches",
        (figures, done.stderr.decode()),
    )


def check_models(work, programs):
    """One board, on which instructions are exact."""
    small = trace(SMALL)
    board = vm.Board(work, SYSROOT)
    try:
        print(f"# ssh answered {board.boot_s:.1f} s after the board was switched on")
        for machine, found in check_sweeps([board], programs, [MODEL]).items():
            check_facts(machine, found)
        for machine, program in programs.items():
            board.put(program, name=machine)
        board.put(small)
        check_latency(board, os.path.basename(small).replace(" ", "\\ "))
    finally:
        board.stop()
        os.unlink(small)


def check_recordings(work, programs):
    """As many boards as this machine has cores, since each takes one."""
    boards = []
    try:
        for i in range(os.cpu_count() or 1):
            folder = os.path.join(work, str(i))
            os.mkdir(folder)
            boards.append(vm.Board(folder, SYSROOT, exact=False))
        check_sweeps(boards, programs, sorted(glob.glob(os.path.join(source, "traces", "*.trace"))))
    finally:
        for board in boards:
            board.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="qemu board ") as work:
        try:
            programs = {machine: build(machine) for machine in MACHINES}
            (check_recordings if WHOLE else check_models)(work, programs)
        except vm.Missing as why:
            print(f"1..0 # SKIP {why}")
            sys.exit(0)
    finish()


main()

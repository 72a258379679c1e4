"""units.py - parts of pi-bench that need no board: what it makes of answers, of rows, and of what ssh says."""

import glob
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
source = os.path.abspath(os.environ.get("top_srcdir", "."))
sys.path[:0] = [source, os.path.join(source, "driver", "tests")]
from tap import BUILD, finish, ok, skip  # noqa: E402

try:
    import rich  # noqa: F401
except ImportError:
    print("1..0 # SKIP this python3 has no rich (Debian: python3-rich)")
    sys.exit(0)
sys.argv[0] = os.path.join(BUILD, "driver", "pi", "pi-bench")
from driver.pi.board import Answer, Facts  # noqa: E402
from driver.pi.follow import summary  # noqa: E402
from driver.pi.link import explain  # noqa: E402
from driver.pi.sweep import Settings, Sweep, make_jobs  # noqa: E402
from driver.pi.words import Problem  # noqa: E402

HERE = os.path.join(source, "driver", "pi")


def facts(**values):
    return Facts(Answer({key: [value] for key, value in values.items()}))


def boards():
    pi = facts(
        model="Raspberry Pi 4 Model B Rev 1.4",
        machine="aarch64",
        bits="32",
        page_bytes="16384",
        cores="4",
        kernel="Linux 6.6",
        governor="ondemand",
        celsius="48.312",
        throttled="0x50001",
        counters="no, kernel.perf_event_paranoid is 3",
    )
    ok(
        pi.describe()
        == "Raspberry Pi 4 Model B Rev 1.4, aarch64, 32-bit, 16 KiB pages, 4 cores, Linux 6.6, governor ondemand, 48 °C, now "
        "under-voltage, since boot under-voltage and throttled, counters readable: no, kernel.perf_event_paranoid is 3",
        "a board in a line",
        pi.describe(),
    )
    for machine, bits, expected in (
        ("aarch64", "64", "aarch64"),
        ("aarch64", "32", "armhf"),
        ("armv7l", "32", "armhf"),
        ("x86_64", "32", "i686"),
        ("armv6l", "32", "armv6l"),
    ):
        found = facts(machine=machine, bits=bits).architecture
        ok(found == expected, f"{bits}-bit programs on {machine}: {expected}", found)
    ok(pi.kind != facts(model="Raspberry Pi 4 Model B Rev 1.4", machine="aarch64", bits="64", page_bytes="16384").kind, "kinds differ by word size")


def ssh():
    for said, advice in (
        ("pi@b: Permission denied (publickey).", "ssh-copy-id pi@b"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "ssh-keygen -R b"),
        ("Host key verification failed.", "type ssh pi@b once"),
        ("ssh: Could not resolve hostname b: Name or service not known", "no host of that name"),
        ("ssh: connect to host b port 22: Connection refused", "enable ssh on the board"),
        ("ssh: connect to host b port 22: Connection timed out", "is it on"),
    ):
        told = explain(said, "pi@b", "b")
        ok(told.startswith(said.splitlines()[-1]) and advice in told, f"{said.splitlines()[-1]}: {advice}", told)


def rows():
    def row(throttled, repetition, *causes, status="done"):
        return {"status": status, "throttled": throttled, "repetition": repetition, "condition": {"throttled_by": list(causes)}}

    told = summary([row(False, 0), row(None, 0, status="failed")])
    ok(told == "2 runs, 1 of them not done", "runs and failures are counted", told)
    told = summary([row(True, 0, "under-voltage", "throttled"), row(False, 1), row(False, 0)])
    ok(
        told == "3 runs, 1 of them marked, as the board slowed down (throttled, under-voltage), and 1 done again, its power supply is too weak",
        "a board that throttled is told of",
        told,
    )
    ok(summary([{"status": "done"}]) == "1 run", "rows of a replay that knows nothing of it", summary([{"status": "done"}]))


def landing():
    with tempfile.TemporaryDirectory(prefix="pi bench ") as work:
        trace = os.path.join(work, "a trace.trace")
        Path(trace).write_bytes(b"x")
        jobs, files = make_jobs(b"program", [trace, "model:churn", trace], ["--alloc=slab,libc"])
        ok([job.trace for job in jobs] == ["a trace.trace", "model:churn"], "a job for each trace, once", jobs)
        ok(
            [file.name.partition("/")[0] for file in files] == ["board.sh", "bin", "traces"] and "'traces/" in jobs[0].command,
            "models need no file, and names may have a space",
            jobs[0].command,
        )
        try:
            make_jobs(b"program", [os.path.join(work, "nothing")], [])
            ok(False, "a trace that is not there")
        except Problem as problem:
            ok(problem.code == 3, "a trace that is not there: exit code 3", problem)

        settings = Settings(["ssh"], ".heapbench", work, work, "me@here", True, 1, 1)
        sweep = Sweep(Path(work) / "state", jobs, settings)
        again = Sweep(Path(work) / "state", jobs, settings)
        ok(sweep.name == again.name, "a sweep that goes on is the same one")
        lines = [b'{"host": {"name": "pi 4"}, "status": "done", "n": %d}\n' % number for number in range(3)]
        results = Path(work) / "pi_4.jsonl"
        results.write_bytes(lines[2] + b'{"cut off')
        for board in ("b1", "b2"):  # both bring it
            part = sweep.part(jobs[0], board, "1")
            part.write_bytes(lines[0] + lines[1])
            sweep.land(jobs[0], part)
        sweep.publish_all()
        ok(results.read_bytes() == lines[2] + lines[0] + lines[1], "a job lands once, after the last whole line", results.read_bytes())
        ok(sweep.open_jobs() == jobs[1:] and sweep.counts() == {"done": 2}, "and is done")
        results.write_bytes(lines[2] + lines[0] + b'{"cut off')
        sweep.publish_all()
        ok(results.read_bytes() == lines[2] + lines[0] + lines[1], "what was written of it when the power went is not there twice", results.read_bytes())
        results.write_bytes(lines[2])
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(lines[2] + lines[0]) + 5, limits[1]))
        try:
            sweep.publish_all()
            ok(False, "results that have no room")
        except Problem as problem:
            ok(problem.code == 4, "results that have no room: exit code 4", problem)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        ok(results.read_bytes() == lines[2], "and none of them is there", results.read_bytes())
        sweep.publish_all()
        ok(results.read_bytes() == lines[2] + lines[0] + lines[1], "once there is room, all are")
        old = sweep.part(jobs[1], "b1", "1")
        old.write_bytes(lines[0])
        ok(sweep.attempt(jobs[1], "b1") == "1" and sweep.attempt(jobs[1], "b2") == "", "what has come of a job before is known")
        sweep.part(jobs[1], "b1", "2")
        ok(not old.exists(), "and dropped when the board has begun anew")
        sweep.take_lock()
        try:
            again.take_lock()
            ok(False, "a sweep at work is locked")
        except Problem as problem:
            ok(problem.code == 4, "a sweep at work is locked", problem)
        sweep.forget()
        ok(Sweep(Path(work) / "state", jobs, settings).name != again.name, "done anew, it is another one")


# The program with the measuring replaced by an ssh that ends while it is written to.
BROKEN = """
import signal, subprocess, sys
sys.path.insert(0, sys.argv[1])
sys.argv[0] = sys.argv[2]
from driver.pi import pi_bench
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as the program is begun
pi_bench.Run.measure = lambda self: subprocess.run(["true"], input=bytes(1 << 24))
sys.exit(pi_bench.main(["board", "--trace=model:churn", "--no-report"]))
"""


def broken_pipe():
    done = subprocess.run([sys.executable, "-c", BROKEN, source, sys.argv[0]], capture_output=True, text=True)
    ok(done.returncode == 0, "an ssh that ends while it is written to ends nothing else", f"exit {done.returncode}\n{done.stderr}")


def lint():
    if shutil.which("shellcheck"):
        checked = subprocess.run(["shellcheck", os.path.join(HERE, "board.sh"), os.path.join(HERE, "by_board.sh")], capture_output=True, text=True)
        ok(checked.returncode == 0, "shellcheck finds nothing", checked.stdout)
    else:
        skip("shellcheck finds nothing", "no shellcheck (Debian: shellcheck)")
    if shutil.which("mypy"):
        with tempfile.TemporaryDirectory() as cache:
            command = ["mypy", "--strict", "--ignore-missing-imports", "--explicit-package-bases", f"--cache-dir={cache}"]
            checked = subprocess.run(
                [*command, *glob.glob(os.path.join(HERE, "*.py"))], capture_output=True, text=True, cwd=source, env={**os.environ, "MYPYPATH": source}
            )
        ok(checked.returncode == 0, "mypy --strict finds nothing wrong", checked.stdout + checked.stderr)
    else:
        skip("mypy --strict finds nothing wrong", "no mypy (Debian: mypy)")


boards()
ssh()
rows()
landing()
broken_pipe()
lint()
finish()

"""sweep.py - what is to be done on boards of one kind, and what has been: jobs, and their results as they land.

A job is one trace with the options of a replay. What is fetched of it is a file of its own until the job has ended;
then it lands: it becomes the job's one result, and its rows are appended to results/HOST.jsonl. A job lands once,
whoever brings it. All this is in a directory that outlives pi-bench, so that the same command goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from analysis.command import EXIT_INPUT, EXIT_LACKS
from driver.pi.board import SCRIPT, File
from driver.pi.words import Problem

STATE = "pi-bench"  # the directory beside the results


def short_hash(data: bytes) -> str:
    """Enough of a hash to name a file by what is in it."""
    return hashlib.sha256(data).hexdigest()[:12]


@dataclass(frozen=True)
class Job:
    """One trace to replay: its name on the board and for people, and the command line there."""

    name: str
    trace: str  # its file's name, or the model
    command: str


@dataclass(frozen=True)
class Settings:
    """What the command line says about boards and results, for every process of a run."""

    ssh: list[str]
    directory: str
    results: str
    sockets: str
    who: str
    tune: bool
    every: float
    patience: float


def make_jobs(program: bytes, traces: Sequence[str], options: Sequence[str]) -> tuple[list[Job], list[File]]:
    """The jobs, and the files that they need on the board. Problem when a trace cannot be read."""
    replay = File(f"bin/{short_hash(program)}/replay", program, 0o755)
    files = {"board.sh": File("board.sh", SCRIPT.read_bytes()), replay.name: replay}
    jobs = []
    for trace in traces:
        where, label = trace, trace
        if not trace.startswith("model:"):
            try:
                data = Path(trace).read_bytes()
            except OSError as error:
                raise Problem(EXIT_INPUT, f"{trace}: cannot be read: {error.strerror}") from None
            label = Path(trace).name
            where = f"traces/{short_hash(data)}/{label}"
            files[where] = File(where, data)
        words = ["exec", replay.name, *options]
        command = f'{shlex.join(words)} --json="$1" {shlex.quote(where)}\n'
        name = f"{re.sub('[^A-Za-z0-9]+', '-', label)[:32].strip('-')}-{short_hash(command.encode())}"
        jobs.append(Job(name, label, command))
    return list({job.name: job for job in jobs}.values()), list(files.values())


def rows_of(data: bytes) -> Iterator[dict[str, Any]]:
    """The rows in lines of JSON."""
    return (json.loads(line) for line in data.splitlines() if line.strip())


def _begun(before: bytes, data: bytes) -> int:
    """How many bytes of the end of it are the first lines of data: what was written of it when the power went."""
    begin, end, found = 0, data.find(b"\n") + 1, 0
    while begin < end <= len(before):
        if before.endswith(data[begin:end]) and before.endswith(data[:end]):
            found = end
        begin, end = end, data.find(b"\n", end) + 1
    return found


def _append(file: FileIO, data: bytes, end: int) -> None:
    """Writes all of it, or where that cannot be done nothing."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)
        raise


class Sweep:
    """The jobs for boards of one kind, and the directory of what is known of them."""

    def __init__(self, directory: Path, jobs: Sequence[Job], settings: Settings) -> None:
        self.directory = directory
        self.jobs = list(jobs)
        self.settings = settings
        token = directory / "token"
        if not token.exists():
            directory.mkdir(parents=True, exist_ok=True)
            token.write_text(f"{time.time_ns() // 1000000}", encoding="utf-8")
        self.lock: int | None = None
        self.name = f"{directory.name}-{token.read_text(encoding='utf-8')}"  # another one each time it is done anew

    def take_lock(self) -> None:
        """For as long as this process lives, or what it starts. Problem when another has it."""
        self.lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(EXIT_LACKS, "the same command is at work on this machine already: wait for it, or end it") from None

    # ---- Shared with the processes that do single jobs ----

    def save(self) -> None:
        """For load()."""
        text = json.dumps({"jobs": [asdict(job) for job in self.jobs], "settings": asdict(self.settings)})
        (self.directory / "sweep.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Sweep:
        """The sweep that another process has saved."""
        saved = json.loads((directory / "sweep.json").read_text(encoding="utf-8"))
        return cls(directory, [Job(**job) for job in saved["jobs"]], Settings(**saved["settings"]))

    def files(self) -> list[File]:
        """The jobs' own files on a board."""
        return [File(f"sweeps/{self.name}/{job.name}/command", job.command.encode()) for job in self.jobs]

    # ---- What has been done ----

    def _landed(self, job: Job) -> Path:
        return self.directory / f"{job.name}.jsonl"

    def is_done(self, job: Job) -> bool:
        """Whether its results are here, all of them."""
        return self._landed(job).exists()

    def open_jobs(self) -> list[Job]:
        """What is still to be done."""
        return [job for job in self.jobs if not self.is_done(job)]

    def _parts(self, job: Job, board: str) -> list[Path]:
        return list(self.directory.glob(f"{job.name}@{board}@*.part"))

    def attempt(self, job: Job, board: str) -> str:
        """The attempt of which rows have come before, "" when there are none."""
        parts = self._parts(job, board)
        return parts[0].stem.rpartition("@")[2] if parts else ""

    def part(self, job: Job, board: str, attempt: str) -> Path:
        """Where rows of an attempt go while they come; the parts of attempts before are dropped."""
        here = self.directory / f"{job.name}@{board}@{attempt}.part"
        for other in self._parts(job, board):
            if attempt and other != here:
                other.unlink()
        return here

    def drop_parts(self) -> None:
        """What was fetched of jobs that failed, which begin anew when they are done again."""
        for part in self.directory.glob("*.part"):
            part.unlink()

    def land(self, job: Job, part: Path) -> None:
        """Makes the part the job's result, unless it has one, and appends it to the results of its host."""
        try:
            os.link(part, self._landed(job))
        except FileExistsError:
            pass
        part.unlink()
        self.publish(job)

    def publish(self, job: Job) -> Path | None:
        """Appends a job's rows to results/HOST.jsonl, if they are not there. Problem when they cannot be written."""
        data = self._landed(job).read_bytes()
        host = self.host(job)
        if host is None:
            return None
        path = Path(self.settings.results) / f"{host}.jsonl"
        try:
            with path.open("a+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                before = file.read()
                end = before.rfind(b"\n") + 1  # beyond it is a line that was being written when the power went
                if data not in before:
                    end -= _begun(before[:end], data)
                file.truncate(end)
                if data not in before:
                    _append(file, data, end)
        except OSError as error:
            raise Problem(EXIT_LACKS, f"{path}: cannot be written: {error.strerror}; nothing is lost") from None
        return path

    def host(self, job: Job) -> str | None:
        """The name of the host that did a job, as its rows have it."""
        for row in rows_of(self._landed(job).read_bytes()):
            return re.sub(r"[^\w.-]", "_", row["host"]["name"] or "unnamed")
        return None

    def counts(self) -> Counter[str]:
        """How the runs of all landed jobs ended: done, failed, lacks."""
        found: Counter[str] = Counter()
        for job in self.jobs:
            if self.is_done(job):
                found.update(row["status"] for row in rows_of(self._landed(job).read_bytes()))
        return found

    def publish_all(self) -> list[Path]:
        """The files of results that have rows of this sweep."""
        paths = [self.publish(job) for job in self.jobs if self.is_done(job)]
        return sorted({path for path in paths if path is not None})

    def begin(self) -> None:
        """Notes that a board may be at work with it from now on."""
        (self.directory / "begun").touch()

    def begun(self) -> bool:
        """Whether it may be, or was."""
        return (self.directory / "begun").exists()

    def forget_unless_landed(self) -> None:
        """Where nothing has come of it, and no board is at work, there is nothing to go on with."""
        if len(self.open_jobs()) == len(self.jobs):
            self.forget()

    def forget(self) -> None:
        """The sweep is done, and its results are where they belong. The log of several boards' jobs stays."""
        log = self.directory / "joblog"
        if log.exists():
            log.replace(self.directory.parent / f"{self.name}.joblog")
        shutil.rmtree(self.directory)
        if self.lock is not None:
            os.close(self.lock)

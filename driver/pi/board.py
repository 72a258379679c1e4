"""board.py - one board: what it is, copying to it, starting work there, looking at it, and leaving it as it was.

The other half is board.sh, which runs on the board; this asks it through a Link. Nothing here waits or tries again: a
Lost passes through to who can (follow.py).
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.command import EXIT_LACKS
from driver.pi.link import Link
from driver.pi.words import Full, Problem, size_text

SCRIPT = Path(__file__).with_name("board.sh")
GREETING = "heapbench\n"

# Machines as uname -m has them, by the word size of the programs there: names of cross.sh.
ARCHITECTURES = {
    ("aarch64", 64): "aarch64",
    ("aarch64", 32): "armhf",
    ("armv8l", 32): "armhf",
    ("armv7l", 32): "armhf",
    ("x86_64", 64): "x86_64",
    ("x86_64", 32): "i686",
    ("i686", 32): "i686",
}

# Bits of vcgencmd get_throttled that are about this moment.
THROTTLED_NOW = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")


@dataclass(frozen=True)
class Answer:
    """What board.sh says: each key's values in their order, and the bytes after its header."""

    values: dict[str, list[str]]
    data: bytes = b""

    def __getitem__(self, key: str) -> str:
        return self.values.get(key, [""])[-1]

    def number(self, key: str) -> int:
        """A count, 0 when it is not there."""
        return int(self[key] or 0)


@dataclass(frozen=True)
class Facts:
    """What a board is; "" where it does not tell."""

    answer: Answer
    has: frozenset[str] = field(default_factory=frozenset)  # files that are there, named as they are copied

    @property
    def machine(self) -> str:
        return self.answer["machine"]

    @property
    def architecture(self) -> str:
        """As cross.sh names it; as the kernel does where that is not known."""
        return ARCHITECTURES.get((self.machine, self.answer.number("bits")), self.machine)

    @property
    def kind(self) -> str:
        """Boards of one kind can do each other's jobs."""
        model = self.answer["model"] or "unknown model"
        return f"{model}, {self.machine}, {self.answer['bits']}-bit, {self.answer.number('page_bytes') // 1024} KiB pages"

    def describe(self) -> str:
        """The board in a line."""
        told = self.answer
        bits = int(told["throttled"] or "0", 16)
        now = [name for bit, name in enumerate(THROTTLED_NOW) if bits >> bit & 1]
        since_boot = [name for bit, name in enumerate(THROTTLED_NOW) if bits >> (bit + 16) & 1]
        return ", ".join(
            [
                self.kind,
                f"{told['cores']} core" + ("" if told["cores"] == "1" else "s"),
                told["kernel"],
                f"governor {told['governor'] or 'unknown'}",
                f"{float(told['celsius']):.0f} °C" if told["celsius"] else "temperature unknown",
                f"now {' and '.join(now)}" if now else "not throttled" if told["throttled"] else "throttling unknown",
                *([f"since boot {' and '.join(since_boot)}"] if since_boot else []),
                f"counters readable: {told['counters']}",
            ]
        )


@dataclass(frozen=True)
class File:
    """One to be copied: its name in the board's directory, and what is in it."""

    name: str
    data: bytes
    mode: int = 0o644


def _tar(files: Iterable[File]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.name)
            entry.size, entry.mode = len(file.data), file.mode
            tar.addfile(entry, io.BytesIO(file.data))
    return packed.getvalue()


class Board:
    """A board, and the directory on it that is ours."""

    def __init__(self, link: Link, directory: str, who: str) -> None:
        self.link = link
        self.directory = directory
        self.who = who  # for the board's lock: who is at work
        self.name = link.login.rpartition("@")[2]

    def ask(self, verb: str, *arguments: str) -> Answer:
        """What board.sh answers; Problem when it cannot, Lost when there is no connection."""
        try:
            said = self.link.run(["sh", "-s", "--", verb, self.directory, *arguments], SCRIPT.read_bytes())
        except subprocess.CalledProcessError as failed:
            what = failed.stderr.decode(errors="replace").strip() or f"exit {failed.returncode}"
            raise Problem(EXIT_LACKS, f"the board cannot {verb}: {what.splitlines()[-1]}") from None
        _, greeting, rest = said.partition(GREETING.encode())
        if not greeting:
            raise Problem(EXIT_LACKS, "no POSIX shell answers there: heapbench needs sh and tar on the board")
        header, _, data = rest.partition(b"\nrows\n")
        values: dict[str, list[str]] = {}
        for line in header.decode(errors="replace").splitlines():
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        return Answer(values, data)

    def probe(self) -> Facts:
        """What it is, and what of ours is there."""
        answer = self.ask("probe")
        return Facts(answer, frozenset(answer.values.get("has", [])))

    def copy(self, files: Sequence[File], facts: Facts) -> int:
        """Copies what is not there yet; how many bytes that was. All of it arrives, or nothing."""
        missing = [file for file in files if file.name not in facts.has]
        needed = sum(len(file.data) for file in missing)
        if facts.answer["free_kib"] and needed > facts.answer.number("free_kib") * 1024:
            raise self.full(f"{size_text(needed)} to copy", facts.answer.number("free_kib"))
        new = f"incoming.{self.link.socket.parent.name}"
        unpack = (
            'mkdir -p "$1/$2" && tar -xf - -C "$1/$2" || { cat >/dev/null; rm -rf "$1/$2"; rmdir "$1" 2>/dev/null; exit 1; }'
        )
        try:
            self.link.run(["sh", "-c", unpack, "sh", self.directory, new], _tar(missing))
        except subprocess.CalledProcessError as failed:
            said = failed.stderr.decode(errors="replace").strip() or "tar failed"
            if "No space left" in said:
                raise self.full(f"{size_text(needed)} to copy", facts.answer.number("free_kib")) from None
            raise Problem(EXIT_LACKS, f"copying to {self.directory} failed: {said.splitlines()[0]}") from None
        self.ask("settle", new)
        return needed

    def full(self, what: str, free_kib: int) -> Full:
        """That the disk is full."""
        return Full(
            EXIT_LACKS,
            f"the disk of the board is full: {what}, {size_text(free_kib * 1024)} free at {self.directory}; "
            "make room there, or name a --directory on another disk",
        )

    def busy(self, answer: Answer) -> Problem:
        """That somebody is at work there, or has left a lock that is not ours to remove."""
        who, since = answer["lock_who"], answer["lock_since"]
        if answer["lock"] == "stale":
            return Problem(EXIT_LACKS, f"{who} left a lock there (since {since}) that you may not remove: ask them, or root")
        if who == self.who:
            return Problem(
                EXIT_LACKS,
                f"another run of yours is at work there since {since}: wait for it, give its command again to fetch "
                "what it found, or end it with --stop",
            )
        return Problem(EXIT_LACKS, f"{who} is at work there since {since}: two at once would measure each other; try later")

    def start(self, sweep: str, tune: bool, jobs: Sequence[str]) -> str:
        """Begins the jobs, if the sweep is not at work there. Returns whose stale lock was taken over, "" mostly."""
        answer = self.ask("start", sweep, self.who, "yes" if tune else "no", *jobs)
        if answer["lock"] and not (answer["lock"] == "live" and answer["lock_sweep"] == sweep and answer["lock_who"] == self.who):
            raise self.busy(answer)
        if not answer["lock"] and not answer["started"]:
            raise Problem(EXIT_LACKS, f"the work does not begin there: {answer['failed'] or 'its files are gone'}")
        return answer["taken"]

    def look(self, sweep: str, job: str, attempt: str, offset: int) -> Answer:
        """How a job is doing, and its rows from an offset on, or all when the attempt is another one."""
        return self.ask("look", sweep, job, attempt or "none", str(offset))

    def stop(self) -> bool:
        """Ends what we have at work there, and removes all that is ours; whether there was any such work."""
        answer = self.ask("stop", self.who)
        if answer["lock"]:
            raise self.busy(answer)
        return bool(answer["stopped"])

    def clean(self, sweep: str, keep: str) -> None:
        """Removes what is ours but what is to be kept. Problem when somebody is at work with it."""
        answer = self.ask("clean", sweep, keep)
        if answer["lock"]:
            raise self.busy(answer)

"""program.py - the replay that runs on a board: built here by a cross compiler, or else there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from analysis.command import EXIT_LACKS
from driver.pi.board import Board, Facts
from driver.pi.words import Problem, say, size_text

CROSS = Path(__file__).with_name("cross.sh")
BUILD = Path(sys.argv[0]).resolve().parent.parent.parent  # this program is driver/pi/pi-bench there

# Unpacks what comes, builds it, and gives the program back; leaves nothing.
BUILD_THERE = """
set -e
mkdir -p "$1"
home=$(cd "$1" && pwd)
work=$(mktemp -d "$home/build.XXXXXX")
trap 'cd /; rm -rf "$work"; rmdir "$home" 2>/dev/null || :' EXIT
tar -xzf - -C "$work"
cd "$work"/*/
{ ./configure --quiet && make -s driver/build.h && make -s replay; } >&2
cat replay
"""


def _environment() -> dict[str, str]:
    """For a make of its own, which is no part of one that started this program."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def _built_here(architecture: str) -> tuple[Path | None, str]:
    """A static replay for the architecture; None and the reason where it cannot be built."""
    if not CROSS.exists():
        return None, "this is an installed heapbench, which can build none: give it one with --replay=FILE"
    done = subprocess.run(
        ["sh", str(CROSS), architecture], cwd=BUILD, env=_environment(), capture_output=True, text=True
    )
    if done.returncode == 0:
        return BUILD / done.stdout.strip(), ""
    said = done.stderr.strip().splitlines()
    return None, said[-1] if said else f"cross.sh ended with {done.returncode}"


def _sources() -> Path:
    """A release of this tree. Problem when it cannot be packed."""
    done = subprocess.run(
        ["make", "-s", "dist", "DIST_TARGETS=dist-gzip"], cwd=BUILD, env=_environment(), capture_output=True, text=True
    )
    packed = sorted(BUILD.glob("heapbench-*.tar.gz"), key=lambda path: path.stat().st_mtime)
    if done.returncode != 0 or not packed:
        raise Problem(EXIT_LACKS, f"the sources cannot be packed: {done.stderr.strip()[-200:]}")
    return packed[-1]


def _content_hash(path: Path) -> str:
    """Of the files in a tar file, whenever they were packed."""
    found = hashlib.sha256()
    with tarfile.open(path) as tar:
        for entry in sorted(tar.getmembers(), key=lambda member: member.name):
            found.update(entry.name.encode())
            file = tar.extractfile(entry) if entry.isfile() else None
            found.update(file.read() if file else b"")
    return found.hexdigest()[:12]


def _built_there(board: Board, facts: Facts, cache: Path) -> bytes:
    """What the board's own compiler makes of the sources, kept here for the next time."""
    sources = _sources()
    kept = cache / f"replay-{facts.machine}-{_content_hash(sources)}"
    if not kept.exists():
        say(board.name, "building there, which takes some minutes…")
        try:
            program = board.link.run(["sh", "-c", BUILD_THERE, "sh", board.directory], sources.read_bytes())
        except subprocess.CalledProcessError as failed:
            said = failed.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            why = next((line for line in said if "error:" in line), said[-1])
            raise Problem(EXIT_LACKS, f"building there failed: {why}") from None
        cache.mkdir(parents=True, exist_ok=True)
        new = kept.with_suffix(".new")
        new.write_bytes(program)
        new.rename(kept)
    sources.unlink()
    return kept.read_bytes()


def program_for(board: Board, facts: Facts, given: Path | None, cache: Path) -> bytes:
    """The replay for a board. Problem when there is no way to one."""
    if given is not None:
        try:
            return given.read_bytes()
        except OSError as error:
            raise Problem(EXIT_LACKS, f"{given}: cannot be read: {error.strerror}") from None
    say(board.name, f"building a replay for {facts.architecture}…")
    built, why_not = _built_here(facts.architecture)
    if built is not None:
        program = built.read_bytes()
        say(board.name, f"it is built: {size_text(len(program))}, static")
        return program
    if not facts.answer["builds"]:
        raise Problem(
            EXIT_LACKS,
            f"no replay for {facts.architecture}: {why_not}. The board cannot build one either: it lacks a compiler, make, "
            "pkg-config, or a library (Debian: gcc make pkg-config libzstd-dev libxxhash-dev libarchive-dev libjansson-dev)",
        )
    say(board.name, f"no cross compiler here ({why_not})")
    return _built_there(board, facts, cache)

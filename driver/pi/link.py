"""link.py - the way to a board: OpenSSH, as the user has configured it, with one connection that all commands share.

A command either answers, or the link raises: Unreachable where the user has to do something (a key, a name), Lost where
the board may come back.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

SSH_FAILED = 255  # the exit code of ssh itself, not of the command

# What keeps a dead link from being waited for, unless the user's configuration has it: keyword, default, ours.
DEFAULTS = (("connecttimeout", "none", "ConnectTimeout=10"), ("serveraliveinterval", "0", "ServerAliveInterval=5"))
ALWAYS = ("BatchMode=yes", "ControlPersist=no", "ForwardX11=no", "ForwardAgent=no", "RequestTTY=no")

# What ssh says, and what to do then.
ADVICE = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one known here: a board set up anew, or another machine that answers to its name. "
        "If you know why: ssh-keygen -R {host}, then ssh {login} once",
    ),
    ("Host key verification failed", "its host key is not known here yet: type ssh {login} once, and say yes if it is right"),
    ("Permission denied", "it does not accept your key: ssh-copy-id {login}, or name the key in ~/.ssh/config"),
    ("Could not resolve", "no host of that name: is it on, on this network, and spelled right? Its address does, too"),
    ("Connection refused", "it is there, but no ssh server answers: enable ssh on the board (raspi-config, Interfaces)"),
)
NOT_THERE = "it does not answer: is it on, and on this network?"


class Unreachable(Exception):
    """ssh cannot get in, and trying again will not help."""


class Lost(Exception):
    """There is no connection now."""


def explain(said: str, login: str, host: str) -> str:
    """What ssh said, in its last line, and what to do about it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    advice = next((words for sign, words in ADVICE if sign in said), NOT_THERE)
    return f"{lines[-1] if lines else 'ssh failed'}: {advice.format(login=login, host=host)}"


class Link:
    """The connection to one board. Processes that name the same directory share it."""

    def __init__(self, login: str, ssh: Sequence[str], directory: Path) -> None:
        self.login = login
        self.ssh = list(ssh)
        self.socket = directory / (re.sub(r"\W", "_", login)[-40:])
        self.master: subprocess.Popen[bytes] | None = None
        self.config: dict[str, str] | None = None

    def _configured(self) -> dict[str, str]:
        """What the user's configuration says of this host."""
        if self.config is None:
            shown = subprocess.run([*self.ssh, "-G", self.login], capture_output=True, text=True)
            if shown.returncode != 0:
                raise Unreachable(shown.stderr.strip())
            self.config = dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)
        return self.config

    def _command(self, *options: str) -> list[str]:
        config = self._configured()
        chosen = [*ALWAYS, *(ours for key, default, ours in DEFAULTS if config.get(key, default) == default)]
        return [*self.ssh, *(f"-o{option}" for option in chosen), "-S", str(self.socket), *options]

    def _is_open(self) -> bool:
        check = self._command("-O", "check", self.login)
        return self.socket.exists() and subprocess.run(check, capture_output=True).returncode == 0

    def open(self) -> None:
        """Connects unless there is a connection. Unreachable and Lost as they are."""
        if self.master.poll() is None if self.master else self.socket.exists():
            return
        self.close()
        command = self._command("-oControlMaster=yes", "-N", self.login)
        self.master = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        while self.master.poll() is None and not self._is_open():
            time.sleep(0.05)
        if self.master.poll() is not None:
            assert self.master.stderr is not None
            said = self.master.stderr.read().decode(errors="replace")
            what = explain(said, self.login, self._configured().get("hostname", self.login))
            raise (Unreachable if any(sign in said for sign, _ in ADVICE[:3]) else Lost)(what)

    def run(self, command: Sequence[str], data: bytes = b"") -> bytes:
        """What the command writes to its standard output, given data on its input. CalledProcessError when it fails."""
        self.open()
        line = " ".join(map(shlex.quote, command))
        done = subprocess.run(
            self._command("-oControlMaster=no", self.login, line),
            input=data,
            capture_output=True,
            start_new_session=True,  # Ctrl-C is for us, who end this in good order
        )
        if done.returncode == SSH_FAILED:
            raise Lost(explain(done.stderr.decode(errors="replace"), self.login, self.login))
        done.check_returncode()
        return done.stdout

    def abort(self) -> None:
        """Breaks the connection: a command that runs ends with Lost."""
        if self.master is not None:
            self.master.terminate()

    def close(self) -> None:
        """Ends the connection if this process made it."""
        if self.master is not None:
            self.master.terminate()
            self.master.communicate()
            self.master = None
            if self.socket.exists():
                os.unlink(self.socket)

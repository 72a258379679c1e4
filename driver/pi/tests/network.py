"""network.py - boards to test with: each an sshd in a network namespace of its own, at the end of a virtual cable that
can be pulled, with its own host name, home, /tmp and processes, and without this source tree.

Nothing here leaves these namespaces, and nothing of the machine is changed. Imported first: it leaves the test out where
the machine cannot do this.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
SOURCE_DIR = os.path.abspath(os.environ.get("top_srcdir", "."))
sys.path.insert(0, os.path.join(SOURCE_DIR, "driver", "tests"))
from tap import BUILD, PATIENCE_S, REPLAY, finish, ok, skip  # noqa: E402, F401

PI_BENCH = os.path.join(BUILD, "driver", "pi", "pi-bench")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SSHD = shutil.which("sshd", path=PATH)

# Where a program for another machine finds its libraries when QEMU runs it here: what sshd starts must be told anew.
EMULATOR = f' "QEMU_LD_PREFIX={os.environ["QEMU_LD_PREFIX"]}"' if "QEMU_LD_PREFIX" in os.environ else ""

# What is done in a board before its sshd runs. Order matters: what hides the tree may hide the board's own directory.
SETUP = """
set -e
hostname "$1"
mount --make-rprivate /
mount --bind "$2" /mnt
{home}
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
for hidden in {hidden}; do [ ! -d "$hidden" ] || mount -t tmpfs tmpfs "$hidden"; done
mount -t tmpfs tmpfs /tmp
cd /
{more}
exec "$3" -D -e -f /mnt/sshd_config
"""

SSHD_CONFIG = """
ListenAddress {address}
HostKey /mnt/host_key
AuthorizedKeysFile /mnt/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PrintMotd no
SetEnv PATH={path}{emulator}
"""

SSH_CONFIG = """
Host {name}
    HostName {address}
    User root
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ServerAliveInterval 1
    ServerAliveCountMax 2
    ConnectTimeout 10
"""


def _why_not():
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    with open("/proc/self/setgroups", encoding="utf-8") as file:
        if file.read() == "deny\n":
            return "root of a namespace that has no other users, and sshd changes to one"
    for tool, package in (("ip", "iproute2"), ("ssh", "openssh-client"), ("ssh-keygen", "openssh-client"), ("unshare", "util-linux")):
        if shutil.which(tool) is None:
            return f"no {tool} (Debian: {package})"
    if SSHD is None:
        return "no sshd (Debian: openssh-server)"
    asked = subprocess.run([PI_BENCH, "--help"], capture_output=True, text=True)
    if asked.returncode != 0:
        return asked.stderr.strip()
    trial = f"hb{os.getpid()}t"
    made = subprocess.run(
        f"ip netns add {trial} && ip -n {trial} link add name a type veth peer name b && "
        f"ip netns exec {trial} unshare -m -u -p -f --mount-proc mount -t tmpfs tmpfs /mnt",
        shell=True,
        capture_output=True,
        text=True,
    )
    subprocess.run(["ip", "netns", "del", trial], capture_output=True)
    return None if made.returncode == 0 else f"no namespaces here: {made.stderr.strip()}"


def parallel_or_skip():
    """Ends the test where GNU parallel is not installed."""
    if shutil.which("parallel") is None:
        print("1..0 # SKIP no parallel (Debian: parallel)")
        sys.exit(0)


_missing = _why_not()
if _missing:
    print(f"1..0 # SKIP {_missing}")
    sys.exit(0)


def _do(*command):
    subprocess.run(command, check=True, capture_output=True)


class Network:
    """This machine's end of the cables: a namespace from which pi-bench is run. Removes everything at its end."""

    def __init__(self):
        self.work = tempfile.mkdtemp(prefix="pi bench ")
        self.here = f"hb{os.getpid()}h"
        self.boards = []
        self.running = []
        self.ssh_config = self.path("ssh_config")
        self.results = self.path("results")
        os.mkdir(self.results)
        open(self.ssh_config, "w").close()
        _do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("key"))
        _do("ip", "netns", "add", self.here)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        for board in self.boards:
            board.off()
            subprocess.run(["ip", "netns", "del", board.space], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.here], capture_output=True)
        shutil.rmtree(self.work)

    def path(self, name):
        return os.path.join(self.work, name)

    def board(self, name, **how):
        """Another board, which is on."""
        board = Board(self, name, len(self.boards) + 1, **how)
        self.boards.append(board)
        board.on()
        return board

    def command(self, *args, replay=REPLAY, program=(PI_BENCH,)):
        """The command line that runs pi-bench at this end, with this replay for the boards."""
        ssh = shlex.join(["ssh", "-F", self.ssh_config])
        common = [f"--output={self.results}", f"--ssh={ssh}", "--every=0.3", "--no-report"]
        return ["ip", "netns", "exec", self.here, *program, *common, *([f"--replay={replay}"] if replay else []), *args]

    def pi_bench(self, *args, replay=REPLAY, **kwargs):
        """Runs it to its end."""
        return subprocess.run(self.command(*args, replay=replay), capture_output=True, text=True, timeout=PATIENCE_S, **kwargs)

    def begin(self, *args, **kwargs):
        """Runs it beside the test."""
        with open(self.path("words"), "w") as file:
            process = subprocess.Popen(self.command(*args), stdout=file, stderr=file, text=True, **kwargs)
        self.running.append(process)
        return process

    def words(self):
        """What the one that was begun last has said."""
        with open(self.path("words"), encoding="utf-8") as file:
            return file.read()

    def rows(self, host):
        """The results of a host that arrived."""
        path = os.path.join(self.results, f"{host}.jsonl")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def part_text(self):
        """The rows that have come of jobs that have not ended."""
        found = ""
        for folder, _, names in os.walk(os.path.join(self.results, "pi-bench")):
            for name in names:
                if name.endswith(".part"):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        found += file.read()
        return found

    def part(self):
        """How many they are."""
        return self.part_text().count("\n")

    def forget(self):
        """No results, and nothing that was interrupted."""
        shutil.rmtree(self.results)
        os.mkdir(self.results)


class Board:
    """One board. `path` is where its programs are found, `more` is done before sshd runs. Its disk, the home directory,
    stays when it is off, unless `disk_bytes` make it a small one in memory."""

    def __init__(self, network, name, number, path=PATH, more="", disk_bytes=0):
        self.network, self.name, self.more = network, name, more
        self.home = f'mount -t tmpfs -o size={disk_bytes} tmpfs "$HOME"' if disk_bytes else 'mount --bind /mnt/home "$HOME"'
        self.space = f"hb{os.getpid()}b{number}"
        self.address = f"10.77.{number}.2"
        self.folder = network.path(name)
        self.process = None
        os.makedirs(os.path.join(self.folder, "home"))
        _do("ip", "netns", "add", self.space)
        _do("ip", "-n", network.here, "link", "add", "name", f"veth{number}", "type", "veth", "peer", "name", "eth0", "netns", self.space)
        _do("ip", "-n", network.here, "address", "add", f"10.77.{number}.1/24", "dev", f"veth{number}")
        _do("ip", "-n", network.here, "link", "set", f"veth{number}", "up")
        _do("ip", "-n", self.space, "address", "add", f"{self.address}/24", "dev", "eth0")
        self.cable(True)
        self.new_host_key()
        shutil.copy(network.path("key.pub"), os.path.join(self.folder, "authorized_keys"))
        with open(os.path.join(self.folder, "sshd_config"), "w") as file:
            file.write(SSHD_CONFIG.format(address=self.address, path=path, emulator=EMULATOR))
        known_hosts = os.path.join(self.folder, "known_hosts")
        with open(os.path.join(self.folder, "host_key.pub")) as key, open(known_hosts, "w") as file:
            file.write(f"{self.address} {key.read()}")
        with open(network.ssh_config, "a") as file:
            file.write(
                SSH_CONFIG.format(name=name, address=self.address, key=f'"{network.path("key")}"', known_hosts=f'"{known_hosts}"')
            )

    def new_host_key(self):
        """As after a new installation."""
        for file in ("host_key", "host_key.pub"):
            if os.path.exists(os.path.join(self.folder, file)):
                os.unlink(os.path.join(self.folder, file))
        _do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(self.folder, "host_key"))

    def cable(self, plugged):
        _do("ip", "-n", self.space, "link", "set", "eth0", "up" if plugged else "down")

    def on(self):
        hidden = " ".join(shlex.quote(path) for path in dict.fromkeys([SOURCE_DIR, BUILD]))
        setup = SETUP.format(hidden=hidden, home=self.home, more=self.more)
        inside = ["sh", "-c", setup, "sh", self.name, self.folder, SSHD]
        with open(os.path.join(self.folder, "sshd.log"), "a") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.space, "unshare", "-m", "-u", "-p", "-f", "--kill-child", "--mount-proc", *inside],
                stdout=log,
                stderr=log,
            )
        self._wait_for_sshd()

    def _wait_for_sshd(self):
        for _ in range(100):
            asked = subprocess.run(
                ["ip", "netns", "exec", self.space, "ss", "-Hltn", "sport", "=", ":22"], capture_output=True, text=True
            )
            if asked.stdout:
                return
            time.sleep(0.05)
        raise RuntimeError(f"sshd of {self.name} does not start: " + open(os.path.join(self.folder, "sshd.log")).read())

    def off(self):
        """The power goes: all that runs there ends at once, and /tmp is empty when it is on again."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def do(self, script):
        """What a shell in the board prints."""
        pid = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()[0]
        done = subprocess.run(["nsenter", "-t", pid, "-m", "-u", "-p", "-n", "sh", "-c", script], capture_output=True, text=True)
        return done.stdout.strip()

    def left(self):
        """What there is of ours on it: files, and processes."""
        return self.do('cd; ls -A; ls -d /tmp/heapbench* 2>/dev/null; ps -eo args= | grep -e "[r]eplay" -e "[b]oard.sh run"')


def wait_for(condition, seconds=PATIENCE_S / 4):
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def somebody_else():
    """The environment of another user."""
    return {**os.environ, "LOGNAME": "mallory", "USER": "mallory"}


def interrupt(process):
    """Ctrl-C; how it ended."""
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=PATIENCE_S)


def each_once(rows, expected):
    """Whether there are so many rows, and no run twice."""
    runs = [(row["trace"]["name"], row["allocator"]["spec"], row["pass"], row["run"], row.get("repetition", 0)) for row in rows]
    return len(runs) == expected and len(set(runs)) == expected

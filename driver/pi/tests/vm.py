"""vm.py - a board to test with: an arm64 Linux in QEMU, with nothing in it but busybox and an ssh server.

Its kernel and programs are Debian's, unpacked without installing them. It is reached as any board is, by ssh on a port
of this machine's loopback; it reaches nothing itself. Its times are nobody's.
"""

import os
import re
import shutil
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ("linux-image-cloud-arm64", "busybox-static", "dropbear-bin")
TOOLS = {"qemu-system-aarch64": "qemu-system-arm", "ssh": "openssh-client", "cpio": "cpio", "readelf": "binutils"}
MODULES = ("virtio_mmio", "virtio_net")
BOOT_S = 120  # the longest wait for the ssh server; some seconds are enough on a machine that does nothing else

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs -o mode=700 tmpfs /root
hostname board
for module in {modules}; do insmod "/modules/$module.ko"; done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
mkdir -m 700 /root/.ssh
cp /etc/authorized_keys /root/.ssh
dropbearkey -t ed25519 -f /etc/dropbear/key >/dev/null 2>&1
exec dropbear -F -E -s -r /etc/dropbear/key -P /tmp/dropbear.pid
"""


class Missing(Exception):
    """Why there can be no board here."""


def run(*command, **kwargs):
    """A command that has to go well."""
    done = subprocess.run(command, capture_output=True, text=True, **kwargs)
    if done.returncode != 0:
        raise Missing(f"{command[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def find(root, name):
    """The file of that name below a folder."""
    for folder, _, names in os.walk(root):
        if name in names:
            return os.path.join(folder, name)
    raise Missing(f"{name} is not in the packages {', '.join(PACKAGES)}")


class Board:
    """One that runs, in a folder of its own; stop() ends it."""

    def __init__(self, work, sysroot, exact=True):
        """Boots it: `sysroot` is where the packages are kept, and fetched to when they are not there. On an exact one, an
        instruction takes a nanosecond and counters are right; any other is half as fast again."""
        self.work = work
        self.process = None
        for tool, package in TOOLS.items():
            if shutil.which(tool) is None:
                raise Missing(f"no {tool} here (Debian: {package})")
        done = subprocess.run(
            ["sh", os.path.join(HERE, "..", "sysroot.sh"), "arm64", sysroot, *PACKAGES], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Missing("its packages cannot be had: " + done.stderr.strip().replace("\n", " ")[-300:])
        self.root = os.path.join(sysroot, "root")
        self.key = os.path.join(work, "key")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        image = self._image()
        self.port = free_port()
        self._configure_ssh()
        kernel = next(name for name in sorted(os.listdir(os.path.join(self.root, "boot"))) if name.startswith("vmlinuz"))
        self.console = os.path.join(work, "console")
        began = time.time()
        with open(self.console, "wb") as console:
            # fmt: off
            self.process = subprocess.Popen(
                ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "1", "-m", "2048",
                 *(("-icount", "shift=0") if exact else ()),
                 "-kernel", os.path.join(self.root, "boot", kernel), "-initrd", image, "-append", "console=ttyAMA0 quiet",
                 "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
                 "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22",
                 "-device", "virtio-net-device,netdev=net"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
            )
            # fmt: on
        self._wait()
        self.boot_s = time.time() - began

    def _image(self):
        """The file system that the kernel starts with; its path."""
        tree = os.path.join(self.work, "tree")
        for folder in ("bin", "dev", "etc/dropbear", "lib", "modules", "proc", "root", "sys", "tmp", "usr/sbin", "usr/bin"):
            os.makedirs(os.path.join(tree, folder))
        os.symlink("lib", os.path.join(tree, "lib64"))

        def put(source, *place):
            shutil.copy(source, os.path.join(tree, *place))

        put(find(os.path.join(self.root, "bin"), "busybox"), "bin", "busybox")
        programs = [find(self.root, "dropbear"), find(self.root, "dropbearkey")]
        put(programs[0], "usr/sbin", "dropbear")
        put(programs[1], "usr/bin", "dropbearkey")
        seen = set()
        while programs:
            for name in re.findall(r"(?:NEEDED.*\[|interpreter: .*/)([^\]\s]+)\]", run("readelf", "-dl", programs.pop())):
                if name not in seen:
                    seen.add(name)
                    programs.append(find(os.path.join(self.root, "lib"), name) if self._in_lib(name) else find(self.root, name))
                    put(programs[-1], "lib", name)
        modules = []
        for module in MODULES:
            self._add_module(module, modules)
        for path in modules:
            put(path, "modules")
        names = " ".join(os.path.basename(path).removesuffix(".ko") for path in modules)
        self._write(os.path.join(tree, "init"), INIT.format(modules=names), 0o755)
        self._write(os.path.join(tree, "etc", "passwd"), "root::0:0:root:/root:/bin/sh\n")
        self._write(os.path.join(tree, "etc", "shells"), "/bin/sh\n")
        put(self.key + ".pub", "etc", "authorized_keys")
        image = os.path.join(self.work, "image")
        names = run("find", ".", cwd=tree)
        with open(image, "wb") as file:
            subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], input=names.encode(), stdout=file, cwd=tree, check=True)
        return image

    def _add_module(self, name, paths):
        """Adds the path of a module of the kernel, after those that it says it depends on."""
        path = find(os.path.join(self.root, "lib", "modules"), name + ".ko")
        if path in paths:
            return
        with open(path, "rb") as file:
            needed = re.search(rb"\0depends=([^\0]*)\0", file.read())
        for one in needed.group(1).decode().split(",") if needed and needed.group(1) else ():
            self._add_module(one, paths)
        paths.append(path)

    def _in_lib(self, name):
        return any(name in names for _, _, names in os.walk(os.path.join(self.root, "lib")))

    @staticmethod
    def _write(path, text, mode=0o644):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def _configure_ssh(self):
        """A configuration in which its name is `board`, as a user would have one."""
        self.config = os.path.join(self.work, "ssh_config")
        lines = {
            "HostName": "127.0.0.1",
            "Port": self.port,
            "User": "root",
            "IdentityFile": f'"{self.key}"',
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": f'"{os.path.join(self.work, "known_hosts")}"',
            "StrictHostKeyChecking": "accept-new",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        self._write(self.config, "Host board\n" + "".join(f"    {name} {value}\n" for name, value in lines.items()))

    def _wait(self):
        deadline = time.time() + BOOT_S
        while time.time() < deadline and self.process.poll() is None:
            if self.ssh("true", timeout=20).returncode == 0:
                return
            time.sleep(0.5)
        with open(self.console, encoding="utf-8", errors="replace") as file:
            said = file.read()[-2000:]
        self.stop()
        raise RuntimeError(f"the board does not answer by ssh within {BOOT_S} s; its console:\n{said}")

    def ssh(self, command, timeout=600, **kwargs):
        """Runs a command there; stdout, stderr and returncode of the result. 255: ssh itself failed."""
        try:
            return subprocess.run(
                ["ssh", "-F", self.config, "board", command], capture_output=True, timeout=timeout, **kwargs
            )
        except subprocess.TimeoutExpired as late:
            return subprocess.CompletedProcess(late.args, 255, late.stdout or b"", (late.stderr or b"") + b"timed out")

    def put(self, *paths, name=None):
        """Copies files to its /tmp, one under another name; there is neither scp nor rsync."""
        for path in paths:
            place = "/tmp/" + (name or os.path.basename(path))
            with open(path, "rb") as file:
                done = self.ssh(f"cat >'{place}' && chmod +x '{place}'", stdin=file)
            if done.returncode != 0:
                raise RuntimeError(f"{path} cannot be copied to the board: {done.stderr.decode()}")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

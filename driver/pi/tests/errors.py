"""errors.py - what goes wrong on the way to a board, and on it: a clear word, its exit code, and nothing left behind."""

import os

from network import BUILD, PATH, REPLAY, Network, finish, ok, wait_for

TRACE = "--trace=model:churn:ops=2000:live=100"
QUICK = (TRACE, "--alloc=slab,libc", "--passes=verify,space")


def refused(network, board, code, words, name, *args, **kwargs):
    """pi-bench says the words, and ends with the code; there are no results, and nothing is left on the board or here."""
    done = network.pi_bench(*(args or (board.name, *QUICK)), **kwargs)
    ok(
        done.returncode == code and words in done.stderr and "Traceback" not in done.stderr,
        f"{name}: exit {code}, {words}",
        f"exit {done.returncode}\n{done.stderr}",
    )
    ok(done.stdout == "" and os.listdir(network.results) in ([], ["pi-bench"]), f"{name}: no results", done.stdout)
    state = os.path.join(network.results, "pi-bench")
    ok(not os.path.exists(state) or os.listdir(state) == [], f"{name}: nothing left here")
    if board is not None:
        ok(board.left() == "", f"{name}: nothing left on the board", board.left())


def command_line(network):
    for words, name, args in (
        ("name a board", "no board", QUICK),
        ("cannot be read", "no file of hosts", ("--hosts=/nowhere", *QUICK)),
        ("not a board's name", "an option for ssh", ("pi@-oProxyCommand=true", "b;reboot")),
        ("invalid choice", "nothing to keep", ("b1", "--keep=everything")),
    ):
        refused(network, None, 2, words, name, *args)


def on_the_way(network, board):
    with open(network.ssh_config, "a") as file:
        file.write(f"Host away\n    HostName {board.address[:-1]}9\n    ConnectTimeout 1\n")
    refused(network, board, 4, "no host of that name", "a name that nobody has", "nowhere.invalid", *QUICK)
    refused(network, board, 4, "is it on, and on this network?", "an address that nobody has", "away", *QUICK)

    keys = os.path.join(board.folder, "authorized_keys")
    os.rename(keys, keys + ".away")
    refused(network, board, 4, "does not accept your key: ssh-copy-id", "a wrong key")
    os.rename(keys + ".away", keys)

    known = os.path.join(board.folder, "known_hosts")
    os.rename(known, known + ".away")
    refused(network, board, 4, "host key is not known here yet", "a board not known yet")
    os.rename(known + ".away", known)

    board.off()
    refused(network, None, 4, "no ssh server answers", "no ssh server", board.name, *QUICK)
    board.new_host_key()
    board.on()
    refused(network, board, 4, "not the one known here", "a changed host key")


def bad_input(network, board):
    refused(network, board, 3, "/nowhere.trace: cannot be read", "a trace that is not there", board.name, "--trace=/nowhere.trace")
    done = network.pi_bench(board.name, TRACE, "--alloc=nosuch")
    ok(done.returncode == 2 and "nosuch" in done.stderr, "an allocator that is not there: exit 2, in replay's words", done.stderr)
    bad = network.path("bad.trace")
    with open(bad, "w") as file:
        file.write("no trace\n")
    done = network.pi_bench(board.name, f"--trace={bad}", *QUICK)
    ok(
        done.returncode == 3 and "bad.trace" in done.stderr and len(network.rows(board.name)) == 4,
        "a bad trace: exit 3, and the others are done",
        f"exit {done.returncode}\n{done.stderr}",
    )
    ok(board.left() == "", "a bad trace: nothing left on the board", board.left())
    network.forget()
    lacking = network.path("lacking")
    with open(lacking, "w") as file:
        file.write("#!/bin/sh\necho 'replay: this one has no mallocs of others' >&2\nexit 4\n")
    for attempt in ("a replay that ends without a row", "and again"):
        done = network.pi_bench(board.name, *QUICK, replay=lacking)
        ok(
            done.returncode == 4 and "has no mallocs of others" in done.stderr and "Traceback" not in done.stderr,
            f"{attempt}: exit 4, in its words",
            f"exit {done.returncode}\n{done.stderr}",
        )
    ok(board.left() == "", "a replay that ends without a row: nothing left on the board", board.left())
    network.forget()


def full_directory(network, board):
    """What is the user's own there stays."""
    board.do("mkdir -p /mnt/home/stick/bin /mnt/home/stick/traces; echo mine >/mnt/home/stick/bin/mine")
    done = network.pi_bench(board.name, *QUICK, "--directory=/mnt/home/stick")
    left = board.do("cd /mnt/home/stick; find . | sort | tr '\n' ' '; rm -r /mnt/home/stick")
    ok(done.returncode == 0 and left.strip() == ". ./bin ./bin/mine ./traces", "a --directory with files of the user's: they stay, alone", done.stderr + left)
    network.forget()


def full_disk(network):
    small = network.board("small", disk_bytes=512 * 1024)
    refused(network, small, 4, "disk of the board is full", "no room for the program")

    # Room for the program, and for some results of many; rows of latency are of some 10 KB, so that few fill it.
    size = (os.path.getsize(REPLAY) + 400 * 1024) // 4096 * 4096
    middling = network.board("middling", disk_bytes=size)
    long = ("--alloc=libc", "--passes=latency", "--runs=150")
    refused(network, middling, 4, "disk of the board is full", "no room for results", middling.name, TRACE, *long)
    done = network.pi_bench(middling.name, *QUICK)
    ok(done.returncode == 0 and len(network.rows("middling")) == 4, "what fits is done there", done.stderr)


def no_program(network):
    """A processor that nothing is built for, and no compiler there."""
    board = network.board("strange", path=f"/mnt/bin:{PATH}")
    network.forget()
    folder = os.path.join(board.folder, "bin")
    os.mkdir(folder)
    for name, script in (("uname", 'case $1 in -m) echo vax ;; *) exec /usr/bin/uname "$@" ;; esac'), ("make", "exit 1"), ("pkg-config", "exit 1")):
        with open(os.path.join(folder, name), "w") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(os.path.join(folder, name), 0o755)
    refused(network, board, 4, "no replay for vax", "no cross compiler, and none there", replay=None)


with Network() as network:
    first = network.board("b1")
    command_line(network)
    on_the_way(network, first)
    first.off()
    os.rename(os.path.join(first.folder, "host_key.pub"), os.path.join(first.folder, "known_hosts"))
    with open(os.path.join(first.folder, "known_hosts"), "r+") as known_hosts:
        key = known_hosts.read()
        known_hosts.seek(0)
        known_hosts.write(f"{first.address} {key}")
    first.on()
    bad_input(network, first)
    full_directory(network, first)
    full_disk(network)
    no_program(network)
finish()

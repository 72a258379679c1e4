#!/bin/sh
# cross.sh - the static replay that a board is given: for this machine, and for aarch64 in QEMU's emulator. Built in
# the build tree, where it stays for whoever needs it next.
set -u
top=$(cd "${top_srcdir:?}" && pwd)
cd "${top_builddir:?}" || exit 99
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
pi=$top/driver/pi
# shellcheck source=SCRIPTDIR/../target.sh
. "$pi/target.sh"
small=model:churn:live=100:ops=20000
tests=0

ok() { # STATUS NAME: 0 passes; else what was said last is shown
    tests=$((tests + 1))
    [ "$1" = 0 ] || { sed 's/^/# /' "$work/said" && printf 'not '; }
    echo "ok $tests - $2"
}

skip() { # NAME REASON
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# cross MACHINE: sets $program; what is said goes to $work/said.
cross() {
    program=$("$pi/cross.sh" "$1" 2>"$work/said")
}
# ends STATUS COMMAND...: whether it ends with that status, its words in $work/said.
ends() {
    wanted=$1
    shift
    "$@" >"$work/out" 2>"$work/said"
    [ $? = "$wanted" ]
}
# Two allocators, verified and measured; the rows come without a word of failure.
replays() {
    ends 0 "$@" --alloc=segfit,libc --passes=verify,space "$small" "$top/traces/perl.trace" &&
        [ "$(grep -c -E '^(segfit|libc) +[0-9]' "$work/out")" = 4 ]
}

echo 1..8

if command -v shellcheck >/dev/null; then
    shellcheck -x "$pi"/*.sh "$pi"/tests/*.sh "$top/traces/tests/big_endian.sh" >"$work/said" 2>&1
    ok $? 'shellcheck finds nothing'
else
    skip 'shellcheck finds nothing' 'no shellcheck (Debian: shellcheck)'
fi

ends 2 "$pi/cross.sh" pdp11 && grep -q '^usage: cross.sh aarch64' "$work/said"
ok $? 'a machine that nobody knows is refused with status 2'

mkdir "$work/bin"
for tool in sh cat dirname echo tr; do
    ln -s "$(command -v $tool)" "$work/bin/$tool"
done
ends 4 env PATH="$work/bin" "$pi/cross.sh" aarch64 &&
    grep -q 'no compiler for aarch64: .*Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross' "$work/said"
ok $? 'without a compiler it ends with status 4, and names the packages'

machine=$(uname -m)
if target_of "$machine" && [ "$(dpkg --print-architecture 2>/dev/null)" = "$debian" ]; then
    cross "$machine" && [ -x "$program" ] && replays "$program"
    ok $? "a static replay for this machine replays"

    ends 4 "$program" --alloc=./mine.so "$small" && grep -q 'mine.so: this program is linked statically' "$work/said" &&
        ends 4 "$program" --alloc=jemalloc "$small" && grep -q 'linked statically' "$work/said" &&
        ends 4 "$program" --alloc=foreign "$small" && grep -q 'linked statically' "$work/said"
    ok $? 'which refuses what needs the dynamic linker, and says so'

    gzip -c "$top/traces/perl.trace" >"$work/perl.gz"
    ends 4 "$program" --alloc=libc --passes=space "$work/perl.gz" "$small" && grep -q '^libc ' "$work/out" &&
        grep -q 'left out: .*compressed (gzip), and this program was built without' "$work/said" &&
        "$program" --alloc=libc --passes=verify - <"$top/traces/perl.trace" >"$work/out" && grep -q '^libc' "$work/out"
    ok $? 'and leaves out what is compressed; a plain trace may come through a pipe'

    touch "$work/begin" && cross "$machine" && [ -z "$(find "$program" -newer "$work/begin")" ]
    ok $? 'nothing is built again without need'
else
    for name in 'a static replay for this machine replays' 'which refuses what needs the dynamic linker' \
        'and what is compressed' 'nothing is built again without need'; do
        skip "$name" "no Debian, or of no machine known here: $machine"
    done
fi

name='a static replay for aarch64 replays in the emulator'
target_of aarch64
if ! why=$(compiler_for aarch64 2>&1); then
    skip "$name" "$why"
elif ! command -v "$emulator" >/dev/null; then
    skip "$name" "no $emulator (Debian: qemu-user)"
elif ! cross aarch64 && grep -q '^sysroot: ' "$work/said"; then
    skip "$name" "$(tail -n 1 "$work/said")"
else
    export HEAPBENCH_RUNNER="$emulator"
    [ -x "$program" ] && replays "$emulator" "$program"
    ok $? "$name"
fi

#!/bin/sh
# big_endian.sh - traces are the same on a machine with the other byte order: the tests of the format, of plans and of
# imports, as they are, built for s390x and run in QEMU's emulator. What is built stays in the build tree.
set -u
top=$(cd "${top_srcdir:?}" && pwd)
cd "${top_builddir:?}" || exit 99
pi=$top/driver/pi
# shellcheck source=SCRIPTDIR/../../driver/pi/target.sh
. "$pi/target.sh"
programs='traces/tests/format traces/tests/plan traces/tests/import'

target_of s390x
if ! why=$(compiler_for s390x 2>&1); then
    echo "1..0 # SKIP $why"
    exit 0
elif ! command -v "$emulator" >/dev/null; then
    echo "1..0 # SKIP no $emulator (Debian: qemu-user)"
    exit 0
fi
# shellcheck disable=SC2086 # one word each
words=$( (enter_check_build s390x && build $programs) 2>&1) || {
    why=$(printf '%s\n' "$words" | sed -n 's/^sysroot: apt-get/apt-get/p')
    if [ -n "$why" ]; then
        echo "1..0 # SKIP $why"
        exit 0
    fi
    printf '%s\n' "$words"
    exit 1
}
# shellcheck disable=SC2086 # one word each
set -- $programs
echo "1..$#"
number=0
for program; do
    number=$((number + 1))
    if out=$(CMOCKA_MESSAGE_OUTPUT=TAP "$emulator" -L cross/s390x/check-libraries/root "cross/s390x/check/$program" 2>&1) &&
        passed=$(printf '%s\n' "$out" | grep -c '^ok'); then
        echo "ok $number - $program: all of its $passed tests"
    else
        echo "not ok $number - $program"
        printf '%s\n' "$out" | grep -v '^ok' | sed 's/^/# /'
    fi
done

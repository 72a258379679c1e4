# machine.sh - builds tests of the allocators for another machine and runs them there: what the script of each machine
# is made of. No library but the C library is needed for that machine; cmocka.h of this folder takes cmocka's place.
# shellcheck shell=sh

# on_machine COMPILER LIBRARY RUNNER FLAG...: LIBRARY is the Debian package of its C library; RUNNER is a command, an
# emulator with what it needs, or "" for none. Prints TAP, ends the script.
on_machine() {
    compiler=$1 library=$2 runner=$3
    shift 3
    work=$(mktemp -d) || exit 99
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/objects" "$work/objects/pages" || exit 99
    lacks=$(what_lacks)
    if [ -n "$lacks" ]; then
        echo "1..0 # SKIP $lacks"
        exit 0
    fi
    failed=0
    HEAPBENCH_MODEL_SMALL=${HEAPBENCH_MODEL_SMALL:-40} # an emulator takes long to inspect heaps
    export HEAPBENCH_MODEL_SMALL
    top=$(cd "${top_srcdir:?}" && pwd) || exit 99
    tests=$top/allocators/tests
    echo 1..4
    build_common "$@" >"$work/out" 2>&1 || {
        tail -n 30 "$work/out" | sed 's/^/# /'
        echo "Bail out! $compiler does not compile the allocators"
        exit 1
    }
    try 1 faults "$@" # the model checker finds what is planted, there too
    try 2 contract "$@"
    try 3 page_sources "$@"
    try 4 guard "$@"
    exit $failed
}

# Why nothing can be run here; nothing when all is there.
what_lacks() {
    command -v "$compiler" >/dev/null || {
        echo "no $compiler"
        return
    }
    echo 'int main(void) { return 0; }' >"$work/nothing.c"
    if ! "$compiler" -static "$work/nothing.c" -o "$work/nothing" 2>/dev/null; then
        echo "$compiler links no program (Debian: $library)"
    elif ! $runner "$work/nothing" 2>/dev/null; then
        echo "${runner:-this kernel} does not run what $compiler makes"
    fi
}

compile() {
    "$compiler" -O2 -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -I "$top" -I "$tests/machines" "$@"
}

# build_common FLAG...: what all test programs have in common, as objects. Those of page sources are in a folder of
# their own, as some are named as allocators are.
build_common() {
    (cd "$work/objects" && compile -c "$@" "$top"/allocators/*.c "$top/driver/alone.c" "$tests/cases.c" \
        "$tests/counted.c" "$tests/model.c") &&
        (cd "$work/objects/pages" && compile -c "$@" "$top"/allocators/pages/*.c)
}

# try NUMBER TEST FLAG...: one test program, as one test. How much the model checker did is said.
try() {
    number=$1 test=$2
    shift 2
    wrong=
    compile -static "$@" "$tests/$test.c" "$work"/objects/*.o "$work"/objects/pages/*.o -o "$work/$test" \
        >"$work/out" 2>&1 && $runner "$work/$test" >"$work/out" 2>&1 || wrong=1
    awk '/^# .*: [0-9]+ operations$/ { n++; all += $(NF - 1); if (n == 1 || $(NF - 1) < least) least = $(NF - 1) }
         END { if (n) printf "# %d pairs, at least %d operations each, %d in all\n", n, least, all }' "$work/out"
    if [ -z "$wrong" ]; then
        echo "ok $number - $test: all of its $(grep -c '^ok' "$work/out") tests"
    else
        failed=1
        echo "not ok $number - $test"
        grep -v -e '^ok' -e ' operations$' "$work/out" | tail -n 30 | sed 's/^/# /'
    fi
}

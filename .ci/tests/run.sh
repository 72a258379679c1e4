#!/bin/sh
# Checks .ci/run against builds that pass, fail, break and run nothing: its last line and its status must tell.
# The tree under test is a directory with a bootstrap and a make that print what a build would.
set -u
run=$(cd "${top_srcdir:?}" && pwd)/.ci/run
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
tests=0

# case_of NAME STATUS LAST: runs .ci/run over $work/bootstrap and $work/bin/make, expects that status and last line.
case_of() {
    tests=$((tests + 1))
    output=$(PATH="$work/bin:$PATH" "$work/a tree/.ci/run" 2>&1)
    status=$?
    last=$(printf '%s\n' "$output" | tail -n 1)
    if [ "$status" = "$2" ] && [ "$last" = "$3" ]; then
        echo "ok $tests - $1"
    else
        printf '%s\n' "$output" | sed 's/^/# /'
        echo "not ok $tests - $1: status $status, last line \"$last\""
    fi
}

# prints FILE STATUS: makes FILE a script that prints standard input and exits with STATUS.
prints() {
    {
        printf "#!/bin/sh\ncat <<'END'\n"
        cat
        printf 'END\nexit %d\n' "$2"
    } >"$1"
    chmod +x "$1"
}

summary() { # PASS SKIP XFAIL FAIL XPASS ERROR
    echo "Testsuite summary for heapbench"
    echo "# TOTAL: $(($1 + $2 + $3 + $4 + $5 + $6))"
    printf '# PASS:  %d\n# SKIP:  %d\n# XFAIL: %d\n# FAIL:  %d\n# XPASS: %d\n# ERROR: %d\n' "$@"
}

mkdir -p "$work/a tree/.ci" "$work/bin"
cp "$run" "$work/a tree/.ci/run"

echo 1..7
summary 3 1 1 0 0 0 | prints "$work/a tree/bootstrap" 0
summary 2 2 0 0 0 0 | prints "$work/bin/make" 0
case_of 'sums both passes' 0 '6 passed, 0 failed, 3 skipped'

{ echo '# PASS:  99' && summary 3 0 0 1 1 1; } | prints "$work/a tree/bootstrap" 2
case_of 'a failure, a pass that was not expected and a test that died all count' 1 '3 passed, 3 failed, 0 skipped'

summary 3 0 0 0 0 0 | prints "$work/a tree/bootstrap" 2
case_of 'a step that fails besides its tests counts' 1 '3 passed, 1 failed, 0 skipped'

echo 'error: no compiler' | prints "$work/a tree/bootstrap" 1
case_of 'a build that breaks still ends on the line' 1 '0 passed, 1 failed, 0 skipped'

: | prints "$work/a tree/bootstrap" 0
: | prints "$work/bin/make" 0
case_of 'no test at all is a failure' 1 '0 passed, 0 failed, 0 skipped'

summary 0 4 0 0 0 0 | prints "$work/a tree/bootstrap" 0
case_of 'nothing but skips is a failure' 1 '0 passed, 0 failed, 4 skipped'

summary 5 0 0 0 0 0 | prints "$work/a tree/bootstrap" 0
echo 'tar: cannot' | prints "$work/bin/make" 2
case_of 'a second pass that breaks counts' 1 '5 passed, 1 failed, 0 skipped'

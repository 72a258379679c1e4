#!/bin/sh
# record.sh - what the recorder writes about programs of all kinds, and that these do not notice it.
build=$(cd "${top_builddir:?}" && pwd) || exit 99
target=$build/traces/record/tests/target
count=$build/traces/record/tests/count
record=$build/record
if [ -n "${HEAPBENCH_EMULATED-}" ]; then
    echo "1..0 # SKIP an emulator tells nobody that the owner of a robust mutex has ended, as the recorder has to know"
    exit 0
fi
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99

tests=0
# ok COMMAND...: one TAP test that passes if the command in "$@" (after its name) succeeds.
ok()
{
    tests=$((tests + 1))
    what=$1
    shift
    if "$@"; then
        echo "ok $tests - $what"
    else
        echo "not ok $tests - $what"
        sed 's/^/# /' err 2>/dev/null
    fi
}

# rec TARGET [NUMBER]: records into p.trace; words in err, the program's output in out.
rec()
{
    rm -f p*.trace
    "$record" -o p.trace -- "$target" "$@" >out 2>err
}

# field FILE NAME [SIZE]: a figure that count prints.
field()
{
    "$count" "$1" ${3:+"$3"} | sed -n "s/.* $2 \([0-9]*\).*/\1/p"
}

# others: the traces beside p.trace
others() { find . -name 'p.*.trace' | sort; }

same_output() { "$target" calls >plain && rec calls && cmp -s plain out; }
kinds_counted() { "$count" p.trace | grep -q '^ops [0-9]* 1 6 2 [0-9]* threads 1 left [0-9]* nothing [1-9]'; }
ok "results, alignments, errno and failures are the program's own" same_output
ok "each function makes an op, a failed call none" kinds_counted
ok "what ran before main is there" test "$(field p.trace 'of 54321:' 54321)" = 1

rec threads 100000
ok "eight threads pass blocks to each other: a consistent trace" test "$(field p.trace threads)" = 9
ok "… in which nothing was skipped or lost" test "$(wc -l <err)" = 1
ok "… and the blocks of the boxes are all freed" test "$(field p.trace left)" -lt 20

handlers_leave_no_gap() { rec handlers 1000000 && ! grep -q 'events lost' err; }
ok "signal handlers that allocate while an event is written leave no gap that the others wait for" handlers_leave_no_gap

rec short 10000
ok "10,000 short threads, each recorded" test "$(field p.trace 'of 111:' 111)" = 10000
ok "… by its own number" test "$(field p.trace threads)" = 10001
ok "… in rings that are used again" test "$(grep -c 'not recorded' err)" = 0

rec destructors
ok "the last destructors of a thread are recorded" test "$(field p.trace 'of 1004:' 1004)" = 2

rec forks 100
ok "fork: the parent has its trace" test "$(field p.trace 'of 333:' 333)" = 100
ok "fork: the child has its own" test "$(field "$(others)" 'of 444:' 444)" = 100
ok "fork: what it did not allocate is skipped and told" grep -q '^record: 1 .*skipped' err

rm -f p*.trace
"$record" --level=19 -o p.trace -- "$target" lasts 150000 >out 2>err
ok "fork: a thread that begins just before the end of a child is recorded" \
    test "$(for trace in p*.trace; do field "$trace" 'of 4242:' 4242; done | grep -c '^1$')" = 20

rec execs
ok "exec: a file for each image" test "$(field "$(others)" 'of 222:' 222)" = 100
ok "exec: its name says pid and turn" sh -c 'ls p.*.2.trace >/dev/null 2>&1'

rec spawns 50
ok "posix_spawn and vfork: both children recorded" test "$(others | wc -l)" = 2
ok "… and the parent after them" test "$(field p.trace 'of 555:' 555)" = 50

"$record" -o p.trace -- sh -c "'$target' leaf 60 &" >out 2>err # which begins when the shell has ended
ok "a program that is left behind is recorded, though it begins later" test "$(field "$(find . -name 'p.*.2.trace')" 'of 222:' 222)" = 60

rec closes 70
ok "a program that closes all descriptors is recorded on" test "$(field p.trace 'of 666:' 666)" = 70
ok "… with the threads that it then starts" test "$(field p.trace 'of 667:' 667)" = 1

# wait_for WORD: until the program has printed it, 20 s at most
wait_for()
{
    tries=0
    until grep -q "$1" out 2>/dev/null || [ $((tries += 1)) -gt 400 ]; do
        sleep 0.05
    done
}

# started TARGET NUMBER: records in the background until the program says that it is ready; the recorder's pid in $recorder
started()
{
    rm -f p*.trace out
    "$record" -o p.trace -- "$target" "$@" >out 2>err &
    recorder=$!
    wait_for ready
    program=$(cat /proc/$recorder/task/$recorder/children)
}

started forever 100000
kill -9 "$program"
wait $recorder
status=$?
ok "kill -9 of the program: the recorder ends by the same signal" test $status = 137
ok "… and has the trace up to there" test "$(field p.trace 'of 777:' 777)" = 100000

started waits 100
kill -TERM $recorder
wait $recorder
status=$?
ok "a signal for the recorder is passed on to the program" test $status = 143
ok "… and the trace is whole" test "$(field p.trace 'of 888:' 888)" = 100

started waits 300
tries=0
until [ "$(field p.trace 'of 888:' 888)" = 300 ] || [ $((tries += 1)) -gt 200 ]; do
    sleep 0.05
done
kill -9 "$recorder"
wait "$recorder" 2>/dev/null
kill "$program"
ok "kill -9 of the recorder: the trace is readable, and says that it is cut" \
    sh -c "'$count' p.trace 888 | grep -q 'of 888: 300 truncated'"

started works 3000000
kill -9 $recorder
wait $recorder 2>/dev/null
wait_for 'done'
ok "kill -9 of the recorder: the program works to its end" grep -q 'done' out

rec exits 42
ok "the exit status is passed on" test $? = 42
rec dies 15
ok "death by a signal is passed on" test $? = 143
"$record" -o p.trace -- ./none 2>err
ok "a command that is not there: 127" test $? = 127
"$record" -o p.trace -- "$work" 2>err
ok "a command that cannot be run: 126" test $? = 126
"$record" --level=x -- true 2>err
ok "a bad option: 2" test $? = 2
"$record" --level=4294967297 -- true 2>err
ok "a number beyond an int: 2" test $? = 2
"$record" -o - -- true 2>err
ok "standard output as the trace: 2" test $? = 2

"$record" -o none/p.trace -- "$target" works 1 >out 2>err
ok "an output that cannot be: 4, and the program is not run" test "$?,$(wc -c <out)" = 4,0
"$record" -o /dev/full -- "$target" works 2000000 >out 2>err
status=$?
ok "a trace that cannot be written: 4, with the reason" sh -c "test $status = 4 && grep -q 'No space left' err"
ok "… and the program works to its end" grep -q 'done' out
mkdir folder
"$record" -o folder -- "$target" works 1 >out 2>err
ok "an output that is a directory: 4, and the program is not run" test "$?,$(wc -c <out)" = 4,0
mkfifo pipe
head -c 1 pipe >/dev/null &
"$record" -o pipe -- "$target" works 2000000 >out 2>err
status=$?
ok "a pipe that nobody reads on: 4, with the reason" sh -c "test $status = 4 && grep -q 'Broken pipe' err"
ok "… and the program works to its end" grep -q 'done' out

"$record" -o p.trace -- env -i "$target" leaf 10 >out 2>err # env itself is recorded, what it starts is not
ok "a cleared environment ends the recording at env" test "$(others | wc -l)" = 0

if "${CC:-cc}" -static -o static -x c - 2>/dev/null <<'EOF'
int main(void) { return 0; }
EOF
then
    rm -f p.trace
    "$record" -o p.trace -- ./static 2>err
    ok "a statically linked program: 4, with the reason" sh -c "test $? = 4 && grep -q 'statically linked' err && test ! -e p.trace"
else
    tests=$((tests + 1))
    echo "ok $tests - a statically linked program # SKIP no compiler for it: ${CC:-cc} -static"
fi

mkdir -p 'a place/traces/record'
cp "$record" 'a place/'
cp "$build/traces/record/preload.so" 'a place/traces/record/'
rm -f p*.trace
'./a place/record' -o p.trace -- "$target" leaf 10 >out 2>err
ok "a library in a directory with a blank in its name" test "$(field p.trace 'of 222:' 222)" = 10

"$record" --time --site --level=3 -o p.trace -- "$target" threads 1000 >out 2>err
ok "time and site: recorded, and consistent" test "$(field p.trace threads)" = 9

echo "1..$tests"

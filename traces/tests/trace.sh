#!/bin/sh
# trace.sh - ./trace from the outside: what its commands print, how they fail, and what they leave behind.
trace=$(cd "${top_builddir:?}" && pwd)/trace || exit 99
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99

n=0
# ok NAME STATUS: the test NAME passed if STATUS is 0.
ok() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; fi
}
# fails CODE WORDS COMMAND...: it exits with CODE, says WORDS on stderr and nothing on stdout.
fails() {
    code=$1 words=$2
    shift 2
    "$@" >out 2>err
    [ $? -eq "$code" ] && [ ! -s out ] && grep -qF -- "$words" err
}

cat >small.txt <<'END'
7: malloc 0x10 24
7: calloc 0x20 5 12
8: memalign 0x40 64 100
8: realloc 0x80 0x10 48
7: free 0x0
9: free 0x80
7: thread_done 0x0
END

cat >expected <<'END'
       0  thread 7      malloc block 0, 24 bytes
       1  thread 7      calloc block 1, 60 bytes
       2  thread 8      aligned block 2, 100 bytes, aligned to 64
       3  thread 8      realloc block 0, 48 bytes
       4  thread 7      free NULL
       5  thread 9      free block 0
       6  thread 7      thread_end
END
"$trace" head small.txt >out && cmp -s out expected
ok "head prints readable ops" $?
"$trace" head -n 2 small.txt >out && head -n 2 expected | cmp -s out -
ok "head -n stops" $?
"$trace" head - <small.txt >out && cmp -s out expected
ok "- is standard input" $?

"$trace" import small.txt -o small.trace && "$trace" head small.trace >out && cmp -s out expected && [ ! -e small.trace.part ]
ok "import keeps every op" $?
"$trace" convert --level=1 small.trace -o again.trace && "$trace" head again.trace >out && cmp -s out expected
ok "convert is the same command" $?
"$trace" import small.trace -o small.trace && "$trace" head small.trace >out && cmp -s out expected
ok "a trace can be converted in place" $?
"$trace" import small.txt -o - | "$trace" head - >out && cmp -s out expected
ok "import writes to a pipe" $?

"$trace" export --format=android small.trace >back.txt && "$trace" head back.txt >out && cmp -s out expected
ok "export comes back as it was" $?
"$trace" export --format=android small.trace -o back2.txt && cmp -s back.txt back2.txt
ok "export writes a file" $?
fails 3 "op 0 has a thread, which wee_alloc cannot express" "$trace" export -f wee_alloc small.trace -o none.txt &&
    [ ! -e none.txt ] && [ ! -e none.txt.part ]
ok "export refuses what a format cannot express, and leaves nothing" $?

"$trace" info small.trace >out &&
    grep -q '^  ops  *7, 1 malloc, 1 calloc, 1 aligned, 1 realloc, 2 free, 1 thread_end$' out &&
    grep -q '^  threads  *3; 1 frees by another than the allocating one$' out &&
    grep -q '^  peak live  *208 bytes after op 3; 3 blocks$' out && grep -q '^  source: small.txt$' out
ok "info tells what is in it" $?
"$trace" info --json small.trace small.txt >out && [ "$(wc -l <out)" -eq 2 ] &&
    grep -q '"ops":7,"ops_by_kind":{"malloc":1,"calloc":1,"aligned":1,"realloc":1,"free":2,"thread_end":1},"threads":3' out
ok "info --json prints one object a line" $?
hashes=$("$trace" info small.trace small.txt back.txt | sed -n 's/^  hash *//p' | sort -u | wc -l)
[ "$hashes" -eq 1 ]
ok "the hash is of the ops, not of the file" $?

"$trace" convert model:churn:live=100:ops=5000 -o churn.trace &&
    [ "$("$trace" info churn.trace | sed -n 's/^  hash//p')" = "$("$trace" info model:churn:live=100:ops=5000 | sed -n 's/^  hash//p')" ] &&
    "$trace" info churn.trace | grep -q 'source: model:churn:ops=5000:seed=1:live=100:min=16:max=4096'
ok "a model converts to a trace that says how it was made" $?
"$trace" head -n 3 model:churn:min=3000000001:max=3000000001 >out && [ "$(grep -c ', 3000000001 bytes$' out)" -eq 3 ]
ok "a model of one size that no root of two gives" $?

head -c 200 churn.trace >cut.trace
"$trace" info cut.trace >out && grep -q 'TRUNCATED' out && grep -q 'cut off in block 0 at byte 200' out &&
    "$trace" info --json cut.trace | grep -q '"truncated":true'
ok "a trace that is cut off says so" $?
"$trace" convert cut.trace -o whole.trace 2>err && grep -q 'cut off in block 0' err
ok "convert says so too" $?

printf '7: malloc 0x10 24\n7: free 0x99\n' >odd.txt
"$trace" import odd.txt -o odd.trace 2>err && grep -q '1 events do not fit; the first: line 2: a free of 0x99' err
ok "import says what it left out" $?
printf '7: malloc 0x10 24\n7: fre 0x10\n' >bad.txt
fails 3 'bad.txt: line 2:' "$trace" import bad.txt -o bad.trace && [ ! -e bad.trace ] && [ ! -e bad.trace.part ]
ok "a line that does not parse is refused with its number" $?
fails 3 'missing.txt: cannot be opened' "$trace" info missing.txt
ok "a missing file is a bad input" $?
printf 'Alloc(8),\nFree(0),\nFree(0),\n' >twice.txt
fails 3 'twice.txt: op 2: block 0 is freed after it was freed' "$trace" info twice.txt
ok "a double free is told with its file and op" $?

# work KB OPS: a trace of so many ops is converted, told and exported in so much address space, libraries and all.
work() {
    (ulimit -v "$1" && "$trace" convert --level=1 "model:churn:live=1000:ops=$2" -o long.trace &&
        "$trace" info long.trace && "$trace" export -f android long.trace -o long.txt) >out 2>err &&
        grep -q "^  ops *$2," out
}
# What a short trace needs, and 8 MB: 5 million ops would need more if 2 bytes were kept for each. (The sanitizers reserve
# far more than that for themselves.)
limit=32768
until work $limit 100000 || [ $limit -gt 200000 ]; do limit=$((limit + 4096)); done
if [ $limit -le 200000 ]; then
    work $((limit + 8192)) 5000000
    ok "a long trace is converted, told and exported in constant memory" $?
else
    n=$((n + 1))
    echo "ok $n - constant memory # SKIP the tool does not start in 200 MB"
fi
rm -f long.trace long.txt

fails 2 'no command' "$trace"
ok "no command is a usage error" $?
fails 2 "'frob' is not a command" "$trace" frob small.txt
ok "so is an unknown one" $?
fails 2 'no file' "$trace" info
ok "so is a command without a file" $?
fails 2 'name the new file with -o' "$trace" import small.txt
ok "so is import without a name" $?
fails 2 '--format is one of: android wee_alloc' "$trace" export --format=x small.txt
ok "so is an unknown format" $?
fails 2 "'20' is not a number from 1 to 19" "$trace" import --level=20 small.txt -o x.trace
ok "so is a level out of bounds" $?
fails 2 'there are: churn kernel adversary boom apart' "$trace" info model:none
ok "so is an unknown model" $?
fails 4 'cannot be created' "$trace" import small.txt -o no/such/place.trace
ok "an output that cannot be made is told" $?
if [ -w /dev/full ]; then
    "$trace" export -f android small.txt >/dev/full 2>err
    [ $? -eq 4 ] && grep -q 'standard output: cannot be written' err
    ok "a full output of an export is told" $?
    "$trace" head small.txt >/dev/full 2>err
    [ $? -eq 4 ] && grep -q 'standard output cannot be written' err
    ok "a full output is told" $?
else
    n=$((n + 1))
    echo "ok $n - a full output is told # SKIP no /dev/full"
fi
"$trace" --help | grep -q '^  import  *any format known to ours'
ok "--help lists the commands" $?
echo "1..$n"

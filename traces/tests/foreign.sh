#!/bin/sh
# foreign.sh - real recordings of others, when they are there: every op is read, none refused, and they come back through
# our format as they were. HEAPBENCH_FOREIGN names their folder.
trace=$(cd "${top_builddir:?}" && pwd)/trace || exit 99
folder=${HEAPBENCH_FOREIGN:-${top_srcdir:?}/../shared/traces}
if [ ! -d "$folder" ]; then
    echo "1..0 # SKIP no foreign recordings; HEAPBENCH_FOREIGN names their folder"
    exit 0
fi
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT

n=0
ok() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; fi
}
# has FIGURE...: each of these stands in the JSON of $dir/info.
has() {
    for figure; do
        grep -q "$figure[,}]" "$dir/info" || return 1
    done
}
hash_of() { "$trace" info "$1" | sed -n 's/^  hash *//p'; }

ui=$folder/android/systemui.zip
if [ -r "$ui" ]; then
    "$trace" info --json "$ui" >"$dir/info" && has '"ops":786454' '"skipped":0' '"threads":393' \
        '"peak_live_bytes":10441709' '"frees_by_another_thread":39466'
    ok "systemui: 786,454 ops, none refused, 393 threads, peak live 10.4 MB" $?
    "$trace" import "$ui" -o "$dir/ui.trace" && [ "$(hash_of "$ui")" = "$(hash_of "$dir/ui.trace")" ]
    ok "systemui: the same in our format" $?
    [ "$(wc -c <"$dir/ui.trace")" -le $((786454 / 2)) ]
    ok "systemui: at most half a byte an op" $?
    "$trace" export --format=android "$dir/ui.trace" >"$dir/ui.txt" && [ "$(hash_of "$dir/ui.txt")" = "$(hash_of "$ui")" ]
    ok "systemui: exported, the same again" $?
else
    n=$((n + 1))
    echo "ok $n - systemui # SKIP no $ui"
fi

ops=0
for name in cpp-demangle dogfood ffmpeg find gcc-hello grep-random-data grep-recursive ls source-map; do
    file=$folder/wee_alloc/$name.trace
    if [ ! -r "$file" ]; then
        n=$((n + 1))
        echo "ok $n - $name # SKIP no $file"
        continue
    fi
    "$trace" info --json "$file" >"$dir/info" && has '"format":"wee_alloc"' '"skipped":0' &&
        "$trace" import "$file" -o "$dir/wee.trace" &&
        "$trace" export --format=wee_alloc "$dir/wee.trace" | cmp -s - "$file"
    ok "$name: comes back byte for byte" $?
    ops=$((ops + $(sed 's/.*"ops":\([0-9]*\),.*/\1/' "$dir/info")))
done
[ "$ops" -eq 0 ] || { [ "$ops" -eq 72678 ]; ok "all nine: 72,678 ops" $?; }
echo "1..$n"

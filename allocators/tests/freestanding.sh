#!/bin/sh
# Every allocator and page source that is not hosted compiles without a libc for each target, includes nothing but
# freestanding headers, and needs no symbol but the four functions that a compiler may call itself and what the others
# define. Prints the size of its code on each target.
set -u

src=$top_srcdir
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

# Those whose table entry says CAP_HOSTED are left out; so is what only a command line needs the names of.
sources=$(cd "$src" && grep -L 'caps = .*CAP_HOSTED' allocators/*.c allocators/pages/*.c)
targets='x86-64:gcc i386:i686-linux-gnu-gcc aarch64:aarch64-linux-gnu-gcc armhf:arm-linux-gnueabihf-gcc'
headers='stdbool.h|stddef.h|stdint.h|limits.h|stdalign.h|stdarg.h|stdnoreturn.h'

# compile COMPILER FILE OBJECT: says what the compiler does not like.
compile() {
    "$1" -std=gnu11 -ffreestanding -nostdlib -fno-pie -O2 -Wall -Wextra -Werror -I "$src" -c "$src/$2" -o "$3" \
        2>"$work/words" || head -n 3 "$work/words"
}

# object_of FILE: named by the whole path, since an allocator and a page source may share a name.
object_of() { printf '%s/%s.o\n' "$work" "$(printf %s "$1" | tr / _)"; }

# undefined OBJECT: the symbols that it needs and that no object made here defines.
undefined() {
    nm -u "$1" | awk '{print $2}' | grep -vxE 'memcpy|memset|memmove|memcmp|heapbench_allocator' |
        grep -vxFf "$work/defined" | sed 's/^/needs /'
}

n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() { n=$((n + 1)); echo "not ok $n - $1"; echo "$2" | sed 's/^/#   /'; }

set -- $targets
echo "1..$(($# + 1))"

foreign=$(cd "$src" && grep -HnE '^#include' $sources allocators/alloc.h |
    grep -vE "<($headers)>|\"allocators/[a-z_/]*\\.h\"")
if [ -z "$foreign" ]; then
    ok "only freestanding headers are included"
else
    not_ok "only freestanding headers are included" "$foreign"
fi

for target; do
    name=${target%%:*}
    compiler=${target#*:}
    if ! command -v "$compiler" >/dev/null 2>&1; then
        n=$((n + 1))
        echo "ok $n - $name # SKIP no $compiler"
        continue
    fi
    if [ "$name" = x86-64 ] && ! "$compiler" -dumpmachine | grep -q '^x86_64'; then
        n=$((n + 1))
        echo "ok $n - $name # SKIP $compiler makes code for $("$compiler" -dumpmachine)"
        continue
    fi
    wrong=
    rm -f "$work"/*.o
    for file in $sources; do
        words=$(compile "$compiler" "$file" "$(object_of "$file")")
        [ -z "$words" ] || wrong="$wrong$file: $words
"
    done
    nm -g --defined-only "$work"/*.o | awk 'NF == 3 {print $3}' >"$work/defined"
    echo "# $name, bytes of text:"
    for file in $sources; do
        object=$(object_of "$file")
        [ -f "$object" ] || continue
        printf '# %8s %s\n' "$(size "$object" | awk 'NR == 2 {print $1}')" "$file"
        words=$(undefined "$object")
        [ -z "$words" ] || wrong="$wrong$file: $words
"
    done
    if [ -z "$wrong" ]; then
        ok "$name: compiles freestanding, nothing undefined"
    else
        not_ok "$name: compiles freestanding, nothing undefined" "$wrong"
    fi
done

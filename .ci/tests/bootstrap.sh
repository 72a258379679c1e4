#!/bin/sh
# Checks ./bootstrap without installing anything: its documentation, and what it does on machines that stubs on PATH
# play (root or not, sudo or not, packages there or not), in a directory with a space in its name.
set -u
top=$(cd "${top_srcdir:?}" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
tests=0

ok() { # STATUS NAME: 0 passes
    tests=$((tests + 1))
    [ "$1" = 0 ] || printf 'not '
    echo "ok $tests - $2"
}

skip() { # NAME REASON
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# A machine: a PATH with little but the tools that bootstrap needs. What a stub is asked to do goes to $work/did.
tree="$work/a tree"
bin="$work/bin"
mkdir "$tree" "$bin"
cp "$top/bootstrap" "$tree/"
for tool in sh cat cut dirname env find grep printf sed tr; do
    ln -s "$(command -v $tool)" "$bin/$tool"
done
stub() { # NAME, its script on standard input
    { printf '#!/bin/sh\n' && cat; } >"$bin/$1"
    chmod +x "$bin/$1"
}
machine() { # run bootstrap there, output in $work/out
    : >"$work/did"
    (cd / && PATH="$bin" CC='' CFLAGS='' DID="$work/did" "$tree/bootstrap" "$@" >"$work/out" 2>&1)
}
said() { grep -q -e "$1" "$work/out"; }
did() { grep -q -x -e "$1" "$work/did"; }
tools() { # a machine that can build
    for tool in cc make autoconf automake pkg-config; do
        echo "echo $tool \"\$@\" >>\"\$DID\"" | stub $tool
    done
    stub autoreconf <<'END'
echo autoreconf >>"$DID"
mkdir -p build-aux
: >Makefile.in
: >build-aux/tap-driver.sh
printf '#!/bin/sh\necho configure "$@" >>"$DID"\n' >configure
chmod +x configure
END
    ln -sf "$(command -v mkdir)" "$(command -v chmod)" "$bin/"
}

echo 1..16

# ---- documentation ----
# listed COMMAND...: README repeats each line that it prints, indented as code; their number is then in $lines.
listed() {
    "$@" >"$work/printed"
    sed 's/^    //' "$top/README" >"$work/readme"
    lines=$(wc -l <"$work/printed")
    grep -v -x -F -f "$work/readme" "$work/printed" | sed 's/^/# not in README: /' >"$work/lacks"
    cat "$work/lacks"
    [ "$lines" -gt 5 ] && [ ! -s "$work/lacks" ]
}

listed sh "$top/bootstrap" --packages && [ "$(grep -c -E '^    (build|check|report|bench|machines|sizes|pi) +[a-z]' "$top/README")" = "$lines" ]
ok $? 'README repeats the packages of bootstrap --packages, and no other'

listed make -s -C "${top_builddir:?}" help
ok $? 'README repeats the list of make help'

sh "$top/bootstrap" --help | grep -q '^Usage: ./bootstrap'
ok $? '--help prints the usage'

if command -v shellcheck >/dev/null; then
    shellcheck -x "$top/bootstrap" "$top/.ci/run" "$top/.ci/check-machine" \
        "$top"/.ci/tests/*.sh "$top/.ci/tests/installed" >"$work/lint" 2>&1
    status=$?
    sed 's/^/# /' "$work/lint"
    [ $status = 0 ]
    ok $? 'shellcheck finds nothing'
else
    skip 'shellcheck finds nothing' 'no shellcheck (Debian: shellcheck)'
fi

machine --frobnicate
[ $? = 2 ] && said 'what is "--frobnicate"'
ok $? 'an unknown option is refused with status 2'

# ---- a machine with nothing, neither root nor sudo ----
stub id <<'END'
echo 1000
END
stub dpkg-query <<'END'
exit 1
END
stub apt-cache <<'END'
echo known
END
stub apt-get <<'END'
echo apt-get "$@" >>"$DID"
case $* in *--assume-no*) printf 'Need to get 5 MB of archives.\nAfter this operation, 7 MB will be used.\n' ;; esac
END
machine demo
status=$?
[ $status = 4 ] && said 'cannot build: make is not there'
ok $? "no compiler and no root: fails clearly with status 4 (was $status)"

said "^    su -c 'apt-get update && apt-get install --no-install-recommends -y gcc libc6-dev make .*libjansson-dev .*python3-pandas.*'"
ok $? 'and says the one command to type'

said 'download 5 MB' && said '7 MB will be used' && ! did 'apt-get.* -y .*'
ok $? 'and the sizes, and installs nothing'

! said cmocka && ! said gcc-aarch64
ok $? 'the demo asks for nothing that only the check needs'

# ---- the same with the tools there ----
tools
machine demo && did 'make -j 1 demo' && did autoreconf && did 'configure --quiet'
ok $? 'packages missing but tools there: goes on and makes the target'

machine --enable-werror CC='cc -m64' check && said 'libcmocka-dev' && ! did autoreconf &&
    did 'configure --quiet --enable-werror CC=cc -m64' && did 'make -j 1 check'
ok $? 'options go to configure, targets to make; autoreconf runs once'

# ---- sudo, root ----
stub sudo <<'END'
[ "$1" != -n ] || exit 0
echo sudo >>"$DID"
exec "$@"
END
machine check && did sudo && did 'apt-get -qq -y --no-install-recommends .*install .*gcc-arm-linux-gnueabihf.*'
ok $? 'with sudo it installs, check: the cross compilers too'

rm "$bin/sudo"
stub id <<'END'
echo 0
END
machine demo && did 'apt-get .*install gcc .*' && ! did 'apt-get .*update'
ok $? 'root installs without sudo, and without an update where apt knows all packages'

stub apt-cache <<'END'
exit 0
END
machine demo && did 'apt-get .*update' && said 'going on without: gcc'
ok $? 'packages that apt does not know: updates the lists, then goes on without'

stub dpkg-query <<'END'
echo installed
END
machine check && ! did 'apt-get.*'
ok $? 'nothing missing: apt is left alone'

rm "$bin/dpkg-query" "$bin/apt-get" "$bin/apt-cache"
machine demo && said 'no dpkg'
ok $? 'a system without dpkg: says so and goes on'

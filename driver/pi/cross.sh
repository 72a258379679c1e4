#!/bin/sh
# cross.sh MACHINE - builds a static replay for a board, in the build tree that is the current directory, and prints its
# path. MACHINE is aarch64, armhf, i686, s390x or x86_64.
#
# The build is one of its own in cross/MACHINE, of a copy of the sources, since those of a tree that is configured in
# place cannot be configured again. What is there already is kept: a second call compiles what changed. Words go to
# stderr. Exit codes: 0 done; 2 usage; 4 a compiler or libraries for the machine cannot be had, or the build fails.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
# shellcheck source=driver/pi/target.sh
. "$here/target.sh"

fail() {
    echo "cross: $*" >&2
    exit 4
}

# quietly COMMAND...: its output goes to the log, of which the end is shown when it fails.
quietly() {
    "$@" >>"$log" 2>&1 || {
        tail -n 20 "$log" | sed 's/^/    /' >&2
        fail "$* failed (see above, and $PWD/$log)"
    }
}

# Where the libraries are: sets what configure needs to find them with. In the build directory; paths are relative, so
# that no compiler sees a space that the tree's path may have.
find_libraries() {
    if [ "$(dpkg --print-architecture 2>/dev/null)" = "$debian" ]; then
        return 0 # this machine's own -dev packages
    fi
    "$here/sysroot.sh" "$debian" ../libraries libzstd-dev libxxhash-dev libjansson-dev || exit 4
    export PKG_CONFIG_SYSROOT_DIR=../libraries/root
    PKG_CONFIG_LIBDIR=$(echo ../libraries/root/usr/lib/*/pkgconfig) # a folder named as Debian does: i386-linux-gnu
    export PKG_CONFIG_LIBDIR
}

if [ $# != 1 ] || ! target_of "$1"; then
    echo "usage: cross.sh aarch64|armhf|i686|s390x|x86_64, in the build tree" >&2
    exit 2
fi
machine=$1
if [ ! -f config.status ] || [ ! -f Makefile ]; then
    fail "no configured build in $PWD; run ./configure, or ./bootstrap, there"
fi
compiler=$(compiler_for "$machine") || exit 4
unset MAKEFLAGS MFLAGS MAKELEVEL # this may be run by make, whose flags are of another build

mkdir -p "cross/$machine/build"
exec 9>cross/lock
flock 9 # two boards of one kind
log=cross/$machine/log
: >"$log"
quietly make -s distdir distdir=cross/source
cd "cross/$machine/build"
log=../log
find_libraries
if [ ! -f Makefile ]; then
    echo "cross: configuring for $machine" >&2
    quietly ../../source/configure --quiet --host="$triplet" CC="$compiler" LDFLAGS=-s PKG_CONFIG=pkg-config \
        --enable-static --without-libarchive
fi
revision=$(test ! -e "$source/.git" || git -C "$source" describe --always --dirty 2>/dev/null || true)
echo "cross: building for $machine" >&2
quietly make -s -j "$(nproc)" replay build_revision="$revision"
echo "$PWD/replay"

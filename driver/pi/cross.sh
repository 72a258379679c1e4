#!/bin/sh
# cross.sh MACHINE - builds a static replay for a board, in the build tree that is the current directory, and prints its
# path. MACHINE is aarch64, armhf, i686, s390x or x86_64. What is there already is kept: a second call compiles what
# changed. Words go to stderr. Exit codes: 0 done; 2 usage; 4 a compiler or libraries for the machine cannot be had, or
# the build fails.
set -eu
pi=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=SCRIPTDIR/target.sh
. "$pi/target.sh"

if [ $# != 1 ] || ! target_of "$1"; then
    echo "usage: cross.sh aarch64|armhf|i686|s390x|x86_64, in the build tree" >&2
    exit 2
fi
enter_build "$1" static "libzstd-dev libxxhash-dev libjansson-dev" LDFLAGS=-s --enable-static --without-libarchive
build replay
echo "$PWD/replay"

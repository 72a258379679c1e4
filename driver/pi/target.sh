# target.sh - builds for other machines, each in a folder of its own of the build tree: to be sourced, in the build tree.
# shellcheck shell=sh disable=SC2034 # what is set is for others
triplet='' debian='' emulator=''

: "${pi:?the folder of this file, by who sources it}"

# Words go to stderr; what fails ends the script with status 4.
fail() {
    echo "$(basename "$0"): $*" >&2
    exit 4
}

# target_of MACHINE: sets $triplet, of its compiler; $debian, its Debian architecture; $emulator, of qemu-user. False:
# no machine known here. armhf is ARMv7 with floating point: Debian's libraries do not run on the first Pi and the Zero.
target_of() {
    case $1 in
        aarch64) triplet=aarch64-linux-gnu debian=arm64 emulator=qemu-aarch64 ;;
        armhf) triplet=arm-linux-gnueabihf debian=armhf emulator=qemu-arm ;;
        i686) triplet=i686-linux-gnu debian=i386 emulator=qemu-i386 ;;
        s390x) triplet=s390x-linux-gnu debian=s390x emulator=qemu-s390x ;;
        x86_64) triplet=x86_64-linux-gnu debian=amd64 emulator=qemu-x86_64 ;;
        *) return 1 ;;
    esac
}

# After target_of: whether it is this machine itself.
is_native() {
    [ "$(dpkg --print-architecture 2>/dev/null)" = "$debian" ]
}

# compiler_for MACHINE: prints its C compiler, after target_of; false: there is none, and stderr says what to install.
# The machine's own compiler is as good as one under the long name.
compiler_for() {
    if command -v "$triplet-gcc" >/dev/null; then
        echo "$triplet-gcc"
    elif is_native && command -v cc >/dev/null; then
        echo cc
    else
        echo "no compiler for $1: $triplet-gcc is not there" \
            "(Debian: gcc-$(echo "$triplet" | tr _ -), libc6-dev-$debian-cross)" >&2
        return 1
    fi
}

# quietly COMMAND...: its output goes to $log, of which the end is shown when it fails.
quietly() {
    "$@" >>"$log" 2>&1 || {
        tail -n 20 "$log" | sed 's/^/    /' >&2
        fail "$* failed (see above, and $log)"
    }
}

# build TARGET...: makes them, in the build that was entered.
build() {
    quietly make -s -j "$(nproc)" build_revision="$revision" "$@"
}

# enter_build MACHINE NAME PACKAGES OPTION...: goes to the build cross/MACHINE/NAME, which is configured with the
# options; sets $revision, for make. The libraries of another machine come from the Debian
# packages; this machine's own are as they are. The build is of a copy of the sources, as a release would have them, for
# those of a tree that is configured in place cannot be configured again. It is this process' until that ends; others of
# the same name wait.
enter_build() {
    machine=$1 name=$2 packages=$3
    shift 3
    if [ ! -f config.status ] || [ ! -f Makefile ]; then
        fail "no configured build in $PWD; run ./configure, or ./bootstrap, there"
    fi
    compiler=$(compiler_for "$machine") || exit 4
    unset MAKEFLAGS MFLAGS MAKELEVEL # this may be run by make, whose flags are of another build
    mkdir -p "cross/$machine/$name"
    exec 9>"cross/$machine/$name.lock"
    flock -n 9 || {
        echo "waiting for another build in cross/$machine/$name" >&2
        flock 9
    }
    log=$PWD/cross/$machine/$name.log
    : >"$log"
    quietly flock cross/lock make -s distdir distdir="cross/$machine/$name-source"
    cd "cross/$machine/$name" || exit 4
    find_libraries
    if ! grep -qx "srcdir = ../$name-source" Makefile 2>/dev/null; then
        echo "configuring for $machine" >&2
        quietly "../$name-source/configure" --quiet --host="$triplet" CC="$compiler" PKG_CONFIG=pkg-config "$@"
    fi
    revision=$(test ! -e "$pi/../../.git" || git -C "$pi" describe --always --dirty 2>/dev/null || true)
    echo "building for $machine" >&2
}

# enter_check_build MACHINE: the build for its tests; libraries of libraries are found when programs start. The compiler
# may have the sanitizers, but they and the emulator do not get on.
enter_check_build() {
    enter_build "$1" check "libzstd-dev libxxhash-dev libjansson-dev libarchive-dev libcmocka-dev" \
        LDFLAGS=-Wl,--allow-shlib-undefined hb_cv_sanitizers=no
}

# For enter_build. Paths are relative, so that no compiler sees a space that the tree's path may have.
find_libraries() {
    libraries=../$name-libraries/root
    is_native && return
    # shellcheck disable=SC2086 # one word each
    "$pi/sysroot.sh" "$debian" "../$name-libraries" $packages || exit 4
    PKG_CONFIG_LIBDIR=$(echo "$libraries"/usr/lib/*/pkgconfig) # a folder named as Debian does: i386-linux-gnu
    PKG_CONFIG_SYSROOT_DIR=$libraries
    export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
}

# target.sh - the machines that can be built for, by the names that `uname -m` and Debian give them; to be sourced.
# shellcheck shell=sh disable=SC2034 # what is set is for others
triplet='' debian='' emulator=''

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

# compiler_for MACHINE: prints its C compiler, after target_of; false: there is none, and stderr says what to install.
# The machine's own compiler is as good as one under the long name.
compiler_for() {
    if command -v "$triplet-gcc" >/dev/null; then
        echo "$triplet-gcc"
    elif [ "$(dpkg --print-architecture 2>/dev/null)" = "$debian" ] && command -v cc >/dev/null; then
        echo cc
    else
        echo "no compiler for $1: $triplet-gcc is not there" \
            "(Debian: gcc-$(echo "$triplet" | tr _ -), libc6-dev-$debian-cross)" >&2
        return 1
    fi
}

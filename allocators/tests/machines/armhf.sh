#!/bin/sh
# Every allocator on every page source on armhf, with pointers of 32 bits, in QEMU's emulator; see machine.sh.
set -u
. "${top_srcdir:?}/allocators/tests/machines/machine.sh"
on_machine arm-linux-gnueabihf-gcc libc6-dev-armhf-cross qemu-arm

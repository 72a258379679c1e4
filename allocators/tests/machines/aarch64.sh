#!/bin/sh
# Every allocator on every page source on aarch64, in QEMU's emulator; see machine.sh.
set -u
. "${top_srcdir:?}/allocators/tests/machines/machine.sh"
on_machine aarch64-linux-gnu-gcc libc6-dev-arm64-cross qemu-aarch64

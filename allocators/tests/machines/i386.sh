#!/bin/sh
# Every allocator on every page source on i386, with pointers of 32 bits; see machine.sh. An x86-64 kernel runs it as it
# is, so that there is time for the sanitizer that needs no library of that machine.
set -u
. "${top_srcdir:?}/allocators/tests/machines/machine.sh"
on_machine i686-linux-gnu-gcc libc6-dev-i386-cross '' -fsanitize=undefined -fsanitize-undefined-trap-on-error

/* proc.h - what the kernel tells of this process in /proc/self. */
#ifndef HEAPBENCH_PROC_H
#define HEAPBENCH_PROC_H

#include <stdint.h>

/* The bytes of a line "name: N kB" of a file of /proc/self, not its first; UNKNOWN_BYTES when there is none. Takes no
 * memory from malloc. */
uint64_t proc_bytes(const char *file, const char *name);

#endif

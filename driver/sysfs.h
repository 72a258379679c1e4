/* sysfs.h - the files of one line in which Linux tells about a machine: /proc, /sys and the device tree. */
#ifndef HEAPBENCH_SYSFS_H
#define HEAPBENCH_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

/* The first line of the file at `root` + `path`, without its end. False: there is none, or it is empty; text is "". A
 * root other than "" is for tests. */
bool sysfs_line(const char *root, const char *path, char *text, size_t size);

/* The same as a number in that base. False: it is none. */
bool sysfs_number(const char *root, const char *path, int base, long long *value);

#endif

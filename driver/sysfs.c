/* sysfs.c - reads files of one line; see sysfs.h. */
#include "driver/sysfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sysfs_line(const char *root, const char *path, char *text, size_t size)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    FILE *file = fopen(full, "re");
    text[0] = '\0';
    if (file == NULL)
        return false;
    if (fgets(text, (int)size, file) != NULL)
        text[strcspn(text, "\n")] = '\0';
    fclose(file);
    return text[0] != '\0';
}

bool sysfs_number(const char *root, const char *path, int base, long long *value)
{
    char text[64], *end;
    if (!sysfs_line(root, path, text, sizeof text))
        return false;
    errno = 0;
    *value = strtoll(text, &end, base);
    return end != text && *end == '\0' && errno == 0;
}

/* own_text.c - the worker's machine code on pages of its own; see own_text.h. */
#include "driver/own_text.h"

#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* A private mapping of a file has a page of its own from the first write on, be it of what stands there. The mapping
 * stays the file's, so that perf and gdb find their symbols. */
static bool copy_pages(uintptr_t from, uintptr_t to, uintptr_t page, int protection)
{
    from &= ~(page - 1);
    if (mprotect((void *)from, to - from, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return false;
    for (volatile char *p = (volatile char *)from; p < (volatile char *)to; p += page)
        *p = *p;
    return mprotect((void *)from, to - from, protection) == 0;
}

static int copy_object(struct dl_phdr_info *info, size_t size, void *all)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uintptr_t from = info->dlpi_addr + segment->p_vaddr;
        const int protection = PROT_READ | PROT_EXEC | (segment->p_flags & PF_W ? PROT_WRITE : 0);
        if (segment->p_type == PT_LOAD && segment->p_flags & PF_X && from != getauxval(AT_SYSINFO_EHDR) &&
            !copy_pages(from, from + segment->p_memsz, page, protection))
            *(bool *)all = false;
    }
    return 0;
}

bool own_text(void)
{
    bool all = true;
    dl_iterate_phdr(copy_object, &all);
    return all;
}

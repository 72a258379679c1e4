/* futex.c - how the two sides of a ring wait for each other and see each other's end; see ring.h. */
#include "traces/record/ring.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void futex_wait(_Atomic uint32_t *word, uint32_t expected, unsigned milliseconds)
{
    const long timeout[2] = {milliseconds / 1000, milliseconds % 1000 * 1000000L}; /* the system call's own timespec */
    syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, NULL, 0);
}

void futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool owner_alive(pthread_mutex_t *mutex)
{
    int status = pthread_mutex_trylock(mutex);
    if (status == EOWNERDEAD)
        status = pthread_mutex_consistent(mutex);
    if (status != 0)
        return true;
    pthread_mutex_unlock(mutex);
    return false;
}

/*
 * target.c - the programs that the recorder's tests record: `target NAME [NUMBER]`. What they print must be the same
 * with and without the recorder.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *self;

/* Before main, in each run: the trace must have it. */
static void *early_block;
static __attribute__((constructor)) void early(void)
{
    early_block = malloc(54321);
}

static void say(const char *what, const void *block, size_t align)
{
    printf("%s: %s, %s, errno %d\n", what, block ? "block" : "NULL",
           (uintptr_t)block % align == 0 ? "aligned" : "misaligned", errno);
    errno = 0;
}

/* Each function once as it should be used and once so that it fails. */
static int calls(long n)
{
    (void)n;
    const volatile size_t huge = SIZE_MAX / 2 + 1, half = (size_t)1 << (4 * sizeof huge);
    const volatile size_t odd = 48; /* no power of two: clang refuses it as a constant */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *volatile blocks[16] = {0};
    errno = 0;
    say("malloc", blocks[0] = malloc(100), 16);
    say("malloc 0", blocks[1] = malloc(0), 16);
    say("malloc large", blocks[2] = malloc(300000), 16);
    say("malloc huge", malloc(huge), 1);
    say("calloc", blocks[3] = calloc(10, 33), 16);
    printf("calloc zeroed: %d\n", ((char *)blocks[3])[0] == 0 && ((char *)blocks[3])[329] == 0);
    say("calloc overflow", calloc(half, half), 1);
    strcpy(blocks[0], "content");
    say("realloc", blocks[0] = realloc(blocks[0], 5000), 16);
    printf("realloc content: %s\n", (char *)blocks[0]);
    say("realloc NULL", blocks[4] = realloc(NULL, 77), 16);
    say("realloc huge", realloc(blocks[0], huge), 1);
    printf("still there: %s\n", (char *)blocks[0]);
    say("realloc 0", realloc(blocks[4], 0), 1);
    say("reallocarray", blocks[0] = reallocarray(blocks[0], 7, 11), 16);
    say("reallocarray overflow", reallocarray(blocks[0], half, half), 1);
    printf("status %d\n", posix_memalign((void **)&blocks[5], 256, 1000));
    say("posix_memalign", blocks[5], 256);
    void *untouched = blocks[5];
    printf("status %d\n", posix_memalign(&untouched, 24, 1000));
    printf("status %d\n", posix_memalign(&untouched, 64, huge));
    printf("untouched: %d\n", untouched == blocks[5]);
    say("aligned_alloc", blocks[6] = aligned_alloc(64, 640), 64);
    say("memalign", blocks[7] = memalign(4096, 10), 4096);
    say("memalign 48", blocks[8] = memalign(odd, 10), 16);
    say("valloc", blocks[9] = valloc(10), page);
    say("pvalloc", blocks[10] = pvalloc(page + 1), page);
    say("memalign huge", memalign(64, huge), 1);
    printf("usable: %d\n", malloc_usable_size(blocks[10]) >= 2 * page);
    free(NULL);
    errno = 77;
    for (int i = 0; i < 16; i++)
        if (i != 4)
            free(blocks[i]);
    printf("errno after free: %d\n", errno);
    return 0;
}

/* ---- Threads --------------------------------------------------------------------------------------------------------
 */

#define BOXES 64
static _Atomic(void *) boxes[BOXES];

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Puts a block into a box and frees or resizes what another thread had put there. */
static void *exchanger(void *argument)
{
    const uintptr_t *const task = argument;
    uint64_t random = 0x9e3779b97f4a7c15 * (task[0] + 1);
    for (uintptr_t i = 0; i < task[1]; i++) {
        const size_t size = next_random(&random) % 400 + 1;
        char *block = next_random(&random) % 8 ? malloc(size) : calloc(1, size);
        *block = 1;
        block = atomic_exchange(&boxes[next_random(&random) % BOXES], block);
        if (block && next_random(&random) % 4 == 0)
            block = atomic_exchange(&boxes[next_random(&random) % BOXES], realloc(block, size * 2));
        free(block);
    }
    return NULL;
}

static int threads(long n)
{
    pthread_t ids[8];
    uintptr_t tasks[8][2];
    for (int i = 0; i < 8; i++) {
        tasks[i][0] = (uintptr_t)i;
        tasks[i][1] = (uintptr_t)n;
        pthread_create(&ids[i], NULL, exchanger, tasks[i]);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(ids[i], NULL);
    for (int i = 0; i < BOXES; i++)
        free(boxes[i]);
    return 0;
}

static void on_timer(int signal)
{
    (void)signal;
    free(malloc(777));
}

/* The handler's block and ours come from the thread's own cache, without the lock that a handler would wait for in
 * vain; so it must not run before that has both, nor after. */
static void *allocate_many(void *argument)
{
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    free(malloc(777));
    free(malloc(50));
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    for (uintptr_t i = 0; i < (uintptr_t)argument; i++)
        free(malloc(50));
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    return NULL;
}

/* What POSIX forbids and programs do: a handler allocates, in the middle of a malloc too. */
static int handlers(long n)
{
    pthread_t id;
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    signal(SIGALRM, on_timer);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 100}, {0, 100}}, NULL);
    pthread_create(&id, NULL, allocate_many, (void *)(uintptr_t)n);
    allocate_many((void *)(uintptr_t)n);
    pthread_join(id, NULL);
    return 0;
}

static void *allocate_once(void *argument)
{
    free(malloc((uintptr_t)argument));
    return NULL;
}

static int short_threads(long n)
{
    for (long i = 0; i < n; i++) {
        pthread_t id;
        pthread_create(&id, NULL, allocate_once, (void *)(uintptr_t)111);
        pthread_join(id, NULL);
    }
    return 0;
}

static pthread_key_t keys[2];

/* As late as a thread can run code of the program: in the last round of destructors. */
static void late(void *argument)
{
    const uintptr_t round = (uintptr_t)argument;
    free(malloc(1000 + round));
    if (round < 4) {
        pthread_setspecific(keys[0], (void *)(round + 1));
        pthread_setspecific(keys[1], (void *)(round + 1));
    }
}

static void *with_destructors(void *argument)
{
    pthread_setspecific(keys[0], argument);
    pthread_setspecific(keys[1], argument);
    return NULL;
}

static int destructors(long n)
{
    (void)n;
    pthread_t id;
    pthread_key_create(&keys[0], late);
    pthread_key_create(&keys[1], late);
    pthread_create(&id, NULL, with_destructors, (void *)(uintptr_t)1);
    pthread_join(id, NULL);
    return 0;
}

/* ---- Processes ------------------------------------------------------------------------------------------------------
 */

static void allocate(long n, size_t size)
{
    for (long i = 0; i < n; i++)
        free(malloc(size));
}

static int leaf(long n)
{
    allocate(n, 222);
    return 0;
}

static int forks(long n)
{
    void *block = malloc(10);
    allocate(n, 333);
    fflush(stdout);
    if (fork() == 0) {
        allocate(n, 444);
        free(block); /* the parent's: skipped in the child's trace */
        _exit(0);
    }
    wait(NULL);
    free(block);
    return 0;
}

/* Children whose last words come from a thread that begins when the recorder has much to read, and are reaped at once.
 */
static int lasts(long n)
{
    for (int child = 0; child < 20; child++) {
        if (fork() == 0) {
            pthread_t id;
            for (long i = 0; i < n; i++)
                free(malloc((size_t)(i * 7919 % 4001)));
            pthread_create(&id, NULL, allocate_once, (void *)(uintptr_t)4242);
            pthread_join(id, NULL);
            _exit(0);
        }
        wait(NULL);
    }
    return 0;
}

static int execs(long n)
{
    (void)n;
    execl(self, self, "leaf", "100", (char *)NULL);
    return 1;
}

static int spawns(long n)
{
    char count[24], *const argv[] = {(char *)self, "leaf", count, NULL};
    snprintf(count, sizeof count, "%ld", n);
    pid_t pid;
    if (posix_spawn(&pid, self, NULL, NULL, argv, environ) != 0)
        return 1;
    wait(NULL);
    pid = vfork();
    if (pid == 0) {
        execv(self, argv);
        _exit(1);
    }
    wait(NULL);
    allocate(n, 555);
    return 0;
}

static int closes(long n)
{
    closefrom(3);
    allocate(n, 666);
    pthread_t id;
    pthread_create(&id, NULL, allocate_once, (void *)(uintptr_t)667);
    pthread_join(id, NULL);
    return 0;
}

/* ---- Ends -----------------------------------------------------------------------------------------------------------
 */

static __attribute__((noreturn)) int forever(long n)
{
    allocate(n, 777);
    puts("ready");
    fflush(stdout);
    for (;;)
        allocate(1000, 778);
}

static int waits(long n)
{
    allocate(n, 888);
    puts("ready");
    fflush(stdout);
    pause();
    return 1;
}

static int works(long n)
{
    puts("ready");
    fflush(stdout);
    allocate(n, 999);
    puts("done");
    return 0;
}

static int exits(long n)
{
    return (int)n;
}
static int dies(long n)
{
    return raise((int)n);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(long n);
    } programs[] = {
        {"calls", calls}, {"threads", threads}, {"short", short_threads}, {"destructors", destructors},
        {"leaf", leaf},   {"forks", forks},     {"lasts", lasts},         {"handlers", handlers},
        {"execs", execs}, {"spawns", spawns},   {"closes", closes},       {"forever", forever},
        {"waits", waits}, {"works", works},     {"exits", exits},         {"dies", dies},
    };
    self = argv[0];
    for (size_t i = 0; argc > 1 && i < sizeof programs / sizeof *programs; i++)
        if (strcmp(programs[i].name, argv[1]) == 0)
            return programs[i].run(argc > 2 ? atol(argv[2]) : 0);
    fputs("target: no such program\n", stderr);
    return 2;
}

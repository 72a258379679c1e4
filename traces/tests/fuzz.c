/*
 * fuzz.c - mutated files through readers, importers and plans, built with AddressSanitizer and
 * UndefinedBehaviorSanitizer: no crash, no hang, nothing invalid handed out, and every refusal says where.
 *
 *     fuzz [CASES [FIRST]]     cases of each kind (10000), numbered from FIRST (0)
 *
 * A case is its number: the same on every machine, so that a failure can be run again by itself. Half of the files in
 * our format get checksums that fit after the mutation; else the checksums alone would be tested.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traces/import/import.h"
#include "traces/plan.h"
#include "traces/tests/common.h"

#define ROOM           (1u << 18) /* bytes of a case, at most */
#define BASES          6          /* files that the cases are made from, of each kind */
#define LARGE          70000      /* ops of the one with two blocks */
#define SECONDS_A_CASE 20         /* a hang, even under an emulator */
#define KNOWN_MESSAGES 100

struct bytes {
    uint8_t *at;
    size_t n;
};

static struct bytes native[BASES], text[BASES];
static uint64_t seed; /* of the case in hand */

static uint64_t below(uint64_t n)
{
    return test_below(&seed, n);
}

/* ---- What the cases are made from ---- */

static struct bytes copy_of(const void *from, size_t n)
{
    struct bytes bytes = {.at = malloc(n ? n : 1), .n = n};
    if (!bytes.at)
        exit(99);
    memcpy(bytes.at, from, n);
    return bytes;
}

static struct bytes native_base(const struct op *ops, size_t n, uint32_t flags)
{
    static uint8_t room[1 << 22];
    struct file file = file_new();
    struct error error = {0};
    if (!write_ops(file.path, ops, n, flags, "command: x\n", 3, &error))
        exit(99);
    struct bytes bytes = copy_of(room, file_get(&file, room, sizeof room));
    file_close(&file);
    return bytes;
}

static struct bytes text_base(const struct op *ops, size_t n, uint32_t flags, const struct importer *format)
{
    char *printed;
    size_t length;
    FILE *out = open_memstream(&printed, &length);
    for (size_t i = 0; out && i < n; i++) {
        struct op op = ops[i];
        if (format == &import_wee_alloc) { /* one thread, one kind of allocation; what else it lacks is left out */
            op.thread = 0;
            op.kind = op.kind <= OP_ALIGNED ? OP_MALLOC : op.kind;
        }
        format->print(out, &op, flags);
    }
    if (!out || fclose(out) != 0)
        exit(99);
    struct bytes bytes = copy_of(printed, length);
    free(printed);
    return bytes;
}

static void make_bases(void)
{
    static struct op ops[LARGE];
    for (uint32_t i = 0; i < BASES; i++) {
        size_t n = 20u << i;
        random_ops(ops, n, i & 3, i);
        text[i] = text_base(ops, n, i & 3, i % 3 == 2 ? &import_wee_alloc : &import_android);
        native[i] = native_base(ops, n, i & 3);
    }
    for (size_t i = 0; i < LARGE; i++) /* two blocks, but a small file */
        ops[i] = (struct op){.kind = i % 2 ? OP_FREE : OP_MALLOC, .block = i / 2, .size = i % 2 ? 0 : 8};
    free(native[BASES - 1].at);
    native[BASES - 1] = native_base(ops, LARGE, 0);
}

/* ---- Mutations ---- */

static void replace(struct bytes *b, size_t at, size_t old, const void *by, size_t n)
{
    if (b->n - old + n > ROOM)
        return;
    memmove(b->at + at + n, b->at + at + old, b->n - at - old);
    memcpy(b->at + at, by, n);
    b->n += n - old;
}

static void splice(struct bytes *b, const struct bytes *from)
{
    size_t begin = below(from->n), n = below(from->n - begin + 1), at = below(b->n + 1);
    size_t old = below(2) ? below(b->n - at + 1) : 0;
    uint8_t *piece = copy_of(from->at + begin, n < 4096 ? n : 4096).at;
    replace(b, at, old < 4096 ? old : 4096, piece, n < 4096 ? n : 4096);
    free(piece);
}

/* Overwrites 1, 2, 4 or 8 bytes with a number at an edge. */
static void edge_number(struct bytes *b)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     0x7f,
                                     0x80,
                                     0xff,
                                     0xffff,
                                     0x10000,
                                     0x10001,
                                     INT32_MAX,
                                     UINT32_MAX,
                                     UINT64_C(1) << 48,
                                     INT64_MAX,
                                     UINT64_MAX,
                                     UINT64_C(1) << 32,
                                     UINT64_MAX - 1};
    uint64_t edge = edges[below(sizeof edges / sizeof *edges)];
    size_t width = (size_t)1 << below(4);
    if (b->n < width)
        return;
    size_t at = below(b->n - width + 1);
    for (size_t i = 0; i < width; i++)
        b->at[at + i] = (uint8_t)(edge >> 8 * i);
}

static void mutate_bytes(struct bytes *b, const struct bytes *other)
{
    if (b->n == 0)
        return;
    switch (below(6)) {
    case 0:
        b->n = below(b->n);
        break;
    case 1:
        splice(b, other);
        break;
    case 2:
        edge_number(b);
        break;
    default:
        b->at[below(b->n)] ^= (uint8_t)(1u << below(8));
    }
}

/* Where a number begins at or after a random place, and its digits. */
static bool find_number(const struct bytes *b, size_t *at, size_t *length)
{
    size_t i = below(b->n);
    while (i < b->n && (b->at[i] < '0' || b->at[i] > '9'))
        i++;
    *at = i;
    while (i < b->n && b->at[i] >= '0' && b->at[i] <= '9')
        i++;
    *length = i - *at;
    return *length > 0;
}

static struct bytes random_line(const struct bytes *b)
{
    size_t begin = below(b->n), end = begin;
    while (begin > 0 && b->at[begin - 1] != '\n')
        begin--;
    while (end < b->n && b->at[end++] != '\n')
        ;
    return (struct bytes){.at = b->at + begin, .n = end - begin};
}

/* Takes a line out, or puts a copy of it before another: frees without a block, blocks freed twice. */
static void mutate_lines(struct bytes *b)
{
    struct bytes line = random_line(b), before = random_line(b);
    if (below(2)) {
        replace(b, (size_t)(line.at - b->at), line.n, "", 0);
        return;
    }
    struct bytes copy = copy_of(line.at, line.n);
    replace(b, (size_t)(before.at - b->at), 0, copy.at, copy.n);
    free(copy.at);
}

static void mutate_text(struct bytes *b, const struct bytes *other)
{
    static const char *const words[] = {"0",
                                        "1",
                                        "-1",
                                        "4294967295",
                                        "4294967296",
                                        "281474976710655",
                                        "281474976710656",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "99999999999999999999999",
                                        "0x0",
                                        "0xffffffffffffffff",
                                        "0x10000000000000000",
                                        "",
                                        " ",
                                        "\n",
                                        "\r\n",
                                        "\r",
                                        "malloc",
                                        "free",
                                        "realloc",
                                        "memalign",
                                        "thread_done",
                                        ":",
                                        "Alloc(",
                                        "Free(",
                                        "),",
                                        "x"};
    size_t at, length;
    if (b->n == 0)
        return;
    const char *word = words[below(sizeof words / sizeof *words)];
    switch (below(8)) {
    case 0:
    case 1:
        if (find_number(b, &at, &length))
            replace(b, at, length, word, strlen(word));
        break;
    case 2:
        replace(b, below(b->n + 1), 0, word, strlen(word));
        break;
    case 3:
        b->at[below(b->n)] = (uint8_t)below(256);
        break;
    case 4:
        mutate_bytes(b, other);
        break;
    default:
        mutate_lines(b);
    }
}

/* ---- Judging ---- */

static unsigned accepted, refused, nmessages;
static char messages[KNOWN_MESSAGES][480];

static void failed(const char *what, const char *detail)
{
    printf("# %s: %s\n", what, detail);
    fflush(stdout);
    abort();
}

/* Counts messages that differ in more than their numbers: so many ways of the parser were taken. */
static void know_message(const char *from)
{
    char plain[480];
    size_t n = 0;
    for (; *from && *from != '"'; from++)
        if (*from < '0' || *from > '9')
            plain[n++] = *from;
    plain[n] = '\0';
    for (unsigned i = 0; i < nmessages; i++)
        if (strcmp(messages[i], plain) == 0)
            return;
    if (nmessages < KNOWN_MESSAGES)
        memcpy(messages[nmessages++], plain, sizeof plain);
}

static void check_refusal(const struct error *error, const struct file *file)
{
    if (error->code != EXIT_INPUT)
        failed("not told as a bad input file", error->text);
    bool placed = strstr(error->text, "byte ") || strstr(error->text, "line ") || strstr(error->text, "op ") ||
                  strstr(error->text, "header") || strstr(error->text, "is empty");
    if (!placed || (!strstr(error->text, file->path) && !strstr(error->text, "op ")))
        failed("a refusal without a place", error->text);
    refused++;
    know_message(error->text + (strstr(error->text, file->path) ? strlen(file->path) : 0));
}

static void check_op(const struct op *op, uint64_t *born)
{
    bool none = op->block == TRACE_NULL;
    bool fine = (unsigned)op->kind < OP_KINDS && op->size < UINT64_C(1) << 48;
    if (op->kind <= OP_ALIGNED)
        fine = fine && op->block == (*born)++;
    else if (op->kind == OP_REALLOC)
        fine = fine && op->block < *born;
    else
        fine = fine && op->size == 0 && (none || (op->kind == OP_FREE && op->block < *born));
    if (op->kind == OP_ALIGNED)
        fine = fine && op->align && !(op->align & (op->align - 1)) && op->align < UINT64_C(1) << 48;
    else
        fine = fine && op->align == 0;
    if (!fine)
        failed("an invalid op was handed out", op_names[op->kind % OP_KINDS]);
}

static void read_all(const struct file *file)
{
    struct op ops[257];
    struct error error = {0};
    uint64_t born = 0;
    struct trace_reader *reader = trace_open(file->path, &error);
    for (size_t n; reader && (n = trace_read(reader, ops, sizeof ops / sizeof *ops, &error)) > 0;)
        for (size_t i = 0; i < n; i++)
            check_op(&ops[i], &born);
    if (reader && (trace_info(reader)->truncated || trace_info(reader)->skipped) && !*trace_info(reader)->note)
        failed("something was left out without a note", file->path);
    trace_close(reader);
    if (error.code)
        check_refusal(&error, file);
}

static void compile(const struct file *file)
{
    struct error error = {0};
    struct plan plan;
    struct trace_reader *reader = trace_open(file->path, &error);
    if (reader && plan_build(&plan, reader, &error)) {
        accepted++;
        plan_close(&plan);
    }
    trace_close(reader);
    if (error.code)
        check_refusal(&error, file);
}

static void hang(int signal)
{
    (void)signal;
    static const char words[] = "# a case hangs\n";
    if (write(STDOUT_FILENO, words, sizeof words - 1))
        _exit(1);
    _exit(1);
}

static void run_cases(const struct bytes *bases, bool is_native, unsigned first, unsigned cases)
{
    static uint8_t room[ROOM];
    struct file file = file_new();
    accepted = refused = nmessages = 0;
    for (unsigned number = first; number < first + cases; number++) {
        seed = (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
        for (int i = 0; i < 8; i++)
            test_random(&seed);
        unsigned base = number % 64 ? number % (BASES - 1) : BASES - 1; /* the large one seldom */
        const struct bytes *other = &bases[below(BASES)];
        struct bytes b = {.at = room, .n = bases[base].n};
        memcpy(room, bases[base].at, b.n);
        for (uint64_t n = 1 + below(4); n > 0; n--)
            (is_native ? mutate_bytes : mutate_text)(&b, other);
        if (is_native && number % 2)
            fix_checksums(b.at, b.n);
        file_set(&file, b.at, b.n);
        alarm(SECONDS_A_CASE);
        read_all(&file);
        compile(&file);
    }
    alarm(0);
    file_close(&file);
}

/* A run in which nothing is refused, or all in the same words, would test nothing. */
static bool told(const char *what, unsigned cases, unsigned least_messages)
{
    bool fine = cases < 10000 || (accepted > cases / 100 && refused > cases / 2 && nmessages >= least_messages);
    printf("# %u accepted, %u times refused, in %u ways\n%s - %u mutated %s\n", accepted, refused, nmessages,
           fine ? "ok" : "not ok", cases, what);
    fflush(stdout);
    return fine;
}

int main(int argc, char **argv)
{
    unsigned cases = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
    unsigned first = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    signal(SIGALRM, hang);
    make_bases();
    puts("1..2");
    run_cases(native, true, first, cases);
    bool fine = told("trace files", cases, 25);
    run_cases(text, false, first, cases);
    fine = told("text traces", cases, 10) && fine;
    for (int i = 0; i < BASES; i++) {
        free(native[i].at);
        free(text[i].at);
    }
    return fine ? 0 : 1;
}

/*
 * android.c - Android's memory_replay recordings: one op a line,
 *
 *     <tid>: malloc   <result> <size>
 *     <tid>: calloc   <result> <count> <size>
 *     <tid>: memalign <result> <alignment> <size>
 *     <tid>: realloc  <result> <old> <size>
 *     <tid>: free     <pointer>
 *     <tid>: thread_done 0x0
 *
 * pointers with 0x, all else decimal; newer ones append a start and an end time in ns to every line.
 * Source: platform/system/extras, memory_replay.
 */
#include "traces/import/import.h"

/* Blocks get an address of their own, never used again, so that printing needs no table. */
#define FIRST_ADDRESS UINT64_C(0x10000)
#define ADDRESS_STEP  16

enum verb { MALLOC, CALLOC, MEMALIGN, REALLOC, FREE, THREAD_DONE, VERBS };
static const char *const verbs[VERBS] = {"malloc", "calloc", "memalign", "realloc", "free", "thread_done"};

static bool take_verb(const char **at, const char *end, enum verb *verb)
{
    for (int v = 0; v < VERBS; v++) {
        const char *p = *at;
        if (take_text(&p, end, verbs[v]) && take_blanks(&p, end)) {
            *at = p;
            *verb = (enum verb)v;
            return true;
        }
    }
    return false;
}

static bool take_head(const char **at, const char *end, uint64_t *tid, enum verb *verb)
{
    return take_decimal(at, end, tid) && take_text(at, end, ":") && take_blanks(at, end) && take_verb(at, end, verb);
}

/* The operands of each verb: a pointer, then maybe another, then numbers. */
struct operands {
    uint64_t result, old, a, b;
};

static bool next_decimal(const char **at, const char *end, uint64_t *value)
{
    return take_blanks(at, end) && take_decimal(at, end, value);
}

static bool take_operands(const char **at, const char *end, enum verb verb, struct operands *o)
{
    if (!take_hex(at, end, &o->result))
        return false;
    if (verb == REALLOC && !(take_blanks(at, end) && take_hex(at, end, &o->old)))
        return false;
    if (verb <= REALLOC && !next_decimal(at, end, &o->a))
        return false;
    return (verb != CALLOC && verb != MEMALIGN) || next_decimal(at, end, &o->b);
}

/* Nothing, or a start and an end time; of the end of a thread one time is enough. */
static bool take_times(const char **at, const char *end, enum verb verb, uint64_t *start, bool *there)
{
    uint64_t stop;
    *there = next_decimal(at, end, start);
    if (*there && !next_decimal(at, end, &stop) && verb != THREAD_DONE)
        return false;
    take_blanks(at, end);
    return *at == end;
}

static bool sniff(const char *line, size_t length, uint32_t *flags)
{
    const char *end = line + length;
    uint64_t tid, start;
    struct operands operands;
    enum verb verb;
    bool timed;
    if (!take_head(&line, end, &tid, &verb))
        return false;
    if (take_operands(&line, end, verb, &operands) && take_times(&line, end, verb, &start, &timed) && timed)
        *flags |= TRACE_TIME;
    return true;
}

/* memalign() takes any alignment and uses the next power of two. */
static uint64_t power_of_two(uint64_t n)
{
    uint64_t power = 1;
    while (power < n && power < TRACE_MAX_SIZE)
        power <<= 1;
    return power;
}

static enum import_result make_op(struct import *import, struct op *op, enum verb verb, const struct operands *o,
                                  const char **wrong)
{
    op->size = o->a;
    switch (verb) {
    case CALLOC:
        op->kind = OP_CALLOC;
        if (o->result && __builtin_mul_overflow(o->a, o->b, &op->size)) {
            *wrong = "count × size overflows";
            return IMPORT_BAD;
        }
        break;
    case MEMALIGN:
        op->kind = OP_ALIGNED;
        op->size = o->b;
        op->align = power_of_two(o->a);
        if (o->result && op->align >= TRACE_MAX_SIZE) {
            *wrong = "an alignment of 2^48 bytes or more";
            return IMPORT_BAD;
        }
        break;
    case REALLOC:
        return import_realloc(import, op, o->old, o->result, wrong);
    case FREE:
        return import_free(import, op, o->result);
    case THREAD_DONE:
        op->kind = OP_THREAD_END;
        op->size = 0;
        return IMPORT_OP;
    default:
        op->kind = OP_MALLOC;
    }
    return import_alloc(import, op, o->result, wrong);
}

static enum import_result parse(struct import *import, const char *line, size_t length, struct op *op,
                                const char **wrong)
{
    const char *end = line + length;
    struct operands operands = {0};
    uint64_t tid, start = 0;
    enum verb verb;
    bool timed;
    *wrong = "not `<thread>: <operation> <pointer> …`";
    if (!take_head(&line, end, &tid, &verb))
        return IMPORT_BAD;
    *wrong = "a thread id of 2^32 or more";
    if (tid > UINT32_MAX)
        return IMPORT_BAD;
    *wrong = "operands that do not fit the operation";
    if (!take_operands(&line, end, verb, &operands) || !take_times(&line, end, verb, &start, &timed))
        return IMPORT_BAD;
    op->thread = (uint32_t)tid;
    if (import->base.info.flags & TRACE_TIME) {
        if (timed && import->first_time == MAP_NONE)
            import->first_time = start;
        if (timed)
            import->last_time = start > import->first_time ? start - import->first_time : 0;
        op->time = import->last_time; /* older recordings have none for the end of a thread */
    }
    return make_op(import, op, verb, &operands, wrong);
}

static const char *print(FILE *out, const struct op *op, uint32_t flags)
{
    unsigned long long address = op->block == TRACE_NULL ? 0 : FIRST_ADDRESS + op->block * ADDRESS_STEP;
    unsigned long long size = op->size, align = op->align, time = op->time;
    fprintf(out, "%u: ", op->thread);
    switch (op->kind) {
    case OP_MALLOC:
        fprintf(out, "malloc 0x%llx %llu", address, size);
        break;
    case OP_CALLOC:
        fprintf(out, "calloc 0x%llx 1 %llu", address, size);
        break;
    case OP_ALIGNED:
        fprintf(out, "memalign 0x%llx %llu %llu", address, align, size);
        break;
    case OP_REALLOC:
        fprintf(out, "realloc 0x%llx 0x%llx %llu", address, address, size);
        break;
    case OP_FREE:
        fprintf(out, "free 0x%llx", address);
        break;
    default:
        fprintf(out, "thread_done 0x0");
    }
    if (flags & TRACE_TIME)
        fprintf(out, op->kind == OP_THREAD_END ? " %llu" : " %llu %llu", time, time);
    putc('\n', out);
    return NULL;
}

const struct importer import_android = {.name = "android", .sniff = sniff, .parse = parse, .print = print};

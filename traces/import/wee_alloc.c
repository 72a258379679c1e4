/*
 * wee_alloc.c - wee_alloc's test traces: `Alloc(size),` and `Free(k),`, k the 0-based ordinal of the Alloc line.
 * Source: rustwasm/wee_alloc, test/traces.
 */
#include "traces/import/import.h"

static bool take_line(const char *line, size_t length, bool *alloc, uint64_t *number)
{
    const char *end = line + length;
    *alloc = take_text(&line, end, "Alloc(");
    if ((!*alloc && !take_text(&line, end, "Free(")) || !take_decimal(&line, end, number) ||
        !take_text(&line, end, ")"))
        return false;
    take_text(&line, end, ","); /* the last line may go without */
    take_blanks(&line, end);
    return line == end;
}

static bool sniff(const char *line, size_t length, uint32_t *flags)
{
    const char *end = line + length;
    (void)flags;
    return take_text(&line, end, "Alloc(") || take_text(&line, end, "Free(");
}

static enum import_result parse(struct import *import, const char *line, size_t length, struct op *op,
                                const char **wrong)
{
    bool alloc;
    uint64_t number;
    *wrong = "neither `Alloc(size),` nor `Free(ordinal),`";
    if (!take_line(line, length, &alloc, &number))
        return IMPORT_BAD;
    if (alloc) {
        *op = (struct op){.kind = OP_MALLOC, .size = number, .block = import->next_block++};
        return IMPORT_OP;
    }
    if (number >= import->next_block) {
        reader_tolerate(&import->base, "line %llu: a free of block %llu, which was not allocated",
                        (unsigned long long)import->line, (unsigned long long)number);
        return IMPORT_NOTHING;
    }
    *op = (struct op){.kind = OP_FREE, .block = number};
    return IMPORT_OP;
}

static const char *print(FILE *out, const struct op *op, uint32_t flags)
{
    (void)flags;
    if (op->thread != 0)
        return "has a thread";
    if (op->kind == OP_MALLOC)
        fprintf(out, "Alloc(%llu),\n", (unsigned long long)op->size);
    else if (op->kind == OP_FREE && op->block != TRACE_NULL)
        fprintf(out, "Free(%llu),\n", (unsigned long long)op->block);
    else
        return "is neither a malloc nor a free of a block";
    return NULL;
}

const struct importer import_wee_alloc = {.name = "wee_alloc", .sniff = sniff, .parse = parse, .print = print};

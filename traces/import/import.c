/* import.c - the table of foreign formats, and what they share; see import.h. */
#include "traces/import/import.h"

#include <ctype.h>

const struct importer *const importers[] = {
    &import_android,
    &import_wee_alloc,
    NULL,
};

/* ---- The reader -----------------------------------------------------------------------------------------------------
 */

static void import_close(struct trace_reader *reader)
{
    struct import *import = (struct import *)reader;
    source_close(import->source);
    map_clear(&import->live);
    free(import);
}

static bool bad_line(struct import *import, const char *line, size_t length, const char *wrong, struct error *error)
{
    char shown[61];
    size_t n = length < sizeof shown - 1 ? length : sizeof shown - 1;
    for (size_t i = 0; i < n; i++)
        shown[i] = isprint((unsigned char)line[i]) ? line[i] : '?';
    shown[n] = '\0';
    return error_set(error, EXIT_INPUT, "%s: line %llu: %s: \"%s\"%s; correct the line or delete it",
                     source_name(import->source), (unsigned long long)import->line, wrong, shown,
                     n < length ? "…" : "");
}

static size_t import_read(struct trace_reader *reader, struct op *ops, size_t n, struct error *error)
{
    struct import *import = (struct import *)reader;
    const char *line, *wrong = NULL;
    size_t done = 0, length;
    while (done < n && source_line(import->source, &line, &length, error)) {
        import->line++;
        if (length == 0)
            continue;
        ops[done] = (struct op){.block = TRACE_NULL};
        enum import_result result = import->importer->parse(import, line, length, &ops[done], &wrong);
        if (result == IMPORT_OP && ops[done].size >= TRACE_MAX_SIZE) {
            result = IMPORT_BAD;
            wrong = "a size of 2^48 bytes or more";
        }
        if (result == IMPORT_BAD) {
            bad_line(import, line, length, wrong, error);
            break;
        }
        done += result == IMPORT_OP;
    }
    return done;
}

static const struct importer *recognise(struct source *source, uint32_t *flags, struct error *error)
{
    const char *text;
    size_t length, n = source_peek(source, SOURCE_MAX_LINE, &text, error);
    for (length = 0; length < n && text[length] != '\n'; length++)
        ;
    if (length && text[length - 1] == '\r')
        length--;
    for (const struct importer *const *importer = importers; *importer; importer++)
        if ((*importer)->sniff(text, length, flags))
            return *importer;
    char known[200] = "heapbench";
    for (size_t i = 0, at = strlen(known); importers[i]; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, ", %s", importers[i]->name);
    error_set(error, EXIT_INPUT, "%s: line 1 is of no known trace format; known are %s", source_name(source), known);
    return NULL;
}

struct trace_reader *import_open(struct source *source, struct error *error)
{
    uint32_t flags = 0;
    const struct importer *importer = recognise(source, &flags, error);
    struct import *import = importer ? calloc(1, sizeof *import) : NULL;
    if (!import) {
        error_set(error, EXIT_LACKS, "%s: no memory to read it", source_name(source));
        source_close(source);
        return NULL;
    }
    *import = (struct import){.base = {.info = {.format = importer->name, .meta = "", .flags = flags},
                                       .read = import_read,
                                       .close = import_close},
                              .importer = importer,
                              .source = source,
                              .first_time = MAP_NONE};
    return &import->base;
}

/* ---- Helpers for line parsers ------------------------------------------------------------------------------------ */

bool take_decimal(const char **at, const char *end, uint64_t *value)
{
    const char *p = *at;
    uint64_t v = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    if (p == *at)
        return false;
    *at = p;
    *value = v;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool take_hex(const char **at, const char *end, uint64_t *value)
{
    const char *p = *at;
    uint64_t v = 0;
    if (!take_text(&p, end, "0x"))
        return false;
    const char *digits = p;
    for (; p < end && hex_digit(*p) >= 0; p++) {
        if (v >> 60)
            return false;
        v = v << 4 | (uint64_t)hex_digit(*p);
    }
    if (p == digits)
        return false;
    *at = p;
    *value = v;
    return true;
}

bool take_text(const char **at, const char *end, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(end - *at) < n || memcmp(*at, text, n) != 0)
        return false;
    *at += n;
    return true;
}

bool take_blanks(const char **at, const char *end)
{
    const char *begin = *at;
    while (*at < end && (**at == ' ' || **at == '\t'))
        ++*at;
    return *at > begin;
}

/* ---- Blocks by address ------------------------------------------------------------------------------------------- */

#define LINE(import)     (unsigned long long)(import)->line
#define ADDRESS(address) (unsigned long long)(address)

enum import_result import_alloc(struct import *import, struct op *op, uint64_t address, const char **wrong)
{
    if (address == 0) {
        reader_tolerate(&import->base, "line %llu: an allocation that failed", LINE(import));
        return IMPORT_NOTHING;
    }
    if (map_take(&import->live, address) != MAP_NONE)
        reader_tolerate(&import->base,
                        "line %llu: 0x%llx is allocated while it is live; the block before is never freed",
                        LINE(import), ADDRESS(address));
    if (!map_set(&import->live, address, import->next_block)) {
        *wrong = "no memory for the live blocks";
        return IMPORT_BAD;
    }
    op->block = import->next_block++;
    return IMPORT_OP;
}

enum import_result import_free(struct import *import, struct op *op, uint64_t address)
{
    op->kind = OP_FREE;
    op->size = 0;
    if (address && (op->block = map_take(&import->live, address)) == MAP_NONE) {
        reader_tolerate(&import->base, "line %llu: a free of 0x%llx, which is not live", LINE(import),
                        ADDRESS(address));
        return IMPORT_NOTHING;
    }
    return IMPORT_OP;
}

enum import_result import_realloc(struct import *import, struct op *op, uint64_t from, uint64_t to, const char **wrong)
{
    op->kind = OP_MALLOC;
    if (from == 0)
        return import_alloc(import, op, to, wrong);
    if (to == 0 && op->size == 0)
        return import_free(import, op, from);
    if (to == 0) {
        reader_tolerate(&import->base, "line %llu: a realloc that failed", LINE(import));
        return IMPORT_NOTHING;
    }
    uint64_t block = map_take(&import->live, from);
    if (block == MAP_NONE) {
        reader_tolerate(&import->base, "line %llu: a realloc of 0x%llx, which is not live, is taken as a malloc",
                        LINE(import), ADDRESS(from));
        return import_alloc(import, op, to, wrong);
    }
    if (map_take(&import->live, to) != MAP_NONE)
        reader_tolerate(&import->base,
                        "line %llu: 0x%llx is allocated while it is live; the block before is never freed",
                        LINE(import), ADDRESS(to));
    if (!map_set(&import->live, to, block)) {
        *wrong = "no memory for the live blocks";
        return IMPORT_BAD;
    }
    op->kind = OP_REALLOC;
    op->block = block;
    return IMPORT_OP;
}

/* info.c - ./trace info: what is in a trace, for people or as JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "traces/plan.h"
#include "traces/tool/spread.h"
#include "traces/tool/tool.h"

/* What is kept of a live block, by its slot. */
struct block {
    uint64_t born; /* op */
    uint32_t thread;
};

struct survey {
    const char *file;
    struct plan_header plan;
    struct spread *sizes, *ages, *ops; /* requested bytes; lifetimes in allocations and in ops */
    struct block *blocks;
    size_t room;
    uint64_t next_op, next_block;
    uint64_t foreign_frees; /* by another thread than the allocating one */
    uint64_t file_bytes;    /* 0: not a file */
    bool no_memory;
};

/* ---- Gathering --------------------------------------------------------------------------------------------------- */

static void note_birth(struct survey *s, const struct op *op, uint32_t slot)
{
    if (slot >= s->room) {
        size_t room = s->room ? 2 * s->room : 1024; /* slots are given out one after the other */
        struct block *moved = realloc(s->blocks, room * sizeof *moved);
        if (!moved) {
            s->no_memory = true;
            return;
        }
        s->blocks = moved;
        s->room = room;
    }
    s->blocks[slot] = (struct block){.born = s->next_op, .thread = op->thread};
}

static void visit(void *arg, const struct op *op, uint32_t slot)
{
    struct survey *s = arg;
    if (op->kind <= OP_REALLOC)
        spread_add(s->sizes, op->size);
    if (op->kind <= OP_ALIGNED) {
        note_birth(s, op, slot);
        s->next_block++;
    } else if (op->kind == OP_FREE && op->block != TRACE_NULL && slot < s->room) {
        spread_add(s->ages, s->next_block - op->block);
        spread_add(s->ops, s->next_op - s->blocks[slot].born);
        s->foreign_frees += s->blocks[slot].thread != op->thread;
    }
    s->next_op++;
    if (s->next_op % (1 << 20) == 0)
        show_progress(s->file, s->next_op);
}

static void survey_free(struct survey *s)
{
    free(s->sizes);
    free(s->ages);
    free(s->ops);
    free(s->blocks);
}

static bool survey_make(struct survey *s, const char *file, struct trace_reader *reader, struct error *error)
{
    struct stat status;
    *s = (struct survey){.file = file, .sizes = spread_new(), .ages = spread_new(), .ops = spread_new()};
    if (stat(file, &status) == 0 && S_ISREG(status.st_mode))
        s->file_bytes = (uint64_t)status.st_size;
    if (!s->sizes || !s->ages || !s->ops)
        return error_set(error, EXIT_LACKS, "%s: no memory", file);
    bool done = plan_survey(&s->plan, reader, visit, s, error);
    if (s->no_memory)
        return error_set(error, EXIT_LACKS, "%s: no memory for its live blocks", file);
    return done;
}

static void hash_text(const struct survey *s, char text[33])
{
    for (int i = 0; i < 16; i++)
        sprintf(text + 2 * i, "%02x", s->plan.hash[i]);
}

/* ---- For people -------------------------------------------------------------------------------------------------- */

static void print_spread(const char *what, const struct spread *spread, const char *unit)
{
    if (spread_count(spread) == 0) {
        printf("  %-12s -\n", what);
        return;
    }
    printf("  %-12s p50 %" PRIu64 ", p90 %" PRIu64 ", p99 %" PRIu64 ", largest %" PRIu64 ", mean %.1f %s\n", what,
           spread_percentile(spread, 50), spread_percentile(spread, 90), spread_percentile(spread, 99),
           spread_percentile(spread, 100), spread_mean(spread), unit);
}

static void print_meta(const char *meta)
{
    for (size_t n; *meta; meta += n) {
        n = strcspn(meta, "\n");
        printf("  %.*s\n", (int)n, meta);
        n += meta[n] == '\n';
    }
}

static void print_info(const struct survey *s, const struct trace_info *info)
{
    const struct plan_header *h = &s->plan;
    char hash[33];
    hash_text(s, hash);
    printf("%s\n  %-12s %s%s%s%s\n", s->file, "format", info->format, info->flags & TRACE_TIME ? ", times" : "",
           info->flags & TRACE_SITE ? ", call sites" : "", info->truncated ? ", TRUNCATED" : "");
    printf("  %-12s %" PRIu64, "ops", h->nsteps);
    for (int k = 0; k < OP_KINDS; k++)
        if (h->counts[k])
            printf(", %" PRIu64 " %s", h->counts[k], op_names[k]);
    printf("\n  %-12s %" PRIu64 "; %" PRIu64 " frees by another than the allocating one\n", "threads", h->threads,
           s->foreign_frees);
    print_spread("sizes", s->sizes, "bytes");
    print_spread("lifetimes", s->ages, "allocations");
    print_spread("", s->ops, "ops");
    printf("  %-12s %" PRIu64 " bytes after op %" PRIu64 "; %" PRIu64 " blocks\n", "peak live", h->peak_live,
           h->peak_step, h->nslots);
    printf("  %-12s %" PRIu64 " blocks\n", "never freed", h->left_live);
    if (s->file_bytes && h->nsteps)
        printf("  %-12s %" PRIu64 " bytes, %.3f an op\n", "file", s->file_bytes,
               (double)s->file_bytes / (double)h->nsteps);
    printf("  %-12s %s\n", "hash", hash);
    if (info->skipped)
        printf("  %-12s %" PRIu64 " events; the first: %s\n", "not kept", info->skipped, info->note);
    else if (*info->note)
        printf("  %-12s %s\n", "note", info->note);
    print_meta(info->meta);
}

/* ---- As JSON: one object a line -----------------------------------------------------------------------------------
 */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n); /* every figure here is under 2^63 */
}

static json_t *spread_json(const struct spread *spread)
{
    static const int shown[] = {50, 90, 99, 100};
    static const char *const names[] = {"p50", "p90", "p99", "max"};
    if (spread_count(spread) == 0)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "mean", json_real(spread_mean(spread)));
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        json_object_set_new(object, names[i], number(spread_percentile(spread, shown[i])));
    return object;
}

static json_t *kinds_json(const struct plan_header *h)
{
    json_t *object = json_object();
    for (int k = 0; k < OP_KINDS; k++)
        json_object_set_new(object, op_names[k], number(h->counts[k]));
    return object;
}

/* Text of a recording may be in any encoding. */
static json_t *text_json(const char *text)
{
    json_t *string = json_string(text);
    return string ? string : json_null();
}

static bool print_json(const struct survey *s, const struct trace_info *info, struct error *error)
{
    const struct plan_header *h = &s->plan;
    char hash[33];
    hash_text(s, hash);
    json_t *object = json_object();
    json_object_set_new(object, "file", text_json(s->file));
    json_object_set_new(object, "format", json_string(info->format));
    json_object_set_new(object, "times", json_boolean(info->flags & TRACE_TIME));
    json_object_set_new(object, "call_sites", json_boolean(info->flags & TRACE_SITE));
    json_object_set_new(object, "truncated", json_boolean(info->truncated));
    json_object_set_new(object, "skipped", number(info->skipped));
    json_object_set_new(object, "note", text_json(info->note));
    json_object_set_new(object, "meta", text_json(info->meta));
    json_object_set_new(object, "ops", number(h->nsteps));
    json_object_set_new(object, "ops_by_kind", kinds_json(h));
    json_object_set_new(object, "threads", number(h->threads));
    json_object_set_new(object, "frees_by_another_thread", number(s->foreign_frees));
    json_object_set_new(object, "size_bytes", spread_json(s->sizes));
    json_object_set_new(object, "lifetime_allocations", spread_json(s->ages));
    json_object_set_new(object, "lifetime_ops", spread_json(s->ops));
    json_object_set_new(object, "peak_live_bytes", number(h->peak_live));
    json_object_set_new(object, "peak_live_blocks", number(h->nslots));
    json_object_set_new(object, "peak_op", number(h->peak_step));
    json_object_set_new(object, "never_freed_blocks", number(h->left_live));
    json_object_set_new(object, "file_bytes", s->file_bytes ? number(s->file_bytes) : json_null());
    json_object_set_new(object, "hash", json_string(hash));
    char *line = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!line)
        return error_set(error, EXIT_LACKS, "%s: no memory for its JSON", s->file);
    puts(line);
    free(line);
    return true;
}

bool command_info(const struct arguments *arguments, struct error *error)
{
    for (char **file = arguments->files; *file && !error->code; file++) {
        struct survey survey = {0};
        struct trace_reader *reader = trace_open(*file, error);
        if (reader && survey_make(&survey, *file, reader, error)) {
            clear_progress();
            if (arguments->json)
                print_json(&survey, trace_info(reader), error);
            else
                print_info(&survey, trace_info(reader));
        }
        survey_free(&survey);
        trace_close(reader);
    }
    return error->code == EXIT_DONE;
}

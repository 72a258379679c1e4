/*
 * row.c - builds the JSON object of a run, and appends it to the results.
 *
 * What could not be measured is null, and FIELD_MISSING says why under the same name. A row is written by one write()
 * and synced before the next run begins, so that an interrupted sweep keeps all that it did.
 */
#include "driver/row.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "driver/fields.h"
#include "driver/figures.h"
#include "driver/row_figures.h"
#include "traces/write_all.h"

/* JSON is UTF-8, paths are any bytes: what is no UTF-8 becomes '?'. */
static json_t *text_of(const char *text)
{
    json_t *string = json_string(text);
    if (string != NULL)
        return string;
    char *copy = strdup(text);
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    string = json_string(copy ? copy : "");
    free(copy);
    return string;
}

void row_set_number(struct row_figures *row, const char *field, double value, const char *why)
{
    const bool known = !isnan(value);
    json_object_set_new(row->figures, field, known ? json_real(value) : json_null());
    if (!known)
        json_object_set_new(row->missing, field, json_string(why));
}

void row_set_bytes(struct row_figures *row, const char *field, uint64_t value, const char *why)
{
    const bool known = value != UNKNOWN_BYTES;
    json_object_set_new(row->figures, field, known ? json_integer((json_int_t)value) : json_null());
    if (!known)
        json_object_set_new(row->missing, field, json_string(why));
}

json_t *row_op(const struct plan *plan, uint64_t step)
{
    const struct op op = study_op(plan, step);
    json_t *object = json_object();
    json_object_set_new(object, FIELD_INDEX, json_integer((json_int_t)step));
    json_object_set_new(object, FIELD_KIND, json_string(op_names[op.kind]));
    json_object_set_new(object, FIELD_SIZE, json_integer((json_int_t)op.size));
    if (op.kind == OP_ALIGNED)
        json_object_set_new(object, FIELD_ALIGN, json_integer((json_int_t)op.align));
    return object;
}

/* ---- What was run ------------------------------------------------------------------------------------------------ */

static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text_of(text) : json_null();
}

static json_t *trace_object(const struct study *study)
{
    const struct plan_header *header = study->plan.header;
    json_t *object = json_object();
    json_object_set_new(object, FIELD_NAME, text_of(study->name));
    json_object_set_new(object, FIELD_HASH, json_string(study->hash));
    json_object_set_new(object, FIELD_OPS, json_integer((json_int_t)study->ops));
    json_object_set_new(object, FIELD_THREADS, json_integer((json_int_t)header->threads));
    json_object_set_new(object, FIELD_PEAK_LIVE, json_integer((json_int_t)header->peak_live));
    json_object_set_new(object, FIELD_PEAK_BLOCKS, json_integer((json_int_t)header->nslots));
    json_object_set_new(object, FIELD_TRUNCATED, json_boolean(study->truncated));
    return object;
}

/* A value as it would be written on the command line, so that a choice reads as its word. */
static json_t *option_value(const struct alloc_option *option, const struct option_values *values, size_t index)
{
    if (option->type == OPTION_CHOICE)
        return json_string(option->choices[values->opt[index]]);
    if (option->type != OPTION_SIZES)
        return json_integer((json_int_t)values->opt[index]);
    json_t *sizes = json_array();
    for (size_t i = 0; i < values->nsizes; i++)
        json_array_append_new(sizes, json_integer((json_int_t)values->sizes[i].size));
    return sizes;
}

static json_t *options_object(const struct alloc_option *table, const struct option_values *values)
{
    json_t *options = json_object();
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++)
        json_object_set_new(options, table[i].name, option_value(&table[i], values, i));
    return options;
}

static json_t *named_object(const char *name, const char *spec, const struct alloc_option *table,
                            const struct option_values *values)
{
    json_t *object = json_object();
    json_object_set_new(object, FIELD_NAME, text_of(name));
    json_object_set_new(object, FIELD_SPEC, text_of(spec));
    json_object_set_new(object, FIELD_OPTIONS, options_object(table, values));
    return object;
}

static json_t *allocator_object(const struct cell *cell)
{
    const struct allocator_spec *spec = &cell->spec;
    return named_object(spec->name, cell->text, spec->allocator->options, &spec->values);
}

static json_t *pages_object(const struct run *run)
{
    struct pages_spec spec;
    struct error error = {.code = EXIT_DONE};
    const bool hosted = run->cell->spec.allocator->caps & CAP_HOSTED;
    const char *text = cell_pages(run->cell, run->cli);
    if (hosted || !pages_spec_read(&spec, text, &error))
        return json_null(); /* it brings its own memory */
    json_t *object = named_object(spec.kind->name, text, spec.kind->options, &spec.values);
    json_object_set_new(object, FIELD_ARENA, json_integer((json_int_t)run->study->arena_bytes));
    return object;
}

/* The debugging layer's options; null: it is not there. */
static json_t *guard_object(const struct job *job)
{
    struct option_values settings;
    struct error error = {.code = EXIT_DONE};
    const bool guarded = job->guard[0] != '\0' && guard_spec_read(&settings, job->guard, &error);
    return guarded ? options_object(guard_options, &settings) : json_null();
}

/* A mistake that was made on purpose. */
static json_t *plant_object(const struct job *job)
{
    if (job->plant_step == NO_STEP || job->pass != PASS_VERIFY)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, FIELD_KIND, json_string(plant_names[job->plant]));
    json_object_set_new(object, FIELD_INDEX, json_integer((json_int_t)job->plant_step));
    return object;
}

static json_t *settings_object(const struct run *run)
{
    const struct job *job = run->job;
    json_t *object = json_object();
    json_object_set_new(object, FIELD_TOUCH, json_string(touch_names[job->touch]));
    json_object_set_new(object, FIELD_WARMUPS,
                        json_integer(run->status != RUN_DONE    ? (json_int_t)job->warmups
                                     : pass_is_timed(run->pass) ? (json_int_t)job->repetitions.warmups
                                                                : 0));
    json_object_set_new(object, FIELD_SEED, json_integer((json_int_t)run->cli->seed));
    json_object_set_new(object, FIELD_CPU, job->cpu < 0 ? json_null() : json_integer(job->cpu));
    json_object_set_new(object, FIELD_PINNED, json_boolean(job->cpu >= 0 && !job->unpinned));
    json_object_set_new(object, FIELD_REALTIME, json_boolean(job->realtime));
    json_object_set_new(object, FIELD_OWN_TEXT, json_boolean(job->own_text));
    json_object_set_new(object, FIELD_RANDOMIZED, json_boolean(job->randomized));
    json_object_set_new(object, FIELD_ARENA_FIXED,
                        job->arena_address == 0 ? json_null() : json_boolean(!job->arena_moved));
    json_object_set_new(object, FIELD_RUNNER, text_or_null(getenv("HEAPBENCH_RUNNER")));
    json_object_set_new(object, FIELD_GUARD, guard_object(job));
    json_object_set_new(object, FIELD_PLANT, plant_object(job));
    return object;
}

/* A number; null when it is not known, and why. */
static void set_fact(json_t *object, json_t *missing, const char *field, double value, const char *why)
{
    json_object_set_new(object, field, isnan(value) ? json_null() : json_real(value));
    if (isnan(value))
        json_object_set_new(missing, field, text_of(why));
}

static json_t *kinds_array(unsigned kinds)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < BOARD_KINDS; i++)
        if (kinds >> i & 1)
            json_array_append_new(array, json_string(board_kind_names[i]));
    return array;
}

static json_t *state_object(const struct board_state *state)
{
    json_t *object = json_object(), *missing = json_object();
    set_fact(object, missing, FIELD_TEMPERATURE, state->temperature_celsius, state->temperature_missing);
    set_fact(object, missing, FIELD_CLOCK_HZ, state->clock_hz, state->clock_missing);
    if (state->source == THROTTLING_BITS)
        json_object_set_new(object, FIELD_THROTTLED_BITS, json_integer(state->bits));
    else if (state->source == THROTTLING_EVENTS)
        json_object_set_new(object, FIELD_THROTTLE_EVENTS, json_integer((json_int_t)state->events));
    else
        json_object_set_new(missing, FIELD_THROTTLED, text_of(state->throttling_missing));
    json_object_set_new(object, FIELD_MISSING, missing);
    return object;
}

/* What the run found out of the core that it had; null where that is not looked at. */
static json_t *core_object(const struct run *run)
{
    const struct repetitions *repetitions = &run->job->repetitions;
    if (!run->job->watch_core || run->status != RUN_DONE)
        return json_null();
    json_t *object =
        json_pack("{s: b, s: b, s: I, s: f, s: f}", FIELD_SHARED, (int)repetitions->shared, FIELD_CACHE_SHARED,
                  (int)repetitions->cache_shared, FIELD_LEFT_OUT, (json_int_t)repetitions->left_out, FIELD_CLOCK_HZ,
                  repetitions->clock_hz, FIELD_LOAD, repetitions->load_ns);
    if (repetitions->most_load_ns > 0)
        json_object_set_new(object, FIELD_MOST_LOAD, json_real(repetitions->most_load_ns));
    return object;
}

/* Whether the machine was throttled, and its state around the run. */
static void add_condition(json_t *row, const struct run *run)
{
    const struct board_verdict verdict = board_judge(&run->before, &run->after);
    json_t *object = json_object();
    json_object_set_new(row, FIELD_THROTTLED, verdict.known ? json_boolean(verdict.kinds != 0) : json_null());
    json_object_set_new(row, FIELD_REPETITION, json_integer(run->repetition));
    json_object_set_new(object, FIELD_THROTTLED_BY, kinds_array(verdict.kinds));
    json_object_set_new(object, FIELD_UNSEEN, kinds_array(verdict.unseen));
    json_object_set_new(object, FIELD_THROTTLING_SOURCE, text_or_null(run->after.source_name));
    json_object_set_new(object, FIELD_BEFORE, state_object(&run->before));
    json_object_set_new(object, FIELD_AFTER, state_object(&run->after));
    json_object_set_new(object, FIELD_CORE, core_object(run));
    json_object_set_new(row, FIELD_CONDITION, object);
}

/* What is null among the facts that a machine may keep to itself, and why. */
static json_t *host_missing(const struct host *host)
{
    json_t *missing = json_object();
    if (host->board[0] == '\0')
        json_object_set_new(missing, FIELD_BOARD, json_string("no device tree, no DMI"));
    if (host->governor[0] == '\0')
        json_object_set_new(missing, FIELD_GOVERNOR, text_of(host->governor_missing));
    if (host->counters != COUNTERS_USER)
        json_object_set_new(missing, FIELD_COUNTERS, text_of(host->counters_missing));
    return missing;
}

static json_t *host_object(const struct host *host)
{
    static const char *const counters[] = {
        [COUNTERS_NONE] = NULL, [COUNTERS_READ] = "by the kernel", [COUNTERS_USER] = "by user space"};
    json_t *object = json_object();
    json_object_set_new(object, FIELD_NAME, text_or_null(host->name));
    json_object_set_new(object, FIELD_BOARD, text_or_null(host->board));
    json_object_set_new(object, FIELD_WORD, json_integer(host->word_bits));
    json_object_set_new(object, FIELD_COUNTERS, text_or_null(counters[host->counters]));
    json_object_set_new(object, FIELD_EMULATED, json_boolean(host->emulated[0] != '\0'));
    json_object_set_new(object, FIELD_EMULATED_BY, text_or_null(host->emulated));
    json_object_set_new(object, FIELD_MISSING, host_missing(host));
    json_object_set_new(object, FIELD_CPU_MODEL, text_or_null(host->cpu));
    json_object_set_new(object, FIELD_CPUS, json_integer(host->cpus));
    json_object_set_new(object, FIELD_ARCHITECTURE, text_or_null(host->architecture));
    json_object_set_new(object, FIELD_GOVERNOR, text_or_null(host->governor));
    json_object_set_new(object, FIELD_CLOCK_SOURCE, text_or_null(host->clock_source));
    json_object_set_new(object, FIELD_KERNEL, text_or_null(host->kernel));
    json_object_set_new(object, FIELD_PAGE, json_integer(host->page_bytes));
    json_object_set_new(object, FIELD_COMPILER, json_string(host->compiler));
    json_object_set_new(object, FIELD_FLAGS, json_string(host->flags));
    json_object_set_new(object, FIELD_VERSION, json_string(host->version));
    json_object_set_new(object, FIELD_REVISION, text_or_null(host->revision));
    json_object_set_new(object, FIELD_NOISE_SHARE, json_real(host->noise_share));
    json_object_set_new(object, FIELD_NOISE_WORST, json_integer((json_int_t)host->noise_worst_ns));
    json_object_set_new(object, FIELD_NOISE_PROBE, json_integer((json_int_t)host->noise_probe_ns));
    return object;
}

/* ---- The row ----------------------------------------------------------------------------------------------------- */

json_t *row_of(const struct run *run)
{
    struct row_figures row = {.figures = json_object(), .missing = json_object()};
    json_t *object = json_object();
    char stamp[32];
    const time_t now = time(NULL);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    if (run->status == RUN_DONE)
        row_add_figures(&row, run);
    json_object_set_new(object, FIELD_SCHEMA, json_integer(RESULT_SCHEMA));
    json_object_set_new(object, FIELD_TIME, json_string(stamp));
    json_object_set_new(object, FIELD_TRACE, trace_object(run->study));
    json_object_set_new(object, FIELD_ALLOCATOR, allocator_object(run->cell));
    json_object_set_new(object, FIELD_PAGES, pages_object(run));
    json_object_set_new(object, FIELD_PASS, json_string(pass_names[run->pass]));
    json_object_set_new(object, FIELD_RUN, json_integer(run->number));
    json_object_set_new(object, FIELD_TURN, json_integer(run->turn));
    json_object_set_new(object, FIELD_STATUS, json_string(run_status_names[run->status]));
    json_object_set_new(object, FIELD_REASON, text_or_null(run->reason));
    json_object_set_new(object, FIELD_OP, STEP_IS_OP(run->step) ? row_op(&run->study->plan, run->step) : json_null());
    json_object_set_new(object, FIELD_SETTINGS, settings_object(run));
    if (run->status != RUN_DONE) {
        json_decref(row.figures);
        row.figures = json_null();
    }
    json_object_set_new(object, FIELD_FIGURES, row.figures);
    json_object_set_new(object, FIELD_MISSING, row.missing);
    add_condition(object, run);
    json_object_set_new(object, FIELD_HOST, host_object(run->host));
    return object;
}

bool row_file_open(struct row_file *file, const char *path, struct error *error)
{
    file->path = path;
    file->fd = -1;
    if (path == NULL)
        return true;
    file->fd = strcmp(path, "-") == 0 ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return file->fd >= 0 ||
           error_set(error, EXIT_LACKS, "--json=%s: %s; name a file that can be written", path, strerror(errno));
}

bool row_file_append(struct row_file *file, const struct run *run, struct error *error)
{
    if (file->fd < 0)
        return true;
    json_t *row = row_of(run);
    char *line = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(10));
    json_decref(row);
    const size_t length = line ? strlen(line) : 0;
    char *longer = line ? realloc(line, length + 2) : NULL;
    if (longer == NULL) {
        free(line);
        return error_set(error, EXIT_LACKS, "no memory for a row of results");
    }
    strcpy(longer + length, "\n");
    const bool written = write_all(file->fd, longer, length + 1);
    free(longer);
    if (!written)
        return error_set(error, EXIT_LACKS, "--json=%s: %s; the rows before are kept", file->path, strerror(errno));
    fsync(file->fd); /* a pipe or a terminal has nothing to sync */
    return true;
}

void row_file_close(struct row_file *file)
{
    if (file->fd > STDERR_FILENO)
        close(file->fd);
}

/* cli.c - the options of replay (argp) and their values; see cli.h. */
#include "driver/cli.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/build.h"
#include "driver/dynamic.h"
#include "driver/host.h"
#include "driver/icount/icount.h"
#include "driver/plant.h"
#include "driver/spec.h"

const char *argp_program_version = "heapbench-replay " BUILD_VERSION " (" BUILD_REVISION ")";

const char *const pass_names[PASSES] = {"verify", "space", "arena", "throughput", "latency", "instructions"};
static const char *const clock_names[] = {"auto", "timer", "cycles"};
enum { CLOCKS = sizeof clock_names / sizeof *clock_names };
static const char *const format_names[] = {"table", "markdown", "csv"};
enum { FORMATS = sizeof format_names / sizeof *format_names };
const char *const touch_names[TOUCHES] = {"none", "word", "page", "all"};

enum key {
    KEY_ALLOC = 'a',
    KEY_PAGES = 'p',
    KEY_RUNS = 'r',
    KEY_JSON = 'j',
    KEY_LIST = 'l',
    KEY_ARENA = 256,
    KEY_PASSES,
    KEY_WARMUP,
    KEY_HELP_ALLOC,
    KEY_CPU,
    KEY_TOUCH,
    KEY_SEED,
    KEY_ISA,
    KEY_TIMEOUT,
    KEY_LIMIT,
    KEY_TIMED,
    KEY_RANDOM,
    KEY_GUARD,
    KEY_PLANT,
    KEY_FORMAT,
    KEY_CLOCK,
    KEY_BATCH,
    KEY_COOLDOWN,
    KEY_SETTLE,
    KEY_EMULATED,
};

static const struct argp_option options[] = {
    {.doc = "What is replayed against what:", .group = 1},
    {"alloc", KEY_ALLOC, "NAME[:OPT=VALUE]…,…", 0,
     "Allocators; may be given again; 'all' (the default) is each of this project but the oracle, 'foreign' each "
     "installed malloc of others; see --list",
     1},
    {"pages", KEY_PAGES, "NAME[:OPT=VALUE]…", 0, "Page source under the allocators (arena)", 1},
    {"arena", KEY_ARENA, "SIZE|auto|min", 0,
     "Bytes the page source has, with K, M or G (auto: from the trace's peak); min: search the smallest in which the "
     "trace completes, as --passes=arena does",
     1},
    {"touch", KEY_TOUCH, "none|word|page|all", 0,
     "What is written to each block: nothing, its first word, that and a byte in every page (default), or all of it",
     1},
    {"guard", KEY_GUARD, "OPT=VALUE:…", OPTION_ARG_OPTIONAL,
     "Put the debugging layer around the allocators: the run ends at the first overflow, double free or write after "
     "free and names the ops; figures contain its cost (--alloc-help=guard)",
     1},
    {"plant", KEY_PLANT, "FAULT@OP", 0,
     "Make a mistake at that op, to see the guard find it in the verify pass: overflow, underflow, double-free, "
     "foreign-free or write-after-free",
     1},
    {.doc = "How it is measured:", .group = 2},
    {"passes", KEY_PASSES, "PASS,…", 0,
     "Of verify, space, throughput, latency (these four), arena (the smallest that will do), instructions (needs "
     "qemu-user)",
     2},
    {"isa", KEY_ISA, "native|aarch64", 0, "Whose instructions are counted (native)", 2},
    {"runs", KEY_RUNS, "N", 0, "Runs of throughput and of latency (5)", 2},
    {"warmup", KEY_WARMUP, "N", 0, "Replays before the measured ones, in each of these runs (1)", 2},
    {"timed", KEY_TIMED, "SECONDS", 0,
     "Replay for this long, the making of heaps included, in each of these runs; throughput 64 times at most (0.1)", 2},
    {"limit", KEY_LIMIT, "SECONDS", 0,
     "Begin only one more run a pass, without warm-up, of an allocator that took this long on a trace; it is said "
     "(600)",
     2},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "A run that takes longer hangs (300)", 2},
    {"clock", KEY_CLOCK, "auto|timer|cycles", 0,
     "Of latency: the processor's cycle counter, or its timer (auto: cycles on 64-bit Arm where perf lets user space "
     "read them, else the timer)",
     2},
    {"latency-batch", KEY_BATCH, "N|auto", 0,
     "Ops that latency times together, for clocks too coarse for one; their figure is that per op (auto: 1, or more "
     "where the timer steps by over 15 ns, on Arm)",
     2},
    {"cooldown", KEY_COOLDOWN, "SECONDS", 0,
     "Wait at most this long for a machine that throttled in a timed run to recover, then do the run again; 0: only "
     "mark it (300)",
     2},
    {"settle", KEY_SETTLE, "SECONDS", 0,
     "Go on replaying at most this much longer while somebody else has a part of the processor core, which is seen by "
     "how long additions take; replays in which it was so are left out. Wait at most this long until nobody else fills "
     "its last cache, which is seen by how long loads take (1 each, while neither is more in all than a quarter of "
     "what the runs have taken)",
     2},
    {"emulated", KEY_EMULATED, "WHAT|no", 0,
     "Say by what the processor is emulated, or that it is not, where this is not found out right", 2},
    {"cpu", KEY_CPU, "N|none", 0, "CPU that runs are pinned to (the highest allowed)", 2},
    {"seed", KEY_SEED, "N", 0, "Of the order in which allocators take turns (1)", 2},
    {"randomize", KEY_RANDOM, NULL, 0, "Leave address randomisation on in the runs", 2},
    {.doc = "What comes out:", .group = 3},
    {"json", KEY_JSON, "FILE|-", 0, "Append a JSON object a line per run to FILE; '-': only that on stdout, no table",
     3},
    {"format", KEY_FORMAT, "table|markdown|csv", 0,
     "Of the table on stdout (table); csv has a line for each trace and allocator, and nothing where there is no "
     "figure",
     3},
    {"list", KEY_LIST, NULL, 0, "List allocators and page sources", 3},
    {"alloc-help", KEY_HELP_ALLOC, "NAME", 0, "The options of an allocator or page source", 3},
    {.name = NULL},
};

static const char doc[] = "Replay recorded heap work against memory allocators, and tell what each costs in speed, in "
                          "worst-case latency and in "
                          "memory.\v"
                          "A TRACE is a file of any format that trace(1) reads, '-', or a model such as model:churn. "
                          "Every run is a process of its "
                          "own; an allocator that fails is a row that says where and why.\n\n"
                          "Exit status: 0 done; 1 an allocator failed the work; 2 usage; 3 a bad input file; 4 the "
                          "machine lacks something asked "
                          "for, or a file cannot be written.";

/* Of whom --passes= speaks. */
#define PASS_LIST "verify, space, arena, throughput, latency, instructions"

/* What argp hands from one option to the next. */
struct reading {
    struct cli *cli;
    struct error *error;
    bool chose;        /* --alloc was given */
    bool chose_passes; /* --passes was given */
    bool arena_min;    /* --arena=min was given */
};

static bool whole_number(const char *text, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > most)
        return false;
    *value = number;
    return true;
}

static bool read_count(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *value,
                       struct error *error)
{
    if (whole_number(text, most, value) && *value >= least)
        return true;
    return error_set(error, EXIT_USAGE, "--%s=%s: not a whole number from %llu to %llu", option, text,
                     (unsigned long long)least, (unsigned long long)most);
}

static bool read_seconds(const char *option, const char *text, double *value, struct error *error)
{
    char *end;
    *value = strtod(text, &end);
    if (end != text && *end == '\0' && *value > 0 && *value <= 1e6)
        return true;
    return error_set(error, EXIT_USAGE, "--%s=%s: not a number of seconds above 0", option, text);
}

static bool read_seconds_or_none(const char *option, const char *text, double *value, struct error *error)
{
    *value = 0;
    return strcmp(text, "0") == 0 || read_seconds(option, text, value, error);
}

/* As an allocator's own sizes are written: the same reader does it. */
static bool read_arena(const char *text, uint64_t *bytes, struct error *error)
{
    static const struct alloc_option table[] = {
        {.name = "arena", .type = OPTION_SIZE, .min = 4096, .max = UINT64_C(1) << 62}, {.name = NULL}};
    struct option_values values;
    char spec[96], words[300];
    *bytes = 0;
    if (strcmp(text, "auto") == 0)
        return true;
    snprintf(spec, sizeof spec, "-:arena=%.64s", text);
    if (!options_parse(&values, table, spec, words, sizeof words))
        return error_set(error, EXIT_USAGE, "--arena=%s: write auto, min, or bytes (K, M or G may follow) from 4K",
                         text);
    *bytes = values.opt[0];
    return true;
}

static bool read_cpu(const char *text, int *cpu, struct error *error)
{
    uint64_t number;
    *cpu = -1;
    if (strcmp(text, "none") == 0)
        return true;
    if (!read_count("cpu", text, 0, 65535, &number, error))
        return false;
    *cpu = (int)number;
    return true;
}

/* The index of a name among `names`; n: none. */
static unsigned name_index(const char *name, const char *const *names, unsigned n)
{
    unsigned i = 0;
    while (i < n && strcmp(name, names[i]) != 0)
        i++;
    return i;
}

static bool read_passes(const char *text, bool passes[PASSES], struct error *error)
{
    char copy[128];
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return error_set(error, EXIT_USAGE, "--passes: too long");
    memset(passes, 0, PASSES * sizeof *passes);
    bool any = false;
    for (char *name = strtok(copy, ","); name; name = strtok(NULL, ",")) {
        const unsigned pass = name_index(name, pass_names, PASSES);
        if (pass == PASSES)
            return error_set(error, EXIT_USAGE, "--passes: no pass '%s'; there are " PASS_LIST, name);
        passes[pass] = any = true;
    }
    return any || error_set(error, EXIT_USAGE, "--passes: name at least one of " PASS_LIST);
}

static bool add_allocator(struct cli *cli, const char *text, struct error *error)
{
    struct allocator_spec spec;
    if (strlen(text) >= JOB_SPEC_CHARS)
        return error_set(error, EXIT_USAGE, "--alloc: more than %d bytes for one allocator", JOB_SPEC_CHARS - 1);
    if (!allocator_spec_read(&spec, text, error))
        return false;
    cli->allocators = realloc(cli->allocators, (cli->nallocators + 1) * sizeof *cli->allocators);
    char *copy = strdup(text);
    if (cli->allocators == NULL || copy == NULL)
        return error_set(error, EXIT_LACKS, "no memory");
    cli->allocators[cli->nallocators++] = copy;
    return true;
}

static bool add_allocators(struct cli *cli, const char *text, struct error *error)
{
    char *copy = strdup(text), *rest = copy, *part;
    bool fine = copy != NULL || error_set(error, EXIT_LACKS, "no memory");
    while (fine && (part = strsep(&rest, ",")) != NULL)
        if (strcmp(part, "all") == 0)
            for (size_t i = 0; fine && allocators[i] != NULL; i++)
                fine = add_allocator(cli, allocators[i]->name, error);
        else if (strcmp(part, "foreign") == 0 && dynamic_missing != NULL)
            fine = error_set(error, EXIT_LACKS, "--alloc=foreign: %s", dynamic_missing);
        else if (strcmp(part, "foreign") == 0)
            for (const struct foreign_malloc *foreign = foreign_mallocs; fine && foreign->name != NULL; foreign++)
                fine = !foreign_installed(foreign) || add_allocator(cli, foreign->name, error);
        else
            fine = add_allocator(cli, part, error);
    free(copy);
    return fine;
}

static bool read_guard(const char *text, char guard[JOB_SPEC_CHARS], struct error *error)
{
    struct option_values settings;
    if ((size_t)snprintf(guard, JOB_SPEC_CHARS, GUARD_NAME "%s%s", text ? ":" : "", text ? text : "") >= JOB_SPEC_CHARS)
        return error_set(error, EXIT_USAGE, "--guard: more than %d bytes", JOB_SPEC_CHARS - 1);
    return guard_spec_read(&settings, guard, error);
}

static bool read_touch(const char *text, enum touch *touch, struct error *error)
{
    const unsigned found = name_index(text, touch_names, TOUCHES);
    if (found == TOUCHES)
        return error_set(error, EXIT_USAGE, "--touch=%s: one of none, word, page, all", text);
    *touch = (enum touch)found;
    return true;
}

static bool read_format(const char *text, enum table_format *format, struct error *error)
{
    const unsigned found = name_index(text, format_names, FORMATS);
    if (found == FORMATS)
        return error_set(error, EXIT_USAGE, "--format=%s: one of table, markdown, csv", text);
    *format = (enum table_format)found;
    return true;
}

static bool read_clock(const char *text, enum clock_wish *clock, struct error *error)
{
    const unsigned found = name_index(text, clock_names, CLOCKS);
    if (found == CLOCKS)
        return error_set(error, EXIT_USAGE, "--clock=%s: one of auto, timer, cycles", text);
    *clock = (enum clock_wish)found;
    return true;
}

static bool read_batch(const char *text, unsigned *ops, struct error *error)
{
    uint64_t number = 0;
    if (strcmp(text, "auto") != 0 && !read_count("latency-batch", text, 1, 65536, &number, error))
        return false;
    *ops = (unsigned)number;
    return true;
}

static bool read_option(struct cli *cli, int key, const char *text, struct error *error)
{
    uint64_t number;
    switch (key) {
    case KEY_ALLOC:
        return add_allocators(cli, text, error);
    case KEY_PAGES: {
        struct pages_spec spec;
        cli->pages = text;
        if (strlen(text) >= JOB_SPEC_CHARS)
            return error_set(error, EXIT_USAGE, "--pages: more than %d bytes", JOB_SPEC_CHARS - 1);
        return pages_spec_read(&spec, text, error);
    }
    case KEY_ARENA:
        return read_arena(text, &cli->arena_bytes, error);
    case KEY_GUARD:
        return read_guard(text, cli->guard, error);
    case KEY_PLANT:
        return plant_read(text, &cli->plant, &cli->plant_step, error);
    case KEY_TOUCH:
        return read_touch(text, &cli->touch, error);
    case KEY_FORMAT:
        return read_format(text, &cli->format, error);
    case KEY_PASSES:
        return read_passes(text, cli->passes, error);
    case KEY_RUNS:
        if (!read_count("runs", text, 1, 10000, &number, error))
            return false;
        cli->runs = (unsigned)number;
        return true;
    case KEY_WARMUP:
        if (!read_count("warmup", text, 0, 1000, &number, error))
            return false;
        cli->warmups = (unsigned)number;
        return true;
    case KEY_LIMIT:
        return read_seconds("limit", text, &cli->limit_s, error);
    case KEY_TIMED:
        return read_seconds("timed", text, &cli->timed_s, error);
    case KEY_TIMEOUT:
        return read_seconds("timeout", text, &cli->timeout_s, error);
    case KEY_CLOCK:
        return read_clock(text, &cli->clock, error);
    case KEY_BATCH:
        return read_batch(text, &cli->batch_ops, error);
    case KEY_COOLDOWN:
        return read_seconds_or_none("cooldown", text, &cli->cooldown_s, error);
    case KEY_SETTLE:
        return read_seconds_or_none("settle", text, &cli->settle_s, error);
    case KEY_CPU:
        return read_cpu(text, &cli->cpu, error);
    case KEY_ISA:
        cli->isa = text;
        return icount_knows(text) || error_set(error, EXIT_USAGE, "--isa=%s: one of native, aarch64", text);
    default: /* KEY_SEED */
        return read_count("seed", text, 0, INT64_MAX, &cli->seed, error);
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct reading *reading = state->input;
    struct cli *cli = reading->cli;
    switch (key) {
    case KEY_LIST:
        cli->request = REQUEST_LIST;
        return 0;
    case KEY_HELP_ALLOC:
        cli->request = REQUEST_HELP;
        cli->help_name = text;
        return 0;
    case KEY_JSON:
        cli->json = text;
        return 0;
    case KEY_EMULATED:
        cli->emulated = text;
        return 0;
    case KEY_RANDOM:
        cli->keep_random = true;
        return 0;
    case ARGP_KEY_ARGS:
        cli->traces = state->argv + state->next;
        cli->ntraces = (size_t)(state->argc - state->next);
        return 0;
    case KEY_ALLOC:
        reading->chose = true;
        return read_option(cli, key, text, reading->error) ? 0 : EINVAL;
    case KEY_PASSES:
        reading->chose_passes = true;
        return read_option(cli, key, text, reading->error) ? 0 : EINVAL;
    case KEY_ARENA:
        reading->arena_min = strcmp(text, "min") == 0;
        return read_option(cli, key, reading->arena_min ? "auto" : text, reading->error) ? 0 : EINVAL;
    case KEY_PAGES:
    case KEY_GUARD:
    case KEY_PLANT:
    case KEY_TOUCH:
    case KEY_FORMAT:
    case KEY_RUNS:
    case KEY_WARMUP:
    case KEY_LIMIT:
    case KEY_TIMED:
    case KEY_TIMEOUT:
    case KEY_CPU:
    case KEY_CLOCK:
    case KEY_BATCH:
    case KEY_COOLDOWN:
    case KEY_SETTLE:
    case KEY_SEED:
    case KEY_ISA:
        return read_option(cli, key, text, reading->error) ? 0 : EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

bool cli_read(struct cli *cli, int argc, char **argv, struct error *error)
{
    static const struct argp argp = {.options = options, .parser = parse, .args_doc = "TRACE…", .doc = doc};
    struct reading reading = {.cli = cli, .error = error};
    *cli = (struct cli){
        .pages = "arena",
        .isa = "native",
        .passes = {[PASS_VERIFY] = true, [PASS_SPACE] = true, [PASS_THROUGHPUT] = true, [PASS_LATENCY] = true},
        .runs = 5,
        .warmups = 1,
        .cpu = host_default_cpu(),
        .touch = TOUCH_PAGE,
        .seed = 1,
        .plant_step = NO_STEP,
        .timeout_s = 300,
        .limit_s = 600,
        .timed_s = 0.1,
        .settle_s = SETTLE_AUTO,
        .cooldown_s = 300};
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &reading);
    if (error->code != EXIT_DONE)
        return false;
    if (cli->request != REQUEST_REPLAY)
        return true;
    if (reading.arena_min && !reading.chose_passes)
        memset(cli->passes, 0, sizeof cli->passes);
    cli->passes[PASS_ARENA] |= reading.arena_min;
    if (cli->ntraces == 0)
        return error_set(error, EXIT_USAGE, "no trace is named; try traces/*.trace or model:churn, or --help");
    if (cli->format != FORMAT_TABLE && cli->json != NULL && strcmp(cli->json, "-") == 0)
        return error_set(error, EXIT_USAGE, "--format: --json=- leaves no table on stdout; give --json a file");
    if (cli->guard[0] != '\0' && cli->passes[PASS_ARENA])
        return error_set(error, EXIT_USAGE, "--guard: has no place in the smallest arena; leave out one of the two");
    if (cli->plant != PLANT_NONE && (cli->guard[0] == '\0' || !cli->passes[PASS_VERIFY]))
        return error_set(error, EXIT_USAGE, "--plant: needs --guard, which is to find the fault, in the pass verify");
    if (cli->clock == CLOCK_CYCLES && cli->batch_ops > 1)
        return error_set(error, EXIT_USAGE,
                         "--latency-batch: cycles are fine enough for single ops; leave out one of "
                         "the two, or --clock=timer");
    if (reading.chose && cli->nallocators == 0)
        return error_set(error, EXIT_LACKS, "--alloc=foreign: no malloc of others is installed; --list names packages");
    return cli->nallocators > 0 || add_allocators(cli, "all", error);
}

void cli_free(struct cli *cli)
{
    for (size_t i = 0; i < cli->nallocators; i++)
        free(cli->allocators[i]);
    free(cli->allocators);
}

/* main.c - the command line of ./trace. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traces/tool/tool.h"

static const struct command commands[] = {
    {"info", "what is in a trace", command_info},
    {"head", "its first ops, readable", command_head},
    {"import", "any format known to ours; -o names the new file", command_import},
    {"convert", "the same as import", command_import},
    {"export", "to a foreign format; --format names it", command_export},
    {NULL, NULL, NULL},
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "import, export: write to FILE; - is standard output", 0},
    {"format", 'f', "NAME", 0, "export: android or wee_alloc", 0},
    {"level", 'l', "N", 0, "import: zstd level, 1 to 19 (19)", 0},
    {"lines", 'n', "N", 0, "head: how many ops (10)", 0},
    {"json", 'j', 0, 0, "info: one JSON object per file, one a line", 0},
    {0},
};

/* A whole number of the command line within its bounds, or usage and out. */
static uint64_t number(struct argp_state *state, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < min || value > max)
        argp_error(state, "'%s' is not a number from %llu to %llu", text, (unsigned long long)min,
                   (unsigned long long)max);
    return value;
}

static void command_or_file(struct argp_state *state, char *text)
{
    struct arguments *arguments = state->input;
    if (arguments->command) {
        arguments->files[arguments->nfiles++] = text;
        return;
    }
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, text) == 0)
            arguments->command = c;
    if (!arguments->command)
        argp_error(state, "'%s' is not a command", text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case 'f':
        arguments->format = text;
        return 0;
    case 'l':
        arguments->level = (int)number(state, text, 1, 19);
        return 0;
    case 'n':
        arguments->n = number(state, text, 0, UINT64_MAX);
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        command_or_file(state, text);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->command)
            argp_error(state, "no command");
        if (arguments->nfiles == 0)
            argp_error(state, "%s: no file", arguments->command->name);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *help_filter(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)(uintptr_t)text;
    char *help = NULL;
    size_t size;
    FILE *out = open_memstream(&help, &size);
    if (!out)
        return (char *)(uintptr_t)text;
    fputs("Commands:\n", out);
    for (const struct command *c = commands; c->name; c++)
        fprintf(out, "  %-8s %s\n", c->name, c->summary);
    fputs("\nA FILE may be compressed, - is standard input, and model:NAME:OPTIONS makes a synthetic trace.\n"
          "Exit status: 0 done, 2 usage, 3 a bad input file, 4 the machine lacks something.",
          out);
    fclose(out);
    return help;
}

static const struct argp argp = {.options = options,
                                 .parser = parse,
                                 .args_doc = "COMMAND FILE...",
                                 .doc = "Look into recordings of heap operations and convert them.\v",
                                 .help_filter = help_filter};

static bool shown;

void show_progress(const char *file, uint64_t done)
{
    static uint64_t next = UINT64_C(1) << 22; /* work shorter than that is over before it can be read */
    if (done < next || !isatty(STDERR_FILENO))
        return;
    next = done + (UINT64_C(1) << 22);
    shown = true;
    fprintf(stderr, "\r%s: %llu million ops", file, (unsigned long long)(done / 1000000));
}

void clear_progress(void)
{
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}

int main(int argc, char **argv)
{
    struct error error = {0};
    struct arguments arguments = {.level = 19, .n = 10, .files = calloc((size_t)argc + 1, sizeof(char *))};
    error_keep_streams();
    argp_err_exit_status = EXIT_USAGE;
    if (!arguments.files)
        return EXIT_LACKS;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    bool done = arguments.command->run(&arguments, &error);
    clear_progress();
    if (done && (fflush(stdout) != 0 || ferror(stdout)))
        done = error_set(&error, EXIT_LACKS, "standard output cannot be written: %s", strerror(errno));
    if (!done)
        fprintf(stderr, "trace: %s\n", error.text);
    free(arguments.files);
    return error.code;
}

/*
 * options.c - reads "name:opt=value:opt=value" against an option table; see options.h.
 *
 * The text is never copied or changed: words are spans of it. Messages are built by a writer that cuts at the end of
 * its buffer, so that no length can be got wrong.
 */
#include "allocators/options.h"

/* ---- Text: spans of the input, and a writer of messages ------------------------------------------------------------
 */

struct span {
    const char *start;
    size_t length;
};

struct writer {
    char *text;
    size_t size, length;
};

static size_t text_length(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

static struct span span_of(const char *text)
{
    return (struct span){text, text_length(text)};
}

static bool span_is(struct span span, const char *text)
{
    for (size_t i = 0; i < span.length; i++)
        if (text[i] == '\0' || text[i] != span.start[i])
            return false;
    return text[span.length] == '\0';
}

/* Cuts the part before `separator` off *rest; false when nothing is left. "a::b" and "a:" have empty parts. */
static bool span_next(struct span *rest, char separator, struct span *part)
{
    if (rest->start == NULL)
        return false;
    size_t n = 0;
    while (n < rest->length && rest->start[n] != separator)
        n++;
    *part = (struct span){rest->start, n};
    *rest = n < rest->length ? (struct span){rest->start + n + 1, rest->length - n - 1} : (struct span){NULL, 0};
    return true;
}

static struct writer writer_open(char *text, size_t size)
{
    if (size > 0)
        text[0] = '\0';
    return (struct writer){text, size, 0};
}

static void write_span(struct writer *out, struct span span)
{
    for (size_t i = 0; i < span.length && out->length + 1 < out->size; i++) {
        out->text[out->length++] = span.start[i];
        out->text[out->length] = '\0';
    }
}

static void write_text(struct writer *out, const char *text)
{
    write_span(out, span_of(text));
}

static void write_number(struct writer *out, uint64_t number)
{
    char digits[20]; /* of UINT64_MAX */
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    write_span(out, (struct span){digits + first, sizeof digits - first});
}

/* 4096 as "4K": the largest unit that leaves no rest. */
static void write_size(struct writer *out, uint64_t size)
{
    static const char units[][2] = {"", "K", "M", "G"};
    unsigned unit = 0;
    while (unit < 3 && size > 0 && size % 1024 == 0) {
        size /= 1024;
        unit++;
    }
    write_number(out, size);
    write_text(out, units[unit]);
}

static void write_range(struct writer *out, const struct alloc_option *option,
                        void (*write_value)(struct writer *, uint64_t))
{
    write_value(out, option->min);
    if (option->max == UINT64_MAX) {
        write_text(out, " up");
    } else {
        write_text(out, " to ");
        write_value(out, option->max);
    }
}

static void write_choices(struct writer *out, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (i > 0)
            write_text(out, choices[i + 1] == NULL ? " or " : ", ");
        write_text(out, choices[i]);
    }
}

static void write_accepted(struct writer *out, const struct alloc_option *option)
{
    switch (option->type) {
    case OPTION_NUMBER:
        write_text(out, "a whole number from ");
        write_range(out, option, write_number);
        break;
    case OPTION_SIZE:
        write_text(out, "bytes (K, M or G may follow) from ");
        write_range(out, option, write_size);
        break;
    case OPTION_CHOICE:
        write_choices(out, option->choices);
        break;
    case OPTION_SIZES:
        write_text(out, "up to ");
        write_number(out, OPTIONS_MAX_SIZES);
        write_text(out, " sizes joined by '+', each in bytes (K, M or G may follow) from ");
        write_range(out, option, write_size);
        break;
    }
}

/* ---- Values
 * ---------------------------------------------------------------------------------------------------------- */

/* Digits, and a unit where `units` are allowed. False: not such a number, or too large for 64 bits. */
static bool read_number(struct span span, bool units, uint64_t *value)
{
    size_t i = 0;
    *value = 0;
    for (; i < span.length && span.start[i] >= '0' && span.start[i] <= '9'; i++)
        if (__builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, (uint64_t)(span.start[i] - '0'), value))
            return false;
    if (i == 0)
        return false;
    if (units && i + 1 == span.length) {
        const char unit = span.start[i++];
        const uint64_t scale = unit == 'K' || unit == 'k'   ? UINT64_C(1) << 10
                               : unit == 'M' || unit == 'm' ? UINT64_C(1) << 20
                               : unit == 'G' || unit == 'g' ? UINT64_C(1) << 30
                                                            : 0;
        if (scale == 0 || __builtin_mul_overflow(*value, scale, value))
            return false;
    }
    return i == span.length;
}

static bool read_bounded(struct span span, const struct alloc_option *option, uint64_t *value)
{
    return read_number(span, option->type != OPTION_NUMBER, value) && *value >= option->min && *value <= option->max;
}

static bool read_choice(struct span span, const struct alloc_option *option, uint64_t *value)
{
    for (size_t i = 0; option->choices[i] != NULL; i++)
        if (span_is(span, option->choices[i])) {
            *value = i;
            return true;
        }
    return false;
}

/* Keeps the list ascending, each size once; the caller has seen to it that there is room. */
static void insert_size(struct option_values *values, size_t size)
{
    size_t at = values->nsizes;
    while (at > 0 && values->sizes[at - 1].size > size)
        at--;
    if (at > 0 && values->sizes[at - 1].size == size)
        return;
    for (size_t i = values->nsizes; i > at; i--)
        values->sizes[i] = values->sizes[i - 1];
    values->sizes[at] = (struct size_use){.size = size};
    values->nsizes++;
}

static bool read_sizes(struct span span, const struct alloc_option *option, struct option_values *values,
                       uint64_t *count)
{
    struct span part;
    uint64_t size;
    values->nsizes = 0;
    while (span_next(&span, '+', &part)) {
        if (values->nsizes == OPTIONS_MAX_SIZES || !read_bounded(part, option, &size) || size > SIZE_MAX)
            return false;
        insert_size(values, (size_t)size);
    }
    *count = values->nsizes;
    return true;
}

static bool read_value(struct span span, const struct alloc_option *option, struct option_values *values,
                       uint64_t *value)
{
    switch (option->type) {
    case OPTION_NUMBER:
    case OPTION_SIZE:
        return read_bounded(span, option, value);
    case OPTION_CHOICE:
        return read_choice(span, option, value);
    case OPTION_SIZES:
        return read_sizes(span, option, values, value);
    }
    return false;
}

/* ---- The whole
 * ------------------------------------------------------------------------------------------------------- */

/* "pool: " before each message, so that it stands alone. */
static struct writer complain(char *text, size_t text_size, const char *spec)
{
    struct writer out = writer_open(text, text_size);
    write_span(&out, (struct span){spec, options_name_length(spec)});
    write_text(&out, ": ");
    return out;
}

static bool unknown_option(struct writer out, const struct alloc_option *table, struct span name)
{
    write_text(&out, "no option '");
    write_span(&out, name);
    if (table == NULL || table->name == NULL) {
        write_text(&out, "'; it has none");
        return false;
    }
    write_text(&out, "'; it has: ");
    for (size_t i = 0; table[i].name != NULL; i++) {
        write_text(&out, i > 0 ? ", " : "");
        write_text(&out, table[i].name);
    }
    return false;
}

static bool bad_value(struct writer out, const struct alloc_option *option, const struct span *value)
{
    write_text(&out, option->name);
    if (value == NULL) {
        write_text(&out, " has no value; write ");
    } else {
        write_text(&out, "=");
        write_span(&out, *value);
        write_text(&out, " is not accepted; write ");
    }
    write_text(&out, option->name);
    write_text(&out, "= and ");
    write_accepted(&out, option);
    return false;
}

static bool given_twice(struct writer out, const struct alloc_option *option)
{
    write_text(&out, "option '");
    write_text(&out, option->name);
    write_text(&out, "' is given twice; give it once");
    return false;
}

static size_t set_defaults(struct option_values *values, const struct alloc_option *table)
{
    size_t n = 0;
    *values = (struct option_values){.nsizes = 0};
    for (; table != NULL && table[n].name != NULL && n < ALLOC_MAX_OPTIONS; n++)
        values->opt[n] = table[n].type == OPTION_SIZES ? 0 : table[n].def;
    return n;
}

size_t options_name_length(const char *spec)
{
    size_t n = 0;
    while (spec[n] != '\0' && spec[n] != ':')
        n++;
    return n;
}

bool options_parse(struct option_values *values, const struct alloc_option *table, const char *spec, char *text,
                   size_t text_size)
{
    const size_t noptions = set_defaults(values, table);
    struct span rest = span_of(spec), part, name;
    uint32_t given = 0;
    span_next(&rest, ':', &part); /* the name */
    while (span_next(&rest, ':', &part)) {
        size_t i = 0;
        span_next(&part, '=', &name); /* part: what follows the '=', if one does */
        while (i < noptions && !span_is(name, table[i].name))
            i++;
        if (i == noptions)
            return unknown_option(complain(text, text_size, spec), table, name);
        if (given & (UINT32_C(1) << i))
            return given_twice(complain(text, text_size, spec), &table[i]);
        given |= UINT32_C(1) << i;
        if (part.start == NULL)
            return bad_value(complain(text, text_size, spec), &table[i], NULL);
        if (!read_value(part, &table[i], values, &values->opt[i]))
            return bad_value(complain(text, text_size, spec), &table[i], &part);
    }
    return true;
}

const char *options_accepted(const struct alloc_option *option, char *text, size_t text_size)
{
    struct writer out = writer_open(text, text_size);
    write_accepted(&out, option);
    return text;
}

const char *options_default(const struct alloc_option *option, char *text, size_t text_size)
{
    struct writer out = writer_open(text, text_size);
    if (option->type == OPTION_NUMBER)
        write_number(&out, option->def);
    else if (option->type == OPTION_SIZE)
        write_size(&out, option->def);
    else if (option->type == OPTION_CHOICE)
        write_text(&out, option->choices[option->def]);
    return text;
}

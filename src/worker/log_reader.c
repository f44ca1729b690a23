/* SPDX-License-Identifier: Apache-2.0 */

/* Lines from records that anybody may have written. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "worker/log.h"

#define FLAGS_MAX 16 /* bytes of flags, width and precision: five flags, twice, and two numbers */

int ae_log_open_reader(struct ae_log_reader *reader, const void *memory, size_t size,
                       uint64_t first, struct ae_error *err)
{
    const struct ae_log_memory *shared = memory;
    int rc;

    if (size < sizeof(*shared) || __atomic_load_n(&shared->magic, __ATOMIC_RELAXED) != AE_LOG_MAGIC)
        return ae_error_set(err, -EPROTO, "reading a log: %zu bytes hold none of this version",
                            size);
    rc = ae_broadcast_open_reader(&reader->records, shared + 1, size - sizeof(*shared), first, err);
    if (rc)
        return ae_error_prefix(err, rc, "reading a log");
    /* What follows is sized for records. */
    if (reader->records.room != sizeof(struct ae_log_record))
        return ae_error_set(err, -EPROTO, "reading a log: its records are of %u bytes, not %zu",
                            reader->records.room, sizeof(struct ae_log_record));
    reader->shared = shared;
    return 0;
}

/* ---- Rendering ---- */

struct sink {
    char *text;
    size_t used; /* less than AE_LOG_LINE */
};

static void add(struct sink *sink, const char *text, size_t length)
{
    size_t room = AE_LOG_LINE - 1 - sink->used;

    if (length > room)
        length = room;
    memcpy(sink->text + sink->used, text, length);
    sink->used += length;
}

struct arguments {
    const uint64_t *words;
    unsigned at, count;
};

static long long as_signed(uint64_t word, unsigned bits)
{
    switch (bits) {
    case 8:
        return (signed char)word;
    case 16:
        return (short)word;
    case 32:
        return (int)word;
    default:
        return (long long)word;
    }
}

static unsigned long long as_unsigned(uint64_t word, unsigned bits)
{
    return bits == 64 ? word : word & ((UINT64_C(1) << bits) - 1);
}

/* The formats below are ours: of theirs they have flags and digits, and a conversion that we know.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void add_string(struct sink *sink, struct arguments *arguments, const char *format,
                       uint64_t length)
{
    uint64_t words = (length + 7) / 8;
    char text[AE_LOG_STRING + 1], shown[256];

    if (length > AE_LOG_STRING || words > arguments->count - arguments->at) {
        arguments->at = arguments->count;
        add(sink, "?", 1);
        return;
    }
    memcpy(text, &arguments->words[arguments->at], length);
    text[length] = '\0';
    arguments->at += (unsigned)words;
    snprintf(shown, sizeof(shown), format, text);
    add(sink, shown, strlen(shown));
}

static void add_argument(struct sink *sink, const struct ae_log_spec *spec,
                         struct arguments *arguments)
{
    char format[FLAGS_MAX + 8],
        shown[512] = "?"; /* a double of 309 digits, and 99 behind its point */
    const char *length = spec->kind == AE_LOG_DOUBLE || strchr("cps", spec->conversion) ? "" : "ll";
    uint64_t word;
    double number;

    if (arguments->at >= arguments->count || spec->flags > FLAGS_MAX) {
        arguments->at = arguments->count;
        add(sink, "?", 1);
        return;
    }
    word = arguments->words[arguments->at++];
    snprintf(format, sizeof(format), "%%%.*s%s%c", (int)spec->flags, spec->start + 1, length,
             spec->conversion);
    switch (spec->conversion) {
    case 's':
        add_string(sink, arguments, format, word);
        return;
    case 'd':
    case 'i':
        snprintf(shown, sizeof(shown), format, as_signed(word, spec->bits));
        break;
    case 'c':
        /* A NUL would end the line. */
        snprintf(shown, sizeof(shown), format, (char)word ? (char)word : '?');
        break;
    case 'p':
        snprintf(shown, sizeof(shown), format, (void *)(uintptr_t)word);
        break;
    case 'o':
    case 'u':
    case 'x':
    case 'X':
        snprintf(shown, sizeof(shown), format, as_unsigned(word, spec->bits));
        break;
    default:
        memcpy(&number, &word, sizeof(number));
        snprintf(shown, sizeof(shown), format, number);
        break;
    }
    add(sink, shown, strlen(shown));
}
#pragma GCC diagnostic pop

static void render(struct sink *sink, const char *format, struct arguments *arguments)
{
    struct ae_log_spec spec;

    do {
        if (!ae_log_next_spec(&format, &spec)) {
            add(sink, "?", 1);
            return;
        }
        add(sink, spec.plain, spec.plain_length);
        if (spec.conversion == '%')
            add(sink, "%", 1);
        else if (spec.start)
            add_argument(sink, &spec, arguments);
    } while (spec.start);
}

static void read_place(const struct ae_log_memory *shared, uint32_t number,
                       struct ae_log_line *line, struct sink *sink, struct arguments *arguments)
{
    uint32_t count = __atomic_load_n(&shared->place_count, __ATOMIC_ACQUIRE);
    struct ae_log_place place;

    if (number >= AE_LOG_PLACES || number >= count) {
        add(sink, "a record of a place that nobody knows", 37);
        return;
    }
    /* Whoever changes it meanwhile changes what is shown. */
    memcpy(&place, &shared->places[number], sizeof(place));
    place.file[sizeof(place.file) - 1] = place.format[sizeof(place.format) - 1] = '\0';
    line->level = place.level;
    snprintf(line->place, sizeof(line->place), "%s:%u", place.file, place.line);
    ae_text_shown(line->place, sizeof(line->place), line->place);
    render(sink, place.format, arguments);
}

bool ae_log_read(struct ae_log_reader *reader, struct ae_log_line *line)
{
    struct ae_log_record record = {0};
    struct sink sink = {.text = line->text};
    uint32_t length;
    size_t bytes;

    if (!ae_broadcast_get(&reader->records, &record, &length))
        return false;
    bytes = length < offsetof(struct ae_log_record, words)
                ? 0
                : length - offsetof(struct ae_log_record, words);
    *line = (struct ae_log_line){
        .ticks = record.ticks,
        .stream = record.stream <= 2 ? record.stream : 0,
        .level = record.level,
    };
    if (record.place == AE_LOG_NO_PLACE) {
        const char *text = (const char *)record.words;

        /* The text of a stream ends its lines; a line is what is told. */
        if (bytes > 0 && text[bytes - 1] == '\n')
            bytes--;
        for (size_t i = 0; i < bytes; i++)
            add(&sink, text[i] ? &text[i] : "?", 1);
    } else {
        struct arguments arguments = {record.words, 0, (unsigned)(bytes / sizeof(uint64_t))};

        read_place(reader->shared, record.place, line, &sink, &arguments);
    }
    line->text[sink.used] = '\0';
    ae_text_shown(line->text, sizeof(line->text), line->text);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <aether/clock.h>

#include "base/error.h"

#define TEXT_MAX (AE_LOG_WORDS * sizeof(uint64_t))

_Static_assert(sizeof(struct ae_log_record) + sizeof(struct ae_broadcast_slot) == AE_LOG_SLOT,
               "a record is a message");
_Static_assert(sizeof(struct ae_log_memory) % AE_LOG_ALIGNMENT == 0, "where the broadcast begins");

static const char *const names[] = {
    [AE_LOG_ERROR] = "error", [AE_LOG_WARNING] = "warning", [AE_LOG_NOTICE] = "notice",
    [AE_LOG_INFO] = "info",   [AE_LOG_DEBUG] = "debug",
};

const char *ae_log_level_name(enum ae_log_level level)
{
    return level >= AE_LOG_ERROR && level <= AE_LOG_DEBUG ? names[level] : "unknown";
}

int ae_log_level_parse(enum ae_log_level *level, const char *name)
{
    for (unsigned i = AE_LOG_ERROR; i <= AE_LOG_DEBUG; i++)
        if (strcmp(name, names[i]) == 0) {
            *level = i;
            return 0;
        }
    return -EINVAL;
}

size_t ae_log_size(uint32_t records)
{
    size_t size = ae_broadcast_size(records, AE_LOG_SLOT);

    return size ? sizeof(struct ae_log_memory) + size : 0;
}

int ae_log_create(void *memory, uint32_t records, enum ae_log_level level, struct ae_error *err)
{
    struct ae_log_memory *shared = memory;
    int rc = ae_broadcast_create(shared + 1, records, AE_LOG_SLOT, err);

    if (rc)
        return ae_error_prefix(err, rc, "creating a log");
    shared->level = level;
    shared->magic = AE_LOG_MAGIC;
    return 0;
}

int ae_log_open(struct ae_log *log, void *memory, size_t size, struct ae_error *err)
{
    struct ae_log_memory *shared = memory;
    int rc;

    if (size < sizeof(*shared) || shared->magic != AE_LOG_MAGIC ||
        shared->place_count > AE_LOG_PLACES)
        return ae_error_set(err, -EPROTO, "opening a log: %zu bytes hold none of this version",
                            size);
    rc = ae_broadcast_open_writer(&log->writer, shared + 1, size - sizeof(*shared), err);
    if (rc)
        return ae_error_prefix(err, rc, "opening a log");
    log->shared = shared;
    log->level = shared->level;
    return 0;
}

/* ---- A place's first record ---- */

static bool find_kinds(struct ae_log_site *site, const char *format)
{
    struct ae_log_spec spec;

    site->count = 0;
    if (strlen(format) >= AE_LOG_FORMAT)
        return false;
    do {
        if (!ae_log_next_spec(&format, &spec))
            return false;
        if (!spec.start || spec.conversion == '%')
            continue;
        if (site->count == AE_LOG_ARGUMENTS)
            return false;
        site->kinds[site->count++] = (uint8_t)spec.kind;
    } while (spec.start);
    return true;
}

static void introduce(struct ae_log *log, struct ae_log_site *site, const char *format)
{
    struct ae_log_memory *shared = log->shared;
    struct ae_log_place *place = &shared->places[shared->place_count];
    size_t length = strlen(site->file), room = sizeof(place->file) - 1;

    site->log = log;
    site->number = AE_LOG_NO_PLACE;
    if (shared->place_count == AE_LOG_PLACES || !find_kinds(site, format))
        return;
    site->number = shared->place_count;
    place->line = site->line;
    place->level = site->level;
    memcpy(place->format, format, strlen(format) + 1);
    memcpy(place->file, site->file + (length > room ? length - room : 0),
           (length > room ? room : length) + 1);
    /* Pairs with the acquire load of a reader. */
    __atomic_store_n(&shared->place_count, site->number + 1, __ATOMIC_RELEASE);
}

/* ---- Records ---- */

static void put(struct ae_log *log, struct ae_log_record *record, size_t bytes)
{
    record->ticks = ae_clock_ticks();
    ae_broadcast_put(&log->writer, record,
                     (uint32_t)(offsetof(struct ae_log_record, words) + bytes));
}

static unsigned put_string(uint64_t *words, unsigned at, const char *text)
{
    size_t room = (AE_LOG_WORDS - at - 1) * sizeof(*words);
    size_t length = strnlen(text ? text : "(null)", room < AE_LOG_STRING ? room : AE_LOG_STRING);

    words[at++] = length;
    if (length) {
        words[at + (length - 1) / sizeof(*words)] = 0;
        memcpy(&words[at], text ? text : "(null)", length);
    }
    return at + (unsigned)((length + sizeof(*words) - 1) / sizeof(*words));
}

static unsigned put_arguments(const struct ae_log_site *site, uint64_t *words, va_list list)
{
    unsigned at = 0;

    for (unsigned i = 0; i < site->count && at < AE_LOG_WORDS; i++) {
        double number;

        switch ((enum ae_log_kind)site->kinds[i]) {
        case AE_LOG_INT32:
            words[at++] = (uint64_t)(int64_t)va_arg(list, int);
            break;
        case AE_LOG_UINT32:
            words[at++] = va_arg(list, unsigned);
            break;
        case AE_LOG_WORD:
            words[at++] = va_arg(list, uint64_t);
            break;
        case AE_LOG_DOUBLE:
            number = va_arg(list, double);
            memcpy(&words[at++], &number, sizeof(number));
            break;
        case AE_LOG_TEXT:
            at = put_string(words, at, va_arg(list, const char *));
            break;
        }
    }
    return at;
}

static __attribute__((format(printf, 3, 0))) void write_rendered(struct ae_log *log, uint32_t level,
                                                                 const char *format, va_list list)
{
    struct ae_log_record record = {.place = AE_LOG_NO_PLACE, .level = (uint16_t)level};
    int length = vsnprintf((char *)record.words, TEXT_MAX, format, list);

    if (length > 0)
        put(log, &record, (size_t)length < TEXT_MAX ? (size_t)length : TEXT_MAX - 1);
}

void ae_log_write(struct ae_log *log, struct ae_log_site *site, const char *format, ...)
{
    struct ae_log_record record;
    va_list list;

    va_start(list, format);
    if (!log->shared) {
        fprintf(stderr, "%s: ", ae_log_level_name(site->level));
        vfprintf(stderr, format, list);
        fputc('\n', stderr);
        va_end(list);
        return;
    }
    if (__builtin_expect(site->log != log, 0))
        introduce(log, site, format);
    if (__builtin_expect(site->number == AE_LOG_NO_PLACE, 0)) {
        write_rendered(log, site->level, format, list);
    } else {
        record.place = site->number;
        record.stream = record.level = 0;
        put(log, &record, put_arguments(site, record.words, list) * sizeof(record.words[0]));
    }
    va_end(list);
}

void ae_log_text(struct ae_log *log, unsigned stream, const char *text, size_t length)
{
    struct ae_log_record record = {.place = AE_LOG_NO_PLACE, .stream = (uint16_t)stream};

    while (length > 0) {
        size_t part = length < TEXT_MAX ? length : TEXT_MAX;

        memcpy(record.words, text, part);
        put(log, &record, part);
        text += part;
        length -= part;
    }
}

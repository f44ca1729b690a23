/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_LOG_H
#define AETHER_LOG_H

/*
 * Logging from the hot loop: the worker writes binary records, a host process makes lines of them.
 *
 *     struct ae_log *log = ae_worker_log(worker);
 *
 *     AE_LOG(log, AE_LOG_WARNING, "order %u refused after %llu ns: %s", id, ns, reason);
 *
 * A record is the time, the number of its place in the program, and its arguments; what the place
 * is, with its format, is written once, at its first record. Nothing here waits, allocates or
 * enters the kernel. Records go through a broadcast (<aether/broadcast.h>): a reader that is too
 * slow loses the oldest and is told how many. `aether run` prints what its workers log on standard
 * error, and `aether logs` shows it to whoever may look.
 *
 * A writer belongs to one thread, and so does each reader. A reader takes the writer for hostile:
 * formats are read as printf(3) has them, but by a reader of our own, and bounded.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/broadcast.h>
#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_LOG_MAGIC     0x31474f4cu /* "LOG1" */
#define AE_LOG_ARGUMENTS 12
#define AE_LOG_STRING    64  /* bytes that are kept of a string among the arguments, at most */
#define AE_LOG_LINE      512 /* bytes of a line's text, its NUL included */

/* As syslog(3) has them. */
enum ae_log_level {
    AE_LOG_ERROR = 1,
    AE_LOG_WARNING,
    AE_LOG_NOTICE,
    AE_LOG_INFO,
    AE_LOG_DEBUG,
};

/* "error", "warning", "notice", "info", "debug"; "unknown" for others. */
const char *ae_log_level_name(enum ae_log_level level);

/* -EINVAL: there is no such name. */
int ae_log_level_parse(enum ae_log_level *level, const char *name);

struct ae_log_memory;

/* The writer. Its level may be changed by its own thread. */
struct ae_log {
    uint32_t level;               /* records above it are not made */
    struct ae_log_memory *shared; /* NULL: lines go to standard error at once, by a system call */
    struct ae_broadcast_writer writer;
};

/* A place in the program; AE_LOG makes them. */
struct ae_log_site {
    const char *file;
    uint32_t line;
    uint32_t level;
    const struct ae_log *log; /* which knows it as `number` */
    uint32_t number;
    uint8_t count;
    uint8_t kinds[AE_LOG_ARGUMENTS]; /* of arguments */
};

/*
 * Logs a record: a level, a format, its arguments. The format is a literal: the first that comes
 * from a place holds for it. Conversions are those of printf(3) but %n, `*`, wide characters and
 * long double; a format with one of these, one with more than AE_LOG_ARGUMENTS, and those of
 * further places when 256 are known are rendered by the writer, which takes about a microsecond.
 * What does not fit into 224 bytes is shown as "?".
 */
#define AE_LOG(log, at_level, ...)                                                \
    do {                                                                          \
        static struct ae_log_site ae_log_site_ = {                                \
            __FILE__, __LINE__, (at_level), (const struct ae_log *)0, 0, 0, {0}}; \
        if ((uint32_t)(at_level) <= (log)->level)                                 \
            ae_log_write((log), &ae_log_site_, __VA_ARGS__);                      \
    } while (0)

void ae_log_write(struct ae_log *log, struct ae_log_site *site, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Text of a stream's, 1: standard output, 2: standard error; as many records as it takes. */
void ae_log_text(struct ae_log *log, unsigned stream, const char *text, size_t length);

/* Bytes of memory for a log of so many records, a power of two from 4 to 2^20; 0: no such. */
size_t ae_log_size(uint32_t records);

/* Lays out an empty one, for records up to `level`, in zeroed memory aligned to 128 bytes. */
int ae_log_create(void *memory, uint32_t records, enum ae_log_level level, struct ae_error *err);

/* Opens the writer; size: bytes of the mapping, which stays the caller's. Places that have logged
 * take a struct ae_log at one address for one memory, so it is opened once. -EPROTO: there is no
 * log. */
int ae_log_open(struct ae_log *log, void *memory, size_t size, struct ae_error *err);

/* ---- Readers ---- */

struct ae_log_line {
    uint64_t ticks;         /* of the writer's: <aether/clock.h> */
    unsigned stream;        /* 0: a record; else as ae_log_text */
    uint32_t level;         /* enum ae_log_level; of a stream's text 0 */
    char place[48];         /* FILE:LINE, or "" */
    char text[AE_LOG_LINE]; /* may be shown: one line, without control characters */
};

struct ae_log_reader {
    const struct ae_log_memory *shared;
    struct ae_broadcast_reader records; /* .lost: records that were gone before they were read */
};

/* first: as for ae_broadcast_open_reader. The memory may be read-only. */
int ae_log_open_reader(struct ae_log_reader *reader, const void *memory, size_t size,
                       uint64_t first, struct ae_error *err);

/* False: there is nothing new, yet. */
bool ae_log_read(struct ae_log_reader *reader, struct ae_log_line *line);

#ifdef __cplusplus
}
#endif

#endif

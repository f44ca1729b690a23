/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_LOG_H
#define AE_WORKER_LOG_H

/* What writer and readers of a log share, and how a format is read, which both do alike. */

#include <aether/log.h>

#define AE_LOG_PLACES    256
#define AE_LOG_FORMAT    192 /* bytes, its NUL included */
#define AE_LOG_SLOT      256 /* of the broadcast */
#define AE_LOG_WORDS     28  /* of arguments */
#define AE_LOG_NO_PLACE  UINT32_MAX
#define AE_LOG_ALIGNMENT 128

/* Written once, before the count that covers it. */
struct ae_log_place {
    uint32_t line;
    uint32_t level;
    char file[32]; /* the end of its name */
    char format[AE_LOG_FORMAT];
};

struct ae_log_memory {
    uint32_t magic;
    uint32_t level;       /* what is asked for; the writer's creator's */
    uint32_t place_count; /* the writer's */
    uint32_t reserved[29];
    struct ae_log_place places[AE_LOG_PLACES];
    /* The broadcast follows. */
};

struct ae_log_record {
    uint64_t ticks;
    uint32_t place; /* AE_LOG_NO_PLACE: text */
    uint16_t stream;
    uint16_t level;               /* of text that is no stream's */
    uint64_t words[AE_LOG_WORDS]; /* a string is its length, then its bytes */
};

enum ae_log_kind {
    AE_LOG_INT32,
    AE_LOG_UINT32,
    AE_LOG_WORD, /* of 64 bits */
    AE_LOG_DOUBLE,
    AE_LOG_TEXT,
};

/* A conversion: what is before it, and what it takes. */
struct ae_log_spec {
    const char *plain; /* shown as it is */
    size_t plain_length;
    const char *start; /* its '%'; NULL: the format has ended */
    size_t flags;      /* bytes of flags, width and precision behind it */
    char conversion;   /* '%' takes nothing */
    unsigned bits;     /* of an integer: 8, 16, 32, 64 */
    enum ae_log_kind kind;
};

/* Reads on from *at. False: it has something that a log does not take. */
bool ae_log_next_spec(const char **at, struct ae_log_spec *spec);

/* The worker's standard streams, from now on into the log, and as they were. */
struct ae_log_streams;
int ae_log_take_streams(struct ae_log_streams **streams, struct ae_log *log);
void ae_log_return_streams(struct ae_log_streams *streams); /* NULL is allowed */

#endif

/* SPDX-License-Identifier: Apache-2.0 */

/* The standard streams of a quiet worker: what it prints goes into its log. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/log.h"

#define BUFFER 1024 /* bytes: a longer line becomes several */

struct stream {
    struct ae_log *log;
    unsigned number;
    FILE **place; /* stdout, stderr */
    FILE *theirs, *ours;
    char buffer[BUFFER];
};

struct ae_log_streams {
    struct stream streams[2];
};

static ssize_t into_log(void *cookie, const char *text, size_t length)
{
    const struct stream *stream = cookie;

    ae_log_text(stream->log, stream->number, text, length);
    return (ssize_t)length;
}

int ae_log_take_streams(struct ae_log_streams **out, struct ae_log *log)
{
    struct ae_log_streams *streams = calloc(1, sizeof(*streams));

    if (!streams)
        return -ENOMEM;
    streams->streams[0] = (struct stream){.log = log, .number = 1, .place = &stdout};
    streams->streams[1] = (struct stream){.log = log, .number = 2, .place = &stderr};
    for (size_t i = 0; i < 2; i++) {
        struct stream *stream = &streams->streams[i];

        stream->ours = fopencookie(stream, "w", (cookie_io_functions_t){.write = into_log});
        if (!stream->ours) {
            ae_log_return_streams(streams);
            return -ENOMEM;
        }
        setvbuf(stream->ours, stream->buffer, _IOLBF, sizeof(stream->buffer));
        fflush(*stream->place);
        stream->theirs = *stream->place;
        *stream->place = stream->ours;
    }
    *out = streams;
    return 0;
}

void ae_log_return_streams(struct ae_log_streams *streams)
{
    for (size_t i = 0; streams && i < 2; i++) {
        struct stream *stream = &streams->streams[i];

        /* Unless the program has put another one there. */
        if (stream->theirs && *stream->place == stream->ours)
            *stream->place = stream->theirs;
        if (stream->ours)
            fclose(stream->ours);
    }
    free(streams);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/sealed.h"
#include "worker/letter.h"
#include "worker/mirror.h"
#include "worker/view.h"

#define NS          UINT64_C(1000000000)
#define TRIES       8
#define PAIR_AGE_NS NS
#define PAIR_TRIES  5

/* A worker's, as far as it was read. */
struct source {
    const void *memory;
    struct ae_mirror_reader reader;
    struct ae_mirror_frame frame; /* that is not given out yet */
    bool waits;                   /* there is one */
    unsigned port;                /* of the run */
};

struct ae_capture {
    const struct ae_view *view;
    uint64_t size; /* of each mirror */
    unsigned source_count;
    struct source *sources[AE_SUPERVISE_WORKERS];
    uint64_t broken;
    uint64_t first_ticks; /* no frame can be older than this */
    /* Both clocks at one moment; anew now and then, as the one is adjusted and the other is not. */
    uint64_t ticks, ns;
};

/* ---- Asking ---- */

static int ask(const struct ae_view *view, const uint32_t *most, struct ae_capture_answer *answer,
               struct ae_letter *letter, struct ae_error *err)
{
    struct ae_capture_request request = {.magic = AE_CAPTURE_MAGIC, .version = AE_CAPTURE_VERSION};
    int rc;

    memcpy(request.most, most, sizeof(request.most));
    letter->fd_count = 0;
    if (send(view->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
        return ae_error_set(err, -EPIPE,
                            "it has ended, started its workers again, or %d capture it already",
                            AE_CAPTURE_READERS);
    rc = ae_letter_receive(view->fd, letter, answer, sizeof(*answer), err);
    if (rc == -EPERM)
        rc = ae_error_set(err, -EPIPE, "it has ended, or its supervisor is of another version");
    if (!rc && (letter->length != sizeof(*answer) || letter->cut ||
                answer->magic != AE_CAPTURE_MAGIC || answer->version != AE_CAPTURE_VERSION))
        rc = ae_error_set(err, -EPROTO, "its supervisor is of another version");
    return rc;
}

int ae_capture_ask(struct ae_capture *capture, const uint32_t most[AE_WORKER_PORTS],
                   struct ae_error *err)
{
    struct ae_capture_answer answer;
    struct ae_letter letter;
    int rc = ask(capture->view, most, &answer, &letter, err);

    ae_letter_close(&letter);
    return rc;
}

/* ---- Opened and closed ---- */

static int add_source(struct ae_capture *capture, int fd, struct ae_error *err)
{
    struct source *source = calloc(1, sizeof(*source));

    if (!source)
        return ae_error_set(err, -ENOMEM, "out of memory");
    capture->sources[capture->source_count++] = source;
    source->memory = ae_sealed_map(fd, capture->size, PROT_READ);
    if (!source->memory)
        return ae_error_set(err, -errno, "mapping a mirror: %s", strerror(errno));
    return ae_mirror_open_reader(&source->reader, source->memory, capture->size, err);
}

static int open_sources(struct ae_capture *capture, const struct ae_capture_answer *answer,
                        const struct ae_letter *letter, struct ae_error *err)
{
    int rc = 0;

    if (!answer->mirror_size)
        return ae_error_set(err, -ENODATA, "it was started without mirrors (--mirror=0)");
    if (answer->worker_count != capture->view->told.worker_count ||
        letter->fd_count != answer->worker_count || answer->mirror_size > SIZE_MAX / 2)
        return ae_error_set(err, -EPROTO, "its supervisor says what cannot be");
    capture->size = answer->mirror_size;
    for (unsigned i = 0; i < letter->fd_count && !rc; i++)
        rc = add_source(capture, letter->fds[i], err);
    return rc;
}

int ae_capture_open(struct ae_capture **out, const struct ae_view *view, struct ae_error *err)
{
    static const uint32_t nothing[AE_WORKER_PORTS];
    struct ae_capture *capture = calloc(1, sizeof(*capture));
    struct ae_capture_answer answer;
    struct ae_letter letter;
    int rc;

    if (!capture)
        return ae_error_set(err, -ENOMEM, "out of memory");
    capture->view = view;
    capture->first_ticks = ae_clock_ticks();
    rc = ask(view, nothing, &answer, &letter, err);
    if (!rc)
        rc = open_sources(capture, &answer, &letter, err);
    ae_letter_close(&letter);
    if (rc)
        ae_capture_close(capture);
    else
        *out = capture;
    return rc;
}

void ae_capture_close(struct ae_capture *capture)
{
    static const uint32_t nothing[AE_WORKER_PORTS];

    if (!capture)
        return;
    if (!ae_capture_is_over(capture))
        ae_capture_ask(capture, nothing, NULL);
    for (unsigned i = 0; i < capture->source_count; i++) {
        if (capture->sources[i]->memory)
            munmap((void *)(uintptr_t)capture->sources[i]->memory, capture->size);
        free(capture->sources[i]);
    }
    free(capture);
}

bool ae_capture_is_over(const struct ae_capture *capture)
{
    char byte;
    ssize_t got = recv(capture->view->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* ---- Reading ---- */

/* A worker numbers the ports that it has queues of, in the order of the run's. -1: it has no such,
 * or not that queue. */
static int find_port(const struct ae_view_message *told, unsigned worker, unsigned its,
                     unsigned queue)
{
    for (unsigned port = 0; port < told->port_count; port++) {
        const struct ae_view_port *one = &told->ports[port];
        bool has = false;

        for (unsigned i = 0; i < one->info.queues; i++)
            has |= one->workers[i] == worker;
        if (has && its-- == 0)
            return queue < one->info.queues && one->workers[queue] == worker ? (int)port : -1;
    }
    return -1;
}

static void look(struct ae_capture *capture, unsigned worker)
{
    struct source *source = capture->sources[worker];

    for (unsigned i = 0; i < TRIES && !source->waits; i++) {
        int port;

        if (!ae_mirror_read(&source->reader, &source->frame))
            return;
        port = find_port(&capture->view->told, worker, source->frame.port, source->frame.queue);
        source->waits = port >= 0;
        source->port = (unsigned)port;
        capture->broken += port < 0;
    }
}

/* As close together as one of a few tries gets them: we may be put off the CPU between the two. */
static void pair_clocks(struct ae_capture *capture, uint64_t now)
{
    uint64_t narrowest = UINT64_MAX;

    if (capture->ns && ae_clock_to_ns(now - capture->ticks) < PAIR_AGE_NS)
        return;
    for (unsigned i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = ae_clock_ticks(), after;
        struct timespec real;

        clock_gettime(CLOCK_REALTIME, &real);
        after = ae_clock_ticks();
        if (after - before >= narrowest)
            continue;
        narrowest = after - before;
        capture->ticks = before + narrowest / 2;
        capture->ns = (uint64_t)real.tv_sec * NS + (uint64_t)real.tv_nsec;
    }
}

/* A time that cannot be is that of now. */
static uint64_t time_of(struct ae_capture *capture, uint64_t ticks)
{
    uint64_t now = ae_clock_ticks();

    pair_clocks(capture, now);
    if (ticks < capture->first_ticks || ticks > now) {
        capture->broken++;
        ticks = now;
    }
    return ticks >= capture->ticks ? capture->ns + ae_clock_to_ns(ticks - capture->ticks)
                                   : capture->ns - ae_clock_to_ns(capture->ticks - ticks);
}

bool ae_capture_read(struct ae_capture *capture, struct ae_capture_frame *frame)
{
    unsigned oldest = capture->source_count;

    for (unsigned i = 0; i < capture->source_count; i++) {
        look(capture, i);
        if (capture->sources[i]->waits &&
            (oldest == capture->source_count ||
             capture->sources[i]->frame.ticks < capture->sources[oldest]->frame.ticks))
            oldest = i;
    }
    if (oldest == capture->source_count)
        return false;
    capture->sources[oldest]->waits = false;
    *frame = (struct ae_capture_frame){
        .ns = time_of(capture, capture->sources[oldest]->frame.ticks),
        .length = capture->sources[oldest]->frame.length,
        .kept = capture->sources[oldest]->frame.kept,
        .port = capture->sources[oldest]->port,
        .queue = capture->sources[oldest]->frame.queue,
        .worker = oldest,
        .sent = capture->sources[oldest]->frame.sent,
        .bytes = capture->sources[oldest]->frame.bytes,
    };
    return true;
}

void ae_capture_get_counts(const struct ae_capture *capture, struct ae_capture_counts *counts)
{
    *counts = (struct ae_capture_counts){.broken = capture->broken};
    for (unsigned i = 0; i < capture->source_count; i++) {
        counts->lost += capture->sources[i]->reader.lost;
        counts->broken += capture->sources[i]->reader.broken;
    }
}

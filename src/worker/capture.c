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

/* The mirrors of one start of the workers. */
struct sources {
    uint64_t size; /* of each mirror */
    unsigned count;
    struct source *all[AE_SUPERVISE_WORKERS];
};

struct ae_capture {
    const struct ae_view *view;
    struct sources now;
    struct sources next; /* read when nothing is left of `now`; none: there are not */
    uint32_t start;      /* of the last of them */
    uint64_t broken;
    uint64_t lost;        /* of the mirrors before `now` */
    uint64_t first_ticks; /* no frame can be older than this */
    /* Both clocks at one moment; anew now and then, as the one is adjusted and the other is not. */
    uint64_t ticks, ns;
};

/* ---- Mirrors ---- */

static void close_sources(struct sources *sources)
{
    for (unsigned i = 0; i < sources->count; i++) {
        if (sources->all[i]->memory)
            munmap((void *)(uintptr_t)sources->all[i]->memory, sources->size);
        free(sources->all[i]);
    }
    *sources = (struct sources){0};
}

static int add_source(struct sources *sources, int fd, bool from_first, struct ae_error *err)
{
    struct source *source = calloc(1, sizeof(*source));

    if (!source)
        return ae_error_set(err, -ENOMEM, "out of memory");
    sources->all[sources->count++] = source;
    source->memory = ae_sealed_map(fd, sources->size, PROT_READ);
    if (!source->memory)
        return ae_error_set(err, -errno, "mapping a mirror: %s", strerror(errno));
    return ae_mirror_open_reader(&source->reader, source->memory, sources->size, from_first, err);
}

static int open_sources(struct sources *sources, const struct ae_view *view,
                        const struct ae_capture_answer *answer, const struct ae_letter *letter,
                        bool from_first, struct ae_error *err)
{
    int rc = 0;

    if (!answer->mirror_size)
        return ae_error_set(err, -ENODATA, "it was started without mirrors (--mirror=0)");
    if (answer->worker_count != view->told.worker_count ||
        letter->fd_count != answer->worker_count || answer->mirror_size > SIZE_MAX / 2)
        return ae_error_set(err, -EPROTO, "its supervisor says what cannot be");
    sources->size = answer->mirror_size;
    for (unsigned i = 0; i < letter->fd_count && !rc; i++)
        rc = add_source(sources, letter->fds[i], from_first, err);
    if (rc)
        close_sources(sources);
    return rc;
}

static void count_source(const struct ae_capture *capture, unsigned i,
                         struct ae_capture_counts *counts)
{
    const struct ae_mirror_reader *reader = &capture->now.all[i]->reader;

    counts->lost += reader->lost;
    counts->broken += reader->broken;
}

/* Nothing more comes of the mirrors that were read, whose last frame may have come in part. */
static void go_over(struct ae_capture *capture)
{
    struct ae_capture_counts counts = {0};

    for (unsigned i = 0; i < capture->now.count; i++) {
        count_source(capture, i, &counts);
        counts.lost += capture->now.all[i]->reader.partly;
    }
    capture->lost += counts.lost;
    capture->broken += counts.broken;
    close_sources(&capture->now);
    capture->now = capture->next;
    capture->next = (struct sources){0};
}

/* ---- Asking ---- */

/* One that comes unasked is of workers that were started again; of several the last counts. */
static int receive(struct ae_capture *capture, struct ae_error *err)
{
    struct ae_capture_answer answer;
    struct ae_letter letter = {0};
    int rc = ae_letter_receive(capture->view->fd, &letter, &answer, sizeof(answer), err);

    if (rc == -EPERM)
        rc = ae_error_set(err, -EPIPE, "it has ended, or its supervisor is of another version");
    if (!rc && (letter.length != sizeof(answer) || letter.cut || answer.magic != AE_CAPTURE_MAGIC ||
                answer.version != AE_CAPTURE_VERSION))
        rc = ae_error_set(err, -EPROTO, "its supervisor is of another version");
    if (!rc && !capture->now.count) {
        rc = open_sources(&capture->now, capture->view, &answer, &letter, false, err);
    } else if (!rc && answer.start != capture->start) {
        close_sources(&capture->next);
        rc = open_sources(&capture->next, capture->view, &answer, &letter, true, err);
    }
    if (!rc)
        capture->start = answer.start;
    ae_letter_close(&letter);
    return rc;
}

int ae_capture_ask(struct ae_capture *capture, const uint32_t most[AE_WORKER_PORTS],
                   struct ae_error *err)
{
    struct ae_capture_request request = {.magic = AE_CAPTURE_MAGIC, .version = AE_CAPTURE_VERSION};

    memcpy(request.most, most, sizeof(request.most));
    if (send(capture->view->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
        return ae_error_set(err, -EPIPE, "it has ended, or %d capture it already",
                            AE_CAPTURE_READERS);
    return receive(capture, err);
}

/* ---- Opened and closed ---- */

int ae_capture_open(struct ae_capture **out, const struct ae_view *view, struct ae_error *err)
{
    static const uint32_t nothing[AE_WORKER_PORTS];
    struct ae_capture *capture = calloc(1, sizeof(*capture));
    int rc;

    if (!capture)
        return ae_error_set(err, -ENOMEM, "out of memory");
    capture->view = view;
    capture->first_ticks = ae_clock_ticks();
    rc = ae_capture_ask(capture, nothing, err);
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
    close_sources(&capture->now);
    close_sources(&capture->next);
    free(capture);
}

/* -1: it has ended; 0: nothing came; 1: something did. */
static int peek(const struct ae_capture *capture)
{
    char byte;
    ssize_t got = recv(capture->view->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (got > 0)
        return 1;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
}

bool ae_capture_is_over(const struct ae_capture *capture)
{
    return peek(capture) < 0;
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
    struct source *source = capture->now.all[worker];

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

/* Of the sources; their count: none has a frame. */
static unsigned find_oldest(struct ae_capture *capture)
{
    unsigned oldest = capture->now.count;

    for (unsigned i = 0; i < capture->now.count; i++) {
        look(capture, i);
        if (capture->now.all[i]->waits &&
            (oldest == capture->now.count ||
             capture->now.all[i]->frame.ticks < capture->now.all[oldest]->frame.ticks))
            oldest = i;
    }
    return oldest;
}

bool ae_capture_read(struct ae_capture *capture, struct ae_capture_frame *frame)
{
    unsigned oldest = find_oldest(capture);

    if (oldest == capture->now.count) {
        /* What makes no sense is passed over. */
        if (peek(capture) > 0)
            receive(capture, NULL);
        if (!capture->next.count)
            return false;
        /* Those before have ended: what is not there now never comes. */
        oldest = find_oldest(capture);
        if (oldest == capture->now.count) {
            go_over(capture);
            return false;
        }
    }
    capture->now.all[oldest]->waits = false;
    *frame = (struct ae_capture_frame){
        .ns = time_of(capture, capture->now.all[oldest]->frame.ticks),
        .length = capture->now.all[oldest]->frame.length,
        .kept = capture->now.all[oldest]->frame.kept,
        .port = capture->now.all[oldest]->port,
        .queue = capture->now.all[oldest]->frame.queue,
        .worker = oldest,
        .sent = capture->now.all[oldest]->frame.sent,
        .bytes = capture->now.all[oldest]->frame.bytes,
    };
    return true;
}

void ae_capture_get_counts(const struct ae_capture *capture, struct ae_capture_counts *counts)
{
    *counts = (struct ae_capture_counts){.lost = capture->lost, .broken = capture->broken};
    for (unsigned i = 0; i < capture->now.count; i++)
        count_source(capture, i, counts);
}

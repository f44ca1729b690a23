/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_CAPTURE_H
#define AE_WORKER_CAPTURE_H

/*
 * What goes through the ports of a run, for somebody who looks at it. He asks over the connection
 * of his view (worker/view.h) with a struct ae_capture_request, as often as he likes, and each time
 * is answered with a struct ae_capture_answer and a descriptor of each worker's mirror
 * (worker/mirror.h), to read. As long as the connection is there, what it asked for last is
 * mirrored; with several, as much of a frame as the one who wants most of it. It goes when its
 * process ends, however that ends. When workers are started again their mirrors are new, and he is
 * sent another answer, with those, unasked.
 *
 * A supervisor keeps AE_CAPTURE_READERS connections. For one more, the oldest that has asked for
 * nothing is closed; where all have, the new one is.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/error.h>
#include <aether/supervise.h>

#define AE_CAPTURE_READERS 8
#define AE_CAPTURE_MAGIC   0x41434541u /* "AECA" */
#define AE_CAPTURE_VERSION 2

struct ae_capture_request {
    uint32_t magic, version;
    uint32_t most[AE_WORKER_PORTS]; /* bytes of a frame, of each of the run's ports; 0: nothing */
};

struct ae_capture_answer {
    uint32_t magic, version;
    uint32_t worker_count;
    uint32_t start;       /* of the workers whose mirrors come: from 0, one more each time */
    uint64_t mirror_size; /* bytes, of each; 0: this run has none, and no descriptor comes */
};

/* ---- The reader's side. One thread at a time. ---- */

struct ae_view;
struct ae_capture;

struct ae_capture_frame {
    uint64_t ns;                  /* CLOCK_REALTIME */
    uint32_t length, kept;        /* bytes, kept <= length; 1 or more */
    unsigned port, queue, worker; /* of the run: those that there are */
    bool sent;
    const uint8_t *bytes; /* until the next ae_capture_read */
};

struct ae_capture_counts {
    uint64_t lost;   /* frames that were overwritten before they were read */
    uint64_t broken; /* what workers wrote that cannot be: each is a frame lost or with a made-up
                      * time */
};

/*
 * Nothing is asked for yet. The view is the caller's, and stays; it has one capture at a time.
 * Needs ae_clock_calibrate. -EPIPE: too many capture this run; -ENODATA: it was started without
 * mirrors.
 */
int ae_capture_open(struct ae_capture **capture, const struct ae_view *view, struct ae_error *err);

/* Every port's; 0 is allowed. -EPIPE: the run has ended. */
int ae_capture_ask(struct ae_capture *capture, const uint32_t most[AE_WORKER_PORTS],
                   struct ae_error *err);

/* The oldest frame of those that there are, and when there is none any more of workers that have
 * ended, of those that were started in their place. False: there is none now. Frames of one queue
 * come in their order; those of several as far as they are there. */
bool ae_capture_read(struct ae_capture *capture, struct ae_capture_frame *frame);

/* Has the run ended? Then nothing more comes. */
bool ae_capture_is_over(const struct ae_capture *capture);

void ae_capture_get_counts(const struct ae_capture *capture, struct ae_capture_counts *counts);

/* Nothing is mirrored any more for it, unless it was over. NULL is allowed. */
void ae_capture_close(struct ae_capture *capture);

#endif

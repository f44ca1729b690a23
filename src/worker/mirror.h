/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_MIRROR_H
#define AE_WORKER_MIRROR_H

/*
 * A mirror: copies of the frames that a worker receives and sends, for whoever captures them. It is
 * a broadcast (<aether/broadcast.h>) in memory that the supervisor made: the worker waits for no
 * reader, and a reader is told what it was too slow for.
 *
 * A port is mirrored while the supervisor says so in the worker's page. ae_worker_running then puts
 * a tap into the driver's queues: functions around theirs, which take themselves out again when it
 * is over. So a capture that is off costs nothing, neither a look nor a branch.
 *
 * A frame is what the device let in, before a filter that it leaves to us, and what the driver took
 * to be sent. One that is longer than a message is in several, one behind another.
 */

#include <aether/broadcast.h>
#include <aether/worker.h>

#define AE_MIRROR_SLOT    320
#define AE_MIRROR_MOST    65535 /* bytes of a frame that can be asked for */
#define AE_MIRROR_MESSAGE (AE_MIRROR_SLOT - sizeof(struct ae_broadcast_slot))
#define AE_MIRROR_BYTES   (AE_MIRROR_MESSAGE - 24)

struct ae_mirror_record {
    uint64_t ticks;  /* when the call ended that received or sent it */
    uint32_t number; /* of the frame, from 0: one more than that of the frame before */
    uint32_t length; /* of the frame, bytes */
    uint16_t kept;   /* bytes of it that are mirrored, from its first */
    uint16_t at;     /* where among these those here begin */
    uint8_t port;    /* of the worker's, from 0 */
    uint8_t queue;   /* of the port's */
    uint8_t sent;    /* 1: it was; 0: it was received */
    uint8_t reserved;
    uint8_t bytes[AE_MIRROR_BYTES];
};

/* ---- The worker's side ---- */

struct ae_mirror;

/* Once the ports are attached: `memory`, of so many bytes, is the caller's until it is closed. */
int ae_mirror_open(struct ae_worker *worker, void *memory, size_t size, struct ae_error *err);

/* Before the ports are; NULL is allowed. */
void ae_mirror_close(struct ae_mirror *mirror);

/* ---- A reader's side. One thread at a time. ---- */

/* What came of one worker's mirror. What can be checked was: kept <= length, and bytes has so
 * many. */
struct ae_mirror_frame {
    uint64_t ticks; /* the worker's word: any */
    uint32_t length, kept;
    unsigned port, queue; /* likewise */
    bool sent;
    const uint8_t *bytes; /* until the next ae_mirror_read */
};

struct ae_mirror_reader {
    struct ae_broadcast_reader messages;
    uint32_t next;                 /* number of the next frame */
    bool knows_next;               /* it is known */
    bool partly;                   /* a frame's first messages are here, the last one is not */
    struct ae_mirror_record first; /* of that frame */
    uint32_t have;                 /* bytes of it */
    uint64_t lost;                 /* frames that were gone, or came in part */
    uint64_t broken;               /* messages that cannot be */
    uint8_t bytes[AE_MIRROR_MOST];
};

/* From the next frame on, or from the first that there was: what is gone of it then is lost. The
 * memory may be read-only. -EPROTO: it holds no mirror. */
int ae_mirror_open_reader(struct ae_mirror_reader *reader, const void *memory, size_t size,
                          bool from_first, struct ae_error *err);

/* False: there is no whole frame yet, or after many messages without one. */
bool ae_mirror_read(struct ae_mirror_reader *reader, struct ae_mirror_frame *frame);

#endif

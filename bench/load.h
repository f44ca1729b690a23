/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BENCH_LOAD_H
#define AE_BENCH_LOAD_H

/*
 * A load, put on a wire by the measuring side, and what came of it. Times are of the TSC.
 *
 * Open loop and bursts: each frame is meant to be sent at a moment that does not depend on any
 * answer, and its round trip counts from that moment, sent late or not: what a stall holds back is
 * in the histogram. Closed loop: one frame at a time, the next is meant for when the last came
 * back.
 */

#include <aether/histogram.h>

#include "wire.h"

#define LOAD_SLOTS 2000

enum load_kind { LOAD_CLOSED, LOAD_OPEN, LOAD_BURSTS };

/* Frames as a capture has them. */
struct load_replay {
    uint32_t count;
    struct load_moment {
        uint64_t ns; /* since the first */
        uint16_t size;
    } * moments;
    uint64_t span_ns; /* until it begins again: the last moment, and a mean distance */
};

struct load {
    enum load_kind kind;
    uint64_t rate;        /* open: frames a second, from 1 */
    uint64_t duration_ns; /* in which frames are sent */
    uint64_t patience_ns; /* without an answer before what is out is lost */
    uint64_t slot_ns;     /* of outcome.slots */
    uint16_t size;        /* closed, open: bytes without FCS */
    const struct load_replay *replay;
};

struct load_outcome {
    uint64_t offered; /* meant to be sent */
    uint64_t sent, received, lost, duplicates, strange;
    uint64_t late;       /* sent more than a microsecond after they were meant to be */
    uint64_t most_out;   /* frames sent and not back, at most */
    uint64_t start;      /* ticks: when the first was meant to be sent */
    uint64_t elapsed_ns; /* from the first moment to the last frame sent */
    uint64_t waited_ns;  /* in which the measuring thread did not have its CPU */
    struct ae_histogram round_trip;
    uint64_t slots[LOAD_SLOTS]; /* the longest round trip that ended in each; 0: none did */
    uint32_t slot_count;
};

/* Runs to its end, or until *stop is set. `outcome` is large: the caller's memory. */
void load_run(struct wire *wire, const struct load *load, const volatile int *stop,
              struct load_outcome *outcome);

/* Asks who has the near end's address and sends a frame, every 10 ms, until a frame comes back: the
 * contender is there. False: within `ns` none did. */
bool load_wake(struct wire *wire, uint16_t size, uint64_t ns, const volatile int *stop);

/* Reads a capture (pcap), of which times and lengths are taken, lengths made to fit. -errno: err
 * says why. The caller frees replay->moments. */
int load_replay_read(struct load_replay *replay, const char *path, struct ae_error *err);

#endif

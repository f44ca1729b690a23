/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_STATE_H
#define AE_PORT_STATE_H

/*
 * What the two halves of a port tell each other while it runs, in pages that no device reaches. The
 * port's state is written by the owner alone: workers cannot map it but to read. Each queue's state
 * is a file of its own, which nobody but its worker and the owner have.
 */

#include <aether/port.h>

#include "port/filter.h"

/*
 * What a queue measures when it is asked to (ae_port_measure), in its state's histograms in this
 * order: every call of ae_receive is in one of the last two, but the first, and the first after
 * ae_quiet_enter, which waits for a supervisor.
 */
enum ae_queue_measure {
    AE_QUEUE_BURST, /* frames that a poll returned, where it returned some; before the filter */
    AE_QUEUE_TURN,  /* ns from a poll that returned frames to the next: what the program takes */
    AE_QUEUE_IDLE,  /* ns from a poll that returned none to the next: its tail is disturbance */
    AE_QUEUE_MEASURES,
};

/*
 * Log-linear as <aether/histogram.h>, with 16 parts to a power of two, so that one is a page: a
 * value is counted in a bucket whose greatest value is at most 1/16 above it. Written by the worker
 * with plain stores; a reader sees counts that are a moment apart, and believes none of them.
 */
#define AE_QUEUE_BUCKETS  483
#define AE_QUEUE_GREATEST UINT64_C(10000000000)

struct ae_queue_histogram {
    uint64_t count;
    uint64_t min, max, sum; /* exact; min means nothing while count is 0 */
    uint64_t above;         /* values greater than AE_QUEUE_GREATEST, counted as if they were it */
    uint64_t buckets[AE_QUEUE_BUCKETS];
} __attribute__((aligned(4096)));

/* Of a value of at most AE_QUEUE_GREATEST: one w bits wide, w 5 or more, is in bucket
 * (w - 5) * 16 + (value >> (w - 5)); smaller ones have a bucket each. */
static inline uint32_t ae_queue_histogram_bucket(uint64_t value)
{
    uint32_t shift = 64 - 5 - (uint32_t)__builtin_clzll(value | 0x1f);

    return (shift << 4) + (uint32_t)(value >> shift);
}

/* The greatest value that is counted in a bucket. */
static inline uint64_t ae_queue_histogram_bound(uint32_t bucket)
{
    uint32_t shift = bucket < 32 ? 0 : (bucket >> 4) - 1;

    return ((uint64_t)(bucket - (shift << 4) + 1) << shift) - 1;
}

static inline void ae_queue_histogram_record(struct ae_queue_histogram *histogram, uint64_t value)
{
    uint64_t counted = value;

    if (__builtin_expect(value > AE_QUEUE_GREATEST, 0)) {
        counted = AE_QUEUE_GREATEST;
        histogram->above++;
    }
    if (value < histogram->min || !histogram->count)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->sum += value;
    histogram->buckets[ae_queue_histogram_bucket(counted)]++;
    histogram->count++;
}

/* Written by the worker, but for what is said to be cleared. */
struct ae_queue_state {
    struct ae_queue_counters counters;
    uint32_t broken; /* not 0: it met something it cannot go on after; set by it, till a restart */
    uint32_t reserved;
    /* Notifications that the worker leaves to the owner, who clears and relays them. */
    uint32_t notify_receive __attribute__((aligned(64)));
    uint32_t notify_send;
    /* Of the port's generation, what this queue has taken over. */
    uint32_t generation;
    /* Where its rings stood when it last stopped, or took over. Written before. */
    uint16_t positions[2];
    struct ae_queue_histogram histograms[AE_QUEUE_MEASURES];
};

/* Written by the owner. */
struct ae_port_state {
    uint64_t link;     /* in one word, so that a reader never sees half of a change */
    uint32_t announce; /* how often the device asked us to announce ourselves (gratuitous ARP) */
    /* Counts how often the peer came (odd) and went (even), for ports whose peer may. */
    uint32_t generation __attribute__((aligned(64)));
    /* Rings that were laid out in another epoch than this begin anew at the next generation. */
    uint32_t epoch;
    struct ae_shared_filter filter;
} __attribute__((aligned(4096)));

_Static_assert(sizeof(struct ae_port_state) == 4096, "one page");
_Static_assert(sizeof(struct ae_queue_state) == 4 * 4096, "a page, and one for each histogram");

#endif

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
 * Room for times that a queue measures, in ns; nothing measures them yet. Log-linear as
 * <aether/histogram.h>, with 16 parts to a power of two, so that one is a page: a value of at most
 * AE_HISTOGRAM_MAX, w bits wide but at least 5, is counted in bucket (w - 5) * 16 + (value >> (w -
 * 5)), so that what is reported is never below the true value, nor more than 1/16 above it.
 */
struct ae_queue_histogram {
    uint64_t count;
    uint64_t min, max, sum; /* exact */
    uint64_t above;         /* values greater than AE_HISTOGRAM_MAX, counted in the last bucket */
    uint64_t buckets[496];
} __attribute__((aligned(4096)));

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
    struct ae_queue_histogram histograms[3];
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

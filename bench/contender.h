/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BENCH_CONTENDER_H
#define AE_BENCH_CONTENDER_H

/*
 * What every contender shares but its driver: the command line, time, the state of both sides, and
 * the one line of JSON that it ends with. The loops are in work.h, which each contender compiles
 * for itself.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/histogram.h>

#define BURST_MAX 64
#define SLICES    512

enum work {
    WORK_RECEIVE,  /* take frames and drop them */
    WORK_SEND,     /* make frames and send them */
    WORK_EXCHANGE, /* send back what comes, as it is; some frames of our own are on the way
                    * always */
    WORK_ECHO,     /* the same, but check Ethernet, IPv4, UDP and swap the addresses */
    WORK_PING,     /* one frame at a time, there and back */
    WORK_PACE,     /* so many a second, there and back, whether or not they come back */
};

struct contender {
    /* from the command line */
    enum work work;
    const char *work_name;
    const char *path;   /* of the back end's socket */
    const char *driver; /* options for the driver, in its own words */
    bool packed;
    bool small_pages;
    bool plain; /* no real-time priority: for a run under callgrind */
    uint16_t queue_size;
    uint16_t frame; /* bytes in the ring, Ethernet header first, no FCS */
    uint16_t burst;
    uint16_t flying; /* exchange, echo: frames on the way */
    int cpu;
    int peer; /* thread id of the back end's loop, or 0 */
    uint32_t slice_ms;
    uint32_t slices;
    uint64_t rate;  /* pace: frames a second */
    uint64_t limit; /* receive, send: end after so many frames (for an instruction count); 0 */

    /* what came out */
    const char *described; /* by the driver: which of its paths it took */
    uint64_t sent, received, strange;
    uint64_t calls, empty;          /* to take frames; those that found none */
    struct ae_histogram round_trip; /* of clean slices */
    bool preferred;                 /* both sides ran before everything else on their CPUs */
};

/* One stretch of measuring. A side that waited for its CPU did not do its work meanwhile. */
struct slice {
    uint64_t frames;
    uint64_t ns;
    uint64_t own_wait_ns;
    uint64_t peer_wait_ns;
    bool behind; /* ping, pace: a frame did not come back, or could not be sent in time */
};

/* Exits with 2 and a usage text when the command line makes no sense. */
void contender_parse(struct contender *contender, int argc, char **argv, const char *name);

/* Moves the calling thread there. Exits when that fails. */
void contender_move_to(int cpu);

/* Moves to the CPU, calibrates the clock, touches what will be written. Exits when that fails. */
void contender_prepare(struct contender *contender);

/*
 * Puts this thread and the peer's before everything else on their CPUs (SCHED_FIFO), or back. Only
 * while measuring: everything else stands still meanwhile. False: not permitted, measure without.
 */
bool contender_prefer(const struct contender *contender, bool on);

/* Of this thread and of the peer's: nanoseconds runnable but not running. */
void contender_waits(const struct contender *contender, uint64_t *own, uint64_t *peer);

/* Neither side was kept from its CPU for more than a hundredth of it. */
bool contender_clean(const struct slice *slice);

void contender_print(const struct contender *contender, const struct slice *slices);

/* The frame that all contenders send: Ethernet, IPv4, UDP, with right lengths and header
 * checksum. */
#define HEADER_BYTES 42
void contender_header(uint8_t header[HEADER_BYTES], uint16_t frame);

#endif

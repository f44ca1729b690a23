/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_LIMITS_H
#define AE_WORKER_SUPERVISOR_LIMITS_H

/*
 * When workers are asked to stop, and when they are ended. Nothing that a worker writes moves
 * either further than once and by a stated most: times are in milliseconds of CLOCK_MONOTONIC, and
 * whoever supervises says what the clock shows.
 */

#include <stdint.h>

/* Time to become quiet in that is no part of the time asked for; a slower worker has less. */
#define AE_LIMITS_SETTLE_MS 30000

/* A signal that comes again sooner is the same one: timeout(1) sends twice. */
#define AE_LIMITS_AGAIN_MS 250

struct ae_limits {
    uint64_t stop_after_ms; /* of quiet; 0: for ever */
    uint64_t grace_ms;      /* between asking and ending */
    uint64_t settled_ms;    /* a worker that becomes quiet later moves nothing */
    uint64_t counted_ms;    /* the time asked for counts from here */
    uint64_t asked_ms;      /* when they were asked to stop; 0: not yet */
    /* Written by a signal handler. */
    uint64_t signalled_ms; /* when the first signal came; 0: none did */
    uint32_t insisted;     /* another one came */
};

enum ae_limits_answer { AE_LIMITS_GO_ON, AE_LIMITS_ASK, AE_LIMITS_END };

void ae_limits_begin(struct ae_limits *limits, uint64_t now);

/* A worker became quiet: the time that was asked for is time that is quiet. Once per worker. */
void ae_limits_quiet(struct ae_limits *limits, uint64_t now);

/* Workers waited this long for ourselves, which is no part of their time. */
void ae_limits_held(struct ae_limits *limits, uint64_t duration);

void ae_limits_ask(struct ae_limits *limits, uint64_t now);

/* A signal came: somebody wants an end. For signal handlers too. */
void ae_limits_signal(struct ae_limits *limits, uint64_t now);

/* What is due. */
enum ae_limits_answer ae_limits_look(const struct ae_limits *limits, uint64_t now);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_SUPERVISE_H
#define AETHER_SUPERVISE_H

/*
 * The supervisor: stays on a host CPU, owns the devices, and outlives the worker it starts.
 *
 * ae_supervise opens every port as its owner, starts a program on the quiet CPU as the user named,
 * with descriptors to map and nothing else, hears interrupts and watches the link while it runs, and
 * when it is gone, however it went, stops the devices: bus master off, reset, unmap.
 *
 * It installs handlers for SIGINT and SIGTERM while it runs: the first asks the worker to stop, and
 * after `grace_ms` the worker is killed. One thread, one ae_supervise at a time per process.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <aether/error.h>
#include <aether/port.h>
#include <aether/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called by ae_supervise, all optional. The quiet pair brackets the time without kernel entries. */
struct ae_supervise_hooks {
    void *context;
    /* The worker exists and has not run yet. A negative result ends the run with it. */
    int (*started)(void *context, pid_t pid, int cpu, struct ae_error *err);
    /* The worker spins at the gate and goes on when this returns. */
    void (*quiet)(void *context);
    /* The worker spins at the gate of its leave; or it died while quiet (clean is false). */
    void (*left)(void *context, bool clean);
    /* The link of a port changed. */
    void (*link)(void *context, unsigned port, const struct ae_link *link);
};

struct ae_supervise_options {
    int cpu; /* the quiet CPU */
    const char *const *ports;
    unsigned port_count; /* at most AE_WORKER_PORTS */
    struct ae_port_options port;
    const char *user;    /* NULL: stay who we are */
    char *const *argv;   /* program (looked up in PATH) and arguments, NULL at the end */
    uint32_t grace_ms;   /* between asking and killing; 0: 3000 */
    uint64_t stop_after_ms; /* ask the worker to stop after this long; 0: never */
    struct ae_supervise_hooks hooks;
};

struct ae_supervise_counter {
    char name[AE_WORKER_NAME];
    uint64_t value;
};

struct ae_supervise_result {
    int status; /* of the worker, as waitpid(2) gives it */
    bool was_quiet;
    bool stopped_by_us; /* SIGKILL from here, after the grace time */
    struct ae_queue_counters queues[AE_WORKER_PORTS]; /* queue 0 of each port */
    struct ae_link links[AE_WORKER_PORTS];
    unsigned counter_count;
    struct ae_supervise_counter counters[AE_WORKER_COUNTERS];
};

/*
 * Runs the program to its end. 0 when it was started and has ended, however it ended; negative when
 * it could not be started, and then no device is held.
 */
int ae_supervise(const struct ae_supervise_options *options, struct ae_supervise_result *result,
                 struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif

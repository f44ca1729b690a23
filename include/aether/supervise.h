/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_SUPERVISE_H
#define AETHER_SUPERVISE_H

/*
 * The supervisor: stays on a host CPU, owns the devices, and outlives the workers it starts.
 *
 * ae_supervise opens every port as its owner, starts a program on each quiet CPU as the user named,
 * with descriptors to map and nothing else, hears interrupts and watches links while they run, and
 * when they are gone, however they went, ends all that they started and left behind, and stops the
 * devices: bus master off, reset, unmap.
 *
 * With several CPUs each port is opened with as many queues, and worker N gets queue N of each: it
 * is that worker's queue 0. When one worker ends, the others are asked to stop.
 *
 * It installs handlers for SIGINT and SIGTERM while it runs: the first asks the workers to stop,
 * and after `grace_ms` they are killed; a second one, a quarter of a second later or more, kills
 * them at once. A worker can put none of this off: it is quiet once a start, and what the hooks
 * take at its gates is all that its time is prolonged by. One thread, one ae_supervise at a time
 * per process.
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

#define AE_SUPERVISE_WORKERS AE_PORT_QUEUES

/* Called by ae_supervise, all optional; worker: its number, from 0. The quiet pair brackets the
 * time without kernel entries. */
struct ae_supervise_hooks {
    void *context;
    /* The worker exists and has not run yet. A negative result ends the run with it. */
    int (*started)(void *context, unsigned worker, pid_t pid, int cpu, struct ae_error *err);
    /* The worker spins at the gate and goes on when this returns. */
    void (*quiet)(void *context, unsigned worker);
    /* The worker spins at the gate of its leave; or it died while quiet (clean is false). */
    void (*left)(void *context, unsigned worker, bool clean);
    /* The link of a port changed, or why it is down: ae_port_owner_trouble. At most 8 times at
     * once, then once a second a port; what it is by then is what is told. */
    void (*link)(void *context, unsigned port, const struct ae_link *link, const char *trouble);
    /* The worker asked to be quiet a second time, and is refused. Told once. */
    void (*refused)(void *context, unsigned worker);
};

struct ae_supervise_options {
    const int *cpus;    /* the quiet CPUs, a worker each */
    unsigned cpu_count; /* 1 to AE_SUPERVISE_WORKERS */
    const char *const *ports;
    unsigned port_count;         /* at most AE_WORKER_PORTS */
    struct ae_port_options port; /* its `queues` is cpu_count here */
    /*
     * Who the workers are. They have a session of their own without a terminal, no capability,
     * whoever they are, and of our variables PATH, LANG, LC_*, TERM, AETHER_* and those named in
     * `environment`.
     */
    const char *user;               /* NULL: stay who we are */
    const char *const *environment; /* names; NULL at the end, or NULL */
    bool input;                     /* our standard input is theirs; false: they have none */
    uint32_t allow; /* enum ae_quiet_allow: for ae_quiet_enter, besides what the program allows */
    enum ae_quiet_calls calls; /* what becomes of system calls made while quiet, at least */
    char *const *argv;         /* program (looked up in PATH) and arguments, NULL at the end */
    uint32_t grace_ms;         /* between asking and killing; 0: 3000 */
    /* Ask the workers to stop after this long; 0: never. Counted from when the last of them became
     * quiet, but from 30 s after the start at the latest. */
    uint64_t stop_after_ms;
    struct ae_supervise_hooks hooks;
};

struct ae_supervise_counter {
    char name[AE_WORKER_NAME];
    uint64_t value;
};

struct ae_supervise_worker {
    int status; /* as waitpid(2) gives it */
    bool was_quiet;
    bool asked_again;                   /* for a second quiet time, and was refused */
    bool stopped_by_us;                 /* SIGKILL from here, after the grace time */
    enum ae_quiet_calls calls_in_force; /* as the worker says, who can undo it, but no trace */
    unsigned call_count; /* kinds of system calls made while quiet, of which it says so itself */
    struct ae_quiet_call calls[AE_QUIET_CALLS];
    struct ae_queue_counters queues[AE_WORKER_PORTS]; /* its queue of each port */
    unsigned counter_count;
    struct ae_supervise_counter counters[AE_WORKER_COUNTERS];
};

struct ae_supervise_result {
    struct ae_supervise_worker workers[AE_SUPERVISE_WORKERS];
    struct ae_link links[AE_WORKER_PORTS];
    /* For a person, "" when there is nothing to tell; also when ae_supervise fails. */
    char memory_notice[256]; /* a port's memory is on another node than it should be; "": none is */
    char notice[AE_ERROR_TEXT];  /* why descendants of workers are not held in control groups */
    char trouble[AE_ERROR_TEXT]; /* what could not be taken down at the end */
};

/*
 * Runs the program to its end on each CPU; the caller is kept off them meanwhile. 0 when all were
 * started and have ended, however they ended; negative when one could not be started, and then none
 * runs and no device is held.
 */
int ae_supervise(const struct ae_supervise_options *options, struct ae_supervise_result *result,
                 struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_SUPERVISE_H
#define AETHER_SUPERVISE_H

/*
 * The supervisor: stays on a host CPU, owns the devices, and outlives the workers it starts.
 *
 * It opens every port as its owner, starts a program on each quiet CPU as the user named, with
 * descriptors to map and nothing else, hears interrupts and watches links while they run, and when
 * they are gone, however they went, ends all that they started and left behind, and stops the
 * devices: bus master off, reset, unmap.
 *
 * Which worker has which queues of which port is a table (struct ae_supervise_share). Without one
 * each port is opened with a queue for each worker, and worker N has queue N. When one worker ends,
 * the others are asked to stop.
 *
 * ae_supervise is all of it in one call. A program with a loop of its own opens a supervisor, steps
 * it whenever its descriptor is readable, and closes it. Either way workers that are asked to stop
 * have `grace_ms`, then they are killed. A worker can put none of this off: it is quiet once a
 * start, and what the hooks take at its gates is all that its time is prolonged by.
 *
 * One supervisor at a time per process, and one thread: that which opened it. Of libaether-host.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <aether/error.h>
#include <aether/log.h>
#include <aether/loop.h>
#include <aether/named.h>
#include <aether/owner.h>
#include <aether/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_SUPERVISE_WORKERS AE_PORT_QUEUES

#define AE_SUPERVISE_MIRROR    2048
#define AE_SUPERVISE_NO_MIRROR UINT32_MAX

struct ae_supervisor;

/* Called by the supervisor, all optional; worker: its number, from 0. The quiet pair brackets the
 * time without kernel entries. */
struct ae_supervise_hooks {
    void *context;
    /* The port is open: which path it has, and who makes its calls. */
    void (*opened)(void *context, unsigned port, const struct ae_port_info *info);
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
    /* By ae_supervise: all workers have ended, nobody had asked them to, and the result says how.
     * True: they are started again. It may wait first: a signal ends its sleep. */
    bool (*ended)(void *context);
    /* By ae_supervise: SIGHUP came; without this hook it is as SIGTERM. True: the workers are asked
     * to stop. */
    bool (*hangup)(void *context);
};

/*
 * A worker's part of a port. A worker finds the ports that it has queues of, in the order of the
 * options, and its queues of each from 0.
 */
struct ae_supervise_share {
    unsigned worker; /* its number: the place of its CPU among the options' */
    unsigned port;   /* likewise */
    unsigned first;  /* of the port's queues, from 0 */
    unsigned count;  /* 1 or more, one behind another */
};

/* A channel of a worker's that has a name (<aether/named.h>). */
struct ae_supervise_channel {
    const char *name; /* 1 to 31 letters, digits, '-', '_' and '.'; no other's of this run */
    enum ae_named_kind kind;
    /* Of its ring, bytes, as for ae_channel_size; of a broadcast, of all slots; of a loan, packets
     * at a time, as for ae_loan_size, which the worker's pool gets in addition. */
    uint32_t size;
    uint32_t slot;   /* of a broadcast, bytes of each, as for ae_broadcast_size */
    unsigned worker; /* whose it is */
    unsigned port;   /* of a loan: its packets are of this port's domain */
};

struct ae_supervise_options {
    const char *name;   /* what the run is called where it is looked at; NULL: as the program */
    const int *cpus;    /* the quiet CPUs, a worker each */
    unsigned cpu_count; /* 1 to AE_SUPERVISE_WORKERS */
    const char *const *ports;
    unsigned port_count; /* at most AE_WORKER_PORTS */
    /*
     * At most one for each worker and port. Every worker has a queue, and every queue of a port,
     * from 0 to the last that is named, a worker: anything else is -EINVAL, and the error says
     * what. NULL, 0: worker N has queue N of each port.
     */
    const struct ae_supervise_share *shares;
    unsigned share_count;
    const struct ae_supervise_channel *channels;
    unsigned channel_count; /* at most AE_WORKER_CHANNELS */
    /* Of all of them. `queues` is what the shares come to; a `domain`, if any, nobody else's. */
    struct ae_port_options port;
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
    enum ae_log_level log;     /* up to which level workers log; 0: AE_LOG_INFO */
    /* Frames, of up to 280 bytes, that a worker's mirror has room for: what a capture of its ports
     * (`aether capture`) may be behind by. A power of two up to 2^20, 320 bytes each; 0:
     * AE_SUPERVISE_MIRROR; AE_SUPERVISE_NO_MIRROR: its ports cannot be captured. */
    uint32_t mirror;
    char *const *argv; /* program (looked up in PATH) and arguments, NULL at the end */
    uint32_t grace_ms; /* between asking and killing; 0: 3000 */
    /* Ask the workers to stop after this long; 0: never. Counted from when the last of them became
     * quiet, but from 30 s after the start at the latest. */
    uint64_t stop_after_ms;
    /* Not 0: the start, which may wait for a name service, is given up (-EINTR). May be set by a
     * signal handler. NULL: nobody can. */
    const volatile sig_atomic_t *give_up;
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
    struct ae_queue_counters queues[AE_WORKER_PORTS];       /* its queues of each port, added up */
    struct ae_queue_counters quiet_queues[AE_WORKER_PORTS]; /* of that, while it was quiet */
    unsigned counter_count;
    struct ae_supervise_counter counters[AE_WORKER_COUNTERS];
    unsigned loop_count; /* whose time the worker kept, as it says itself */
    struct ae_worker_loop loops[AE_WORKER_LOOPS];
};

struct ae_supervise_result {
    struct ae_supervise_worker workers[AE_SUPERVISE_WORKERS];
    struct ae_link links[AE_WORKER_PORTS];
    /* For a person, "" when there is nothing to tell; also when ae_supervise fails. */
    char memory_notice[256]; /* a port's memory is on another node than it should be; "": none is */
    char view_notice[AE_ERROR_TEXT]; /* why nobody can look at it while it runs */
    char notice[AE_ERROR_TEXT];      /* why descendants of workers are not held in control groups */
    char trouble[AE_ERROR_TEXT];     /* what could not be taken down at the end */
    bool told_to_end;                /* by ae_supervise: a signal came that ends it */
};

/*
 * Whether shares and channels can be, what memory each port will need (ae_port_plan), and whether
 * there is memory for all of them now. Nothing is opened or taken. The errors of shares and
 * channels that cannot be, of ae_port_plan, and -ENOMEM of ae_port_plans_fit, when the plans are
 * there all the same. ae_supervisor_open begins with this; a program that takes cards from the
 * kernel asks first.
 */
int ae_supervise_plan(const struct ae_supervise_options *options,
                      struct ae_port_plan plans[AE_WORKER_PORTS], struct ae_error *err);

/*
 * Opens the ports and starts the program on each CPU; the caller is kept off them until
 * ae_supervisor_close. options, result and what they point to are the caller's and stay as long.
 * Negative when one could not be started, and then none runs and no device is held.
 */
int ae_supervisor_open(struct ae_supervisor **supervisor,
                       const struct ae_supervise_options *options,
                       struct ae_supervise_result *result, struct ae_error *err);

/* Readable (poll(2), POLLIN) when a step is due, at least every millisecond. The supervisor's. */
int ae_supervisor_fd(const struct ae_supervisor *supervisor);

/*
 * Does what is due: interrupts, links, gates, workers that ended, time that is over. Waits for
 * nothing but the hooks. True as long as a worker runs; what it left is in the result then.
 */
bool ae_supervisor_step(struct ae_supervisor *supervisor);

/*
 * Asks the workers to stop, as ae_supervise does at a signal; called again a quarter of a second
 * later or more, it has them killed at once. May be called from a signal handler and any thread.
 */
void ae_supervisor_stop(struct ae_supervisor *supervisor);

/*
 * When no worker runs any more: starts the program again on each CPU, with the devices as right
 * after they were opened. What the workers left in the result is overwritten; what was asked to
 * stop is asked no more. -EBUSY: one runs. Negative: none runs, and it may be tried again.
 */
int ae_supervisor_restart(struct ae_supervisor *supervisor, struct ae_error *err);

/* Kills what still runs of the workers and of what they started, and stops the devices. */
void ae_supervisor_close(struct ae_supervisor *supervisor);

/*
 * Opens, steps until the last worker has ended, starts them again if hooks.ended says so, and
 * closes. Meanwhile SIGINT and SIGTERM, and SIGHUP unless it was ignored, call ae_supervisor_stop;
 * then the handlers are the caller's again. Who has the three blocked loses none: here alone they
 * are not. options->give_up is not asked.
 */
int ae_supervise(const struct ae_supervise_options *options, struct ae_supervise_result *result,
                 struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif

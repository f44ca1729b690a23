/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SHARED_H
#define AE_WORKER_SHARED_H

/*
 * The page that supervisor and worker share: what is handed over, the gate that brackets quiet, and
 * the worker's counters and loops. A memfd, sealed against resizing; its descriptor number is in
 * the environment.
 *
 * The gate: the worker writes `wanted`, spins until the supervisor has written the same to
 * `granted`, and makes no kernel entry between a granted QUIET and a granted LEFT. A start has one
 * QUIET; another is answered with REFUSED. The supervisor believes nothing else of what the worker
 * writes: names are cut, counts are checked.
 */

#include <signal.h>
#include <stdint.h>

#include <aether/loop.h>
#include <aether/port.h>
#include <aether/worker.h>

#include "net/net.h"
#include "port/state.h"
#include "worker/log.h"
#include "worker/named.h"

#define AE_SHARED_ENVIRONMENT "AETHER_WORKER_FD"
#define AE_SHARED_MAGIC       0x52574541u /* "AEWR" */
#define AE_SHARED_VERSION     9

enum ae_gate { AE_GATE_STARTED, AE_GATE_QUIET, AE_GATE_LEFT, AE_GATE_REFUSED };

struct ae_shared_counter {
    char name[AE_WORKER_NAME];
    uint64_t value;
    uint64_t reserved[3]; /* a cache line each */
};

/* System calls made while quiet, by number. Times of one that found no room are in `more`. */
#define AE_SHARED_CALLS 16

struct ae_shared_call {
    uint32_t number;
    uint32_t fate; /* enum ae_call_fate */
    uint64_t times;
};

struct ae_shared_calls {
    uint32_t count;
    uint32_t in_force; /* enum ae_quiet_calls: what the worker has done about it */
    uint64_t more;
    struct ae_shared_call calls[AE_SHARED_CALLS];
};

/* A loop whose time is kept, three pages. Written with plain stores: a reader sees numbers that are
 * a moment apart, and believes none of them (ae_loop_read). */
struct ae_shared_loop {
    char name[AE_WORKER_NAME];
    uint32_t cyclic; /* 0: a deadline */
    uint32_t reserved;
    uint64_t period_ns;
    uint64_t bound_ns;
    uint64_t turns, misses, skipped;
    struct ae_loop_miss last[AE_LOOP_MISSES]; /* miss n, from 0, in place n % AE_LOOP_MISSES */
    struct ae_queue_histogram wakeup;         /* ns from a release to the turn's beginning */
    struct ae_queue_histogram missed;         /* ns that turns took which missed their deadline */
};

#define AE_SHARED_IRQS 64

struct ae_shared {
    uint32_t magic;
    uint32_t version;
    int32_t cpu;
    uint32_t port_count;
    uint32_t allow; /* enum ae_quiet_allow: what the user of the supervisor tolerates */
    uint32_t calls; /* enum ae_quiet_calls: what he wants done about system calls at least */
    /* Interrupts that go to its CPU and that nobody can move; those found no room count as movable.
     */
    uint32_t irq_count;
    uint32_t irqs[AE_SHARED_IRQS];
    int32_t log_fd;    /* of its log's memory (worker/log.h) */
    uint64_t log_size; /* bytes; 0: it has none */
    uint32_t channel_count;
    struct ae_shared_channel channels[AE_WORKER_CHANNELS];
    int32_t mirror_fd; /* likewise of its mirror's (worker/mirror.h) */
    uint64_t mirror_size;
    struct ae_port_handoff ports[AE_WORKER_PORTS];
    /* Where registers are mapped for the worker already: it has the number there; 0: nothing is. */
    uint64_t mark_address;
    uint64_t mark;

    /* Written by the supervisor. */
    struct ae_worker_head head __attribute__((aligned(64)));
    uint32_t granted; /* enum ae_gate */
    /* Bytes of a frame that are mirrored, at most, for each of its ports; 0: it is not. */
    uint32_t capture[AE_WORKER_PORTS];

    /* Written by the worker. */
    uint32_t wanted __attribute__((aligned(64)));
    uint32_t counter_count;
    struct ae_shared_calls made;
    struct ae_shared_counter counters[AE_WORKER_COUNTERS] __attribute__((aligned(64)));
    uint32_t net_count __attribute__((aligned(64)));
    struct ae_net nets[AE_WORKER_NETS];
    uint32_t loop_count __attribute__((aligned(64)));
    struct ae_shared_loop loops[AE_WORKER_LOOPS];
};

struct ae_worker {
    struct ae_worker_view view; /* first: <aether/worker.h> reads it */
    struct ae_shared *shared;
    bool supervised;
    bool quiet;
    uint64_t proof_ticks;                  /* patience at the gate */
    struct sigaction interrupt, terminate; /* as they were, without a supervisor */
    struct ae_log log;
    void *log_memory;
    struct ae_log_streams *streams; /* of a quiet worker */
    unsigned channel_count;
    struct {
        char name[AE_WORKER_NAME];
        struct ae_named named;
        unsigned port;
        bool opened; /* a loan */
    } channels[AE_WORKER_CHANNELS];
    struct ae_mirror *mirror; /* NULL: it has none */
    void *mirror_memory;
    unsigned port_count;
    struct ae_port *ports[AE_WORKER_PORTS];
    struct ae_domain_part *domains[AE_WORKER_PORTS]; /* by number; NULL: no port has it yet */
};

/* Maps its channels. */
int ae_worker_attach_channels(struct ae_worker *worker, struct ae_error *err);
void ae_worker_drop_channels(struct ae_worker *worker);

/* The next free loop of the page, cleared and named, but not counted before ae_loop_publish; NULL:
 * all are taken. */
struct ae_shared_loop *ae_loop_take(struct ae_worker *worker, const char *name);
void ae_loop_publish(struct ae_worker *worker);

/* Counts a miss. */
void ae_loop_missed(struct ae_shared_loop *loop, uint64_t at_ns, uint64_t took_ns);

/* What a loop's worker says, which may be writing it: read once, its text fit to be shown, and its
 * numbers no more than numbers. */
void ae_loop_read(struct ae_worker_loop *out, const struct ae_shared_loop *in);

/* All of a page's; out has room for AE_WORKER_LOOPS. Returns how many there are. */
unsigned ae_loops_read(struct ae_worker_loop *out, const struct ae_shared *shared);

/* Asks for a state of the gate and spins until it is granted, or refused (-EALREADY), or patience
 * runs out (-ETIMEDOUT). */
int ae_gate_pass(struct ae_worker *worker, enum ae_gate gate);

#endif

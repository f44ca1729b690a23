/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_VIEW_H
#define AE_WORKER_VIEW_H

/*
 * Looking at a run while it goes on. Its supervisor listens at a socket that is named after its
 * process, PID, in AE_VIEW_RUNS, or for a user other than root in /run/user/UID below that. The
 * socket is of the workers' user, mode 0600, so that the kernel lets him and root connect, and
 * nobody else.
 *
 * Nothing is asked to look: whoever connects is sent one message (SOCK_SEQPACKET), a struct
 * ae_view_message, with descriptors of what workers write: each worker's page (struct ae_shared)
 * and its log (<aether/log.h>), the state of each port's queues (struct ae_queue_state), and each
 * channel (<aether/named.h>). They
 * are open for reading, and who has one cannot open it again to write. Reading them costs a worker
 * nothing: they are memory that it writes anyway.
 *
 * What comes is another user's word: it is checked, cut, and shown without control characters. What
 * stands in the pages a worker may change at any time: it is read once.
 */

#include <sys/types.h>

#include <aether/port.h>
#include <aether/supervise.h>

#include "port/state.h"
#include "worker/shared.h"

#define AE_VIEW_RUNS "/run/aether/runs"

#define AE_VIEW_MAGIC   0x49564541u /* "AEVI" */
#define AE_VIEW_VERSION 3

/* The most that come with one message; AE_LETTER_FDS at most. */
#define AE_VIEW_PAGES \
    (2 * AE_SUPERVISE_WORKERS + AE_WORKER_PORTS * AE_PORT_QUEUES + AE_WORKER_CHANNELS)

#define AE_VIEW_LOG_MOST (1u << 28) /* bytes of a log */

enum ae_view_state { AE_VIEW_STARTED, AE_VIEW_QUIET, AE_VIEW_LEFT, AE_VIEW_ENDED, AE_VIEW_STATES };

const char *ae_view_state_name(enum ae_view_state state); /* "started", "quiet", ... */

/* What the kernel counted on a CPU, over all kinds. */
struct ae_view_kernel {
    uint64_t interrupts, softirqs;
    uint64_t switches; /* how often a task was put onto it */
};

struct ae_view_worker {
    int32_t cpu;
    int32_t pid;
    uint32_t state; /* enum ae_view_state */
    uint32_t reserved;
    uint64_t since_ms;            /* it is in this state, CLOCK_MONOTONIC */
    struct ae_view_kernel kernel; /* while it is quiet: as it was right after it became so */
};

struct ae_view_port {
    struct ae_port_info info;
    struct ae_link link;
    char trouble[256];               /* as ae_port_owner_trouble */
    uint8_t workers[AE_PORT_QUEUES]; /* whose each queue is */
};

struct ae_view_channel {
    char name[AE_WORKER_NAME];
    uint32_t kind; /* enum ae_named_kind */
    uint32_t worker;
    uint32_t size; /* of its ring, bytes; of a broadcast, of all slots */
    int32_t peer;  /* the process that has it; 0: none, or a broadcast */
};

struct ae_view_filter {
    uint8_t set, promiscuous, all_multicast, reserved;
    uint16_t address_count, vlan_count;
    uint8_t addresses[AE_FILTER_ADDRESSES][6];
};

struct ae_view_message {
    uint32_t magic, version;
    uint32_t size; /* of this */
    /* Of what the descriptors are, each; both ends have to mean the same by it. */
    uint32_t shared_size, queue_size;
    uint32_t worker_count, port_count;
    uint32_t user;     /* whose the workers are */
    uint32_t log_size; /* of each worker's log, bytes */
    uint32_t channel_count;
    uint32_t reloads;  /* at SIGHUP it does, rather than end */
    uint64_t since_ms; /* it was started, CLOCK_MONOTONIC */
    char name[AE_WORKER_NAME];
    struct ae_view_filter filter;
    struct ae_view_worker workers[AE_SUPERVISE_WORKERS];
    struct ae_view_port ports[AE_WORKER_PORTS];
    struct ae_view_channel channels[AE_WORKER_CHANNELS];
};

/* ---- The reader's side. One thread at a time. ---- */

struct ae_view {
    pid_t pid;  /* of the supervisor, as the kernel says; 0: it is in another PID namespace */
    uid_t user; /* likewise */
    int fd;     /* the connection: the view's */
    struct ae_view_message told; /* checked, and fit to be shown */
    const struct ae_shared *shared[AE_SUPERVISE_WORKERS];
    const void *logs[AE_SUPERVISE_WORKERS]; /* for ae_log_open_reader, of told.log_size */
    const struct ae_queue_state *queues[AE_WORKER_PORTS][AE_PORT_QUEUES];
    const void *channels[AE_WORKER_CHANNELS]; /* their positions */
};

/*
 * Calls each(view, name, NULL, context) for every run that may be looked at, and each(NULL, name,
 * why, context) for the others, in strcmp order of their names; what a dead supervisor left, its
 * channels as well, is removed. The view is the callee's, who closes it. Stops at non-zero, and
 * returns it. Waits for a supervisor that does not answer for AE_LETTER_PATIENCE_MS. Both places
 * are looked at: root's, and the caller's own.
 */
#define AE_VIEW_MOST 256 /* of runs in a place */
int ae_view_each(int (*each)(struct ae_view *view, const char *name, const struct ae_error *why,
                             void *context),
                 void *context);

void ae_view_close(struct ae_view *view); /* NULL is allowed */

/* Copies; port and queue are among those that there are. */
void ae_view_get_counters(const struct ae_view *view, unsigned port, unsigned queue,
                          struct ae_queue_counters *counters);
bool ae_view_is_broken(const struct ae_view *view, unsigned port, unsigned queue);

/* What either side of it wrote there, who may write what they like. Of a loan nothing is told. */
struct ae_view_depth {
    uint64_t used; /* bytes of the ring that are committed and not released; not of a broadcast */
    uint64_t refused;  /* reserves in vain; not of a broadcast */
    uint64_t messages; /* that a broadcast has had */
};
void ae_view_get_depth(const struct ae_view *view, unsigned channel, struct ae_view_depth *depth);

/* The worker's own. Returns how many there are. */
unsigned ae_view_get_own(const struct ae_view *view, unsigned worker,
                         struct ae_supervise_counter counters[AE_WORKER_COUNTERS]);

/* What the worker's networks count, in the order of ae_net_get_counters. Returns how many there
 * are. */
struct ae_view_net {
    ae_ipv4_t address;
    struct ae_net_counts counts;
};
unsigned ae_view_get_nets(const struct ae_view *view, unsigned worker,
                          struct ae_view_net nets[AE_WORKER_NETS]);

/* Of a CPU, now, without touching it. Negative: the kernel's files cannot be read. */
int ae_view_read_kernel(int cpu, struct ae_view_kernel *kernel);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_SUPERVISOR_H
#define AE_WORKER_SUPERVISOR_SUPERVISOR_H

/* What the files of a supervisor share: its workers, its ports, and how long it goes on. */

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <aether/supervise.h>

#include "base/fragile.h"
#include "base/node.h"
#include "base/now.h"
#include "machine/topology.h"
#include "worker/capture.h"
#include "worker/supervisor/descent.h"
#include "worker/supervisor/launch.h"
#include "worker/supervisor/limits.h"
#include "worker/supervisor/place.h"
#include "worker/supervisor/relay.h"
#include "worker/view.h"

/* One worker, and what is shared with it. */
struct ae_ward {
    int cpu;
    struct ae_shared *shared;
    int shared_fd;
    struct ae_fragile fragile; /* the page, which the worker can take away */
    volatile sig_atomic_t lost;
    void *log; /* never read here: see worker/supervisor/logger.h */
    int log_fd;
    int mirror_fd; /* likewise; -1: it has none */
    struct ae_launch_plan plan;
    struct ae_child launch;
    int fd; /* pidfd: readable when the worker has ended; -1: there is none, or it was reaped */
    enum ae_gate gate;                                /* where it stands; it only goes forward */
    struct ae_queue_counters before[AE_WORKER_PORTS]; /* its queues', when it became quiet */
    struct ae_descent descent;
    bool unreaped; /* it has ended, and its status is kept from us */
    struct ae_supervise_worker *result;
};

/* What is known of a port's link outside. */
struct ae_link_told {
    struct ae_link link;
    char trouble[AE_ERROR_TEXT];
    uint64_t refilled_ms;
    unsigned left; /* how often it may still be told */
};

/* Who looks at the run finds it here (worker/view.h). */
struct ae_supervisor_view {
    struct ae_place place;
    uint64_t since_ms;
    struct ae_supervisor_view_ward {
        enum ae_view_state state;
        uint64_t since_ms;
        struct ae_view_kernel kernel; /* as in struct ae_view_worker */
    } wards[AE_SUPERVISE_WORKERS];
};

/* A channel that has a name; its memory is never read here, but for a word of a loan's. */
struct ae_supervisor_channel {
    int fd;
    void *loan; /* mapped; NULL: it is none */
    struct ae_fragile fragile;
    volatile sig_atomic_t lost;
    size_t size;
    struct ae_place place;
    int peer; /* who has it, by his connection; -1: nobody */
    pid_t peer_pid;
};

/* Who was shown the run, and may capture (worker/capture.h), in the order in which they came. */
struct ae_supervisor_capture {
    unsigned count;
    uint32_t start; /* of the workers */
    struct ae_supervisor_capturer {
        int fd;
        bool asked;
        uint32_t most[AE_WORKER_PORTS];
    } all[AE_CAPTURE_READERS];
};

struct ae_supervisor {
    const struct ae_supervise_options *options;
    struct ae_supervise_result *result;
    struct ae_port_owner *owners[AE_WORKER_PORTS];
    struct ae_domain *domains[AE_WORKER_PORTS]; /* of each port; NULL: one of its own */
    struct ae_link_told links[AE_WORKER_PORTS];
    unsigned owner_count;
    struct ae_ward wards[AE_SUPERVISE_WORKERS];
    unsigned ward_count; /* those that run or ran */
    struct ae_limits limits;
    struct ae_child_user *user; /* NULL: as we are */
    struct ae_relay relay;
    struct ae_servant logger;
    struct ae_supervisor_view view;
    struct ae_supervisor_capture capture;
    struct ae_supervisor_channel channels[AE_WORKER_CHANNELS];
    unsigned channel_count; /* those that were made */
    cpu_set_t cpus;         /* where the caller may run */
    bool moved;             /* it was kept off some of them */
    int epoll, timer;       /* what is waited for; of it, when a step is due anyway */
};

static inline uint64_t ae_supervisor_now(void)
{
    return (uint64_t)ae_now_ms();
}

/* What a worker polls belongs to the node of its CPU. Nobody has touched it yet. */
static inline void ae_supervisor_place(void *memory, size_t size, int cpu)
{
    ae_node_prefer(memory, size, ae_topology_node((unsigned)cpu));
}

/* Whose the workers are. */
static inline uid_t ae_supervisor_user(const struct ae_supervisor *supervisor)
{
    return supervisor->user ? ae_child_user_id(supervisor->user) : geteuid();
}

/* What the run is called. */
static inline const char *ae_supervisor_name(const struct ae_supervisor *supervisor)
{
    const char *program = supervisor->options->argv[0], *slash = strrchr(program, '/');

    return supervisor->options->name ? supervisor->options->name : slash ? slash + 1 : program;
}

static inline bool ae_supervisor_any_runs(const struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++)
        if (supervisor->wards[i].fd >= 0)
            return true;
    return false;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/supervise.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "worker/launch.h"

#define GRACE_MS_DEFAULT 3000
#define POLL_NS          1000000 /* how soon a worker at the gate is noticed */
#define EVENT_FDS        4       /* per port: its vectors and the request of the kernel */

struct supervisor {
    const struct ae_supervise_options *options;
    struct ae_supervise_result *result;
    struct ae_port_owner *owners[AE_WORKER_PORTS];
    unsigned owner_count;
    struct ae_shared *shared;
    int shared_fd;
    struct ae_launch launch;
    int worker_fd; /* pidfd: readable when the worker has ended */
    bool quiet;
    uint64_t started_ms;
    uint64_t asked_ms; /* when the worker was asked to stop; 0: not yet */
};

static volatile sig_atomic_t asked_by_signal;

static void on_signal(int number)
{
    (void)number;
    asked_by_signal = 1;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int make_shared(struct supervisor *supervisor, struct ae_error *err)
{
    int fd = memfd_create("aether-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    supervisor->shared_fd = fd;
    if (fd < 0 || ftruncate(fd, sizeof(struct ae_shared)) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return ae_error_set(err, -errno, "making the worker's page: %s", strerror(errno));
    supervisor->shared =
        mmap(NULL, sizeof(struct ae_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (supervisor->shared == MAP_FAILED) {
        supervisor->shared = NULL;
        return ae_error_set(err, -errno, "mapping the worker's page: %s", strerror(errno));
    }
    supervisor->shared->magic = AE_SHARED_MAGIC;
    supervisor->shared->version = AE_SHARED_VERSION;
    supervisor->shared->cpu = supervisor->options->cpu;
    return 0;
}

static int open_ports(struct supervisor *supervisor, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;

    if (options->port_count > AE_WORKER_PORTS)
        return ae_error_set(err, -EINVAL, "%u ports; %d are the most", options->port_count,
                            AE_WORKER_PORTS);
    for (unsigned i = 0; i < options->port_count; i++) {
        int rc = ae_port_owner_open(&supervisor->owners[i], options->ports[i], &options->port, err);

        if (rc)
            return rc;
        supervisor->owner_count++;
        ae_port_owner_get_handoff(supervisor->owners[i], &supervisor->shared->ports[i]);
        supervisor->shared->port_count++;
    }
    return 0;
}

static int start_worker(struct supervisor *supervisor, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;
    const struct ae_launch_plan plan = {
        .cpu = options->cpu,
        .user = options->user,
        .argv = options->argv,
        .shared_fd = supervisor->shared_fd,
        .shared = supervisor->shared,
    };
    int rc = ae_launch_prepare(&supervisor->launch, &plan, err);

    if (rc)
        return rc;
    supervisor->worker_fd = (int)syscall(SYS_pidfd_open, supervisor->launch.pid, 0);
    if (supervisor->worker_fd < 0)
        rc = ae_error_set(err, -errno, "watching the worker: %s (Linux 5.3 or newer is needed)",
                          strerror(errno));
    if (!rc && options->hooks.started)
        rc = options->hooks.started(options->hooks.context, supervisor->launch.pid, options->cpu,
                                    err);
    if (rc) {
        ae_launch_cancel(&supervisor->launch);
        return rc;
    }
    return ae_launch_go(&supervisor->launch, err);
}

/* The worker spins while the hook runs, so the hook sees the machine exactly at the gate. */
static void tend_gate(struct supervisor *supervisor)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    /* Pairs with the release store in ae_gate_pass. */
    uint32_t wanted = __atomic_load_n(&supervisor->shared->wanted, __ATOMIC_ACQUIRE);

    if (wanted == AE_GATE_QUIET && !supervisor->quiet) {
        supervisor->quiet = supervisor->result->was_quiet = true;
        supervisor->started_ms = now_ms();
        if (hooks->quiet)
            hooks->quiet(hooks->context);
    } else if (wanted == AE_GATE_LEFT && supervisor->quiet) {
        supervisor->quiet = false;
        if (hooks->left)
            hooks->left(hooks->context, true);
    } else {
        return;
    }
    __atomic_store_n(&supervisor->shared->granted, wanted, __ATOMIC_RELEASE);
}

static void ask_to_stop(struct supervisor *supervisor)
{
    if (supervisor->asked_ms)
        return;
    supervisor->asked_ms = now_ms();
    __atomic_store_n(&supervisor->shared->head.stop, 1, __ATOMIC_RELAXED);
}

static void tend_time(struct supervisor *supervisor)
{
    const struct ae_supervise_options *options = supervisor->options;
    uint64_t grace = options->grace_ms ? options->grace_ms : GRACE_MS_DEFAULT, now = now_ms();

    if (asked_by_signal ||
        (options->stop_after_ms && now - supervisor->started_ms >= options->stop_after_ms))
        ask_to_stop(supervisor);
    if (supervisor->asked_ms && now - supervisor->asked_ms >= grace &&
        !supervisor->result->stopped_by_us) {
        supervisor->result->stopped_by_us = true;
        kill(supervisor->launch.pid, SIGKILL);
    }
}

static void tend_port(struct supervisor *supervisor, unsigned port, int fd)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    struct ae_link before, after;

    ae_port_owner_get_link(supervisor->owners[port], &before);
    ae_port_owner_event(supervisor->owners[port], fd);
    ae_port_owner_get_link(supervisor->owners[port], &after);
    if (after.device_gone)
        ask_to_stop(supervisor);
    if (hooks->link && (before.changes != after.changes || before.device_gone != after.device_gone))
        hooks->link(hooks->context, port, &after);
}

/* Returns how long to sleep: less than usual while a port has something to look after. */
static struct timespec tend_ports(struct supervisor *supervisor)
{
    uint64_t pause = POLL_NS;

    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        uint64_t soon = ae_port_owner_tend(supervisor->owners[i]);

        pause = soon && soon < pause ? soon : pause;
    }
    return (struct timespec){.tv_nsec = (long)pause};
}

static void watch(struct supervisor *supervisor)
{
    struct pollfd fds[1 + AE_WORKER_PORTS * EVENT_FDS] = {
        {.fd = supervisor->worker_fd, .events = POLLIN}};
    unsigned port_of[1 + AE_WORKER_PORTS * EVENT_FDS] = {0};
    nfds_t count = 1;

    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        int events[EVENT_FDS];
        int found = ae_port_owner_event_fds(supervisor->owners[i], events, EVENT_FDS);

        for (int j = 0; j < found; j++) {
            port_of[count] = i;
            fds[count++] = (struct pollfd){.fd = events[j], .events = POLLIN};
        }
    }
    while (!(fds[0].revents & POLLIN)) {
        const struct timespec pause = tend_ports(supervisor);
        int ready = ppoll(fds, count, &pause, NULL);

        tend_gate(supervisor);
        tend_time(supervisor);
        for (nfds_t i = 1; i < count && ready > 0; i++)
            if (fds[i].revents & POLLIN)
                tend_port(supervisor, port_of[i], fds[i].fd);
        if (ready < 0)
            fds[0].revents = 0;
    }
}

static void collect(struct supervisor *supervisor)
{
    struct ae_supervise_result *result = supervisor->result;
    /* Pairs with the release store in ae_worker_counter. */
    uint32_t count = __atomic_load_n(&supervisor->shared->counter_count, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        ae_port_owner_get_counters(supervisor->owners[i], 0, &result->queues[i]);
        ae_port_owner_get_link(supervisor->owners[i], &result->links[i]);
    }
    result->counter_count = count < AE_WORKER_COUNTERS ? count : AE_WORKER_COUNTERS;
    for (unsigned i = 0; i < result->counter_count; i++) {
        const struct ae_shared_counter *counter = &supervisor->shared->counters[i];

        memcpy(result->counters[i].name, counter->name, AE_WORKER_NAME);
        result->counters[i].name[AE_WORKER_NAME - 1] = '\0';
        result->counters[i].value = counter->value;
    }
}

/* Nothing of ours runs on the quiet CPU, this process least of all. */
static int leave_cpu(int cpu, struct ae_error *err)
{
    cpu_set_t set;

    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(set), &set))
        return ae_error_set(err, -EINVAL, "CPU %d: there is no such CPU", cpu);
    CPU_CLR((size_t)cpu, &set);
    if (CPU_COUNT(&set) == 0)
        return ae_error_set(err, -EINVAL,
                            "CPU %d is the only one this process may use; the supervisor needs "
                            "another",
                            cpu);
    sched_setaffinity(0, sizeof(set), &set);
    return 0;
}

static int run(struct supervisor *supervisor, struct ae_error *err)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    int rc = leave_cpu(supervisor->options->cpu, err);

    if (!rc)
        rc = make_shared(supervisor, err);
    if (!rc)
        rc = open_ports(supervisor, err);
    if (!rc)
        rc = start_worker(supervisor, err);
    if (rc)
        return rc;
    supervisor->started_ms = now_ms();
    watch(supervisor);
    if (supervisor->quiet && hooks->left)
        hooks->left(hooks->context, false);
    waitpid(supervisor->launch.pid, &supervisor->result->status, 0);
    collect(supervisor);
    return 0;
}

int ae_supervise(const struct ae_supervise_options *options, struct ae_supervise_result *result,
                 struct ae_error *err)
{
    struct supervisor supervisor = {
        .options = options, .result = result, .shared_fd = -1, .worker_fd = -1};
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction interrupt, terminate;
    int rc;

    memset(result, 0, sizeof(*result));
    asked_by_signal = 0;
    sigaction(SIGINT, &action, &interrupt);
    sigaction(SIGTERM, &action, &terminate);
    rc = run(&supervisor, err);
    /* The worker is gone: bus master off, reset, unmap, in that order, is the owner's close. */
    for (unsigned i = 0; i < supervisor.owner_count; i++)
        ae_port_owner_close(supervisor.owners[i]);
    if (supervisor.worker_fd >= 0)
        close(supervisor.worker_fd);
    if (supervisor.shared)
        munmap(supervisor.shared, sizeof(*supervisor.shared));
    if (supervisor.shared_fd >= 0)
        close(supervisor.shared_fd);
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &terminate, NULL);
    return rc;
}

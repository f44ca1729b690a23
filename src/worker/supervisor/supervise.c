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

#include <aether/device.h>

#include "base/error.h"
#include "base/fragile.h"
#include "base/now.h"
#include "base/text.h"
#include "machine/topology.h"
#include "vfio/released.h"
#include "worker/calls.h"
#include "worker/supervisor/descent.h"
#include "worker/supervisor/launch.h"
#include "worker/supervisor/limits.h"
#include "worker/supervisor/relay.h"

#define GRACE_MS_DEFAULT 3000
#define USER_MS          10000
#define END_MS           5000    /* for what was killed to be gone */
#define POLL_NS          1000000 /* how soon a worker at the gate is noticed */
#define TOLD_AT_ONCE     8 /* news of a link; then one a second, for a worker can make them up */

/* One worker, and what is shared with it. */
struct ward {
    int cpu;
    struct ae_shared *shared;
    int shared_fd;
    struct ae_fragile fragile; /* the page, which the worker can take away */
    volatile sig_atomic_t lost;
    struct ae_launch_plan plan;
    struct ae_child launch;
    int fd; /* pidfd: readable when the worker has ended; -1: there is none, or it was reaped */
    enum ae_gate gate; /* where it stands; it only goes forward */
    struct ae_descent descent;
    bool unreaped; /* it has ended, and its status is kept from us */
    struct ae_supervise_worker *result;
};

/* What is known of a port's link outside. */
struct told {
    struct ae_link link;
    char trouble[AE_ERROR_TEXT];
    uint64_t refilled_ms;
    unsigned left; /* how often it may still be told */
};

struct supervisor {
    const struct ae_supervise_options *options;
    struct ae_supervise_result *result;
    struct ae_port_owner *owners[AE_WORKER_PORTS];
    struct told told[AE_WORKER_PORTS];
    unsigned owner_count;
    struct ward wards[AE_SUPERVISE_WORKERS];
    unsigned ward_count; /* those that run or ran */
    struct ae_limits limits;
    struct ae_child_user *user; /* NULL: as we are */
    struct ae_relay relay;
};

static uint64_t now_ms(void)
{
    return (uint64_t)ae_now_ms();
}

/* Of the one supervisor there is. */
static struct ae_limits *signalled;
static volatile sig_atomic_t interrupted; /* ends what is waited for before the workers run */

static void on_signal(int number)
{
    int error = errno;

    (void)number;
    interrupted = 1;
    ae_limits_signal(signalled, now_ms());
    errno = error;
}

static int make_shared(struct ward *ward, const struct ae_supervise_options *options,
                       struct ae_error *err)
{
    int fd = memfd_create("aether-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

    ward->shared_fd = fd;
    if (fd < 0 || ftruncate(fd, sizeof(struct ae_shared)) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return ae_error_set(err, -errno, "making the worker's page: %s", strerror(errno));
    ward->shared = mmap(NULL, sizeof(struct ae_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ward->shared == MAP_FAILED) {
        ward->shared = NULL;
        return ae_error_set(err, -errno, "mapping the worker's page: %s", strerror(errno));
    }
    rc = ae_fragile_expect(&ward->fragile, ward->shared, sizeof(struct ae_shared),
                           (size_t)sysconf(_SC_PAGESIZE), &ward->lost);
    if (rc)
        return ae_error_set(err, rc, "guarding the worker's page: %s", strerror(-rc));
    ward->shared->magic = AE_SHARED_MAGIC;
    ward->shared->version = AE_SHARED_VERSION;
    ward->shared->cpu = ward->cpu;
    ward->shared->allow = options->allow;
    ward->shared->calls = options->calls;
    return 0;
}

/* Memory of another node is slower, and not always by the same. */
static void tell_node(struct supervisor *supervisor, unsigned port)
{
    size_t elsewhere;
    int node = ae_port_owner_node(supervisor->owners[port], &elsewhere);

    if (elsewhere && !supervisor->result->memory_notice[0])
        snprintf(
            supervisor->result->memory_notice, sizeof(supervisor->result->memory_notice),
            "port %s: %zu kB of its memory are not on node %d, where it belongs, for want of free "
            "huge pages there; see /sys/devices/system/node/node%d/hugepages",
            supervisor->options->ports[port], elsewhere / 1024, node, node);
}

static int open_ports(struct supervisor *supervisor, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;
    struct ae_port_options port = options->port;

    if (options->port_count > AE_WORKER_PORTS)
        return ae_error_set(err, -EINVAL, "%u ports; %d are the most", options->port_count,
                            AE_WORKER_PORTS);
    port.queues = (uint16_t)options->cpu_count;
    port.node = ae_topology_node((unsigned)options->cpus[0]);
    port.on_node = port.node >= 0;
    for (unsigned i = 0; i < options->port_count; i++) {
        int rc = ae_port_owner_open(&supervisor->owners[i], options->ports[i], &port, err);

        if (rc)
            return rc;
        tell_node(supervisor, i);
        ae_port_owner_get_link(supervisor->owners[i], &supervisor->told[i].link);
        supervisor->told[i].left = TOLD_AT_ONCE;
        supervisor->told[i].refilled_ms = now_ms();
        supervisor->owner_count++;
    }
    return 0;
}

/* The worker's part of each port: one queue. */
static void hand_over(struct supervisor *supervisor, unsigned number)
{
    struct ae_shared *shared = supervisor->wards[number].shared;

    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        struct ae_port_handoff *handoff = &shared->ports[i];

        ae_port_owner_get_handoff(supervisor->owners[i], handoff);
        handoff->queue_first = (uint16_t)number;
        handoff->queue_count = 1;
        for (unsigned queue = 0; queue < AE_PORT_QUEUES; queue++)
            if (queue != number)
                handoff->control_fds[queue] = -1;
    }
    shared->port_count = supervisor->owner_count;
}

/* In the control group that the hook put it into, if it did: below that. */
static int hold_together(struct supervisor *supervisor, struct ward *ward, struct ae_error *err)
{
    struct ae_supervise_result *result = supervisor->result;
    struct ae_error why;

    if (ae_descent_begin(&ward->descent, ward->launch.pid, &why) == 0)
        return 0;
    snprintf(result->notice, sizeof(result->notice),
             "%.600s; what workers start and leave behind is looked for by its parents instead",
             why.text);
    if (ae_descent_adopt() == 0)
        return 0;
    return ae_error_set(err, -errno, "becoming the parent of what a worker leaves behind: %s",
                        strerror(errno));
}

static void forget_process(struct ward *ward)
{
    if (ward->fd >= 0)
        close(ward->fd);
    ward->fd = -1;
}

/* A worker that waits to be let go, on its CPU and no other. */
static int prepare_worker(struct supervisor *supervisor, unsigned number, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;
    struct ward *ward = &supervisor->wards[number];
    int rc;

    ward->plan = (struct ae_launch_plan){
        .cpu = ward->cpu,
        .user = supervisor->user,
        .argv = options->argv,
        .input = options->input ? STDIN_FILENO : -1,
        .output = supervisor->relay.output,
        .errors = supervisor->relay.errors,
        .pass = options->environment,
        .shared_fd = ward->shared_fd,
        .shared = ward->shared,
    };
    rc = ae_launch_prepare(&ward->launch, &ward->plan, err);
    if (rc)
        return rc;
    ward->fd = (int)syscall(SYS_pidfd_open, ward->launch.pid, 0);
    if (ward->fd < 0)
        rc = ae_error_set(err, -errno, "watching the worker: %s (Linux 5.3 or newer is needed)",
                          strerror(errno));
    if (!rc && options->hooks.started)
        rc = options->hooks.started(options->hooks.context, number, ward->launch.pid, ward->cpu,
                                    err);
    if (!rc)
        rc = hold_together(supervisor, ward, err);
    if (!rc)
        rc = ae_launch_settle(&ward->launch, ward->cpu, err);
    if (rc) {
        ae_child_cancel(&ward->launch);
        forget_process(ward);
    }
    return rc;
}

/*
 * All wait on their CPUs before the first is let go: one that was let go earlier would find the
 * next, which is not on its own CPU yet, among those that may run on its.
 */
static int start_workers(struct supervisor *supervisor, struct ae_error *err)
{
    unsigned prepared = 0, count = supervisor->options->cpu_count;
    int rc = 0;

    while (prepared < count && !rc) {
        hand_over(supervisor, prepared);
        rc = prepare_worker(supervisor, prepared, err);
        prepared += !rc;
    }
    while (supervisor->ward_count < count && !rc) {
        struct ward *ward = &supervisor->wards[supervisor->ward_count];

        rc = ae_launch_go(&ward->launch, &ward->plan, &interrupted, err);
        if (rc)
            forget_process(ward);
        else
            supervisor->ward_count++;
    }
    for (unsigned i = supervisor->ward_count; i < prepared && rc; i++)
        if (supervisor->wards[i].fd >= 0) {
            ae_child_cancel(&supervisor->wards[i].launch);
            forget_process(&supervisor->wards[i]);
        }
    return rc;
}

static void ask_to_stop(struct supervisor *supervisor, uint64_t now)
{
    ae_limits_ask(&supervisor->limits, now);
    for (unsigned i = 0; i < supervisor->options->cpu_count; i++)
        __atomic_store_n(&supervisor->wards[i].shared->head.stop, 1, __ATOMIC_RELAXED);
}

/* ---- The gate ---- */

/* It has ended, and was not reaped yet. */
static bool has_ended(const struct ward *ward)
{
    struct pollfd end = {.fd = ward->fd, .events = POLLIN};

    return poll(&end, 1, 0) > 0;
}

static void become_quiet(struct supervisor *supervisor, unsigned number)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;

    supervisor->wards[number].result->was_quiet = true;
    if (hooks->quiet)
        hooks->quiet(hooks->context, number);
}

static void leave_quiet(struct supervisor *supervisor, unsigned number)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;

    if (hooks->left)
        hooks->left(hooks->context, number, true);
}

/* A proof is about the only stretch there was, not about the luckiest. */
static void refuse_quiet(struct supervisor *supervisor, unsigned number)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    struct ward *ward = &supervisor->wards[number];

    __atomic_store_n(&ward->shared->granted, AE_GATE_REFUSED, __ATOMIC_RELEASE);
    if (ward->result->asked_again)
        return;
    ward->result->asked_again = true;
    if (hooks->refused)
        hooks->refused(hooks->context, number);
}

/* The worker spins while the hook runs, so the hook sees the machine exactly at the gate. */
static void pass(struct supervisor *supervisor, unsigned number, enum ae_gate gate)
{
    struct ward *ward = &supervisor->wards[number];
    uint64_t before = now_ms();

    ward->gate = gate;
    if (gate == AE_GATE_QUIET)
        become_quiet(supervisor, number);
    else
        leave_quiet(supervisor, number);
    ae_limits_held(&supervisor->limits, now_ms() - before);
    if (gate == AE_GATE_QUIET)
        ae_limits_quiet(&supervisor->limits, now_ms());
    __atomic_store_n(&ward->shared->granted, gate, __ATOMIC_RELEASE);
}

/*
 * From STARTED to QUIET to LEFT, each once; whatever else the worker writes costs a comparison. Of
 * one that has ended the page still says what it wanted last.
 */
static void tend_gate(struct supervisor *supervisor, unsigned number)
{
    struct ward *ward = &supervisor->wards[number];
    uint32_t wanted;

    if (ward->fd < 0)
        return;
    /* Pairs with the release store in ae_gate_pass. */
    wanted = __atomic_load_n(&ward->shared->wanted, __ATOMIC_ACQUIRE);
    if (ward->lost) /* it cannot even be asked any more, and is ended when the grace time is over */
        ask_to_stop(supervisor, now_ms());
    if (wanted == ward->gate || has_ended(ward))
        return;
    if ((wanted == AE_GATE_QUIET && ward->gate == AE_GATE_STARTED) ||
        (wanted == AE_GATE_LEFT && ward->gate == AE_GATE_QUIET))
        pass(supervisor, number, wanted);
    else if (wanted == AE_GATE_QUIET && ward->gate == AE_GATE_LEFT)
        refuse_quiet(supervisor, number);
}

/* ---- Time ---- */

static void end_all(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++) {
        struct ward *ward = &supervisor->wards[i];

        if (ward->fd >= 0 && !ward->result->stopped_by_us) {
            ward->result->stopped_by_us = true;
            kill(ward->launch.pid, SIGKILL);
        }
    }
}

static void tend_time(struct supervisor *supervisor)
{
    uint64_t now = now_ms();

    switch (ae_limits_look(&supervisor->limits, now)) {
    case AE_LIMITS_GO_ON:
        return;
    case AE_LIMITS_END:
        end_all(supervisor);
        /* fallthrough */
    case AE_LIMITS_ASK:
        ask_to_stop(supervisor, now);
    }
}

/* ---- Ports ---- */

/* The link's word lies where a worker can write: what it makes up must not flood whoever
 * listens. */
static bool may_tell(struct told *told, uint64_t now)
{
    if (now - told->refilled_ms >= 1000) {
        uint64_t more = (now - told->refilled_ms) / 1000;

        told->left = more < TOLD_AT_ONCE - told->left ? told->left + (unsigned)more : TOLD_AT_ONCE;
        told->refilled_ms = now;
    }
    if (!told->left)
        return false;
    told->left--;
    return true;
}

static void look_at_link(struct supervisor *supervisor, unsigned port)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    const char *trouble = ae_port_owner_trouble(supervisor->owners[port]);
    struct told *told = &supervisor->told[port];
    struct ae_link link;

    ae_port_owner_get_link(supervisor->owners[port], &link);
    if (link.changes == told->link.changes && link.device_gone == told->link.device_gone &&
        strcmp(trouble, told->trouble) == 0)
        return;
    if (link.device_gone)
        ask_to_stop(supervisor, now_ms());
    if (!may_tell(told, now_ms()))
        return; /* what it is then will be told */
    told->link = link;
    snprintf(told->trouble, sizeof(told->trouble), "%s", trouble);
    if (hooks->link)
        hooks->link(hooks->context, port, &link, trouble);
}

/* Returns how long to sleep: less than usual while a port has something to look after. */
static struct timespec tend_ports(struct supervisor *supervisor)
{
    uint64_t pause = POLL_NS;

    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        uint64_t soon = ae_port_owner_tend(supervisor->owners[i]);

        look_at_link(supervisor, i);
        pause = soon && soon < pause ? soon : pause;
    }
    return (struct timespec){.tv_nsec = (long)pause};
}

/* Takes what a worker that has ended leaves: its status and its last words in shared memory. */
static void collect(struct supervisor *supervisor, unsigned number)
{
    struct ward *ward = &supervisor->wards[number];
    struct ae_supervise_worker *result = ward->result;
    /* Pairs with the release store in ae_worker_counter. */
    uint32_t count = __atomic_load_n(&ward->shared->counter_count, __ATOMIC_ACQUIRE);
    /* Once: what came of it may still write there. */
    uint32_t in_force = __atomic_load_n(&ward->shared->made.in_force, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < supervisor->owner_count; i++)
        ae_port_owner_get_counters(supervisor->owners[i], number, &result->queues[i]);
    result->calls_in_force =
        in_force <= AE_QUIET_ENFORCE ? (enum ae_quiet_calls)in_force : AE_QUIET_TRACE;
    result->call_count = ae_calls_read(&ward->shared->made, result->calls);
    result->counter_count = count < AE_WORKER_COUNTERS ? count : AE_WORKER_COUNTERS;
    for (unsigned i = 0; i < result->counter_count; i++) {
        const struct ae_shared_counter *counter = &ward->shared->counters[i];

        memcpy(result->counters[i].name, counter->name, AE_WORKER_NAME);
        result->counters[i].name[AE_WORKER_NAME - 1] = '\0';
        ae_text_shown(result->counters[i].name, AE_WORKER_NAME, result->counters[i].name);
        result->counters[i].value = counter->value;
    }
}

/* Whoever traces it gets its status first, and need not ask for it. */
static void reap(struct ward *ward, unsigned patience_ms)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    int status = SIGKILL; /* if nobody tells */
    pid_t ended;

    while ((ended = waitpid(ward->launch.pid, &status, WNOHANG)) == 0 && patience_ms-- > 0)
        nanosleep(&pause, NULL);
    ward->unreaped = ended == 0;
    ward->result->status = status;
}

static void worker_ended(struct supervisor *supervisor, unsigned number)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    struct ward *ward = &supervisor->wards[number];

    if (ward->gate == AE_GATE_QUIET && hooks->left)
        hooks->left(hooks->context, number, false);
    /* What it started may hold it, by ptrace(2). */
    ae_descent_kill(&ward->descent);
    reap(ward, 0);
    close(ward->fd);
    ward->fd = -1;
    collect(supervisor, number);
    ask_to_stop(supervisor, now_ms());
}

#define FDS (AE_SUPERVISE_WORKERS + AE_WORKER_PORTS * AE_PORT_EVENT_FDS)

/* The workers' descriptors first, then those of the ports. */
static unsigned list_fds(const struct supervisor *supervisor, struct pollfd fds[FDS],
                         unsigned port_of[FDS])
{
    unsigned count = 0;

    for (; count < supervisor->ward_count; count++)
        fds[count] = (struct pollfd){.fd = supervisor->wards[count].fd, .events = POLLIN};
    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        int events[AE_PORT_EVENT_FDS];
        int found = ae_port_owner_event_fds(supervisor->owners[i], events, AE_PORT_EVENT_FDS);

        for (int j = 0; j < found && j < AE_PORT_EVENT_FDS; j++) {
            port_of[count] = i;
            fds[count++] = (struct pollfd){.fd = events[j], .events = POLLIN};
        }
    }
    return count;
}

static bool any_runs(const struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++)
        if (supervisor->wards[i].fd >= 0)
            return true;
    return false;
}

static void watch(struct supervisor *supervisor)
{
    struct pollfd fds[FDS];
    unsigned port_of[FDS] = {0};

    while (any_runs(supervisor)) {
        const struct timespec pause = tend_ports(supervisor);
        /* Anew each time: a port whose peer comes and goes has other descriptors then. */
        unsigned count = list_fds(supervisor, fds, port_of);
        int ready = ppoll(fds, count, &pause, NULL);

        for (unsigned i = 0; i < count && ready > 0; i++) {
            if (!(fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
                continue;
            if (i < supervisor->ward_count)
                worker_ended(supervisor, i);
            else
                ae_port_owner_event(supervisor->owners[port_of[i]], fds[i].fd);
        }
        for (unsigned i = 0; i < supervisor->ward_count; i++)
            tend_gate(supervisor, i);
        tend_time(supervisor);
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

static int check_cpus(const struct ae_supervise_options *options, struct ae_error *err)
{
    if (options->cpu_count < 1 || options->cpu_count > AE_SUPERVISE_WORKERS)
        return ae_error_set(err, -EINVAL, "%u quiet CPUs; 1 to %d are possible", options->cpu_count,
                            AE_SUPERVISE_WORKERS);
    for (unsigned i = 0; i < options->cpu_count; i++) {
        int rc = leave_cpu(options->cpus[i], err);

        for (unsigned j = 0; j < i && !rc; j++)
            if (options->cpus[j] == options->cpus[i])
                rc = ae_error_set(err, -EINVAL, "CPU %d is named twice: a worker needs its own",
                                  options->cpus[i]);
        if (rc)
            return rc;
    }
    return 0;
}

/* Who reads from a terminal reads what is typed there for others. */
static int check_input(const struct ae_supervise_options *options, struct ae_error *err)
{
    if (!options->input || !isatty(STDIN_FILENO))
        return 0;
    return ae_error_set(err, -EINVAL,
                        "the worker is to have our standard input, which is a terminal; give it a "
                        "file or a pipe");
}

/* Those that were started already must not outlive the failure of a later one. */
static void give_up(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++) {
        struct pollfd end = {.fd = supervisor->wards[i].fd, .events = POLLIN};

        kill(supervisor->wards[i].launch.pid, SIGKILL);
        poll(&end, 1, END_MS);
        worker_ended(supervisor, i);
    }
}

static int run(struct supervisor *supervisor, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;
    int rc = check_cpus(options, err);

    if (!rc)
        rc = check_input(options, err);
    /* Before anything is opened: a name service may take its time. */
    if (!rc && options->user)
        rc = ae_child_user_find(&supervisor->user, options->user, USER_MS, &interrupted, err);
    if (!rc)
        rc = ae_relay_open(&supervisor->relay, STDOUT_FILENO, STDERR_FILENO, err);
    for (unsigned i = 0; i < options->cpu_count && !rc; i++)
        rc = make_shared(&supervisor->wards[i], options, err);
    if (!rc)
        rc = open_ports(supervisor, err);
    if (!rc)
        rc = start_workers(supervisor, err);
    if (rc) {
        give_up(supervisor);
        return rc;
    }
    supervisor->limits.stop_after_ms = options->stop_after_ms;
    supervisor->limits.grace_ms = options->grace_ms ? options->grace_ms : GRACE_MS_DEFAULT;
    ae_limits_begin(&supervisor->limits, now_ms());
    watch(supervisor);
    for (unsigned i = 0; i < supervisor->owner_count; i++)
        ae_port_owner_get_link(supervisor->owners[i], &supervisor->result->links[i]);
    return 0;
}

static void tell_trouble(struct supervisor *supervisor, const char *what)
{
    char *trouble = supervisor->result->trouble;

    if (!trouble[0])
        snprintf(trouble, sizeof(supervisor->result->trouble), "%s", what);
}

/* All that came of the workers ends before the devices go whose registers it may have. */
static void end_descent(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->options->cpu_count && i < AE_SUPERVISE_WORKERS; i++) {
        struct ward *ward = &supervisor->wards[i];
        struct ae_error why;

        if (ae_descent_end(&ward->descent, END_MS, &why))
            tell_trouble(supervisor, why.text);
        if (ward->unreaped)
            reap(ward, END_MS);
        if (ward->unreaped)
            tell_trouble(supervisor,
                         "a worker has ended, but a process that traces it keeps it from being "
                         "forgotten");
    }
    ae_descent_settle();
}

/* By what the kernel says: a device that somebody still has, or that still writes, is a failure. */
static void check_released(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        char address[AE_PCI_ADDRESS_TEXT];
        struct ae_error why;

        if (!ae_port_pci_address(supervisor->options->ports[i], address) &&
            ae_vfio_check_released(address, &why))
            tell_trouble(supervisor, why.text);
    }
}

static void release(struct supervisor *supervisor)
{
    end_descent(supervisor);
    /* The workers are gone: bus master off, reset, unmap, in that order, is the owner's close. */
    for (unsigned i = 0; i < supervisor->owner_count; i++)
        ae_port_owner_close(supervisor->owners[i]);
    check_released(supervisor);
    ae_relay_close(&supervisor->relay);
    ae_child_user_free(supervisor->user);
    for (unsigned i = 0; i < AE_SUPERVISE_WORKERS; i++) {
        ae_fragile_forget(&supervisor->wards[i].fragile);
        if (supervisor->wards[i].shared)
            munmap(supervisor->wards[i].shared, sizeof(struct ae_shared));
        if (supervisor->wards[i].shared_fd >= 0)
            close(supervisor->wards[i].shared_fd);
    }
}

int ae_supervise(const struct ae_supervise_options *options, struct ae_supervise_result *result,
                 struct ae_error *err)
{
    struct supervisor supervisor = {.options = options, .result = result, .relay.end = -1};
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction interrupt, terminate;
    cpu_set_t cpus;
    int rc, unknown = sched_getaffinity(0, sizeof(cpus), &cpus);

    memset(result, 0, sizeof(*result));
    for (unsigned i = 0; i < AE_SUPERVISE_WORKERS; i++) {
        struct ward *ward = &supervisor.wards[i];

        ward->cpu = i < options->cpu_count ? options->cpus[i] : -1;
        ward->shared_fd = ward->fd = ward->descent.guard_end = -1;
        ward->result = &result->workers[i];
    }
    signalled = &supervisor.limits;
    interrupted = 0;
    sigaction(SIGINT, &action, &interrupt);
    sigaction(SIGTERM, &action, &terminate);
    rc = run(&supervisor, err);
    release(&supervisor);
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &terminate, NULL);
    if (!unknown)
        sched_setaffinity(0, sizeof(cpus), &cpus);
    return rc;
}

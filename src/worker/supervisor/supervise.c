/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/supervise.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "worker/supervisor/capture.h"
#include "worker/supervisor/end.h"
#include "worker/supervisor/logger.h"
#include "worker/supervisor/named.h"
#include "worker/supervisor/page.h"
#include "worker/supervisor/ports.h"
#include "worker/supervisor/start.h"
#include "worker/supervisor/supervisor.h"
#include "worker/supervisor/view.h"
#include "worker/supervisor/watch.h"

#define GRACE_MS_DEFAULT 3000
#define USER_MS          10000

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

static int make_pages(struct ae_supervisor *supervisor, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;
    int rc = 0;

    for (unsigned i = 0; i < options->cpu_count && !rc; i++)
        rc = ae_supervisor_make_page(&supervisor->wards[i], options, err);
    for (unsigned i = 0; i < options->cpu_count && !rc; i++)
        rc = ae_supervisor_hand_channels(supervisor, i, err);
    for (unsigned i = 0; i < options->cpu_count && !rc; i++)
        rc = ae_logger_make_memory(&supervisor->wards[i], options, err);
    for (unsigned i = 0; i < options->cpu_count && !rc; i++)
        rc = ae_supervisor_make_mirror(&supervisor->wards[i], options, err);
    return rc ? rc : ae_logger_open(supervisor, err);
}

static int start_workers(struct ae_supervisor *supervisor, struct ae_error *err)
{
    int rc = ae_supervisor_start(supervisor, err);

    return rc ? rc : ae_supervisor_watch_workers(supervisor, err);
}

static int start(struct ae_supervisor *supervisor, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;
    struct ae_port_plan plans[AE_WORKER_PORTS];
    int rc = check_cpus(options, err);

    if (!rc)
        rc = ae_supervise_plan(options, plans, err);
    if (!rc)
        rc = check_input(options, err);
    /* Before anything is opened: a name service may take its time. */
    if (!rc && options->user)
        rc = ae_child_user_find(&supervisor->user, options->user, USER_MS, options->give_up, err);
    if (!rc)
        rc = ae_relay_open(&supervisor->relay, STDOUT_FILENO, STDERR_FILENO, err);
    if (!rc)
        rc = ae_supervisor_open_channels(supervisor, err);
    if (!rc)
        rc = make_pages(supervisor, err);
    if (!rc)
        rc = ae_supervisor_open_ports(supervisor, err);
    if (!rc)
        rc = ae_supervisor_watch_open(supervisor, err);
    if (!rc)
        rc = start_workers(supervisor, err);
    if (!rc)
        ae_supervisor_view_open(supervisor);
    ae_limits_begin(&supervisor->limits, ae_supervisor_now());
    return rc;
}

static void forget_workers(struct ae_supervisor *supervisor)
{
    const struct ae_supervise_options *options = supervisor->options;

    supervisor->ward_count = 0;
    for (unsigned i = 0; i < AE_SUPERVISE_WORKERS; i++) {
        supervisor->wards[i] = (struct ae_ward){
            .cpu = i < options->cpu_count ? options->cpus[i] : -1,
            .shared_fd = -1,
            .log_fd = -1,
            .mirror_fd = -1,
            .fd = -1,
            .descent.guard_end = -1,
            .result = &supervisor->result->workers[i],
        };
        supervisor->result->workers[i] = (struct ae_supervise_worker){0};
    }
    supervisor->limits = (struct ae_limits){
        .stop_after_ms = options->stop_after_ms,
        .grace_ms = options->grace_ms ? options->grace_ms : GRACE_MS_DEFAULT,
    };
}

int ae_supervisor_open(struct ae_supervisor **out, const struct ae_supervise_options *options,
                       struct ae_supervise_result *result, struct ae_error *err)
{
    struct ae_supervisor *supervisor = calloc(1, sizeof(*supervisor));
    int rc;

    memset(result, 0, sizeof(*result));
    if (!supervisor)
        return ae_error_set(err, -ENOMEM, "a supervisor: out of memory");
    supervisor->options = options;
    supervisor->result = result;
    supervisor->relay.servant.end = supervisor->logger.end = -1;
    supervisor->view.place.fd = -1;
    supervisor->epoll = supervisor->timer = -1;
    supervisor->moved = sched_getaffinity(0, sizeof(supervisor->cpus), &supervisor->cpus) == 0;
    forget_workers(supervisor);
    rc = start(supervisor, err);
    if (rc)
        ae_supervisor_close(supervisor);
    else
        *out = supervisor;
    return rc;
}

static void drop_pages(struct ae_supervisor *supervisor)
{
    ae_logger_close(supervisor);
    for (unsigned i = 0; i < AE_SUPERVISE_WORKERS; i++) {
        ae_descriptor_close(&supervisor->wards[i].mirror_fd);
        ae_logger_drop_memory(&supervisor->wards[i]);
        ae_supervisor_drop_page(&supervisor->wards[i]);
    }
}

int ae_supervisor_restart(struct ae_supervisor *supervisor, struct ae_error *err)
{
    int rc = 0;

    if (ae_supervisor_any_runs(supervisor))
        return ae_error_set(err, -EBUSY, "starting workers again: one still runs");
    /* Whoever is left may have the registers of a device that is about to be reset. */
    ae_supervisor_end_descent(supervisor);
    for (unsigned i = 0; i < supervisor->owner_count && !rc; i++) {
        rc = ae_port_owner_restart(supervisor->owners[i], err);
        if (rc)
            ae_error_prefix(err, rc, "port %s", supervisor->options->ports[i]);
    }
    drop_pages(supervisor);
    forget_workers(supervisor);
    if (!rc)
        rc = make_pages(supervisor, err);
    if (!rc)
        rc = start_workers(supervisor, err);
    if (rc)
        ae_supervisor_give_up(supervisor);
    else
        ae_supervisor_capture_again(supervisor);
    ae_limits_begin(&supervisor->limits, ae_supervisor_now());
    return rc;
}

void ae_supervisor_stop(struct ae_supervisor *supervisor)
{
    ae_limits_signal(&supervisor->limits, ae_supervisor_now());
}

void ae_supervisor_close(struct ae_supervisor *supervisor)
{
    if (!supervisor)
        return;
    ae_supervisor_view_close(supervisor);
    ae_supervisor_give_up(supervisor);
    for (unsigned i = 0; i < supervisor->owner_count; i++)
        ae_port_owner_get_link(supervisor->owners[i], &supervisor->result->links[i]);
    ae_supervisor_end_descent(supervisor);
    ae_supervisor_close_ports(supervisor);
    ae_supervisor_watch_close(supervisor);
    ae_supervisor_capture_close(supervisor);
    drop_pages(supervisor);
    ae_supervisor_close_channels(supervisor);
    ae_relay_close(&supervisor->relay);
    ae_child_user_free(supervisor->user);
    if (supervisor->moved)
        sched_setaffinity(0, sizeof(supervisor->cpus), &supervisor->cpus);
    free(supervisor);
}

/* ---- All of it in one call ---- */

/* Whether a signal came that ends it, and the supervisor that there is to tell. */
static volatile sig_atomic_t ended;
static volatile sig_atomic_t hung_up;
static struct ae_supervisor *volatile signalled;

static void on_signal(int number)
{
    int error = errno;

    (void)number;
    ended = 1;
    if (signalled)
        ae_supervisor_stop(signalled);
    errno = error;
}

static void on_hangup(int number)
{
    (void)number;
    hung_up = 1;
}

static void hear_hangup(struct ae_supervisor *supervisor)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;

    if (!hung_up)
        return;
    hung_up = 0;
    if (hooks->hangup(hooks->context))
        ae_supervisor_stop(supervisor);
}

static bool is_to_go_on(struct ae_supervisor *supervisor)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;

    /* A signal may come while the hook decides, or waits. */
    return hooks->ended && !supervisor->limits.signalled_ms && hooks->ended(hooks->context) &&
           !supervisor->limits.signalled_ms;
}

static int run(const struct ae_supervise_options *options, struct ae_supervise_result *result,
               struct ae_error *err)
{
    struct ae_supervisor *supervisor;
    int rc = ae_supervisor_open(&supervisor, options, result, err);
    struct pollfd due;

    if (rc)
        return rc;
    signalled = supervisor;
    due = (struct pollfd){.fd = ae_supervisor_fd(supervisor), .events = POLLIN};
    do {
        /* A signal may have come before there was a supervisor, or while workers were started
         * again. */
        if (ended)
            ae_supervisor_stop(supervisor);
        while (ae_supervisor_step(supervisor)) {
            hear_hangup(supervisor);
            poll(&due, 1, -1);
        }
    } while (is_to_go_on(supervisor) && !(rc = ae_supervisor_restart(supervisor, err)));
    signalled = NULL;
    ae_supervisor_close(supervisor);
    return rc;
}

int ae_supervise(const struct ae_supervise_options *options, struct ae_supervise_result *result,
                 struct ae_error *err)
{
    const struct sigaction action = {.sa_handler = on_signal};
    struct ae_supervise_options own = *options;
    struct sigaction hangup, interrupt, terminate;
    sigset_t ours, callers;
    const struct sigaction heard = {.sa_handler = options->hooks.hangup ? on_hangup : on_signal};
    int rc;

    ended = 0;
    hung_up = 0;
    own.give_up = &ended;
    sigaction(SIGINT, &action, &interrupt);
    sigaction(SIGTERM, &action, &terminate);
    sigaction(SIGHUP, NULL, &hangup);
    if (options->hooks.hangup || hangup.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &heard, NULL);
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &ours, &callers);
    rc = run(&own, result, err);
    pthread_sigmask(SIG_SETMASK, &callers, NULL);
    result->told_to_end = ended;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &terminate, NULL);
    sigaction(SIGHUP, &hangup, NULL);
    return rc;
}

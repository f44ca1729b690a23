/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/end.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/text.h"
#include "worker/calls.h"
#include "worker/supervisor/counted.h"
#include "worker/supervisor/named.h"
#include "worker/supervisor/watch.h"

#define END_MS 5000 /* for what was killed to be gone */

/* ---- When ---- */

void ae_supervisor_ask_to_stop(struct ae_supervisor *supervisor, uint64_t now)
{
    ae_limits_ask(&supervisor->limits, now);
    for (unsigned i = 0; i < supervisor->ward_count; i++)
        __atomic_fetch_or(&supervisor->wards[i].shared->head.asked, AE_WORKER_STOP,
                          __ATOMIC_RELAXED);
}

static void end_all(struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++) {
        struct ae_ward *ward = &supervisor->wards[i];

        if (ward->fd >= 0 && !ward->result->stopped_by_us) {
            ward->result->stopped_by_us = true;
            kill(ward->launch.pid, SIGKILL);
        }
    }
}

void ae_supervisor_tend_time(struct ae_supervisor *supervisor)
{
    uint64_t now = ae_supervisor_now();

    switch (ae_limits_look(&supervisor->limits, now)) {
    case AE_LIMITS_GO_ON:
        return;
    case AE_LIMITS_END:
        end_all(supervisor);
        /* fallthrough */
    case AE_LIMITS_ASK:
        ae_supervisor_ask_to_stop(supervisor, now);
    }
}

/* ---- One of them ---- */

/* Takes what a worker that has ended leaves: its status and its last words in shared memory. */
static void collect(struct ae_supervisor *supervisor, unsigned number)
{
    struct ae_ward *ward = &supervisor->wards[number];
    struct ae_supervise_worker *result = ward->result;
    /* Pairs with the release store in ae_worker_counter. */
    uint32_t count = __atomic_load_n(&ward->shared->counter_count, __ATOMIC_ACQUIRE);
    /* Once: what came of it may still write there. */
    uint32_t in_force = __atomic_load_n(&ward->shared->made.in_force, __ATOMIC_RELAXED);

    ae_supervisor_count(supervisor, number, result->queues);
    if (ward->gate == AE_GATE_QUIET)
        ae_supervisor_count_quiet(supervisor, number);
    result->calls_in_force =
        in_force <= AE_QUIET_ENFORCE ? (enum ae_quiet_calls)in_force : AE_QUIET_TRACE;
    result->call_count = ae_calls_read(&ward->shared->made, result->calls);
    result->counter_count = count < AE_WORKER_COUNTERS ? count : AE_WORKER_COUNTERS;
    result->loop_count = ae_loops_read(result->loops, ward->shared);
    for (unsigned i = 0; i < result->counter_count; i++) {
        const struct ae_shared_counter *counter = &ward->shared->counters[i];

        memcpy(result->counters[i].name, counter->name, AE_WORKER_NAME);
        result->counters[i].name[AE_WORKER_NAME - 1] = '\0';
        ae_text_shown(result->counters[i].name, AE_WORKER_NAME, result->counters[i].name);
        result->counters[i].value = counter->value;
    }
}

static void reap(struct ae_ward *ward, unsigned patience_ms)
{
    int status = SIGKILL; /* if nobody tells */

    ward->unreaped = ae_child_reap(ward->launch.pid, &status, patience_ms) == 0;
    ward->result->status = status;
}

void ae_supervisor_ended(struct ae_supervisor *supervisor, unsigned number)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    struct ae_ward *ward = &supervisor->wards[number];

    if (ward->gate == AE_GATE_QUIET && hooks->left)
        hooks->left(hooks->context, number, false);
    /* What it started may hold it, by ptrace(2). */
    ae_descent_kill(&ward->descent);
    reap(ward, 0);
    ae_supervisor_unwatch(supervisor, ward->fd);
    ae_descriptor_close(&ward->fd);
    ae_supervisor_end_loans(supervisor, number);
    collect(supervisor, number);
    ae_supervisor_ask_to_stop(supervisor, ae_supervisor_now());
}

void ae_supervisor_give_up(struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++) {
        struct pollfd end = {.fd = supervisor->wards[i].fd, .events = POLLIN};

        if (end.fd < 0)
            continue;
        kill(supervisor->wards[i].launch.pid, SIGKILL);
        poll(&end, 1, END_MS);
        ae_supervisor_ended(supervisor, i);
    }
}

/* ---- All that came of them ---- */

void ae_supervisor_tell_trouble(struct ae_supervisor *supervisor, const char *what)
{
    char *trouble = supervisor->result->trouble;

    if (!trouble[0])
        snprintf(trouble, sizeof(supervisor->result->trouble), "%s", what);
}

void ae_supervisor_end_descent(struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->options->cpu_count && i < AE_SUPERVISE_WORKERS; i++) {
        struct ae_ward *ward = &supervisor->wards[i];
        struct ae_error why;

        if (ae_descent_end(&ward->descent, END_MS, &why))
            ae_supervisor_tell_trouble(supervisor, why.text);
        if (ward->unreaped)
            reap(ward, END_MS);
        if (ward->unreaped)
            ae_supervisor_tell_trouble(
                supervisor, "a worker has ended, but a process that traces it keeps it from being "
                            "forgotten");
    }
    ae_descent_settle();
}

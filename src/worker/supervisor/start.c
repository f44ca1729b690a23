/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "worker/irqs.h"
#include "worker/supervisor/ports.h"

/* In the control group that the hook put it into, if it did: below that. */
static int hold_together(struct ae_supervisor *supervisor, struct ae_ward *ward,
                         struct ae_error *err)
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

/* A worker that waits to be let go, on its CPU and no other. */
static int prepare_worker(struct ae_supervisor *supervisor, unsigned number, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;
    struct ae_ward *ward = &supervisor->wards[number];
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
        ae_descriptor_close(&ward->fd);
    }
    return rc;
}

/*
 * All wait on their CPUs before the first is let go: one that was let go earlier would find the
 * next, which is not on its own CPU yet, among those that may run on its.
 */
int ae_supervisor_start(struct ae_supervisor *supervisor, struct ae_error *err)
{
    unsigned prepared = 0, count = supervisor->options->cpu_count;
    int rc = 0;

    while (prepared < count && !rc) {
        ae_supervisor_hand_over(supervisor, prepared);
        ae_shared_note_irqs(supervisor->wards[prepared].shared,
                            (unsigned)supervisor->wards[prepared].cpu);
        rc = prepare_worker(supervisor, prepared, err);
        prepared += !rc;
    }
    while (supervisor->ward_count < count && !rc) {
        struct ae_ward *ward = &supervisor->wards[supervisor->ward_count];

        rc = ae_launch_go(&ward->launch, &ward->plan, supervisor->options->give_up, err);
        if (rc)
            ae_descriptor_close(&ward->fd);
        else
            supervisor->ward_count++;
    }
    for (unsigned i = supervisor->ward_count; i < prepared && rc; i++)
        if (supervisor->wards[i].fd >= 0) {
            ae_child_cancel(&supervisor->wards[i].launch);
            ae_descriptor_close(&supervisor->wards[i].fd);
        }
    return rc;
}

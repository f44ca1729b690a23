/* SPDX-License-Identifier: Apache-2.0 */

/* From the supervisor to a program on the quiet CPU, as another user, with descriptors and no
 * more. */

#include "worker/supervisor/launch.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "worker/supervisor/registers.h"

#define KEEP_MAX (3 + AE_WORKER_CHANNELS + AE_WORKER_PORTS * AE_PORT_MAPS)

/* What the worker may have: its page, its log, its mirror, its channels, and all that is handed
 * over but devices. */
static unsigned list_descriptors(const struct ae_launch_plan *plan, int keep[KEEP_MAX])
{
    unsigned count = 0;

    keep[count++] = plan->shared_fd;
    if (plan->shared->log_size)
        keep[count++] = plan->shared->log_fd;
    for (unsigned i = 0; i < plan->shared->channel_count; i++)
        keep[count++] = plan->shared->channels[i].fd;
    if (plan->shared->mirror_size)
        keep[count++] = plan->shared->mirror_fd;
    for (unsigned i = 0; i < plan->shared->port_count; i++) {
        const struct ae_port_handoff *port = &plan->shared->ports[i];

        for (unsigned j = 0; j < port->map_count; j++)
            if (port->maps[j].kind != AE_PORT_MAP_REGISTERS)
                keep[count++] = port->maps[j].fd;
    }
    return count;
}

int ae_launch_prepare(struct ae_child *child, const struct ae_launch_plan *plan,
                      struct ae_error *err)
{
    char shared[48];
    const char *const set[] = {shared, NULL};
    int keep[KEEP_MAX], rc;
    const struct ae_child_world world = {
        .argv = (const char *const *)(size_t)plan->argv,
        .user = plan->user,
        .input = plan->input,
        .output = plan->output,
        .errors = plan->errors,
        .keep = keep,
        .keep_count = list_descriptors(plan, keep),
        .pass = plan->pass,
        .set = set,
        .unlimited_lock = true,
    };

    snprintf(shared, sizeof(shared), "%s=%d", AE_SHARED_ENVIRONMENT, plan->shared_fd);
    rc = ae_child_prepare(child, &world, err);
    return rc ? ae_error_prefix(err, rc, "starting the worker") : 0;
}

/* From outside: entering a CPU set, which may have happened meanwhile, sets affinities anew. */
int ae_launch_settle(struct ae_child *child, int cpu, struct ae_error *err)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    /* One that has been killed meanwhile is for its watcher to find. */
    if (sched_setaffinity(child->pid, sizeof(set), &set) && errno != ESRCH)
        return ae_error_set(err, -errno, "moving to CPU %d: %s", cpu, strerror(errno));
    return 0;
}

int ae_launch_go(struct ae_child *child, const struct ae_launch_plan *plan,
                 const volatile sig_atomic_t *stop, struct ae_error *err)
{
    int rc;

    if (ae_registers_any(plan->shared))
        rc = ae_registers_go(child, plan->shared, AE_LAUNCH_MS, stop, err);
    else
        rc = ae_child_go(child, AE_LAUNCH_MS, stop, err);
    return rc ? ae_error_prefix(err, rc, "starting the worker") : 0;
}

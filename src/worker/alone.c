/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/alone.h>

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/error.h"
#include "worker/irqs.h"
#include "worker/shared.h"

static int move_to_cpu(int cpu, struct ae_error *err)
{
    cpu_set_t set;

    if (cpu < 0)
        return 0;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        return ae_error_set(err, -errno, "moving to CPU %d: %s; is it online?", cpu,
                            strerror(errno));
    return 0;
}

int ae_worker_start_alone(struct ae_worker **out, const struct ae_worker_options *options,
                          struct ae_error *err)
{
    struct ae_worker *worker;
    int rc;

    if (ae_worker_supervised())
        return ae_error_set(err, -EBUSY,
                            "opening ports: 'aether run' has started this program, and opens them");
    if (options->port_count > AE_WORKER_PORTS)
        return ae_error_set(err, -EINVAL, "starting a worker: %u ports; %d are the most",
                            options->port_count, AE_WORKER_PORTS);
    rc = ae_worker_start(&worker, err);
    if (rc)
        return rc;
    rc = move_to_cpu(options->cpu, err);
    for (unsigned i = 0; i < options->port_count && !rc; i++) {
        rc = ae_port_open(&worker->ports[i], options->ports[i], &options->port, err);
        worker->port_count += !rc;
    }
    if (rc) {
        ae_worker_finish(worker);
        return rc;
    }
    ae_shared_note_irqs(worker->shared, (unsigned)sched_getcpu());
    *out = worker;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/alone.h>

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/error.h"
#include "port/domains.h"
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

static int open_ports(struct ae_worker *worker, const struct ae_worker_options *options,
                      struct ae_error *err)
{
    struct ae_domain *domains[AE_WORKER_PORTS];
    struct ae_port_options ports[AE_WORKER_PORTS];
    int rc;

    for (unsigned i = 0; i < options->port_count; i++)
        ports[i] = options->port;
    rc = ae_domains_open(domains, options->ports, ports, options->port_count, err);
    if (rc)
        return rc;
    for (unsigned i = 0; i < options->port_count && !rc; i++) {
        ports[i].domain = domains[i];
        rc = ae_port_open(&worker->ports[i], options->ports[i], &ports[i], err);
        worker->port_count += !rc;
    }
    ae_domains_close(domains, options->port_count);
    return rc;
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
    if (!rc)
        rc = open_ports(worker, options, err);
    if (rc) {
        ae_worker_finish(worker);
        return rc;
    }
    ae_shared_note_irqs(worker->shared, (unsigned)sched_getcpu());
    *out = worker;
    return 0;
}

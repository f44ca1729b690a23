/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/shares.h"

#include <errno.h>

#include "base/error.h"

static int check_share(const struct ae_supervise_options *options, unsigned index,
                       struct ae_error *err)
{
    const struct ae_supervise_share *share = &options->shares[index];

    if (share->worker >= options->cpu_count)
        return ae_error_set(err, -EINVAL, "share %u is of worker %u; there are %u, from 0", index,
                            share->worker, options->cpu_count);
    if (share->port >= options->port_count)
        return ae_error_set(err, -EINVAL, "share %u is of port %u; there are %u, from 0", index,
                            share->port, options->port_count);
    if (!share->count || share->first >= AE_PORT_QUEUES ||
        share->count > AE_PORT_QUEUES - share->first)
        return ae_error_set(
            err, -EINVAL, "share %u is %u queues of port %s from %u; 1 to %d are possible", index,
            share->count, options->ports[share->port], share->first, AE_PORT_QUEUES);
    for (unsigned i = 0; i < index; i++) {
        const struct ae_supervise_share *other = &options->shares[i];

        if (other->port != share->port)
            continue;
        if (other->worker == share->worker)
            return ae_error_set(err, -EINVAL,
                                "shares %u and %u are both of worker %u and port %s; a worker's "
                                "queues of a port are one behind another",
                                i, index, share->worker, options->ports[share->port]);
        if (other->first < share->first + share->count &&
            share->first < other->first + other->count)
            return ae_error_set(err, -EINVAL,
                                "shares %u and %u overlap: workers %u and %u would have the same "
                                "queue of port %s",
                                i, index, other->worker, share->worker,
                                options->ports[share->port]);
    }
    return 0;
}

/* A queue that nobody polls would take frames and never give them. */
static int check_port(const struct ae_supervise_options *options, unsigned port,
                      struct ae_error *err)
{
    unsigned queues = ae_shares_queues(options, port), shared = 0;

    for (unsigned i = 0; i < options->share_count; i++)
        shared += options->shares[i].port == port ? options->shares[i].count : 0;
    if (!queues)
        return ae_error_set(err, -EINVAL, "no worker has a queue of port %s", options->ports[port]);
    if (shared < queues)
        return ae_error_set(err, -EINVAL, "%u of the %u queues of port %s are no worker's",
                            queues - shared, queues, options->ports[port]);
    return 0;
}

static int check_worker(const struct ae_supervise_options *options, unsigned worker,
                        struct ae_error *err)
{
    for (unsigned i = 0; i < options->share_count; i++)
        if (options->shares[i].worker == worker)
            return 0;
    return ae_error_set(err, -EINVAL, "worker %u, on CPU %d, has no queues", worker,
                        options->cpus[worker]);
}

int ae_shares_check(const struct ae_supervise_options *options, struct ae_error *err)
{
    int rc = 0;

    if (options->port_count > AE_WORKER_PORTS)
        return ae_error_set(err, -EINVAL, "%u ports; %d are the most", options->port_count,
                            AE_WORKER_PORTS);
    if (!options->share_count)
        return 0;
    for (unsigned i = 0; i < options->share_count && !rc; i++)
        rc = check_share(options, i, err);
    for (unsigned i = 0; i < options->port_count && !rc; i++)
        rc = check_port(options, i, err);
    for (unsigned i = 0; i < options->cpu_count && !rc; i++)
        rc = check_worker(options, i, err);
    return rc;
}

bool ae_shares_find(const struct ae_supervise_options *options, unsigned worker, unsigned port,
                    unsigned *first, unsigned *count)
{
    *first = worker;
    *count = 1;
    for (unsigned i = 0; i < options->share_count; i++) {
        const struct ae_supervise_share *share = &options->shares[i];

        if (share->worker != worker || share->port != port)
            continue;
        *first = share->first;
        *count = share->count;
        return true;
    }
    return !options->share_count;
}

unsigned ae_shares_queues(const struct ae_supervise_options *options, unsigned port)
{
    unsigned queues = options->share_count ? 0 : options->cpu_count;

    for (unsigned i = 0; i < options->share_count; i++) {
        const struct ae_supervise_share *share = &options->shares[i];

        if (share->port == port && queues < share->first + share->count)
            queues = share->first + share->count;
    }
    return queues;
}

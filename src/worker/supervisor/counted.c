/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/counted.h"

#include "worker/supervisor/shares.h"

#define COUNTERS (sizeof(struct ae_queue_counters) / sizeof(uint64_t))

static struct ae_queue_counters count_port(const struct ae_supervisor *supervisor, unsigned number,
                                           unsigned port)
{
    struct ae_queue_counters sum = {0}, one;
    unsigned first, count;

    if (!ae_shares_find(supervisor->options, number, port, &first, &count))
        return sum;
    for (unsigned queue = first; queue < first + count; queue++) {
        ae_port_owner_get_counters(supervisor->owners[port], queue, &one);
        for (size_t i = 0; i < COUNTERS; i++)
            ((uint64_t *)&sum)[i] += ((const uint64_t *)&one)[i];
    }
    return sum;
}

void ae_supervisor_count(const struct ae_supervisor *supervisor, unsigned number,
                         struct ae_queue_counters queues[AE_WORKER_PORTS])
{
    for (unsigned i = 0; i < supervisor->owner_count; i++)
        queues[i] = count_port(supervisor, number, i);
}

/* One that ran backwards is not subtracted from: nobody knows what it was set to. */
void ae_supervisor_count_quiet(const struct ae_supervisor *supervisor, unsigned number)
{
    const struct ae_ward *ward = &supervisor->wards[number];

    ae_supervisor_count(supervisor, number, ward->result->quiet_queues);
    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        const uint64_t *before = (const uint64_t *)&ward->before[i];
        uint64_t *now = (uint64_t *)&ward->result->quiet_queues[i];

        for (size_t j = 0; j < COUNTERS; j++)
            now[j] -= before[j] <= now[j] ? before[j] : 0;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/cycle.h>

#include <errno.h>
#include <inttypes.h>

#include "base/error.h"
#include "worker/shared.h"

#define PERIOD_LEAST 1000 /* ns; what a release takes is a tenth of it */

int ae_cycle_open(struct ae_cycle *cycle, struct ae_worker *worker, const char *name,
                  uint64_t period_ns, uint64_t deadline_ns, struct ae_error *err)
{
    uint64_t bound_ns = deadline_ns ? deadline_ns : period_ns;
    struct ae_shared_loop *loop;

    if (period_ns < PERIOD_LEAST || period_ns > AE_QUEUE_GREATEST || bound_ns > AE_QUEUE_GREATEST)
        return ae_error_set(err, -EINVAL,
                            "a cycle of %" PRIu64 " ns with %" PRIu64
                            " ns to its deadline: %d to 10^10 are possible, and 10^10 at most",
                            period_ns, bound_ns, PERIOD_LEAST);
    loop = ae_loop_take(worker, name);
    if (!loop)
        return ae_error_set(err, -ENOSPC,
                            "a cycle: the worker has %d loops, and no more are possible",
                            AE_WORKER_LOOPS);
    loop->cyclic = 1;
    loop->period_ns = period_ns;
    loop->bound_ns = bound_ns;
    ae_loop_publish(worker);
    *cycle = (struct ae_cycle){
        .period_ns = period_ns, .bound = ae_clock_from_ns(bound_ns), .loop = loop};
    return 0;
}

/* On to the first release that is not over. */
static void advance(struct ae_cycle *cycle, uint64_t now)
{
    uint64_t next = cycle->number + 1;

    cycle->release = cycle->start + ae_clock_from_ns(next * cycle->period_ns);
    if ((int64_t)(now - cycle->release) > 0) {
        uint64_t skipped = ae_clock_to_ns(now - cycle->release) / cycle->period_ns + 1;

        cycle->loop->skipped += skipped;
        next += skipped;
        cycle->release = cycle->start + ae_clock_from_ns(next * cycle->period_ns);
    }
    cycle->number = next;
}

uint64_t ae_cycle_end(struct ae_cycle *cycle, uint64_t now)
{
    if (!cycle->started) {
        cycle->started = true;
        cycle->start = cycle->release = now + ae_clock_from_ns(cycle->period_ns);
    } else if (cycle->turning) {
        uint64_t took = now - cycle->release;

        if (took > cycle->bound)
            ae_loop_missed(cycle->loop, ae_clock_to_ns(now - cycle->start), ae_clock_to_ns(took));
        cycle->turning = false;
        advance(cycle, now);
    }
    return cycle->release;
}

void ae_cycle_begin(struct ae_cycle *cycle, uint64_t now)
{
    uint64_t late = now - cycle->release;

    cycle->turning = true;
    cycle->loop->turns++;
    /* Early it is only where somebody else's clock has woken us. */
    ae_queue_histogram_record(&cycle->loop->wakeup, (int64_t)late < 0 ? 0 : ae_clock_to_ns(late));
}

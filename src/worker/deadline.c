/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/deadline.h>

#include <errno.h>
#include <inttypes.h>

#include <aether/clock.h>

#include "base/error.h"
#include "worker/shared.h"

int ae_deadline_open(struct ae_deadline *deadline, struct ae_worker *worker, const char *name,
                     uint64_t bound_ns, struct ae_error *err)
{
    struct ae_shared_loop *loop;

    if (!bound_ns || bound_ns > AE_QUEUE_GREATEST)
        return ae_error_set(err, -EINVAL, "a deadline of %" PRIu64 " ns: 1 to 10^10 are possible",
                            bound_ns);
    loop = ae_loop_take(worker, name);
    if (!loop)
        return ae_error_set(err, -ENOSPC,
                            "a deadline: the worker has %d loops, and no more are "
                            "possible",
                            AE_WORKER_LOOPS);
    loop->bound_ns = bound_ns;
    ae_loop_publish(worker);
    *deadline = (struct ae_deadline){
        .bound = ae_clock_from_ns(bound_ns), .turns = &loop->turns, .loop = loop};
    ae_deadline_begin(deadline, ae_clock_ticks());
    return 0;
}

void ae_deadline_missed(const struct ae_deadline *deadline, uint64_t ticks)
{
    ae_loop_missed(deadline->loop, ae_clock_to_ns(deadline->last - deadline->start),
                   ae_clock_to_ns(ticks));
}

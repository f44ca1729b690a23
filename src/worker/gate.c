/* SPDX-License-Identifier: Apache-2.0 */

/* The worker's side of the gate (worker/shared.h). */

#include <errno.h>

#include <aether/clock.h>

#include "worker/shared.h"

int ae_gate_pass(struct ae_worker *worker, enum ae_gate gate)
{
    uint64_t start = ae_clock_ticks();
    uint32_t granted;

    if (!worker->supervised)
        return 0;
    /* Pairs with the acquire load in the supervisor: all that came before the gate has happened. */
    __atomic_store_n(&worker->shared->wanted, gate, __ATOMIC_RELEASE);
    while ((granted = __atomic_load_n(&worker->shared->granted, __ATOMIC_ACQUIRE)) != gate) {
        if (granted == AE_GATE_REFUSED)
            return -EALREADY;
        if (ae_clock_ticks() - start > worker->proof_ticks)
            return -ETIMEDOUT;
        ae_clock_relax();
    }
    return 0;
}

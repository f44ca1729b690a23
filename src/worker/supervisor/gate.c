/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/gate.h"

#include <poll.h>

#include "worker/supervisor/counted.h"
#include "worker/supervisor/end.h"

/* It has ended, and was not reaped yet: the page still says what it wanted last. */
static bool has_ended(const struct ae_ward *ward)
{
    struct pollfd end = {.fd = ward->fd, .events = POLLIN};

    return poll(&end, 1, 0) > 0;
}

static void become_quiet(struct ae_supervisor *supervisor, unsigned number)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;

    supervisor->wards[number].result->was_quiet = true;
    ae_supervisor_count(supervisor, number, supervisor->wards[number].before);
    if (hooks->quiet)
        hooks->quiet(hooks->context, number);
}

static void leave_quiet(struct ae_supervisor *supervisor, unsigned number)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;

    ae_supervisor_count_quiet(supervisor, number);
    if (hooks->left)
        hooks->left(hooks->context, number, true);
}

/* A proof is about the only stretch there was, not about the luckiest. */
static void refuse_quiet(struct ae_supervisor *supervisor, unsigned number)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    struct ae_ward *ward = &supervisor->wards[number];

    __atomic_store_n(&ward->shared->granted, AE_GATE_REFUSED, __ATOMIC_RELEASE);
    if (ward->result->asked_again)
        return;
    ward->result->asked_again = true;
    if (hooks->refused)
        hooks->refused(hooks->context, number);
}

/* The worker spins while the hook runs, so the hook sees the machine exactly at the gate. */
static void pass(struct ae_supervisor *supervisor, unsigned number, enum ae_gate gate)
{
    struct ae_ward *ward = &supervisor->wards[number];
    uint64_t before = ae_supervisor_now();

    ward->gate = gate;
    if (gate == AE_GATE_QUIET)
        become_quiet(supervisor, number);
    else
        leave_quiet(supervisor, number);
    ae_limits_held(&supervisor->limits, ae_supervisor_now() - before);
    if (gate == AE_GATE_QUIET)
        ae_limits_quiet(&supervisor->limits, ae_supervisor_now());
    __atomic_store_n(&ward->shared->granted, gate, __ATOMIC_RELEASE);
}

void ae_supervisor_tend_gate(struct ae_supervisor *supervisor, unsigned number)
{
    struct ae_ward *ward = &supervisor->wards[number];
    uint32_t wanted;

    if (ward->fd < 0)
        return;
    /* Pairs with the release store in ae_gate_pass. */
    wanted = __atomic_load_n(&ward->shared->wanted, __ATOMIC_ACQUIRE);
    if (ward->lost) /* it cannot even be asked any more, and is ended when the grace time is over */
        ae_supervisor_ask_to_stop(supervisor, ae_supervisor_now());
    if (wanted == ward->gate || has_ended(ward))
        return;
    if ((wanted == AE_GATE_QUIET && ward->gate == AE_GATE_STARTED) ||
        (wanted == AE_GATE_LEFT && ward->gate == AE_GATE_QUIET))
        pass(supervisor, number, wanted);
    else if (wanted == AE_GATE_QUIET && ward->gate == AE_GATE_LEFT)
        refuse_quiet(supervisor, number);
}

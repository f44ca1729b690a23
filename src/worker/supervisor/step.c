/* SPDX-License-Identifier: Apache-2.0 */

/* What a supervisor does whenever something is due. */

#include <poll.h>

#include "worker/supervisor/capture.h"
#include "worker/supervisor/end.h"
#include "worker/supervisor/gate.h"
#include "worker/supervisor/named.h"
#include "worker/supervisor/ports.h"
#include "worker/supervisor/view.h"
#include "worker/supervisor/watch.h"

#define STEP_NS 1000000 /* how soon a worker at the gate is noticed */

static void look_for_ends(struct ae_supervisor *supervisor)
{
    struct pollfd fds[AE_SUPERVISE_WORKERS];

    for (unsigned i = 0; i < supervisor->ward_count; i++)
        fds[i] = (struct pollfd){.fd = supervisor->wards[i].fd, .events = POLLIN};
    if (poll(fds, supervisor->ward_count, 0) <= 0)
        return;
    for (unsigned i = 0; i < supervisor->ward_count; i++)
        if (fds[i].revents)
            ae_supervisor_ended(supervisor, i);
}

bool ae_supervisor_step(struct ae_supervisor *supervisor)
{
    uint64_t soon = ae_supervisor_step_ports(supervisor);

    look_for_ends(supervisor);
    for (unsigned i = 0; i < supervisor->ward_count; i++)
        ae_supervisor_tend_gate(supervisor, i);
    ae_supervisor_tend_time(supervisor);
    ae_supervisor_capture_step(supervisor, ae_supervisor_view_step(supervisor));
    ae_supervisor_step_channels(supervisor);
    ae_supervisor_wake_in(supervisor, soon && soon < STEP_NS ? soon : STEP_NS);
    return ae_supervisor_any_runs(supervisor);
}

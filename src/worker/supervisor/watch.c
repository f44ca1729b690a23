/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/watch.h"

#include <poll.h>
#include <time.h>

#include "worker/supervisor/end.h"
#include "worker/supervisor/gate.h"
#include "worker/supervisor/ports.h"

#define POLL_NS 1000000 /* how soon a worker at the gate is noticed */
#define FDS     (AE_SUPERVISE_WORKERS + AE_WORKER_PORTS * AE_PORT_EVENT_FDS)

/* The workers' descriptors first, then those of the ports. */
static unsigned list_fds(const struct ae_supervisor *supervisor, struct pollfd fds[FDS],
                         unsigned port_of[FDS])
{
    unsigned count = 0;

    for (; count < supervisor->ward_count; count++)
        fds[count] = (struct pollfd){.fd = supervisor->wards[count].fd, .events = POLLIN};
    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        int events[AE_PORT_EVENT_FDS];
        int found = ae_port_owner_event_fds(supervisor->owners[i], events, AE_PORT_EVENT_FDS);

        for (int j = 0; j < found && j < AE_PORT_EVENT_FDS; j++) {
            port_of[count] = i;
            fds[count++] = (struct pollfd){.fd = events[j], .events = POLLIN};
        }
    }
    return count;
}

static bool any_runs(const struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++)
        if (supervisor->wards[i].fd >= 0)
            return true;
    return false;
}

void ae_supervisor_watch(struct ae_supervisor *supervisor)
{
    struct pollfd fds[FDS];
    unsigned port_of[FDS] = {0};

    while (any_runs(supervisor)) {
        const uint64_t soon = ae_supervisor_tend_ports(supervisor);
        const struct timespec pause = {.tv_nsec = (long)(soon && soon < POLL_NS ? soon : POLL_NS)};
        /* Anew each time: a port whose peer comes and goes has other descriptors then. */
        unsigned count = list_fds(supervisor, fds, port_of);
        int ready = ppoll(fds, count, &pause, NULL);

        for (unsigned i = 0; i < count && ready > 0; i++) {
            if (!(fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
                continue;
            if (i < supervisor->ward_count)
                ae_supervisor_ended(supervisor, i);
            else
                ae_port_owner_event(supervisor->owners[port_of[i]], fds[i].fd);
        }
        for (unsigned i = 0; i < supervisor->ward_count; i++)
            ae_supervisor_tend_gate(supervisor, i);
        ae_supervisor_tend_time(supervisor);
    }
}

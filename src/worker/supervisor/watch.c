/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/watch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "worker/supervisor/end.h"
#include "worker/supervisor/gate.h"
#include "worker/supervisor/ports.h"

#define STEP_NS 1000000 /* how soon a worker at the gate is noticed */

/* The workers' descriptors first, then those of the ports. */
static unsigned list_fds(const struct ae_supervisor *supervisor,
                         struct pollfd fds[AE_SUPERVISOR_FDS], unsigned port_of[AE_SUPERVISOR_FDS])
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

/* ---- The descriptor that stands for all ---- */

/*
 * Whoever waits is to wake for these. One that was closed has left by itself; one that came by the
 * same number and is not seen to have changed is heard a step later.
 */
static void listen_to(struct ae_watch *watch, const struct pollfd *fds, unsigned count)
{
    bool same = count == watch->count;

    for (unsigned i = 0; i < count && same; i++)
        same = fds[i].fd == watch->fds[i];
    if (same)
        return;
    for (unsigned i = 0; i < watch->count; i++)
        if (watch->fds[i] >= 0)
            epoll_ctl(watch->epoll, EPOLL_CTL_DEL, watch->fds[i], NULL);
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i].fd};

        watch->fds[i] = fds[i].fd;
        if (fds[i].fd >= 0)
            epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fds[i].fd, &event);
    }
    watch->count = count;
}

/* Starting it anew takes back what it has to say. */
static void wake_in(const struct ae_watch *watch, uint64_t ns)
{
    const struct itimerspec at = {.it_value.tv_nsec = (long)ns};

    timerfd_settime(watch->timer, 0, &at, NULL);
}

int ae_supervisor_watch_open(struct ae_supervisor *supervisor, struct ae_error *err)
{
    struct ae_watch *watch = &supervisor->watch;
    struct epoll_event event = {.events = EPOLLIN};

    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    event.data.fd = watch->timer;
    if (watch->epoll < 0 || watch->timer < 0 ||
        epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->timer, &event))
        return ae_error_set(err, -errno, "making what the supervisor waits for: %s",
                            strerror(errno));
    wake_in(watch, STEP_NS);
    return 0;
}

void ae_supervisor_watch_close(struct ae_supervisor *supervisor)
{
    ae_descriptor_close(&supervisor->watch.epoll);
    ae_descriptor_close(&supervisor->watch.timer);
}

int ae_supervisor_fd(const struct ae_supervisor *supervisor)
{
    return supervisor->watch.epoll;
}

/* ---- A step ---- */

bool ae_supervisor_step(struct ae_supervisor *supervisor)
{
    const uint64_t soon = ae_supervisor_tend_ports(supervisor);
    struct pollfd fds[AE_SUPERVISOR_FDS];
    unsigned port_of[AE_SUPERVISOR_FDS] = {0};
    /* Anew each time: a port whose peer comes and goes has other descriptors then. */
    unsigned count = list_fds(supervisor, fds, port_of);
    int ready = poll(fds, count, 0);

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
    listen_to(&supervisor->watch, fds, list_fds(supervisor, fds, port_of));
    wake_in(&supervisor->watch, soon && soon < STEP_NS ? soon : STEP_NS);
    return any_runs(supervisor);
}

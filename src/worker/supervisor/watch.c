/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/watch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/descriptors.h"
#include "base/error.h"

static int listen_to(struct ae_supervisor *supervisor, int fd, struct ae_error *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (epoll_ctl(supervisor->epoll, EPOLL_CTL_ADD, fd, &event))
        return ae_error_set(err, -errno, "listening to workers and ports: %s", strerror(errno));
    return 0;
}

/* Starting the timer anew takes back what it has to say. */
void ae_supervisor_wake_in(struct ae_supervisor *supervisor, uint64_t ns)
{
    const struct itimerspec at = {.it_value.tv_nsec = (long)ns};

    timerfd_settime(supervisor->timer, 0, &at, NULL);
}

int ae_supervisor_watch_open(struct ae_supervisor *supervisor, struct ae_error *err)
{
    int rc;

    supervisor->epoll = epoll_create1(EPOLL_CLOEXEC);
    supervisor->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (supervisor->epoll < 0 || supervisor->timer < 0)
        return ae_error_set(err, -errno, "making what the supervisor waits for: %s",
                            strerror(errno));
    ae_supervisor_wake_in(supervisor, 1);
    rc = listen_to(supervisor, supervisor->timer, err);
    for (unsigned i = 0; i < supervisor->owner_count && !rc; i++) {
        int fd = ae_port_owner_fd(supervisor->owners[i]);

        if (fd >= 0)
            rc = listen_to(supervisor, fd, err);
    }
    return rc;
}

int ae_supervisor_watch_workers(struct ae_supervisor *supervisor, struct ae_error *err)
{
    int rc = 0;

    for (unsigned i = 0; i < supervisor->ward_count && !rc; i++)
        rc = listen_to(supervisor, supervisor->wards[i].fd, err);
    return rc;
}

/* Closing it would not do: a process of ours that was forked meanwhile may have it, too. */
void ae_supervisor_unwatch(struct ae_supervisor *supervisor, int fd)
{
    epoll_ctl(supervisor->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void ae_supervisor_watch_close(struct ae_supervisor *supervisor)
{
    ae_descriptor_close(&supervisor->epoll);
    ae_descriptor_close(&supervisor->timer);
}

int ae_supervisor_fd(const struct ae_supervisor *supervisor)
{
    return supervisor->epoll;
}

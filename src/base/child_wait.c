/* SPDX-License-Identifier: Apache-2.0 */

/* Waiting for a child, which may hang, and for its end. */

#include "base/child.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/now.h"

ssize_t ae_child_hear(int from, void *to, size_t size, unsigned patience_ms,
                      const volatile sig_atomic_t *stop)
{
    struct pollfd wait = {.fd = from, .events = POLLIN};
    int64_t end = ae_now_ms() + patience_ms;
    size_t got = 0;

    while (got < size) {
        int64_t left = end - ae_now_ms();
        ssize_t more;

        if (stop && *stop)
            return -EINTR;
        /* A signal may come just before the wait: it is looked for again and again. */
        if (poll(&wait, 1, left < 0 ? 0 : left < 50 ? (int)left : 50) <= 0) {
            if (left <= 0)
                return -ETIMEDOUT;
            continue;
        }
        more = read(from, (char *)to + got, size - got);
        if (more < 0)
            return -errno;
        if (more == 0)
            break;
        got += (size_t)more;
    }
    return (ssize_t)got;
}

pid_t ae_child_reap(pid_t pid, int *status, unsigned patience_ms)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    pid_t ended;

    while ((ended = waitpid(pid, status, WNOHANG)) == 0 && patience_ms-- > 0)
        nanosleep(&pause, NULL);
    return ended;
}

void ae_child_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    ae_child_reap(pid, NULL, 1000);
}

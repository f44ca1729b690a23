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

void ae_child_kill(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    kill(pid, SIGKILL);
    for (int i = 0; i < 1000 && waitpid(pid, NULL, WNOHANG) == 0; i++)
        nanosleep(&pause, NULL);
}

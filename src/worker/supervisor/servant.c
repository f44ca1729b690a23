/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/servant.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/child.h"
#include "base/error.h"

#define PATIENCE_MS 1000
#define KILLED_MS   10000 /* a busy machine may take its time, and nothing else holds it up */

static void become(const int *descriptors, unsigned count, pid_t parent)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTTOU};
    int high[AE_SERVANT_DESCRIPTORS];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    /* None is in another's place. */
    for (unsigned i = 0; i < count; i++) {
        high[i] = fcntl(descriptors[i], F_DUPFD, AE_SERVANT_DESCRIPTORS);
        if (high[i] < 0)
            _exit(1);
    }
    for (unsigned i = 0; i < count; i++)
        if (dup2(high[i], (int)i) < 0)
            _exit(1);
    if (close_range(count, ~0u, 0))
        _exit(1);
}

pid_t ae_servant_start(const char *name, const int *descriptors, unsigned count, const char *what,
                       struct ae_error *err)
{
    pid_t self = getpid(), pid;
    char own[16] = "";

    /* It is born with its name: nobody takes it for a worker. */
    prctl(PR_GET_NAME, own);
    prctl(PR_SET_NAME, name);
    pid = fork();
    if (pid == 0)
        become(descriptors, count, self);
    else
        prctl(PR_SET_NAME, own);
    return pid < 0 ? ae_error_set(err, -errno, "%s: %s", what, strerror(errno)) : pid;
}

void ae_servant_end(pid_t pid)
{
    if (ae_child_reap(pid, NULL, PATIENCE_MS))
        return;
    kill(pid, SIGKILL);
    ae_child_reap(pid, NULL, KILLED_MS);
}

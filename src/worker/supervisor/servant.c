/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/servant.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptors.h"
#include "base/error.h"

#define PATIENCE_MS 1000
#define KILLED_MS   10000 /* a busy machine may take its time, and nothing else holds it up */

#define DESCRIPTORS (1 + AE_SERVANT_OUTPUTS)

static void become(int input, const int *outputs, unsigned count, pid_t parent)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTTOU};
    int high[DESCRIPTORS];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    /* None is in another's place. */
    for (unsigned i = 0; i <= count; i++) {
        high[i] = fcntl(i ? outputs[i - 1] : input, F_DUPFD, DESCRIPTORS);
        if (high[i] < 0)
            _exit(1);
    }
    for (unsigned i = 0; i <= count; i++)
        if (dup2(high[i], (int)i) < 0)
            _exit(1);
    if (close_range(count + 1, ~0u, 0))
        _exit(1);
}

int ae_servant_open(struct ae_servant *servant, const char *name, const int *outputs,
                    unsigned count, const char *what, struct ae_error *err)
{
    pid_t self = getpid();
    char own[16] = "";
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return ae_error_set(err, -errno, "%s: %s", what, strerror(errno));
    /* It is born with its name: nobody takes it for a worker. */
    prctl(PR_GET_NAME, own);
    prctl(PR_SET_NAME, name);
    servant->pid = fork();
    if (servant->pid == 0) {
        become(ends[0], outputs, count, self);
        return 0;
    }
    prctl(PR_SET_NAME, own);
    close(ends[0]);
    if (servant->pid < 0) {
        close(ends[1]);
        return ae_error_set(err, -errno, "%s: %s", what, strerror(errno));
    }
    servant->end = ends[1];
    return 0;
}

void ae_servant_close(struct ae_servant *servant)
{
    if (servant->end < 0)
        return;
    ae_descriptor_close(&servant->end);
    if (ae_child_reap(servant->pid, NULL, PATIENCE_MS))
        return;
    kill(servant->pid, SIGKILL);
    ae_child_reap(servant->pid, NULL, KILLED_MS);
}

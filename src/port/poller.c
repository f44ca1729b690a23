/* SPDX-License-Identifier: Apache-2.0 */
#include "port/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptors.h"
#include "base/error.h"

#define PATIENCE_MS 2000

static void live_apart(const struct ae_poller_options *options, int end)
{
    struct __user_cap_header_struct version = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct some[2] = {
        {.effective = options->capabilities, .permitted = options->capabilities}};
    int keep[] = {options->socket, end};

    ae_descriptors_close_others(0, keep, 2);
    prctl(PR_SET_NAME, "aether-polls");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_capset, &version, some);
}

bool ae_poller_is_over(int end)
{
    char byte;

    return read(end, &byte, 1) >= 0;
}

/* Signals that are for the program are not for this process of it: blocked before it is there. */
static pid_t fork_quietly(void)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid)
        sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static int pin(pid_t pid, int cpu, struct ae_error *err)
{
    cpu_set_t cpus;

    if (cpu < 0)
        return 0;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    return sched_setaffinity(pid, sizeof(cpus), &cpus)
               ? ae_error_set(err, -errno, "poll-cpu=%d: %s", cpu, strerror(errno))
               : 0;
}

int ae_poller_start(struct ae_poller *poller, const struct ae_poller_options *options,
                    struct ae_error *err)
{
    int ends[2], rc;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return ae_error_set(err, -errno, "making a pipe: %s", strerror(errno));
    poller->pid = fork_quietly();
    if (poller->pid == 0) {
        live_apart(options, ends[0]);
        options->run(options->context, ends[0]);
        _exit(0);
    }
    rc = -errno;
    close(ends[0]);
    poller->end = ends[1];
    if (poller->pid < 0) {
        close(ends[1]);
        poller->pid = 0;
        return ae_error_set(err, rc, "starting a process that polls: %s", strerror(-rc));
    }
    rc = pin(poller->pid, options->cpu, err);
    if (rc)
        ae_poller_stop(poller);
    return rc;
}

bool ae_poller_ended(struct ae_poller *poller)
{
    if (!poller->pid || ae_child_reap(poller->pid, NULL, 0) == 0)
        return false;
    close(poller->end);
    poller->pid = 0;
    return true;
}

void ae_poller_stop(struct ae_poller *poller)
{
    if (!poller->pid)
        return;
    close(poller->end);
    if (ae_child_reap(poller->pid, NULL, PATIENCE_MS) == 0)
        ae_child_kill(poller->pid);
    poller->pid = 0;
}

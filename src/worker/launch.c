/* SPDX-License-Identifier: Apache-2.0 */

/* From the supervisor to a program on the quiet CPU, as another user, with descriptors and no more. */

#include "worker/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

static int keep_open(int fd)
{
    return fd < 0 ? 0 : fcntl(fd, F_SETFD, 0);
}

static int inherit(const struct ae_launch_plan *plan)
{
    char number[16];
    int rc = keep_open(plan->shared_fd);

    for (unsigned i = 0; i < plan->shared->port_count && !rc; i++) {
        const struct ae_port_handoff *port = &plan->shared->ports[i];

        rc = keep_open(port->memory_fd) | keep_open(port->device_fd) | keep_open(port->state_fd);
        for (unsigned j = 0; j < AE_PORT_QUEUES; j++)
            rc |= keep_open(port->control_fds[j]);
    }
    snprintf(number, sizeof(number), "%d", plan->shared_fd);
    return rc || setenv(AE_SHARED_ENVIRONMENT, number, 1) ? -errno : 0;
}

static int settle_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* Locked memory needs the limit, which only root may raise, before root is given up. */
static void raise_memlock(void)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

    setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

static int become(const struct passwd *user)
{
    if (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid))
        return -errno;
    return getuid() == user->pw_uid && geteuid() == user->pw_uid ? 0 : -EPERM;
}

static void default_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

/* Describes the failure to the supervisor and ends the worker. */
static _Noreturn void give_up(int report, int rc, const char *what)
{
    struct ae_error err;

    ae_error_set(&err, rc, "%s: %s", what, strerror(-rc));
    if (write(report, &err, sizeof(err)) < 0)
        _exit(126);
    _exit(127);
}

static _Noreturn void be_worker(const struct ae_launch_plan *plan, const struct passwd *user,
                                pid_t supervisor, int go, int report)
{
    char byte, what[128];
    int rc;

    /* A group of its own: what the terminal sends to the supervisor is not for the worker. */
    setpgid(0, 0);
    default_signals();
    if (read(go, &byte, 1) != 1)
        _exit(127);
    rc = settle_on(plan->cpu);
    snprintf(what, sizeof(what), "moving to CPU %d", plan->cpu);
    if (rc)
        give_up(report, rc, what);
    raise_memlock();
    rc = inherit(plan);
    if (rc)
        give_up(report, rc, "passing descriptors on");
    if (user && (rc = become(user)))
        give_up(report, rc, "becoming the user");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    /* After the change of user, which clears it. If the supervisor is gone already, so are we. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(127);
    execvp(plan->argv[0], plan->argv);
    give_up(report, -errno, plan->argv[0]);
}

static int find_user(const char *name, struct passwd **user, struct ae_error *err)
{
    *user = NULL;
    if (!name)
        return 0;
    *user = getpwnam(name);
    if (!*user)
        return ae_error_set(err, -ENOENT, "there is no user '%s' on this machine", name);
    return 0;
}

int ae_launch_prepare(struct ae_launch *launch, const struct ae_launch_plan *plan,
                      struct ae_error *err)
{
    int go[2] = {-1, -1}, report[2] = {-1, -1};
    pid_t self = getpid();
    struct passwd *user;
    int rc = find_user(plan->user, &user, err);

    if (rc)
        return rc;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go) || pipe2(report, O_CLOEXEC))
        rc = -errno;
    launch->pid = rc ? -1 : fork();
    if (launch->pid == 0) {
        close(go[1]);
        close(report[0]);
        be_worker(plan, user, self, go[0], report[1]);
    }
    if (!rc && launch->pid < 0)
        rc = -errno;
    if (go[0] >= 0)
        close(go[0]);
    if (report[1] >= 0)
        close(report[1]);
    launch->go = go[1];
    launch->report = report[0];
    if (!rc)
        return 0;
    if (go[1] >= 0)
        close(go[1]);
    if (report[0] >= 0)
        close(report[0]);
    return ae_error_set(err, rc, "starting the worker: %s", strerror(-rc));
}

int ae_launch_go(struct ae_launch *launch, struct ae_error *err)
{
    struct ae_error told;
    /* A worker that was killed meanwhile must not take us along (SIGPIPE). */
    ssize_t length = send(launch->go, "", 1, MSG_NOSIGNAL);

    close(launch->go);
    do {
        length = read(launch->report, &told, sizeof(told));
    } while (length < 0 && errno == EINTR);
    close(launch->report);
    if (length != sizeof(told))
        return 0;
    waitpid(launch->pid, NULL, 0);
    told.text[AE_ERROR_TEXT - 1] = '\0';
    return ae_error_set(err, told.code < 0 ? told.code : -EIO, "starting the worker: %s",
                        told.text);
}

void ae_launch_cancel(struct ae_launch *launch)
{
    close(launch->go);
    close(launch->report);
    waitpid(launch->pid, NULL, 0);
}

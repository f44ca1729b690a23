/* SPDX-License-Identifier: Apache-2.0 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"

#define CANNOT_RUN 127

/* Describes the failure to the parent and ends the child. */
static _Noreturn void give_up(int report, const struct ae_error *err)
{
    if (write(report, err, sizeof(*err)) < 0)
        _exit(CANNOT_RUN - 1);
    _exit(CANNOT_RUN);
}

static _Noreturn void be_child(const struct ae_child_world *world, char *const *environment, int go,
                               int report, pid_t parent)
{
    struct ae_error err = {0};
    char byte;

    /* Not among the numbers of the standard streams, which may have been free. */
    report = fcntl(report, F_DUPFD_CLOEXEC, 3);
    /* Another child that waits may hold our parent's end of `go`, too: its end would not be
     * seen. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
        _exit(CANNOT_RUN);
    if (report < 0 || read(go, &byte, 1) != 1)
        _exit(CANNOT_RUN);
    if (ae_child_become(world, report, parent, &err))
        give_up(report, &err);
    execvpe(world->argv[0], (char *const *)(size_t)world->argv, environment);
    ae_error_set(&err, -errno, "%s: %s", world->argv[0], strerror(errno));
    give_up(report, &err);
}

/* 0, 1 and 2 are the streams; what is kept lies above, and so do our own. */
static int check_descriptors(const struct ae_child_world *world, struct ae_error *err)
{
    for (unsigned i = 0; i < world->keep_count; i++)
        if (world->keep[i] >= 0 && world->keep[i] < 3)
            return ae_error_set(err, -EINVAL,
                                "starting %s: descriptor %d is to be passed on, but is a standard "
                                "stream's number; start with 0, 1 and 2 open",
                                world->argv[0], world->keep[i]);
    return 0;
}

int ae_child_prepare(struct ae_child *child, const struct ae_child_world *world,
                     struct ae_error *err)
{
    int go[2] = {-1, -1}, report[2] = {-1, -1}, rc = check_descriptors(world, err);
    pid_t self = getpid();
    char **environment;

    if (rc)
        return rc;
    environment = ae_child_environment(world);
    if (!environment)
        rc = -ENOMEM;
    else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go) || pipe2(report, O_CLOEXEC))
        rc = -errno;
    child->pid = rc ? -1 : fork();
    if (child->pid == 0) {
        close(go[1]);
        close(report[0]);
        be_child(world, environment, go[0], report[1], self);
    }
    if (!rc && child->pid < 0)
        rc = -errno;
    free(environment);
    ae_descriptor_close(&go[0]);
    ae_descriptor_close(&report[1]);
    child->go = go[1];
    child->report = report[0];
    if (!rc)
        return 0;
    ae_descriptor_close(&go[1]);
    ae_descriptor_close(&report[0]);
    return ae_error_set(err, rc, "starting %s: %s", world->argv[0], strerror(-rc));
}

void ae_child_let(struct ae_child *child)
{
    /* A child that was killed meanwhile must not take us along (SIGPIPE). */
    send(child->go, "", 1, MSG_NOSIGNAL);
    ae_descriptor_close(&child->go);
}

int ae_child_await(struct ae_child *child, unsigned patience_ms, const volatile sig_atomic_t *stop,
                   struct ae_error *err)
{
    struct ae_error told;
    ssize_t length = ae_child_hear(child->report, &told, sizeof(told), patience_ms, stop);

    ae_descriptor_close(&child->report);
    if (length == 0)
        return 0;
    ae_child_kill(child->pid);
    if (length == -ETIMEDOUT)
        return ae_error_set(err, -ETIMEDOUT,
                            "it did not get to run within %u s; is its program on a file system "
                            "that does not answer?",
                            (patience_ms + 999) / 1000);
    if (length == -EINTR)
        return ae_error_set(err, -EINTR, "asked to stop before it ran");
    if (length != sizeof(told))
        return ae_error_set(err, -EIO, "it ended before it ran");
    told.text[AE_ERROR_TEXT - 1] = '\0';
    return ae_error_set(err, told.code < 0 ? told.code : -EIO, "%s", told.text);
}

int ae_child_go(struct ae_child *child, unsigned patience_ms, const volatile sig_atomic_t *stop,
                struct ae_error *err)
{
    ae_child_let(child);
    return ae_child_await(child, patience_ms, stop, err);
}

void ae_child_cancel(struct ae_child *child)
{
    ae_descriptor_close(&child->go);
    ae_descriptor_close(&child->report);
    ae_child_kill(child->pid);
}

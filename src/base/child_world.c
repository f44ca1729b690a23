/* SPDX-License-Identifier: Apache-2.0 */

/* The steps from our world into a child's, in the new process and in their order. */

#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"

static int failed(struct ae_error *err, const char *what)
{
    int code = errno ? errno : EPERM;

    return ae_error_set(err, -code, "%s: %s", what, strerror(code));
}

static int leave_session(const struct ae_child_world *world, struct ae_error *err)
{
    /* Who shares a session with a terminal can type into it (TIOCSTI), whoever it is. */
    if (!world->terminal && setsid() < 0)
        return failed(err, "starting a session of its own");
    return 0;
}

/*
 * The C library keeps the first real-time ones for itself (EINVAL), and has handlers for them that
 * changing our user takes; but whoever started us may have had them ignored, and that would stay.
 */
static int reset_signal(int number)
{
    const struct sigaction normal = {.sa_handler = SIG_DFL};
    unsigned long now[8] = {0}; /* the kernel's struct sigaction, which begins with the handler */

    if (!sigaction(number, &normal, NULL))
        return 0;
    if (errno != EINVAL || syscall(SYS_rt_sigaction, number, NULL, now, sizeof(uint64_t)))
        return -1;
    if (now[0] != (unsigned long)SIG_IGN)
        return 0;
    memset(now, 0, sizeof(now)); /* SIG_DFL, and no more */
    return (int)syscall(SYS_rt_sigaction, number, now, NULL, sizeof(uint64_t));
}

static int reset_signals(struct ae_error *err)
{
    sigset_t none;

    for (int number = 1; number <= SIGRTMAX; number++)
        if (number != SIGKILL && number != SIGSTOP && reset_signal(number))
            return failed(err, "resetting signals");
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) ? failed(err, "resetting signals") : 0;
}

/* ---- Descriptors ---- */

/* First out of the way of 0, 1 and 2, for one of them may be what another is to be. */
static int take_stream(int fd)
{
    int taken = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);

    /* Ours may be closed; the child's are not, for a file that it opens must not become one. */
    if (taken >= 0 || fd > STDERR_FILENO)
        return taken;
    taken = open("/dev/null", O_RDWR | O_CLOEXEC);
    return taken < 0 ? taken : fcntl(taken, F_DUPFD_CLOEXEC, 3);
}

static int set_streams(const struct ae_child_world *world, struct ae_error *err)
{
    const int given[3] = {world->input, world->output, world->errors};
    int taken[3];

    for (int i = 0; i < 3; i++) {
        taken[i] = take_stream(given[i]);
        if (taken[i] < 0)
            return failed(err, "opening its standard input and output");
    }
    for (int i = 0; i < 3; i++)
        if (dup2(taken[i], i) != i)
            return failed(err, "opening its standard input and output");
    return 0;
}

static int close_others(const struct ae_child_world *world, int report, struct ae_error *err)
{
    unsigned count = world->keep_count + 1;
    int *keep = calloc(count, sizeof(*keep));
    int rc = 0;

    if (!keep)
        return failed(err, "closing descriptors");
    memcpy(keep, world->keep_count ? world->keep : &report, world->keep_count * sizeof(*keep));
    keep[world->keep_count] = report;
    if (ae_descriptors_close_others(3, keep, count))
        rc = failed(err, "closing descriptors (Linux 5.9 or newer is needed)");
    for (unsigned i = 0; i < count && !rc; i++)
        if (keep[i] >= 0 && keep[i] != report && fcntl(keep[i], F_SETFD, 0))
            rc = failed(err, "passing descriptors on");
    free(keep);
    return rc;
}

/* ---- Limits ---- */

static bool has_capability(int capability)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    return syscall(SYS_capget, &head, data) == 0 &&
           data[capability / 32].effective >> (capability % 32) & 1;
}

static int limit(int which, rlim_t most, const char *what, struct ae_error *err)
{
    const struct rlimit value = {most, most};

    return setrlimit((__rlimit_resource_t)which, &value) ? failed(err, what) : 0;
}

/* A negative one would have the kernel end others in its place. */
static int be_expendable(struct ae_error *err)
{
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC), score = 0;
    char text[16] = "";
    int rc = 0;

    if (fd < 0)
        return 0; /* no /proc here */
    if (read(fd, text, sizeof(text) - 1) > 0)
        score = atoi(text);
    if (score < 0 && pwrite(fd, "0", 1, 0) != 1)
        rc = failed(err, "becoming one that may be ended when memory is short");
    close(fd);
    return rc;
}

static int set_limits(const struct ae_child_world *world, struct ae_error *err)
{
    int rc = limit(RLIMIT_CORE, 0, "forbidding core dumps", err);

    umask(world->mask ? world->mask : 077);
    if (!rc && !world->capabilities)
        rc = limit(RLIMIT_RTPRIO, 0, "forbidding real-time priorities", err);
    if (!rc && !world->capabilities)
        rc = limit(RLIMIT_NICE, 0, "forbidding higher priorities", err);
    if (!rc && !world->capabilities)
        rc = be_expendable(err);
    /* Who may not raise a limit has what the administrator set. */
    if (!rc && world->unlimited_lock && has_capability(CAP_SYS_RESOURCE))
        rc = limit(RLIMIT_MEMLOCK, RLIM_INFINITY, "allowing it to lock memory", err);
    return rc;
}

/* ---- Privilege ---- */

#define SECURE                                                        \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED | \
     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/* What an exec may give at most, to a root of whatever kind. */
static int shrink_bounds(uint64_t capabilities, struct ae_error *err)
{
    /* Without this right nothing can be taken from the set, and nothing got out of it either: the
     * child is no root, and no program of it gains by being executed. */
    bool may = has_capability(CAP_SETPCAP);

    for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
        if (i < 64 && capabilities >> i & 1)
            continue;
        if (may && (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) || prctl(PR_CAPBSET_READ, i, 0, 0, 0)))
            return failed(err, "giving up what it may ever be capable of");
    }
    if (may && !capabilities &&
        (prctl(PR_SET_SECUREBITS, prctl(PR_GET_SECUREBITS) | SECURE, 0, 0, 0) ||
         (prctl(PR_GET_SECUREBITS) & SECURE) != SECURE))
        return failed(err, "making root an ordinary user");
    return 0;
}

static int drop_capabilities(struct ae_error *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
        syscall(SYS_capset, &head, data) || syscall(SYS_capget, &head, data))
        return failed(err, "giving up capabilities");
    for (int i = 0; i < 2; i++)
        if (data[i].effective | data[i].permitted | data[i].inheritable)
            return failed(err, "giving up capabilities");
    return 0;
}

static int drop_privileges(const struct ae_child_world *world, struct ae_error *err)
{
    uint64_t capabilities = world->user ? 0 : world->capabilities;
    int rc = shrink_bounds(capabilities, err);

    if (!rc && world->user && (rc = ae_child_user_become(world->user)))
        return ae_error_set(err, rc, "becoming user %s: %s",
                            strchr(ae_child_user_variable(world->user, 1), '=') + 1, strerror(-rc));
    if (!rc && !capabilities)
        rc = drop_capabilities(err);
    if (rc || capabilities)
        return rc;
    errno = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return failed(err, "forbidding new privileges");
    return 0;
}

/* After the change of user, whose keyring it is then. */
static int leave_keyring(const struct ae_child_world *world, struct ae_error *err)
{
    if (world->terminal)
        return 0;
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
        return 0;
    /* Where the call is forbidden to us (containers do) or unknown, it is to the child, too. */
    return errno == ENOSYS || errno == EPERM ? 0 : failed(err, "leaving the session's keyring");
}

static int enter_directory(const struct ae_child_world *world, struct ae_error *err)
{
    if (world->directory)
        return chdir(world->directory) ? failed(err, world->directory) : 0;
    if (chdir(".") == 0)
        return 0;
    if (world->argv[0][0] != '/' && strchr(world->argv[0], '/'))
        return failed(err, "entering the current directory as that user");
    return chdir("/") ? failed(err, "/") : 0;
}

int ae_child_become(const struct ae_child_world *world, int report, pid_t parent,
                    struct ae_error *err)
{
    int rc = leave_session(world, err);

    if (!rc)
        rc = reset_signals(err);
    if (!rc)
        rc = set_streams(world, err);
    if (!rc)
        rc = close_others(world, report, err);
    if (!rc)
        rc = set_limits(world, err);
    if (!rc)
        rc = drop_privileges(world, err);
    if (!rc)
        rc = leave_keyring(world, err);
    if (!rc)
        rc = enter_directory(world, err);
    /* After the change of user, which clears it. */
    if (!rc && (prctl(PR_SET_PDEATHSIG, world->outlives ? 0 : SIGKILL, 0, 0, 0) ||
                (!world->outlives && getppid() != parent)))
        rc = failed(err, "being tied to its parent");
    return rc;
}

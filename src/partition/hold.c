/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/root.h"
#include "partition/partition.h"

/* A wake-up latency of 0 us keeps every CPU out of its idle states. */
static int hold_latency(void)
{
    int32_t microseconds = 0;
    int fd = ae_root_open("/dev/cpu_dma_latency", O_WRONLY);

    if (fd < 0)
        return fd;
    return write(fd, &microseconds, sizeof(microseconds)) == sizeof(microseconds) ? 0 : -EIO;
}

/* The first socket that wants receive time stamps patches the kernel's text on all CPUs, and so
 * does closing the last; one that is always there keeps both from happening. */
static int hold_timestamping(void)
{
    int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)) ? -errno : 0;
}

static const struct {
    const char *what;
    int (*take)(void);
} holds[] = {
    {"cpu_dma_latency", hold_latency},
    {"timestamping", hold_timestamping},
};

static int find_hold(const char *target, char *path, size_t size)
{
    const char *what = strchr(target, ' ');
    int length;

    if (!what)
        return -EINVAL;
    length = snprintf(path, size, "%s/%.*s/hold-%s", AE_PARTITION_STATE, (int)(what - target),
                      target, what + 1);
    if (length < 0 || (size_t)length >= size)
        return -ENAMETOOLONG;
    for (int i = 0; i < (int)(sizeof(holds) / sizeof(holds[0])); i++)
        if (strcmp(holds[i].what, what + 1) == 0)
            return i;
    return -EINVAL;
}

/* Who holds the lock of the file; 0: nobody. */
static pid_t holder(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = ae_root_open(path, O_RDWR);
    pid_t pid = 0;

    if (fd < 0)
        return 0;
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        pid = lock.l_pid;
    close(fd);
    return pid;
}

int ae_hold_read(const char *target, char **value)
{
    char path[128];
    int rc = find_hold(target, path, sizeof(path));

    if (rc < 0)
        return rc;
    *value = strdup(holder(path) ? "held" : "free");
    return *value ? 0 : -ENOMEM;
}

static int lock_file(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = ae_root_open(path, O_RDWR | O_CREAT);

    if (fd < 0)
        return fd;
    return fcntl(fd, F_SETLK, &lock) ? -errno : 0;
}

static void become_holder(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    setsid();
    if (chdir("/"))
        return;
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    prctl(PR_SET_NAME, "aether-hold");
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
}

/*
 * The holder tells how it went, then waits to be told that the starter lived to hear it: a starter
 * that was killed leaves no holder that its journal does not know.
 */
static void hold(const char *path, int which, int report, int go)
{
    char byte;
    int rc;

    become_holder();
    /* Above all the lock of the apply that started it. */
    report = dup3(report, 64, O_CLOEXEC);
    go = dup3(go, 65, O_CLOEXEC);
    close_range(3, 63, 0);
    close_range(66, ~0u, 0);
    rc = lock_file(path);
    if (!rc)
        rc = holds[which].take();
    if (write(report, &rc, sizeof(rc)) != sizeof(rc) || rc || read(go, &byte, 1) != 1)
        _exit(1);
    close(report);
    close(go);
    for (;;)
        pause();
}

static int start(const char *path, int which)
{
    int report[2], go[2], rc = -EIO;
    pid_t pid;

    if (pipe2(report, O_CLOEXEC))
        return -errno;
    if (pipe2(go, O_CLOEXEC)) {
        rc = -errno;
        close(report[0]);
        close(report[1]);
        return rc;
    }
    pid = fork();
    if (pid == 0) {
        close(report[0]);
        close(go[1]);
        if (fork() == 0)
            hold(path, which, report[1], go[0]);
        _exit(0);
    }
    close(report[1]);
    close(go[0]);
    if (pid < 0)
        rc = -errno;
    else if (waitpid(pid, NULL, 0) < 0 || read(report[0], &rc, sizeof(rc)) != sizeof(rc))
        rc = -EIO;
    if (!rc && write(go[1], "", 1) != 1)
        rc = -EIO;
    close(report[0]);
    close(go[1]);
    return rc;
}

static int stop(const char *path)
{
    const struct timespec pace = {.tv_nsec = 1000 * 1000};
    pid_t pid = holder(path);

    if (pid && kill(pid, SIGTERM))
        return -errno;
    for (int i = 0; i < 1000 && holder(path) != 0; i++)
        nanosleep(&pace, NULL);
    return holder(path) ? -EBUSY : ae_root_remove(path);
}

int ae_hold_write(const char *target, const char *value)
{
    char path[128];
    int which = find_hold(target, path, sizeof(path));

    if (which < 0)
        return which;
    if (strcmp(value, "free") == 0)
        return stop(path);
    return holder(path) ? 0 : start(path, which);
}

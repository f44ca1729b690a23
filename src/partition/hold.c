/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/root.h"
#include "partition/partition.h"

#define STOP_MS 10000 /* the holder ends at once; a machine may be busy */

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
    length = snprintf(path, size, "%s/hold-%.*s-%s", AE_PARTITION_LOCKS, (int)(what - target),
                      target, what + 1);
    if (length < 0 || (size_t)length >= size)
        return -ENAMETOOLONG;
    for (int i = 0; i < (int)(sizeof(holds) / sizeof(holds[0])); i++)
        if (strcmp(holds[i].what, what + 1) == 0)
            return i;
    return -EINVAL;
}

/* Who holds the lock of the file; 0: nobody. */
static int ask(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_GETLK, &lock))
        return -errno;
    if (lock.l_type == F_UNLCK)
        return 0;
    return lock.l_pid > 0 ? lock.l_pid : -EBUSY; /* of another PID namespace */
}

/*
 * The holder, by a descriptor that stays its own when it ends and its number goes to another: the
 * lock still names it after the descriptor is there. -ESRCH: nobody holds it.
 */
static int holder(const char *path)
{
    int file = ae_root_open(path, O_RDWR | O_NOFOLLOW), pid, process;

    if (file < 0)
        return file == -ENOENT ? -ESRCH : file;
    do {
        pid = ask(file);
        process = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : pid;
        if (pid > 0 && process < 0)
            process = -errno;
        if (pid > 0 && ask(file) != pid) { /* it ended meanwhile */
            if (process >= 0)
                close(process);
            process = -EAGAIN;
        }
    } while (process == -EAGAIN);
    close(file);
    return process == 0 ? -ESRCH : process;
}

/* 1: held, 0: free. A descriptor of the holder is not kept. */
static int is_held(const char *path)
{
    int process = holder(path);

    if (process >= 0)
        close(process);
    return process >= 0 ? 1 : process == -ESRCH ? 0 : process;
}

int ae_hold_read(const char *target, char **value)
{
    char path[128];
    int held, rc = find_hold(target, path, sizeof(path));

    if (rc < 0)
        return rc;
    held = is_held(path);
    if (held < 0)
        return held;
    *value = strdup(held ? "held" : "free");
    return *value ? 0 : -ENOMEM;
}

static int lock_file(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = ae_root_create(path, O_RDWR, 0600);

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
    int rc, keep[] = {report, go};
    char byte;

    become_holder();
    ae_descriptors_close_others(3, keep, 2); /* above all the lock of the apply that started it */
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
    int process = holder(path), rc = 0;
    struct pollfd end = {.fd = process, .events = POLLIN};

    if (process == -ESRCH)
        return ae_root_remove(path);
    if (process < 0)
        return process;
    if (syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0))
        rc = -errno;
    else if (poll(&end, 1, STOP_MS) != 1)
        rc = -EBUSY;
    close(process);
    return rc ? rc : ae_root_remove(path);
}

int ae_hold_write(const char *target, const char *value)
{
    char path[128];
    int held, which = find_hold(target, path, sizeof(path));

    if (which < 0)
        return which;
    if (strcmp(value, "free") == 0)
        return stop(path);
    held = ae_root_make_private(AE_PARTITION_LOCKS);
    if (!held)
        held = is_held(path);
    return held < 0 ? held : held ? 0 : start(path, which);
}

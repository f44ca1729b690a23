/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/descent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "base/now.h"
#include "base/root.h"
#include "base/text.h"
#include "partition/cgroup.h"
#include "partition/task.h"

/* ---- Where ---- */

int ae_descent_parse_mounts(const char *text, char path[AE_DESCENT_PATH])
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char type[32];

        if (sscanf(line, "%*s %255s %31s", path, type) == 2 && strcmp(type, "cgroup2") == 0)
            return 0;
    }
    return -ENOENT;
}

int ae_descent_parse_group(const char *text, char path[AE_DESCENT_PATH])
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t length;

        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line += 3;
        length = strcspn(line, "\n");
        /* "/../x": outside of the part of the tree that we see, in a container. */
        if (length >= AE_DESCENT_PATH / 2 || strncmp(line, "/..", 3) == 0)
            return -ENOENT;
        memcpy(path, line, length);
        path[length] = '\0';
        return 0;
    }
    return -ENOENT;
}

static int read_parsed(const char *file, int (*parse)(const char *text, char *path), char *path)
{
    char *text;
    ssize_t length = ae_root_read_all(file, &text);
    int rc;

    if (length < 0)
        return (int)length;
    rc = parse(text, path);
    free(text);
    return rc;
}

static int group_of(pid_t pid, char path[AE_DESCENT_PATH])
{
    char file[32];

    snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
    return read_parsed(file, ae_descent_parse_group, path);
}

/* Of our own making, for this worker. */
static int name_group(struct ae_descent *descent, pid_t pid, struct ae_error *err)
{
    char mount[AE_DESCENT_PATH], group[AE_DESCENT_PATH];
    int length;

    if (read_parsed("/proc/mounts", ae_descent_parse_mounts, mount))
        return ae_error_set(err, -ENOENT,
                            "there is no tree of control groups of version 2 (mount "
                            "-t cgroup2 none /sys/fs/cgroup/unified)");
    if (group_of(pid, group))
        return ae_error_set(err, -ENOENT, "the tree of control groups at %s does not hold us",
                            mount);
    length = snprintf(descent->path, sizeof(descent->path), "%s%s/" AE_CGROUP_RUN "%d", mount,
                      strcmp(group, "/") == 0 ? "" : group, pid);
    if (length >= (int)sizeof(descent->path))
        return ae_error_set(err, -ENAMETOOLONG, "control group %s: the name is too long", mount);
    return 0;
}

static int write_to(const struct ae_descent *descent, const char *file, const char *text)
{
    char path[AE_DESCENT_PATH + 32];

    snprintf(path, sizeof(path), "%s/%s", descent->path, file);
    return ae_root_write(path, text);
}

/* ---- The group ---- */

static void each_process(const struct ae_descent *descent, void (*each)(pid_t pid, void *context),
                         void *context)
{
    char path[AE_DESCENT_PATH + 32], *text;

    /* A threaded group has no processes of its own; each of a process's threads names it. */
    snprintf(path, sizeof(path), "%s/cgroup.threads", descent->path);
    if (ae_root_read_all(path, &text) < 0)
        return;
    for (char *at = text, *end;; at = end) {
        long pid = strtol(at, &end, 10);

        if (end == at)
            break;
        /* 0: of a name space that we do not see into. */
        if (pid > 1)
            each((pid_t)pid, context);
    }
    free(text);
}

static void kill_one(pid_t pid, void *context)
{
    (void)context;
    kill(pid, SIGKILL);
}

static void note_one(pid_t pid, void *context)
{
    *(pid_t *)context = pid;
}

/* Before Linux 5.14, and where it is threaded, one by one, again and again, and while they stand
 * still: else one could fork faster. */
static void kill_group(const struct ae_descent *descent)
{
    if (write_to(descent, "cgroup.kill", "1") == 0)
        return;
    write_to(descent, "cgroup.freeze", "1");
    each_process(descent, kill_one, NULL);
}

static bool is_empty(const struct ae_descent *descent)
{
    char path[AE_DESCENT_PATH + 32], *text;
    bool empty;

    snprintf(path, sizeof(path), "%s/cgroup.events", descent->path);
    if (ae_root_read_all(path, &text) < 0)
        return true;
    empty = strstr(text, "populated 0") != NULL;
    free(text);
    return empty;
}

static void rest(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    nanosleep(&pause, NULL);
}

static int left_over(pid_t pid, struct ae_error *err)
{
    char path[48], name[32] = "?";

    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    ae_root_read(path, name, sizeof(name));
    return ae_error_set(err, -ETIMEDOUT,
                        "process %d (%s), which a worker left behind, does not end although it was "
                        "killed: it hangs in the kernel",
                        pid, AE_TEXT(name));
}

static int end_group(struct ae_descent *descent, int64_t end, struct ae_error *err)
{
    pid_t left = 0;

    for (;;) {
        kill_group(descent);
        /* What has ended may take the kernel a moment longer to forget. */
        if (is_empty(descent) && ae_root_remove(descent->path) == 0)
            return 0;
        if (ae_now_ms() >= end)
            break;
        rest();
    }
    each_process(descent, note_one, &left);
    if (!left)
        return ae_error_set(err, -ETIMEDOUT, "control group %s, of a worker, cannot be removed",
                            descent->path);
    return left_over(left, err);
}

/* ---- The guard ---- */

/* It outlives us, whatever ends us; then it ends what we would have ended. */
static _Noreturn void be_guard(struct ae_descent *descent, int from)
{
    struct ae_error err;
    char byte;

    setsid();
    prctl(PR_SET_NAME, "aether-guard");
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
    from = fcntl(from, F_DUPFD, 3);
    if (from < 0 || dup2(from, 0) < 0 || close_range(1, ~0u, 0))
        _exit(1);
    while (read(0, &byte, 1) < 0)
        ;
    end_group(descent, ae_now_ms() + 60000, &err);
    _exit(0);
}

static int post_guard(struct ae_descent *descent, struct ae_error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return ae_error_set(err, -errno, "guarding a worker: %s", strerror(errno));
    descent->guard = fork();
    if (descent->guard == 0)
        be_guard(descent, ends[0]);
    close(ends[0]);
    if (descent->guard < 0) {
        close(ends[1]);
        return ae_error_set(err, -errno, "guarding a worker: %s", strerror(errno));
    }
    descent->guard_end = ends[1];
    return 0;
}

static void dismiss_guard(struct ae_descent *descent)
{
    if (descent->guard_end < 0)
        return;
    ae_child_kill(descent->guard);
    ae_descriptor_close(&descent->guard_end);
}

/* ---- By parents ---- */

static bool adopting;
static int adopted_before;

int ae_descent_adopt(void)
{
    if (adopting)
        return 0;
    adopting = prctl(PR_GET_CHILD_SUBREAPER, &adopted_before) == 0 &&
               prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
    return adopting ? 0 : -1;
}

void ae_descent_settle(void)
{
    if (adopting)
        prctl(PR_SET_CHILD_SUBREAPER, adopted_before);
    adopting = false;
}

struct search {
    pid_t self;
    pid_t left; /* one that was found; 0: none */
};

/*
 * A worker begins a session of its own, and nobody can join ours: what is in ours (who receives for
 * a port, who passes output on) is ours. What a worker starts has new privileges forbidden for
 * ever.
 */
static bool is_a_workers(pid_t pid)
{
    char path[48], *text;
    bool is;

    if (getsid(pid) == getsid(0))
        return false;
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    if (ae_root_read_all(path, &text) < 0)
        return false;
    is = strstr(text, "\nNoNewPrivs:\t1") != NULL;
    free(text);
    return is;
}

static bool descends(const struct ae_task *task, pid_t from)
{
    struct ae_task parent = *task;

    for (int depth = 0; depth < 64 && parent.parent > 1; depth++) {
        if (parent.parent == from)
            return true;
        if (ae_task_read(&parent, parent.parent))
            return false;
    }
    return false;
}

static int look_at(const struct ae_task *task, void *context)
{
    struct search *search = context;

    if (task->id != task->process || task->kernel || !descends(task, search->self) ||
        !is_a_workers(task->id))
        return 0;
    /* The workers have been reaped by now: what is left is nobody else's. */
    if (waitpid(task->id, NULL, WNOHANG) == task->id)
        return 0;
    search->left = task->id;
    kill(task->id, SIGKILL);
    return 0;
}

static pid_t kill_by_parents(void)
{
    struct search search = {.self = getpid()};

    ae_task_each(look_at, &search);
    return search.left;
}

static int end_by_parents(int64_t end, struct ae_error *err)
{
    pid_t left;

    while ((left = kill_by_parents()) && ae_now_ms() < end)
        rest();
    return left ? left_over(left, err) : 0;
}

/* ---- */

/*
 * A partition's group has processes and hands the CPU set on: for the kernel it is the root of
 * threaded groups, and below it there may only be such.
 */
static int move_in(const struct ae_descent *descent, const char *id)
{
    int rc = write_to(descent, "cgroup.procs", id);

    if (rc == -EOPNOTSUPP && write_to(descent, "cgroup.type", "threaded") == 0)
        rc = write_to(descent, "cgroup.procs", id);
    return rc;
}

static int make_group(struct ae_descent *descent, pid_t pid)
{
    char id[16], now[AE_DESCENT_PATH];
    struct ae_error none;
    int rc;

    rc = ae_root_make_directory(descent->path);
    /* One of an earlier process of that number holds nothing, or nothing that may go on. */
    if (!rc && !is_empty(descent))
        rc = end_group(descent, ae_now_ms() + 1000, &none) ? -EBUSY
                                                           : ae_root_make_directory(descent->path);
    snprintf(id, sizeof(id), "%d", pid);
    if (!rc)
        rc = move_in(descent, id);
    if (!rc && (group_of(pid, now) || strlen(now) > strlen(descent->path) ||
                strcmp(descent->path + strlen(descent->path) - strlen(now), now) != 0))
        rc = -EXDEV;
    return rc;
}

int ae_descent_begin(struct ae_descent *descent, pid_t pid, struct ae_error *err)
{
    int rc;

    *descent = (struct ae_descent){.guard_end = -1};
    rc = name_group(descent, pid, err);
    if (rc) {
        descent->path[0] = '\0';
        return rc;
    }
    /* The guard first: whenever we are killed, it finds what there is. */
    rc = post_guard(descent, err);
    if (!rc)
        rc = make_group(descent, pid);
    if (!rc)
        return 0;
    dismiss_guard(descent);
    ae_error_set(err, rc, "making control group %s: %s", descent->path, strerror(-rc));
    ae_root_remove(descent->path);
    descent->path[0] = '\0';
    return rc;
}

void ae_descent_kill(const struct ae_descent *descent)
{
    if (descent->path[0])
        kill_group(descent);
}

int ae_descent_end(struct ae_descent *descent, unsigned patience_ms, struct ae_error *err)
{
    int64_t end = ae_now_ms() + patience_ms;
    int rc = 0;

    if (descent->path[0])
        rc = end_group(descent, end, err);
    else if (adopting)
        rc = end_by_parents(end, err);
    /* Whoever does not end yet is its charge from now on. */
    if (!rc)
        dismiss_guard(descent);
    else
        ae_descriptor_close(&descent->guard_end);
    descent->path[0] = '\0';
    return rc;
}

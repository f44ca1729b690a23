/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a worker leaves behind: this program is also the worker, which forks in every way it can
 * think of, and tells each of the processes through a pipe that all of them hold.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/supervise.h>

#include "base/root.h"
#include "reachable.h"
#include "worker/supervisor/descent.h"

static char self[64];
static struct ae_supervise_result result;
static struct ae_error err;

/* ---- The worker's side: standard output is the pipe ---- */

static _Noreturn void stay(const char *how)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (write(STDOUT_FILENO, how, 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void double_fork(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0)
            stay("d");
        _exit(0);
    }
}

static void renamed_daemon(void)
{
    if (fork() == 0) {
        if (daemon(0, 1))
            _exit(1);
        prctl(PR_SET_NAME, "systemd");
        stay("r");
    }
}

/* Each is gone before it is looked at; the last stays. */
static void chain(int left)
{
    if (fork() == 0) {
        if (left == 0)
            stay("c");
        chain(left - 1);
        _exit(0);
    }
}

/* A parent that waits: killing the child alone does not do. */
static void forks_when_killed(void)
{
    if (fork() == 0) {
        setsid();
        for (int i = 0; i < 1000; i++) {
            pid_t child = fork();

            if (child == 0)
                stay(i == 0 ? "f" : "x");
            waitpid(child, NULL, 0);
        }
        _exit(0);
    }
}

/* Keeps the worker from being reaped: its tracer is told first, and does not ask. */
static void tracer(pid_t worker)
{
    if (fork() == 0) {
        setsid();
        /* Where the machine allows it, to one of the same user. */
        if (ptrace(PTRACE_SEIZE, worker, 0, 0) && errno != EPERM)
            _exit(1);
        stay("t");
    }
}

static int be_worker(void)
{
    sigset_t all;

    /* One that is traced stops for each signal that is delivered. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    double_fork();
    renamed_daemon();
    chain(20);
    forks_when_killed();
    tracer(getpid());
    if (syscall(SYS_fork) == 0)
        stay("s");
    /* All of them run by now. */
    usleep(300000);
    return 0;
}

/* ---- The test's ---- */

static int last_cpu(void)
{
    cpu_set_t set;
    int cpu = CPU_SETSIZE - 1;

    sched_getaffinity(0, sizeof(set), &set);
    while (cpu > 0 && !CPU_ISSET((size_t)cpu, &set))
        cpu--;
    return cpu;
}

/* A group that a hook puts the worker into, as a partition's does; "": none. */
static char above[AE_DESCENT_PATH];

static int enter_above(void *context, unsigned worker, pid_t pid, int cpu, struct ae_error *error)
{
    char path[AE_DESCENT_PATH + 16], id[16];

    (void)context;
    (void)worker;
    (void)cpu;
    (void)error;
    snprintf(path, sizeof(path), "%s/cgroup.procs", above);
    snprintf(id, sizeof(id), "%d", pid);
    return above[0] ? ae_root_write(path, id) : 0;
}

/* Runs it with the pipe as its output; what it told, once nobody is left who could tell more. */
static const char *run(const char *user, const char *how)
{
    static char told[256], text[256];
    int cpu = last_cpu(), ends[2], saved = dup(STDOUT_FILENO);
    char *argv[] = {self, (char[]){"worker"}, NULL};
    struct ae_supervise_options options = {.cpus = &cpu,
                                           .cpu_count = 1,
                                           .argv = argv,
                                           .user = user,
                                           .grace_ms = 5000,
                                           .hooks.started = enter_above};
    struct pollfd wait = {.events = POLLIN};
    size_t used = 0;

    memset(told, 0, sizeof(told));
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    if (ae_supervise(&options, &result, &err))
        fail_msg("%s: %s", how, err.text);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[1]);
    wait.fd = ends[0];
    /* The end comes at once if nobody holds the other side. */
    while (poll(&wait, 1, 0) > 0) {
        ssize_t got = read(ends[0], text, sizeof(text));

        if (got <= 0) {
            close(ends[0]);
            return told;
        }
        for (ssize_t i = 0; i < got; i++)
            if (!strchr(told, text[i]))
                told[used++] = text[i];
    }
    fail_msg("%s: of '%s' some are left", how, told);
    return NULL;
}

static void expect_all_gone(const char *user, const char *how)
{
    const char *told = run(user, how);

    for (const char *each = "drcfst"; *each; each++)
        if (!strchr(told, *each))
            fail_msg("%s: '%c' was not started, only '%s'", how, *each, told);
    assert_string_equal(result.trouble, "");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static bool have_groups(void)
{
    struct ae_descent descent;
    pid_t pid = fork();
    int rc;

    if (pid == 0) {
        pause();
        _exit(0);
    }
    rc = ae_descent_begin(&descent, pid, &err);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (!rc)
        ae_descent_end(&descent, 1000, &err);
    return rc == 0;
}

static void all_that_came_of_a_worker_ends_with_it(void **state)
{
    (void)state;
    if (!have_groups()) {
        print_message("%s\n", err.text);
        skip();
    }
    expect_all_gone(NULL, "in a group");
    assert_string_equal(result.notice, "");
    if (geteuid() == 0)
        expect_all_gone("nobody", "in a group, as nobody");
}

/* A partition's group is the root of threaded ones: the worker's below it is one, too. */
static void below_a_threaded_root_as_well(void **state)
{
    char path[AE_DESCENT_PATH + 32], mount[AE_DESCENT_PATH], *text;

    (void)state;
    if (!have_groups())
        skip();
    assert_true(ae_root_read_all("/proc/mounts", &text) > 0);
    assert_int_equal(ae_descent_parse_mounts(text, mount), 0);
    free(text);
    snprintf(above, sizeof(above), "%.400s/aether-test-%d", mount, getpid());
    snprintf(path, sizeof(path), "%s/threads", above);
    assert_int_equal(ae_root_make_directory(path), 0);
    snprintf(path, sizeof(path), "%s/threads/cgroup.type", above);
    assert_int_equal(ae_root_write(path, "threaded"), 0);
    expect_all_gone(NULL, "below a threaded root");
    assert_string_equal(result.notice, "");
    if (geteuid() == 0)
        expect_all_gone("nobody", "below a threaded root, as nobody");
    assert_string_equal(result.notice, "");
    snprintf(path, sizeof(path), "%s/threads", above);
    assert_int_equal(ae_root_remove(path), 0);
    assert_int_equal(ae_root_remove(above), 0); /* nothing else is in it */
    above[0] = '\0';
}

/* A machine without the tree: its mount is taken away, for this process only. */
static bool hide_groups(void)
{
    struct stat before, after;
    char path[AE_DESCENT_PATH], *text;

    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return false;
    for (int i = 0; i < 8 && ae_root_read_all("/proc/mounts", &text) >= 0; i++) {
        int none = ae_descent_parse_mounts(text, path);

        free(text);
        if (none)
            return true;
        if (stat(path, &before) || umount2(path, MNT_DETACH) ||
            (stat(path, &after) == 0 && before.st_dev == after.st_dev))
            return false;
    }
    return false;
}

/* Also where there are no groups, which is said. */
static void without_groups_it_is_found_by_parents(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int before = -1, after = -1;

        if (have_groups() && !hide_groups())
            _exit(77);
        prctl(PR_GET_CHILD_SUBREAPER, &before);
        expect_all_gone(NULL, "by parents");
        assert_non_null(strstr(result.notice, "by its parents"));
        if (geteuid() == 0)
            expect_all_gone("nobody", "by parents, as nobody");
        prctl(PR_GET_CHILD_SUBREAPER, &after);
        assert_int_equal(before, after);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* What we started for ourselves is not the workers', even when it is looked for by parents. */
/* Also those that have given up new privileges, as whoever receives from a peer. */
static void our_own_children_are_left_alone(void **state)
{
    (void)state;
    for (int confined = 0; confined < 2; confined++) {
        struct ae_descent none = {.guard_end = -1};
        int ready[2];
        char byte;
        pid_t own;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        own = fork();
        if (own == 0) {
            if (confined)
                prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if (write(ready[1], "", 1) != 1)
                _exit(1);
            pause();
            _exit(0);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        assert_int_equal(ae_descent_adopt(), 0);
        assert_int_equal(ae_descent_end(&none, 100, &err), 0);
        ae_descent_settle();
        assert_int_equal(waitpid(own, NULL, WNOHANG), 0);
        kill(own, SIGKILL);
        waitpid(own, NULL, 0);
    }
}

/* Whoever is killed: what it left is ended by who watches over that. */
static void a_supervisor_that_is_killed_leaves_nothing(void **state)
{
    char text[64];
    struct pollfd wait = {.events = POLLIN};
    int ends[2];
    pid_t supervisor;

    (void)state;
    if (!have_groups())
        skip();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(stdout);
    supervisor = fork();
    if (supervisor == 0) {
        int cpu = last_cpu();
        char *argv[] = {self, (char[]){"worker"}, NULL};
        struct ae_supervise_options options = {.cpus = &cpu, .cpu_count = 1, .argv = argv};

        dup2(ends[1], STDOUT_FILENO);
        ae_supervise(&options, &result, &err);
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], text, 1), 1);
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    wait.fd = ends[0];
    for (;;) {
        assert_true(poll(&wait, 1, 30000) > 0);
        if (read(ends[0], text, sizeof(text)) <= 0)
            break;
    }
    close(ends[0]);
}

static void a_group_is_found_in_every_tree(void **state)
{
    char path[AE_DESCENT_PATH];

    (void)state;
    assert_int_equal(ae_descent_parse_mounts("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", path), 0);
    assert_string_equal(path, "/sys/fs/cgroup");
    assert_int_equal(ae_descent_parse_mounts("tmpfs /sys/fs/cgroup tmpfs ro 0 0\n"
                                             "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"
                                             "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
                                             path),
                     0);
    assert_string_equal(path, "/sys/fs/cgroup/unified");
    assert_int_equal(ae_descent_parse_mounts("cgroup /sys/fs/cgroup/cpuset cgroup rw 0 0\n", path),
                     -ENOENT);
    assert_int_equal(ae_descent_parse_mounts("", path), -ENOENT);
    assert_int_equal(ae_descent_parse_group("3:cpuset:/aether-fast\n0::/\n", path), 0);
    assert_string_equal(path, "/");
    assert_int_equal(ae_descent_parse_group("0::/system.slice/a b.service\n", path), 0);
    assert_string_equal(path, "/system.slice/a b.service");
    assert_int_equal(ae_descent_parse_group("0::/../outside\n", path), -ENOENT);
    assert_int_equal(ae_descent_parse_group("1:name=systemd:/x\n", path), -ENOENT);
    assert_int_equal(ae_descent_parse_group("", path), -ENOENT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_found_in_every_tree),
        cmocka_unit_test(all_that_came_of_a_worker_ends_with_it),
        cmocka_unit_test(below_a_threaded_root_as_well),
        cmocka_unit_test(without_groups_it_is_found_by_parents),
        cmocka_unit_test(our_own_children_are_left_alone),
        cmocka_unit_test(a_supervisor_that_is_killed_leaves_nothing),
    };

    if (argc > 1)
        return be_worker();
    if (reachable_self(self))
        return 1;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        puts("a supervisor and a worker need a CPU each");
        return 77;
    }
    (void)argv;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

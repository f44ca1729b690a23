/* SPDX-License-Identifier: Apache-2.0 */

/* What a child finds, by this very program as the child: it looks and tells, one fact a line. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/command.h"
#include "reachable.h"

static char self[64];
static char seen[16384];
static struct ae_error err;

/* ---- The child's side ---- */

static void tell_status(const char *key)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];

    while (status && fgets(line, sizeof(line), status))
        if (strncmp(line, key, strlen(key)) == 0)
            fputs(line, stdout);
    if (status)
        fclose(status);
}

static void tell_descriptors(void)
{
    struct stat status;

    for (int fd = 3; fd < 1024; fd++)
        if (fstat(fd, &status) == 0)
            printf("fd %d\n", fd);
}

/* A root without capabilities is refused what root's own file modes refuse. */
static void tell_power(void)
{
    printf("raw socket %d\n", socket(AF_INET, SOCK_RAW, 1) >= 0);
    printf("nice %d\n", setpriority(PRIO_PROCESS, 0, -20) == 0);
    printf("uid back %d\n", setuid(getuid() ? 0 : 1) == 0);
    printf("secure %lx\n", (unsigned long)prctl(PR_GET_SECUREBITS));
}

static int look(bool key)
{
    struct rlimit core, realtime;
    long keyring = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
    char directory[4096];
    mode_t mask = umask(0);
    int terminal = open("/dev/tty", O_RDWR);

    printf("session %d\nterminal %d\nmask %o\n", getsid(0) == getpid(), terminal >= 0, mask);
    if (terminal >= 0)
        close(terminal);
    for (int i = 0; i < 3; i++)
        printf("stdin inject %d tty %d\n", ioctl(i, TIOCSTI, "x") == 0, isatty(i));
    tell_descriptors();
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_RTPRIO, &realtime);
    printf("core %lu realtime %lu\n", (unsigned long)core.rlim_max,
           (unsigned long)realtime.rlim_max);
    printf("key %d\n", key && syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user",
                                      "aether-test", 0) >= 0);
    printf("keyring %ld\ndirectory %s\n", keyring, getcwd(directory, sizeof(directory)));
    for (char **at = environ; *at; at++)
        printf("env %s\n", *at);
    for (const char *const *at = (const char *const[]){"Uid:", "Gid:", "Groups:", "Cap",
                                                       "NoNewPrivs:", "SigBlk:", "SigIgn:", NULL};
         *at; at++)
        tell_status(*at);
    tell_power();
    return 0;
}

/* ---- The test's side ---- */

static const char *const looker[] = {self, "look", NULL};

static struct ae_child_world nothing(void)
{
    return (struct ae_child_world){.argv = looker, .input = -1, .output = -1, .errors = -1};
}

/* Runs the looker in the world and keeps what it tells. */
static void look_around(const struct ae_child_world *world)
{
    memset(seen, 0, sizeof(seen));
    if (ae_command_run_in(world, seen, sizeof(seen), &err))
        fail_msg("%s %s", err.text, seen);
    strcat(seen, "\n");
}

static void expect(const char *line)
{
    if (!strstr(seen, line))
        fail_msg("'%s' is not in:\n%s", line, seen);
}

static void expect_not(const char *line)
{
    if (strstr(seen, line))
        fail_msg("'%s' is in:\n%s", line, seen);
}

static struct ae_child_user *nobody(void)
{
    struct ae_child_user *user;

    if (ae_child_user_find(&user, "nobody", 10000, NULL, &err))
        fail_msg("%s", err.text);
    return user;
}

static int need_root(void)
{
    if (geteuid() == 0)
        return 1;
    print_message("as an ordinary user there is nothing to give up here\n");
    return 0;
}

static void it_has_no_terminal(void **state)
{
    struct ae_child_world world = nothing();
    int master, slave, status;
    pid_t pid;

    (void)state;
    look_around(&world);
    expect("session 1\nterminal 0\nmask 77\n");
    expect("stdin inject 0 tty 0\n");
    /* Also when we have one, and it is what the child reads from. */
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    pid = fork();
    if (pid == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        /* It works for us: the kernel allows it, or has no such thing (dev.tty.legacy_tiocsti). */
        world.input = slave;
        look_around(&world);
        expect("session 1\nterminal 0\n");
        expect("stdin inject 0 tty 1\n");
        expect_not("inject 1");
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    close(master);
    close(slave);
}

static void it_has_the_descriptors_that_are_listed(void **state)
{
    struct ae_child_world world = nothing();
    int secret = open("/etc/passwd", O_RDONLY), given = memfd_create("given", MFD_CLOEXEC);
    int high = fcntl(secret, F_DUPFD, 900), keep[4];
    char line[32];

    (void)state;
    assert_true(secret >= 3 && given > secret && high >= 900);
    look_around(&world);
    expect_not("fd ");
    keep[0] = given;
    keep[1] = -1;
    keep[2] = high;
    keep[3] = given;
    world.keep = keep;
    world.keep_count = 4;
    look_around(&world);
    snprintf(line, sizeof(line), "fd %d\nfd %d\ncore", given, high);
    expect(line);
    /* What is kept for it is nobody else's. */
    assert_int_equal(fcntl(given, F_GETFD), FD_CLOEXEC);
    keep[0] = 1;
    assert_int_equal(ae_command_run_in(&world, seen, sizeof(seen), &err), -EINVAL);
    assert_non_null(strstr(err.text, "standard stream"));
    close(secret);
    close(given);
    close(high);
}

static void its_streams_may_be_ours_in_any_order(void **state)
{
    const char *const argv[] = {"sh", "-c", "read line; echo out $line; echo err >&2", NULL};
    struct ae_child_world world = {.argv = argv, .errors = 0};
    int saved[3], ends[2], child, status;
    char text[64] = "";

    (void)state;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++)
            saved[i] = memfd_create("stream", MFD_CLOEXEC);
        if (pipe(ends) || write(saved[1], "hello\n", 6) != 6 || lseek(saved[1], 0, SEEK_SET))
            _exit(1);
        for (int i = 0; i < 3; i++)
            dup2(saved[i], i);
        /* 0, 1 and 2 are each another's: nothing may be overwritten before it is moved. */
        world.input = 1;
        world.output = 2;
        world.errors = 0;
        if (ae_command_run_in(&world, NULL, 0, &err) || pread(2, text, 32, 0) != 10 ||
            strcmp(text, "out hello\n") != 0 || pread(0, text, 32, 0) != 4)
            _exit(2);
        /* Closed ones are /dev/null for it, and no file of its own. */
        close(0);
        close(1);
        world.input = 0;
        world.output = 1;
        world.errors = -1;
        _exit(ae_command_run_in(&world, NULL, 0, &err) ? 3 : 0);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static void it_has_the_variables_that_are_listed(void **state)
{
    static const char *const pass[] = {"ASKED_FOR", "ALL_*", "NOT_SET", NULL};
    static const char *const set[] = {"AETHER_MADE=here", "no variable", NULL};
    struct ae_child_world world = nothing();
    struct ae_child_user *user;

    (void)state;
    setenv("MY_SECRET", "hunter2", 1);
    setenv("LD_PRELOAD_NOT", "x", 1);
    setenv("LC_NUMERIC", "C", 1);
    setenv("LCX", "no", 1);
    setenv("AETHER_FROM_OUTSIDE", "yes", 1);
    setenv("AETHER_MADE", "outside", 1);
    setenv("ASKED_FOR", "too", 1);
    setenv("ASKED_FOR_NOT", "no", 1);
    setenv("ALL_OF", "them", 1);
    setenv("HOME", "/root-of-ours", 1);
    look_around(&world);
    expect("env LC_NUMERIC=C\n");
    expect("env AETHER_FROM_OUTSIDE=yes\n");
    expect("env HOME=/root-of-ours\n");
    expect_not("hunter2");
    expect_not("LD_PRELOAD");
    expect_not("LCX");
    expect_not("ASKED_FOR");
    world.pass = pass;
    world.set = set;
    look_around(&world);
    expect("env ASKED_FOR=too\n");
    expect("env ALL_OF=them\n");
    expect("env AETHER_MADE=here\n");
    expect_not("outside");
    expect_not("ASKED_FOR_NOT");
    expect_not("no variable");
    if (!need_root())
        return;
    user = nobody();
    world.user = user;
    look_around(&world);
    expect("env USER=nobody\n");
    expect("env LOGNAME=nobody\n");
    expect_not("root-of-ours");
    ae_child_user_free(user);
}

static void expect_no_power(void)
{
    expect("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
    expect("CapAmb:\t0000000000000000\n");
    expect("NoNewPrivs:\t1\n");
    expect("raw socket 0\nnice 0\n");
    expect("core 0 realtime 0\n");
}

static void it_is_capable_of_nothing(void **state)
{
    struct ae_child_world world = nothing();
    struct ae_child_user *user;

    (void)state;
    look_around(&world);
    expect_no_power();
    if (!need_root())
        return;
    /* Root that stays root, too, and what it executes. */
    expect("CapBnd:\t0000000000000000\n");
    expect("Uid:\t0\t0\t0\t0\n");
    expect("secure e3\n");
    expect("uid back 0\n");
    user = nobody();
    world.user = user;
    look_around(&world);
    expect_no_power();
    expect("CapBnd:\t0000000000000000\n");
    expect("Uid:\t65534\t65534\t65534\t65534\n");
    expect("Groups:\t65534 \n");
    expect("uid back 0\n");
    /* No user has any, whatever the world says. */
    world.capabilities = AE_CHILD_ALL_CAPABILITIES;
    look_around(&world);
    expect_no_power();
    ae_child_user_free(user);
    /* A tool may have what it needs, and no more. */
    world.user = NULL;
    world.capabilities = 1ull << 13; /* CAP_NET_RAW */
    look_around(&world);
    expect("CapBnd:\t0000000000002000\n");
    expect("CapEff:\t0000000000002000\n");
    expect("raw socket 1\nnice 0\n");
}

/* By the kernel's call, which knows no signals of the C library's own. */
static void set_signal(int number, void (*handler)(int))
{
    const unsigned long action[8] = {(unsigned long)handler};

    assert_int_equal(syscall(SYS_rt_sigaction, number, action, NULL, sizeof(uint64_t)), 0);
}

static void it_has_default_signals(void **state)
{
    const int ignored[] = {SIGPIPE, SIGHUP, SIGRTMAX, 32 /* SIGCANCEL */};
    struct ae_child_world world = nothing();
    sigset_t all, before;

    (void)state;
    sigfillset(&all);
    for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        set_signal(ignored[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &all, &before);
    look_around(&world);
    sigprocmask(SIG_SETMASK, &before, NULL);
    for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        set_signal(ignored[i], SIG_DFL);
    expect("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void it_has_no_key_of_ours(void **state)
{
    static const char *const with_key[] = {self, "look key", NULL};
    struct ae_child_world world = nothing();
    long key;

    (void)state;
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0) {
        print_message("there are no keyrings here\n");
        return;
    }
    key = syscall(SYS_add_key, "user", "aether-test", "secret", 6, KEY_SPEC_SESSION_KEYRING);
    assert_true(key >= 0);
    assert_true(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "aether-test",
                        0) >= 0);
    world.argv = with_key;
    look_around(&world);
    expect("key 0\n");
}

static void it_is_where_it_may_be(void **state)
{
    const char *const relative[] = {"./no-such-place", NULL};
    struct ae_child_world world = nothing();
    struct ae_child_user *user;
    char hidden[] = "/tmp/aether-child-XXXXXX", line[64];

    (void)state;
    world.directory = "/usr";
    look_around(&world);
    expect("directory /usr\n");
    world.directory = "/no/such/directory";
    assert_int_equal(ae_command_run_in(&world, seen, sizeof(seen), &err), -ENOENT);
    assert_non_null(strstr(err.text, "/no/such/directory"));
    world.directory = NULL;
    assert_non_null(mkdtemp(hidden));
    assert_int_equal(chdir(hidden), 0);
    look_around(&world);
    snprintf(line, sizeof(line), "directory %s\n", hidden);
    expect(line);
    if (need_root()) {
        user = nobody();
        world.user = user;
        look_around(&world);
        expect("directory /\n");
        world.argv = relative;
        assert_int_equal(ae_command_run_in(&world, seen, sizeof(seen), &err), -EACCES);
        assert_non_null(strstr(err.text, "current directory"));
        ae_child_user_free(user);
    }
    assert_int_equal(chdir("/"), 0);
    rmdir(hidden);
}

static void a_user_is_found_or_named(void **state)
{
    struct ae_child_user *user = nobody();

    (void)state;
    assert_int_equal(ae_child_user_id(user), 65534);
    ae_child_user_free(user);
    assert_int_equal(ae_child_user_find(&user, "no-such-user", 10000, NULL, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no-such-user"));
}

/* A name service that does not answer, a program that cannot be reached: both cost a bounded
 * time. */
static void waiting_has_an_end(void **state)
{
    volatile sig_atomic_t stop = 1;
    struct ae_child_world world = nothing();
    struct ae_child_user *user;
    struct ae_child child;
    int rc;

    (void)state;
    /* An answer may be there before it is looked for. */
    while ((rc = ae_child_user_find(&user, "nobody", 0, NULL, &err)) == 0)
        ae_child_user_free(user);
    assert_int_equal(rc, -ETIMEDOUT);
    assert_non_null(strstr(err.text, "name service"));
    assert_int_equal(ae_child_user_find(&user, "nobody", 10000, &stop, &err), -EINTR);
    assert_int_equal(ae_child_prepare(&child, &world, &err), 0);
    kill(child.pid, SIGSTOP);
    assert_int_equal(ae_child_go(&child, 20, NULL, &err), -ETIMEDOUT);
    assert_int_equal(ae_child_prepare(&child, &world, &err), 0);
    kill(child.pid, SIGSTOP);
    assert_int_equal(ae_child_go(&child, 60000, &stop, &err), -EINTR);
    /* Nothing is left of any of them. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void what_is_cancelled_never_runs(void **state)
{
    struct ae_child_world world = nothing();
    struct ae_child child;

    (void)state;
    assert_int_equal(ae_child_prepare(&child, &world, &err), 0);
    ae_child_cancel(&child);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Each may hold the other's end of what they wait at; they end with us all the same. */
static void children_that_wait_end_with_their_parent(void **state)
{
    int ends[2];
    char byte;
    pid_t parent;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    parent = fork();
    if (parent == 0) {
        struct ae_child_world world = nothing();
        struct ae_child children[3];

        for (int i = 0; i < 3; i++)
            if (ae_child_prepare(&children[i], &world, &err))
                _exit(1);
        raise(SIGKILL);
    }
    close(ends[1]);
    waitpid(parent, NULL, 0);
    /* They hold the pipe as long as they live. */
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_no_terminal),
        cmocka_unit_test(it_has_the_descriptors_that_are_listed),
        cmocka_unit_test(its_streams_may_be_ours_in_any_order),
        cmocka_unit_test(it_has_the_variables_that_are_listed),
        cmocka_unit_test(it_is_capable_of_nothing),
        cmocka_unit_test(it_has_default_signals),
        cmocka_unit_test(it_has_no_key_of_ours),
        cmocka_unit_test(it_is_where_it_may_be),
        cmocka_unit_test(a_user_is_found_or_named),
        cmocka_unit_test(waiting_has_an_end),
        cmocka_unit_test(what_is_cancelled_never_runs),
        cmocka_unit_test(children_that_wait_end_with_their_parent),
    };

    if (argc > 1)
        return look(strcmp(argv[1], "look key") == 0);
    if (reachable_self(self))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

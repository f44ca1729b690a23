/* SPDX-License-Identifier: Apache-2.0 */

/* System calls of a quiet worker: left alone, observed, refused. Each case in a process of its
 * own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fragile.h"
#include "base/syscalls.h"
#include "worker/calls.h"

static struct ae_shared_calls made;
static struct ae_quiet_call calls[AE_QUIET_CALLS];
static unsigned kinds;

enum { GOOD, NOT_HERE = 77 };

/* Of a failed assertion of a child, the number of the line. */
#define NEED(what)                                             \
    do {                                                       \
        if (!(what)) {                                         \
            ae_calls_end();                                    \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
            _exit(1);                                          \
        }                                                      \
    } while (0)

static void begin(enum ae_quiet_calls what)
{
    struct ae_error err;
    int rc;

    memset(&made, 0, sizeof(made));
    rc = ae_calls_begin(what, &made, &err);
    if (rc == -EOPNOTSUPP)
        _exit(NOT_HERE);
    NEED(rc == 0);
    ae_calls_watch();
}

static void end(void)
{
    ae_calls_end();
    kinds = ae_calls_read(&made, calls);
}

static uint64_t times_of(const char *name, enum ae_call_fate fate)
{
    for (unsigned i = 0; i < kinds; i++)
        if (strcmp(calls[i].name, name) == 0 && calls[i].fate == fate)
            return calls[i].times;
    return 0;
}

static int status_of(void (*child)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        alarm(240);
        child();
        _exit(GOOD);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void in_a_child(void (*child)(void))
{
    int status = status_of(child);

    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE)
        skip();
    assert_int_equal(status, 0);
}

static void left_alone(void)
{
    begin(AE_QUIET_TRACE);
    NEED(syscall(SYS_getppid) > 0);
    end();
    NEED(kinds == 0 && made.in_force == AE_QUIET_TRACE);
}

static void observed(void)
{
    char text[8] = "";
    int ends[2];

    NEED(pipe(ends) == 0);
    begin(AE_QUIET_OBSERVE);
    NEED(write(ends[1], "six by", 6) == 6);              /* three arguments */
    NEED(pread(-1, text, 1, 0) == -1 && errno == EBADF); /* what it returns, too */
    NEED(read(ends[0], text, 7) == 6);
    NEED(syscall(SYS_getppid) == getppid());
    end();
    NEED(strcmp(text, "six by") == 0);
    NEED(made.in_force == AE_QUIET_OBSERVE);
    NEED(times_of("write", AE_CALL_MADE) == 1 && times_of("read", AE_CALL_MADE) == 1);
    NEED(times_of("getppid", AE_CALL_MADE) == 2 && times_of("pread64", AE_CALL_MADE) == 1);
    NEED(kinds == 4);
    NEED(syscall(SYS_getppid) > 0);
    kinds = ae_calls_read(&made, calls);
    NEED(times_of("getppid", AE_CALL_MADE) == 2); /* not after the end */
}

static void refused(void)
{
    int ends[2];
    char byte;

    NEED(pipe2(ends, O_NONBLOCK) == 0);
    begin(AE_QUIET_ENFORCE);
    for (int i = 0; i < 3; i++)
        NEED(write(ends[1], "x", 1) == -1 && errno == EPERM);
    NEED(fork() == -1);
    NEED(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    end();
    NEED(read(ends[0], &byte, 1) == -1 && errno == EAGAIN);
    NEED(times_of("write", AE_CALL_REFUSED) == 3 && times_of("mmap", AE_CALL_REFUSED) == 1);
    NEED(made.in_force == AE_QUIET_ENFORCE);
}

static volatile sig_atomic_t seen;

static void on_signal(int number)
{
    seen = number;
    if (number == SIGUSR2)
        syscall(SYS_getppid);
}

/* A handler's end is a system call that nobody made, and one that comes from within is like any
 * other. */
static void signals_arrive(void)
{
    pid_t self = getpid(), parent = getppid(), pid;

    NEED(parent > 0);
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    for (enum ae_quiet_calls what = AE_QUIET_OBSERVE; what <= AE_QUIET_ENFORCE; what++)
        for (int number = SIGUSR1; number <= SIGUSR2; number += SIGUSR2 - SIGUSR1) {
            seen = 0;
            pid = fork();
            if (pid == 0) {
                usleep(20000);
                kill(self, number);
                _exit(0);
            }
            begin(what);
            while (!seen)
                ;
            end();
            waitpid(pid, NULL, 0);
            NEED(seen == number);
            NEED(times_of("rt_sigreturn", AE_CALL_MADE) == 0);
            NEED(kinds == (number == SIGUSR2));
        }
}

/* A child of a process that is observed goes on as any other does; so does the process. */
static void forks(void)
{
    int status = 0;
    pid_t pid;

    begin(AE_QUIET_OBSERVE);
    pid = fork();
    if (pid == 0)
        _exit(5);
    NEED(waitpid(pid, &status, 0) == pid);
    end();
    NEED(WEXITSTATUS(status) == 5);
    NEED(times_of("clone", AE_CALL_LAST) == 1);
    NEED(times_of("wait4", AE_CALL_MADE) == 0); /* not looked at any more, and said so */
}

static void many_kinds(void)
{
    begin(AE_QUIET_ENFORCE);
    for (long i = 0; i < 30; i++)
        syscall(900 + i);
    end();
    NEED(kinds == AE_QUIET_CALLS);
    NEED(strcmp(calls[0].name, "900") == 0);
    NEED(times_of("others", AE_CALL_MADE) == 30 - AE_SHARED_CALLS);
}

/* What replaces memory that a peer took is the library's own, and allowed also where all else is
 * not. */
static void memory_is_replaced(void)
{
    struct ae_fragile fragile = {0};
    volatile sig_atomic_t lost = 0;
    int fd = memfd_create("test", 0);
    volatile uint8_t *at;

    NEED(ftruncate(fd, 4096) == 0);
    at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    NEED(ae_fragile_expect(&fragile, (void *)(uintptr_t)at, 4096, 4096, &lost) == 0);
    NEED(ftruncate(fd, 0) == 0);
    begin(AE_QUIET_ENFORCE);
    at[7] = 1;
    end();
    NEED(lost && at[7] == 1);
    NEED(times_of("mmap", AE_CALL_OURS) == 1 && kinds == 1);
}

static void handlers_are_put_back(void)
{
    struct sigaction now;

    signal(SIGSYS, on_signal);
    begin(AE_QUIET_ENFORCE);
    end();
    NEED(sigaction(SIGSYS, NULL, &now) == 0 && now.sa_handler == on_signal);
    NEED(raise(SIGSYS) == 0 && seen == SIGSYS);
}

static void ends_while_refused(void)
{
    begin(AE_QUIET_ENFORCE);
    syscall(SYS_exit_group, 6);
}

#define IN_A_CHILD(name)                  \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        in_a_child(name);                 \
    }

IN_A_CHILD(left_alone)
IN_A_CHILD(observed)
IN_A_CHILD(refused)
IN_A_CHILD(signals_arrive)
IN_A_CHILD(many_kinds)
IN_A_CHILD(memory_is_replaced)
IN_A_CHILD(handlers_are_put_back)

/* glibc's fork blocks all signals from 2.41 on, and whoever makes a call with SIGSYS blocked is
 * ended. */
static void test_forks(void **state)
{
    unsigned major = 0, minor = 0;
    int status = status_of(forks);

    (void)state;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE)
        skip();
    if (sscanf(gnu_get_libc_version(), "%u.%u", &major, &minor) == 2 &&
        (major > 2 || minor >= 41) && WIFSIGNALED(status))
        assert_int_equal(WTERMSIG(status), SIGSYS);
    else
        assert_int_equal(status, 0);
}

static void test_an_end_is_never_refused(void **state)
{
    int status = status_of(ends_while_refused);

    (void)state;
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_HERE)
        skip();
    assert_int_equal(WEXITSTATUS(status), 6);
}

/* What a hostile worker wrote is read within bounds. */
static void test_anything_may_stand_there(void **state)
{
    uint32_t random = 12345;

    (void)state;
    for (unsigned turn = 0; turn < 2000; turn++) {
        uint8_t *bytes = (uint8_t *)&made;

        for (size_t i = 0; i < sizeof(made); i++)
            bytes[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        kinds = ae_calls_read(&made, calls);
        assert_true(kinds <= AE_QUIET_CALLS);
        for (unsigned i = 0; i < kinds; i++) {
            assert_true(calls[i].fate <= AE_CALL_OURS);
            assert_true(strlen(calls[i].name) < AE_WORKER_NAME);
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ae_syscall_name(SYS_write), "write");
    assert_string_equal(ae_syscall_name(SYS_exit_group), "exit_group");
    assert_null(ae_syscall_name(-1));
    assert_null(ae_syscall_name(100000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_observed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_signals_arrive),
        cmocka_unit_test(test_forks),
        cmocka_unit_test(test_many_kinds),
        cmocka_unit_test(test_memory_is_replaced),
        cmocka_unit_test(test_handlers_are_put_back),
        cmocka_unit_test(test_an_end_is_never_refused),
        cmocka_unit_test(test_anything_may_stand_there),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

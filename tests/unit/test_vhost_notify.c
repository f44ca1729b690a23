/* SPDX-License-Identifier: Apache-2.0 */

/* Signals to eventfds that a peer has done its worst to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "port/vhost/notify.h"

static struct ae_vhost_notifier notifier;

static int set_up(void **state)
{
    (void)state;
    alarm(240); /* who waits fails */
    return ae_vhost_notifier_open(&notifier, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    ae_vhost_notifier_close(&notifier);
    return 0;
}

static void signals_are_counted(void **state)
{
    int fd = eventfd(0, 0);
    uint64_t count;

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ae_vhost_notify(&notifier, fd), 0);
    assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 1000);
    close(fd);
}

/* A write would wait for somebody to read: no flag says that it must not. */
static void a_full_one_is_no_reason_to_wait(void **state)
{
    uint64_t full = UINT64_MAX - 1;
    int fd = eventfd(0, 0);

    (void)state;
    assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
    for (int i = 0; i < 10; i++)
        assert_int_equal(ae_vhost_notify(&notifier, fd), 0);
    close(fd);
}

static void nothing_else_is_written_to(void **state)
{
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_int_equal(ae_vhost_notify(&notifier, ends[1]), -EINVAL);
    assert_int_equal(read(ends[0], &byte, 1), -1);
    assert_int_equal(ae_vhost_notify(&notifier, -1), -EBADF);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_counted),
        cmocka_unit_test(a_full_one_is_no_reason_to_wait),
        cmocka_unit_test(nothing_else_is_written_to),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* What workers print on a terminal, here a pseudo terminal whose other end the test reads. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "worker/supervisor/relay.h"

static int master, slave;
static struct ae_relay relay;
static struct ae_error err;

static int open_terminal(void **state)
{
    struct termios raw = {.c_cflag = CS8 | CREAD};

    (void)state;
    return openpty(&master, &slave, NULL, &raw, NULL);
}

static int close_terminal(void **state)
{
    (void)state;
    close(master);
    close(slave);
    return 0;
}

/* What arrived; the relay has ended. */
static const char *arrived(void)
{
    static char text[65536];
    struct pollfd wait = {.fd = master, .events = POLLIN};
    size_t used = 0;

    while (used + 1 < sizeof(text) && poll(&wait, 1, 0) > 0) {
        ssize_t got = read(master, text + used, sizeof(text) - 1 - used);

        if (got <= 0)
            break;
        used += (size_t)got;
    }
    text[used] = '\0';
    return text;
}

static const char *relayed(const char *text, size_t length)
{
    assert_int_equal(ae_relay_open(&relay, slave, slave, &err), 0);
    assert_int_equal(write(relay.output, text, length), (ssize_t)length);
    ae_relay_close(&relay);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    return arrived();
}

#define RELAYED(text) relayed(text, sizeof(text) - 1)

static void a_worker_never_has_the_terminal(void **state)
{
    (void)state;
    assert_int_equal(ae_relay_open(&relay, slave, slave, &err), 0);
    assert_false(isatty(relay.output));
    assert_false(isatty(relay.errors));
    assert_int_equal(fcntl(relay.output, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(relay.output, "first ", 6), 6);
    assert_int_equal(write(relay.errors, "second", 6), 6);
    ae_relay_close(&relay);
    assert_string_equal(arrived(), "first second");
}

static void what_is_no_terminal_is_given_as_it_is(void **state)
{
    int file = memfd_create("output", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ae_relay_open(&relay, file, file, &err), 0);
    assert_int_equal(relay.output, file);
    assert_int_equal(relay.errors, file);
    assert_int_equal(relay.servant.end, -1);
    ae_relay_close(&relay);
    /* One of the two. */
    assert_int_equal(ae_relay_open(&relay, file, slave, &err), 0);
    assert_int_equal(relay.output, file);
    assert_int_not_equal(relay.errors, slave);
    assert_int_equal(write(relay.errors, "only this\n", 10), 10);
    ae_relay_close(&relay);
    assert_string_equal(arrived(), "only this\n");
    close(file);
}

static void nothing_steers_the_terminal(void **state)
{
    (void)state;
    assert_string_equal(RELAYED("plain\n\nlines\n"), "plain\n\nlines\n");
    assert_string_equal(RELAYED("\033]0;title\007\033[2J\n"), "?]0;title??[2J\n");
    assert_string_equal(RELAYED("over\rwritten\n"), "over written\n");
    assert_string_equal(RELAYED("\xc2\x9b[2J \x9b \xff \0 zero\n"), "?[2J ? ? ? zero\n");
    assert_string_equal(RELAYED("gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac\n"),
                        "gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac\n");
}

/* A character that comes in two parts is one; one that never ends is none. */
static void characters_come_whole(void **state)
{
    static const char euro[] = "\xe2\x82\xac";

    (void)state;
    for (size_t cut = 1; cut < 3; cut++) {
        assert_int_equal(ae_relay_open(&relay, slave, slave, &err), 0);
        assert_int_equal(write(relay.output, euro, cut), (ssize_t)cut);
        usleep(20000);
        assert_int_equal(write(relay.output, euro + cut, 3 - cut), (ssize_t)(3 - cut));
        ae_relay_close(&relay);
        assert_string_equal(arrived(), euro);
    }
    assert_string_equal(RELAYED("\xe2\x82"), "??");
    assert_string_equal(RELAYED("\x82\x82\x82\x82"), "????");
}

static void a_terminal_that_takes_nothing_is_left(void **state)
{
    static const char text[4096] = {[0 ... 4095] = 'x'};
    int flags;

    (void)state;
    assert_int_equal(ae_relay_open(&relay, slave, slave, &err), 0);
    flags = fcntl(relay.output, F_GETFL);
    fcntl(relay.output, F_SETFL, flags | O_NONBLOCK);
    /* Until all is full: the terminal, the relay, the pipe. */
    for (int quiet = 0; quiet < 20;)
        if (write(relay.output, text, sizeof(text)) < 0) {
            assert_int_equal(errno, EAGAIN);
            usleep(10000);
            quiet++;
        }
    ae_relay_close(&relay);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    arrived();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_terminal, close_terminal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_worker_never_has_the_terminal),       TEST(what_is_no_terminal_is_given_as_it_is),
        TEST(nothing_steers_the_terminal),           TEST(characters_come_whole),
        TEST(a_terminal_that_takes_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

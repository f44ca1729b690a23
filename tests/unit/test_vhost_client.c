/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who listens and who connects: our front end and our back end with each other, either way round,
 * and a back end that connects to what is not there yet, has been left behind, or is no such
 * socket.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/now.h"
#include "descriptors.h"
#include "port/vhost/stream.h"
#include "vhost_front.h"

static char directory[] = "/tmp/aether-client.XXXXXX", path[64];

/* ---- Both ends ---- */

/* A back end that returns every frame, in a thread, which a supervisor and a worker would be. */
struct echo {
    struct ae_port *port;
    pthread_t thread;
    atomic_bool stop;
};

static struct ae_port *open_end(const char *scheme, const char *choices)
{
    char spec[AE_PORT_SPEC];
    struct ae_port *port = NULL;
    struct ae_error err;

    snprintf(spec, sizeof(spec), "%s:%s%s", scheme, path, choices);
    if (ae_port_open(&port, spec, &options, &err))
        fail_msg("%s: %s", spec, err.text);
    return port;
}

static void *return_frames(void *context)
{
    struct echo *echo = context;
    struct ae_queue *queue = ae_port_queue(echo->port, 0);
    struct ae_packet *packet;

    while (!echo->stop) {
        turn_owner(ae_port_get_owner(echo->port));
        while (ae_receive(queue, &packet, 1))
            if (!ae_send(queue, &packet, 1))
                ae_packet_put(packet);
    }
    return NULL;
}

static void start_echo(struct echo *echo, const char *choices)
{
    echo->stop = false;
    echo->port = open_end("vhost-user-server", choices);
    assert_int_equal(pthread_create(&echo->thread, NULL, return_frames, echo), 0);
}

/* How often it had a peer. */
static uint64_t end_echo(struct echo *echo)
{
    struct ae_port_statistic first;

    echo->stop = true;
    pthread_join(echo->thread, NULL);
    ae_port_owner_get_statistics(ae_port_get_owner(echo->port), &first, 1);
    assert_string_equal(first.name, "connections");
    ae_port_close(echo->port);
    return first.value;
}

/* A back end announces us by a frame to its network, when it is another than before. */
static bool is_rarp(const struct ae_packet *packet)
{
    return packet->length == 60 && packet->data[12] == 0x80 && packet->data[13] == 0x35;
}

static bool receive_one(struct ae_port *port, struct ae_packet **packet)
{
    while (ae_receive(ae_port_queue(port, 0), packet, 1)) {
        if (!is_rarp(*packet))
            return true;
        ae_packet_put(*packet);
    }
    return false;
}

static void exchange(struct ae_port *port, unsigned count)
{
    struct ae_queue *queue = ae_port_queue(port, 0);
    int64_t end = ae_now_ms() + WAIT_S * 1000;

    for (unsigned i = 0; i < count; i++) {
        struct ae_packet *packet = make_frame(queue, (uint8_t)i);

        assert_int_equal(ae_send(queue, &packet, 1), 1);
        while (!receive_one(port, &packet)) {
            ae_port_owner_step(ae_port_get_owner(port));
            assert_true(ae_now_ms() < end);
        }
        assert_int_equal(packet->length, 60 + (uint8_t)i);
        assert_int_equal(packet->data[59], (uint8_t)i);
        ae_packet_put(packet);
    }
}

static void either_way_round(void **state)
{
    static const char *const choices[][2] = {
        {"", ",packed=off"},
        {"", ",packed=on,server=off"},
        {",client=on", ",packed=off,server=on"},
        {",client=1", ",server=1,packed=on"},
        {",client=off", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        struct echo echo;
        struct ae_port *front;

        start_echo(&echo, choices[i][0]);
        front = open_end("vhost-user", choices[i][1]);
        wait_for_link(front, true);
        exchange(front, 300);
        ae_port_close(front);
        assert_int_equal(end_echo(&echo), 1);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void a_front_end_that_listens_goes_and_comes_back(void **state)
{
    unsigned before = count_fds(), open_ones = 0;
    struct echo echo;

    (void)state;
    start_echo(&echo, ",client=on");
    for (unsigned i = 0; i < 6; i++) {
        struct ae_port *front =
            open_end("vhost-user", i % 2 ? ",server=on,packed=off" : ",server=on");

        wait_for_link(front, true);
        exchange(front, 50);
        if (i == 0)
            open_ones = count_fds();
        else
            assert_in_range(count_fds(), 0, open_ones);
        ae_port_close(front);
    }
    assert_int_equal(end_echo(&echo), 6);
    assert_int_equal(count_fds(), before);
}

static void a_back_end_that_connects_goes_and_comes_back(void **state)
{
    struct ae_port *front;
    struct echo echo;

    (void)state;
    start_echo(&echo, ",client=on");
    front = open_end("vhost-user", ",server=on");
    for (unsigned i = 0; i < 4; i++) {
        wait_for_link(front, true);
        exchange(front, 50);
        assert_int_equal(end_echo(&echo), 1);
        assert_int_equal(access(path, F_OK), 0); /* the front end's, who is still there */
        wait_for_link(front, false);
        start_echo(&echo, ",client=on");
    }
    wait_for_link(front, true);
    exchange(front, 50);
    ae_port_close(front);
    end_echo(&echo);
}

/* ---- What a back end connects to ---- */

static const char *trouble_of(struct ae_port *port)
{
    return ae_port_owner_trouble(ae_port_get_owner(port));
}

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    return address;
}

static int bind_socket(int type)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int listen_there(int backlog)
{
    int fd = bind_socket(SOCK_STREAM);

    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void wait_for_trouble(struct ae_port *port, const char *text)
{
    for (int64_t end = ae_now_ms() + WAIT_S * 1000; !strstr(trouble_of(port), text);) {
        turn(port);
        if (ae_now_ms() > end)
            fail_msg("'%s' instead of '%s'", trouble_of(port), text);
    }
}

static int wait_for_connection(struct ae_port *port, int listener)
{
    int fd;

    for (int64_t end = ae_now_ms() + WAIT_S * 1000;
         (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0;) {
        turn(port);
        assert_true(ae_now_ms() < end);
    }
    assert_string_equal(trouble_of(port), "");
    return fd;
}

/* It serves who is there: an answer comes, and no second connection. */
static void is_served(struct ae_port *port, int listener, int fd)
{
    struct vhost_user_stream stream;
    struct vhost_user_message message, reply;
    int rc = 0;

    ae_vhost_init(&message, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_GET_FEATURES);
    assert_int_equal(ae_vhost_send(fd, &message, 0, NULL), 0);
    ae_vhost_stream_init(&stream, fd);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (int64_t end = ae_now_ms() + WAIT_S * 1000; rc == 0 && ae_now_ms() < end;) {
        turn(port);
        rc = ae_vhost_receive(&stream, VHOST_USER_BACKEND_REPLY, 0, &reply, NULL);
    }
    assert_int_equal(rc, 1);
    assert_int_equal(reply.request, VHOST_USER_GET_FEATURES);
    assert_int_equal(accept(listener, NULL, NULL), -1);
}

static void a_socket_that_is_not_there_yet(void **state)
{
    struct ae_port *port = open_end("vhost-user-server", ",client=on");
    int listener, fd;

    (void)state;
    assert_non_null(strstr(trouble_of(port), path));
    assert_non_null(strstr(trouble_of(port), "is the front end running"));
    assert_false(link_is_up(port));
    wait_for_trouble(port, "No such file");
    listener = listen_there(8);
    fd = wait_for_connection(port, listener);
    is_served(port, listener, fd);
    ae_port_close(port);
    assert_int_equal(access(path, F_OK), 0); /* not ours to remove */
    close(fd);
    close(listener);
    unlink(path);
}

static void a_socket_that_was_left_behind(void **state)
{
    struct ae_port *port;
    int listener, fd;

    (void)state;
    close(bind_socket(SOCK_STREAM));
    port = open_end("vhost-user-server", ",client=on");
    wait_for_trouble(port, "refused; is the front end running");
    unlink(path);
    wait_for_trouble(port, "No such file");
    for (unsigned i = 0; i < 3; i++) {
        listener = listen_there(8);
        fd = wait_for_connection(port, listener);
        is_served(port, listener, fd);
        close(listener); /* and the name stays, as of one that was killed */
        close(fd);
        wait_for_trouble(port, "refused");
        unlink(path);
    }
    ae_port_close(port);
}

/* Other back ends fill the queue of those who wait. Connecting then does not wait. */
static void a_socket_where_others_wait(void **state)
{
    struct sockaddr_un address = address_of(path);
    int others[8], listener = listen_there(0), fd;
    unsigned count = 0, accepted = 0;
    struct ae_port *port;

    (void)state;
    do {
        others[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    } while (connect(others[count++], (struct sockaddr *)&address, sizeof(address)) == 0 &&
             count < 8);
    assert_in_range(count, 2, 7);
    port = open_end("vhost-user-server", ",client=on");
    wait_for_trouble(port, "others wait there already");
    for (; accepted < count - 1; accepted++)
        close(accept(listener, NULL, NULL));
    fd = wait_for_connection(port, listener);
    is_served(port, listener, fd);
    ae_port_close(port);
    close(fd);
    close(listener);
    for (unsigned i = 0; i < count; i++)
        close(others[i]);
    unlink(path);
}

static void expect_refusal(const char *scheme, const char *choices, int code, const char *text)
{
    char spec[AE_PORT_SPEC];
    struct ae_port *port;
    struct ae_error err = {0};

    snprintf(spec, sizeof(spec), "%s:%s%s", scheme, path, choices);
    assert_int_equal(ae_port_open(&port, spec, &options, &err), code);
    if (!strstr(err.text, text))
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static void what_is_no_such_socket(void **state)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    unsigned before = count_fds();

    (void)state;
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    expect_refusal("vhost-user-server", ",client=on", -ENOTSOCK, "is no socket");
    expect_refusal("vhost-user", "", -ENOTSOCK, "is no socket");
    assert_int_equal(unlink(path), 0); /* still there */
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refusal("vhost-user-server", ",client=on", -ENOTSOCK, "is no socket");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refusal("vhost-user-server", ",client=on", -ENOTSOCK, "is no socket");
    assert_int_equal(unlink(path), 0);
    for (unsigned i = 0; i < 2; i++) {
        int fd = bind_socket(types[i]);

        if (types[i] == SOCK_SEQPACKET)
            listen(fd, 1);
        expect_refusal("vhost-user-server", ",client=on", -EPROTOTYPE, "another kind");
        close(fd);
        unlink(path);
    }
    assert_int_equal(count_fds(), before);
}

/* Later it is no reason to give up: who puts things there may think again. */
static void another_thing_takes_the_name(void **state)
{
    struct ae_port *port;
    int listener = listen_there(8), fd;

    (void)state;
    port = open_end("vhost-user-server", ",client=on");
    fd = wait_for_connection(port, listener);
    close(listener);
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(fd);
    wait_for_trouble(port, "is no socket");
    unlink(path);
    listener = listen_there(8);
    fd = wait_for_connection(port, listener);
    is_served(port, listener, fd);
    ae_port_close(port);
    close(fd);
    close(listener);
    unlink(path);
}

/* Nor does nonsense end more than a connection; and who hangs up at once does not keep us busy. */
static void a_front_end_that_is_none(void **state)
{
    static const char junk[256] = "GET / HTTP/1.1\r\n";
    int listener = listen_there(8), fd;
    int64_t start = ae_now_ms();
    unsigned fds = 0;
    struct ae_port *port = open_end("vhost-user-server", ",client=on");

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        fd = wait_for_connection(port, listener);
        if (i % 2)
            assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
        close(fd);
        if (i == 2)
            fds = count_fds();
    }
    assert_true(ae_now_ms() - start >= 7 * 100);
    fd = wait_for_connection(port, listener);
    is_served(port, listener, fd);
    assert_in_range(count_fds(), 0, fds + 2);
    ae_port_close(port);
    close(fd);
    close(listener);
    unlink(path);
}

static void choices_that_make_no_sense(void **state)
{
    (void)state;
    expect_refusal("vhost-user-server", ",client=maybe", -EINVAL, "client=maybe: on or off");
    expect_refusal("vhost-user-server", ",client=", -EINVAL, "nothing stands behind");
    expect_refusal("vhost-user-server", ",client", -EINVAL, "key=value");
    expect_refusal("vhost-user-server", ",server=on", -EINVAL, "has client");
    expect_refusal("vhost-user-server", ",client=on,server=on", -EINVAL, "no choice 'server'");
    expect_refusal("vhost-user-server", ",client=on,packed=on", -EINVAL, "no choice 'packed'");
    expect_refusal("vhost-user", ",client=on", -EINVAL, "no choice 'client'");
    expect_refusal("vhost-user", ",server=on,client=on", -EINVAL, "no choice 'client'");
    expect_refusal("vhost-user", ",server=yes", -EINVAL, "server=yes: on or off");
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_way_round),
        cmocka_unit_test(a_front_end_that_listens_goes_and_comes_back),
        cmocka_unit_test(a_back_end_that_connects_goes_and_comes_back),
        cmocka_unit_test(a_socket_that_is_not_there_yet),
        cmocka_unit_test(a_socket_that_was_left_behind),
        cmocka_unit_test(a_socket_where_others_wait),
        cmocka_unit_test(what_is_no_such_socket),
        cmocka_unit_test(another_thing_takes_the_name),
        cmocka_unit_test(a_front_end_that_is_none),
        cmocka_unit_test(choices_that_make_no_sense),
    };
    int rc;

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/socket", directory);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return rc;
}

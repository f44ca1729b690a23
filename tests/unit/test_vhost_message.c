/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "port/vhost/format.h"
#include "port/vhost/message.h"
#include "port/vhost/stream.h"

struct ends {
    int fds[2];
    struct vhost_user_stream stream; /* over fds[1] */
    unsigned open_before;
};

static int set_up(void **state)
{
    static struct ends ends;

    ends.open_before = count_fds();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.fds), 0);
    ae_vhost_stream_init(&ends.stream, ends.fds[1]);
    *state = &ends;
    return 0;
}

/* Whatever a test did, no descriptor stays behind. */
static int tear_down(void **state)
{
    struct ends *ends = *state;

    ae_vhost_stream_drop(&ends->stream);
    if (ends->fds[0] >= 0)
        close(ends->fds[0]);
    close(ends->fds[1]);
    assert_int_equal(count_fds(), ends->open_before);
    return 0;
}

static int receive(struct ends *ends, struct vhost_user_message *message)
{
    return ae_vhost_receive(&ends->stream, VHOST_USER_FRONTEND_REQUEST, 0, message, NULL);
}

/* Sends without any check: `count` descriptors with the first byte. */
static void send_raw(int fd, const void *bytes, size_t size, unsigned count)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(64 * sizeof(int))];
    } control = {.room = {0}};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
    int fds[64];

    if (count) {
        fds[0] = open("/dev/null", O_RDWR);
        for (unsigned i = 1; i < count; i++)
            fds[i] = dup(fds[0]);
        control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    assert_int_equal(sendmsg(fd, &header, 0), size);
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

static void send_words(int fd, uint32_t request, uint32_t flags, uint32_t size, unsigned count)
{
    uint8_t bytes[1024] = {0};

    memcpy(bytes, &request, 4);
    memcpy(bytes + 4, &flags, 4);
    memcpy(bytes + 8, &size, 4);
    send_raw(fd, bytes, size > 1000 ? 12 : 12 + size, count);
}

static void what_is_sent_arrives(void **state)
{
    struct ends *ends = *state;
    struct vhost_user_message sent, got;
    int pipe_fds[2];
    char byte;

    assert_int_equal(pipe(pipe_fds), 0);
    ae_vhost_init(&sent, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_MEM_TABLE);
    sent.payload.memory.num_regions = 2;
    sent.payload.memory.regions[1] = (struct vhost_user_region){
        .guest_address = 1, .size = 2, .user_address = 3, .mmap_offset = 4};
    sent.size = 8 + 2 * 32;
    sent.fd_count = 2;
    sent.fds[0] = pipe_fds[0];
    sent.fds[1] = pipe_fds[1];
    assert_int_equal(ae_vhost_send(ends->fds[0], &sent, 0, NULL), 0);
    assert_int_equal(receive(ends, &got), 1);
    assert_int_equal(got.fd_count, 2);
    assert_memory_equal(&got.payload, &sent.payload, sent.size);
    /* The descriptors are the same files, in order, and not inherited by a program executed. */
    assert_int_equal(fcntl(got.fds[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(got.fds[1], "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    ae_vhost_close_fds(&got);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void a_message_may_arrive_byte_by_byte(void **state)
{
    struct ends *ends = *state;
    struct vhost_user_message message, got;
    uint8_t bytes[20];

    ae_vhost_init(&message, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_VRING_KICK);
    message.size = 8;
    message.payload.u64 = 5;
    memcpy(bytes, &message, 12);
    memcpy(bytes + 12, &message.payload, 8);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(receive(ends, &got), 0);
        send_raw(ends->fds[0], bytes + i, 1, i == 0);
    }
    assert_int_equal(receive(ends, &got), 1);
    assert_int_equal(got.payload.u64, 5);
    assert_int_equal(got.fd_count, 1);
    ae_vhost_close_fds(&got);
}

static void messages_do_not_run_into_each_other(void **state)
{
    struct ends *ends = *state;
    struct vhost_user_message got;

    send_words(ends->fds[0], VHOST_USER_SET_OWNER, 1, 0, 0);
    send_words(ends->fds[0], VHOST_USER_SET_LOG_FD, 1, 0, 1);
    send_words(ends->fds[0], VHOST_USER_GET_FEATURES, 1 | 8, 0, 0);
    assert_int_equal(receive(ends, &got), 1);
    assert_int_equal(got.request, VHOST_USER_SET_OWNER);
    assert_int_equal(got.fd_count, 0);
    assert_int_equal(receive(ends, &got), 1);
    assert_int_equal(got.fd_count, 1);
    ae_vhost_close_fds(&got);
    assert_int_equal(receive(ends, &got), 1);
    assert_int_equal(got.request, VHOST_USER_GET_FEATURES);
    assert_true(got.flags & VHOST_USER_NEED_REPLY_MASK);
    assert_int_equal(receive(ends, &got), 0);
}

static void nonsense_is_refused_and_its_descriptors_closed(void **state)
{
    static const struct {
        uint32_t request, flags, size;
        unsigned fds;
    } bad[] = {
        {0, 1, 0, 0},                                /* no such message */
        {1000, 1, 0, 1},                             /* nor this */
        {UINT32_MAX, 1, 0, 0},                       /* nor this */
        {VHOST_USER_SET_OWNER, 0, 0, 0},             /* version */
        {VHOST_USER_SET_OWNER, 2, 0, 1},             /* version */
        {VHOST_USER_SET_OWNER, 1 | 4, 0, 0},         /* a reply to nothing */
        {VHOST_USER_SET_OWNER, 1 | 16, 0, 0},        /* a flag that is none */
        {VHOST_USER_SET_OWNER, 1, 0, 1},             /* a descriptor it has not */
        {VHOST_USER_SET_OWNER, 1, 8, 0},             /* a payload it has not */
        {VHOST_USER_SET_FEATURES, 1, 7, 0},          /* too short */
        {VHOST_USER_SET_FEATURES, 1, 9, 0},          /* too long */
        {VHOST_USER_SET_FEATURES, 1, UINT32_MAX, 1}, /* far too long */
        {VHOST_USER_SET_VRING_KICK, 1, 8, 0},        /* neither a descriptor nor "none" */
        {VHOST_USER_SET_VRING_CALL, 1, 8, 2},        /* two */
        {VHOST_USER_SET_MEM_TABLE, 1, 264, 3},       /* three for no region */
        {VHOST_USER_SET_MEM_TABLE, 1, 264, 9},       /* more than any message has */
        {VHOST_USER_SET_MEM_TABLE, 1, 264, 60},      /* far more */
        {VHOST_USER_ADD_MEM_REG, 1, 40, 0},          /* memory without a descriptor */
        {VHOST_USER_SET_CONFIG, 1, 20, 0},           /* its own size is another */
        {VHOST_USER_SET_BACKEND_REQ_FD, 1, 0, 0},    /* nothing to set it to */
    };
    struct ends *ends = *state;
    struct vhost_user_message got;
    struct ae_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned before = count_fds();
        int rc;

        send_words(ends->fds[0], bad[i].request, bad[i].flags, bad[i].size, bad[i].fds);
        rc = ae_vhost_receive(&ends->stream, VHOST_USER_FRONTEND_REQUEST, 0, &got, &err);
        assert_int_equal(rc, -EPROTO);
        assert_non_null(strstr(err.text, "vhost-user: "));
        assert_int_equal(count_fds(), before);
        /* A fresh connection for the next: what follows on a broken one means nothing. */
        close(ends->fds[0]);
        close(ends->fds[1]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->fds), 0);
        ae_vhost_stream_init(&ends->stream, ends->fds[1]);
    }
}

static void a_number_of_regions_beyond_the_table_is_refused(void **state)
{
    struct ends *ends = *state;
    struct vhost_user_message message, got;

    ae_vhost_init(&message, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_MEM_TABLE);
    message.payload.memory.num_regions = 0x10000001;
    message.size = 8 + 32;
    message.fd_count = 1;
    message.fds[0] = ends->fds[0];
    assert_int_equal(ae_vhost_send(ends->fds[0], &message, 0, NULL), 0);
    assert_int_equal(receive(ends, &got), -EPROTO);
}

static void the_other_end_may_go_at_any_point(void **state)
{
    struct ends *ends = *state;
    struct vhost_user_message got;
    uint32_t header[3] = {VHOST_USER_SET_VRING_KICK, 1, 8};
    struct ae_error err;

    send_raw(ends->fds[0], header, sizeof(header), 1);
    assert_int_equal(receive(ends, &got), 0);
    close(ends->fds[0]);
    ends->fds[0] = -1;
    assert_int_equal(ae_vhost_receive(&ends->stream, VHOST_USER_FRONTEND_REQUEST, 1000, &got, &err),
                     -ECONNRESET);
    assert_non_null(strstr(err.text, "in the middle"));
}

static void waiting_ends(void **state)
{
    struct ends *ends = *state;
    struct vhost_user_message got, message;
    int sent = 0, rc;

    assert_int_equal(ae_vhost_receive(&ends->stream, VHOST_USER_FRONTEND_REQUEST, 20, &got, NULL),
                     0);
    ae_vhost_init(&message, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_FEATURES);
    message.size = 8;
    while ((rc = ae_vhost_send(ends->fds[0], &message, 0, NULL)) == 0)
        sent++;
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(ae_vhost_send(ends->fds[0], &message, 20, NULL), -EAGAIN);
    /* All or nothing: those that were sent are whole, and no more. */
    for (; sent > 0; sent--)
        assert_int_equal(receive(ends, &got), 1);
    assert_int_equal(receive(ends, &got), 0);
    close(ends->fds[1]);
    ends->fds[1] = dup(ends->fds[0]);
    assert_int_equal(ae_vhost_send(ends->fds[0], &message, 0, NULL), -EPIPE);
}

static void replies_have_shapes_of_their_own(void **state)
{
    struct vhost_user_message message;

    (void)state;
    assert_true(ae_vhost_has_reply(VHOST_USER_GET_VRING_BASE));
    assert_false(ae_vhost_has_reply(VHOST_USER_SET_FEATURES));
    ae_vhost_init(&message, VHOST_USER_BACKEND_REPLY, VHOST_USER_SET_FEATURES);
    message.size = 8; /* REPLY_ACK */
    assert_int_equal(ae_vhost_check(&message, VHOST_USER_BACKEND_REPLY, NULL), 0);
    assert_int_equal(ae_vhost_check(&message, VHOST_USER_FRONTEND_REQUEST, NULL), -EPROTO);
    ae_vhost_init(&message, VHOST_USER_BACKEND_REPLY, VHOST_USER_GET_CONFIG);
    assert_int_equal(ae_vhost_check(&message, VHOST_USER_BACKEND_REPLY, NULL), 0);
    message.size = 14;
    assert_int_equal(ae_vhost_check(&message, VHOST_USER_BACKEND_REPLY, NULL), -EPROTO);
    message.payload.config.size = 2;
    assert_int_equal(ae_vhost_check(&message, VHOST_USER_BACKEND_REPLY, NULL), 0);
    ae_vhost_init(&message, VHOST_USER_BACKEND_REQUEST, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG);
    assert_int_equal(ae_vhost_check(&message, VHOST_USER_BACKEND_REQUEST, NULL), 0);
    assert_string_equal(ae_vhost_name(VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_MEM_TABLE),
                        "VHOST_USER_SET_MEM_TABLE");
    assert_string_equal(ae_vhost_name(VHOST_USER_BACKEND_REQUEST, 40), "unknown");
}

#define WITH_ENDS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ENDS(what_is_sent_arrives),
        WITH_ENDS(a_message_may_arrive_byte_by_byte),
        WITH_ENDS(messages_do_not_run_into_each_other),
        WITH_ENDS(nonsense_is_refused_and_its_descriptors_closed),
        WITH_ENDS(a_number_of_regions_beyond_the_table_is_refused),
        WITH_ENDS(the_other_end_may_go_at_any_point),
        WITH_ENDS(waiting_ends),
        cmocka_unit_test(replies_have_shapes_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

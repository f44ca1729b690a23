/* SPDX-License-Identifier: Apache-2.0 */

/* What is found where a supervisor should be: one that means harm, or is stopped, or dead. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/root.h"
#include "descriptors.h"
#include "made_root.h"
#include "seen.h"

#define CHANNELS     "/run/aether/channels"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int make_page(size_t size, int seals)
{
    int fd = memfd_create("made", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, (off_t)size) || (seals && fcntl(fd, F_ADD_SEALS, seals)))
        abort();
    return fd;
}

static struct ae_view_message good_message(void)
{
    struct ae_view_message message = {
        .magic = AE_VIEW_MAGIC,
        .version = AE_VIEW_VERSION,
        .size = sizeof(message),
        .shared_size = sizeof(struct ae_shared),
        .queue_size = sizeof(struct ae_queue_state),
        .log_size = 4096,
        .worker_count = 1,
        .port_count = 1,
    };

    message.ports[0].info.queues = 1;
    memset(message.name, '\n', sizeof(message.name));
    return message;
}

static int sealed(void)
{
    return make_page(sizeof(struct ae_queue_state), F_SEAL_SHRINK);
}

static int short_page(void)
{
    return make_page(sizeof(struct ae_queue_state) - 4096, F_SEAL_SHRINK);
}

static int unsealed(void)
{
    return make_page(sizeof(struct ae_queue_state), 0);
}

static int no_memory(void)
{
    return open("/dev/zero", O_RDONLY | O_CLOEXEC);
}

#define WHOLE sizeof(struct ae_view_message)
#define FIELD(member) \
    offsetof(struct ae_view_message, member), sizeof(((struct ae_view_message *)NULL)->member)

static const struct answer {
    const char *name;
    const char *says; /* NULL: it is a run as good as any */
    size_t at, width; /* what is not as it should be, */
    uint64_t value;   /* but so */
    size_t size;
    unsigned pages;
    int (*queue)(void); /* its state's page */
} answers[] = {
    {"as it should be", NULL, 0, 0, 0, WHOLE, 3, sealed},
    {"magic", "no supervisor", FIELD(magic), 1, WHOLE, 3, sealed},
    {"version", "of another version (1; this is 3)", FIELD(version), 1, WHOLE, 3, sealed},
    {"layout", "another version", FIELD(queue_size), 4096, WHOLE, 3, sealed},
    {"cut", "was cut", 0, 0, 0, WHOLE - 8, 3, sealed},
    {"tiny", "no supervisor", 0, 0, 0, 3, 3, sealed},
    {"no workers", "cannot be", FIELD(worker_count), 0, WHOLE, 3, sealed},
    {"many workers", "cannot be", FIELD(worker_count), 17, WHOLE, 3, sealed},
    {"many ports", "cannot be", FIELD(port_count), UINT32_MAX, WHOLE, 3, sealed},
    {"many queues", "cannot be", FIELD(ports[0].info.queues), 17, WHOLE, 3, sealed},
    {"no queue", "cannot be", FIELD(ports[0].info.queues), 0, WHOLE, 3, sealed},
    {"nobody's queue", "cannot be", FIELD(ports[0].workers[0]), 1, WHOLE, 3, sealed},
    {"no path", "cannot be", FIELD(ports[0].info.path), 77, WHOLE, 3, sealed},
    {"no caller", "cannot be", FIELD(ports[0].info.caller), 4, WHOLE, 3, sealed},
    {"many addresses", "cannot be", FIELD(filter.address_count), 129, WHOLE, 3, sealed},
    {"no state", "cannot be", FIELD(workers[0].state), AE_VIEW_STATES, WHOLE, 3, sealed},
    {"no CPU", "cannot be", FIELD(workers[0].cpu), UINT32_MAX, WHOLE, 3, sealed},
    {"fewer pages", "shows 2 pages and speaks of 3", 0, 0, 0, WHOLE, 2, sealed},
    {"more pages", "shows 4 pages and speaks of 3", 0, 0, 0, WHOLE, 4, sealed},
    {"long log", "cannot be", FIELD(log_size), AE_VIEW_LOG_MOST + 1, WHOLE, 3, sealed},
    {"longer log than there is", "no page", FIELD(log_size), AE_VIEW_LOG_MOST, WHOLE, 3, sealed},
    {"many channels", "cannot be", FIELD(channel_count), AE_WORKER_CHANNELS + 1, WHOLE, 3, sealed},
    {"a channel more", "shows 3 pages and speaks of 4", FIELD(channel_count), 1, WHOLE, 3, sealed},
    {"no log", "no page", FIELD(log_size), 0, WHOLE, 3, sealed},
    {"short page", "no page", 0, 0, 0, WHOLE, 3, short_page},
    {"unsealed page", "no page", 0, 0, 0, WHOLE, 3, unsealed},
    {"no memory", "no page", 0, 0, 0, WHOLE, 3, no_memory},
};

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_int_equal(ae_root_path(address.sun_path, sizeof(address.sun_path), path), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int listen_as(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), AE_VIEW_RUNS "/%s", name);
    made_root_put(AE_VIEW_RUNS, NULL);
    return listen_at(path);
}

static void send_answer(int fd, const struct answer *answer)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(4 * sizeof(int))];
    } control = {.bytes = {0}};
    struct ae_view_message message = good_message();
    int page = make_page(sizeof(struct ae_shared), F_SEAL_SHRINK);
    int pages[4] = {page, page, answer->queue(), page};
    size_t size = answer->pages * sizeof(int);
    struct iovec piece = {&message, answer->size};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = CMSG_SPACE(size)};

    memcpy((uint8_t *)&message + answer->at, &answer->value, answer->width);
    control.align = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.align), pages, size);
    sendmsg(fd, &header, 0);
}

static void what_a_supervisor_says_is_checked(void **state)
{
    int listener = listen_as("17");
    unsigned before = count_fds();

    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        pid_t child = fork();

        if (!child) {
            send_answer(accept(listener, NULL, NULL), &answers[i]);
            _exit(0);
        }
        assert_int_equal(seen_look(), 0);
        waitpid(child, NULL, 0);
        if (answers[i].says && (seen.count || !strstr(seen.refusal.text, answers[i].says)))
            fail_msg("%s: %u seen, '%s'", answers[i].name, seen.count, seen.refusal.text);
        if (!answers[i].says && (!seen.count || strchr(seen.view->told.name, '\n')))
            fail_msg("%s: '%s'", answers[i].name, seen.refusal.text);
        assert_int_equal(count_fds(), before + seen.count); /* a view has its connection */
    }
    seen_look();
    close(listener);
}

static void who_does_not_answer_is_not_waited_for(void **state)
{
    int listener = listen_as("17");

    (void)state;
    assert_int_equal(seen_look(), 0);
    assert_int_equal(seen.refused, 1);
    assert_non_null(strstr(seen.refusal.text, "does not answer"));
    close(listener);
}

static void what_a_dead_supervisor_left_is_removed(void **state)
{
    struct pollfd living = {.events = POLLIN};

    (void)state;
    close(listen_as("17"));
    made_root_put(CHANNELS, NULL);
    close(listen_at(CHANNELS "/made:out"));
    living.fd = listen_at(CHANNELS "/other:out");
    made_root_put(AE_VIEW_RUNS "/name", "no run");
    made_root_put(AE_VIEW_RUNS "/99", "a file");
    assert_int_equal(seen_look(), 0);
    assert_int_equal(seen.count, 0);
    assert_false(ae_root_exists(AE_VIEW_RUNS "/17"));
    assert_true(ae_root_exists(AE_VIEW_RUNS "/name"));
    assert_false(ae_root_exists(CHANNELS "/made:out"));
    assert_true(ae_root_exists(CHANNELS "/other:out"));
    assert_int_equal(poll(&living, 1, 0), 0); /* nobody came: it is one's alone */
    close(living.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_root_begin, seen_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_supervisor_says_is_checked),
        TEST(who_does_not_answer_is_not_waited_for),
        TEST(what_a_dead_supervisor_left_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

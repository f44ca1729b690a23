/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Descriptors of a peer: memory and eventfds come in, each with the messages that are for it, and
 * nothing else, however it was sent; and nothing that is sent can make the owner wait.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aether/dma.h"
#include "base/now.h"
#include "descriptors.h"
#include "port/vhost/format.h"
#include "port/vhost/listen.h"
#include "silent_files.h"

#define MEMORY 65536
#define WAIT_S 20 /* for what must come */
#define PROMPT_S \
    10 /* for what must not be waited for: far more than it takes, far less than for ever */

static struct ae_vhost_receivers receivers;
static struct ae_vhost_peer peer;
static int far; /* the peer's end */

static void connect_peer(enum vhost_user_kind kind)
{
    struct ae_error err;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    far = ends[0];
    if (ae_vhost_peer_open(&peer, &receivers, ends[1], kind, &err))
        fail_msg("%s", err.text);
}

static void disconnect_peer(void)
{
    ae_vhost_peer_close(&peer);
    close(far);
}

static int hear(struct vhost_user_message *message, struct ae_error *err)
{
    struct pollfd relay = {.fd = peer.relay, .events = POLLIN};

    poll(&relay, 1, WAIT_S * 1000);
    return ae_vhost_peer_receive(&peer, message, err);
}

/* Until none is left, where all can end. */
static void wait_for_receivers(unsigned count)
{
    for (int64_t end = ae_now_ms() + WAIT_S * 1000; receivers.count > count;) {
        assert_true(ae_now_ms() < end);
        ae_vhost_receivers_check(&receivers, NULL);
        usleep(1000);
    }
}

/* ---- Every kind of file with every message that has descriptors ---- */

static int memory_file(void)
{
    int fd = memfd_create("guest", MFD_CLOEXEC);

    assert_int_equal(ftruncate(fd, MEMORY), 0);
    return fd;
}

static int opened_again(int flags)
{
    int fd = memory_file(), again;
    char name[64];

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    again = open(name, flags | O_CLOEXEC);
    close(fd);
    return again;
}

static int of_tmpfs(void)
{
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 && ftruncate(fd, MEMORY))
        abort();
    return fd;
}

static int of_huge_pages(void)
{
    return memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
}

static int read_only_memory(void)
{
    return opened_again(O_RDONLY);
}

static int name_of_memory(void)
{
    return opened_again(O_PATH);
}

static int an_eventfd(void)
{
    return eventfd(0, EFD_CLOEXEC);
}

static int a_semaphore(void)
{
    return eventfd(7, EFD_CLOEXEC | EFD_SEMAPHORE | EFD_NONBLOCK);
}

static int a_pipe(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    return ends[1];
}

static int a_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int a_device(void)
{
    return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int a_directory(void)
{
    return open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int a_file_on_disk(void)
{
    char name[] = "/var/tmp/aether-receiver.XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC);

    unlink(name);
    assert_int_equal(ftruncate(fd, MEMORY), 0);
    return fd;
}

static int a_file_of_proc(void)
{
    return open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
}

static int a_terminal(void)
{
    return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int an_epoll(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

static int a_timer(void)
{
    return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static int a_signalfd(void)
{
    sigset_t none;

    sigemptyset(&none);
    return signalfd(-1, &none, SFD_CLOEXEC);
}

static int an_inotify(void)
{
    return inotify_init1(IN_CLOEXEC);
}

static int a_process(void)
{
    return (int)syscall(SYS_pidfd_open, getpid(), 0);
}

static int a_userfaultfd(void)
{
    return (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
}

static int a_buffer_of_devices(void)
{
    return open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
}

static const struct {
    const char *name;
    int (*make)(void); /* negative: it cannot be had here */
    enum vhost_user_takes is;
} files[] = {
    {"memfd", memory_file, VHOST_USER_TAKES_MEMORY},
    {"tmpfs", of_tmpfs, VHOST_USER_TAKES_MEMORY},
    {"hugetlbfs", of_huge_pages, VHOST_USER_TAKES_MEMORY},
    {"eventfd", an_eventfd, VHOST_USER_TAKES_EVENTFD},
    {"semaphore", a_semaphore, VHOST_USER_TAKES_EVENTFD},
    {"read-only memfd", read_only_memory, VHOST_USER_TAKES_NOTHING},
    {"O_PATH of a memfd", name_of_memory, VHOST_USER_TAKES_NOTHING},
    {"pipe", a_pipe, VHOST_USER_TAKES_NOTHING},
    {"socket", a_socket, VHOST_USER_TAKES_NOTHING},
    {"device", a_device, VHOST_USER_TAKES_NOTHING},
    {"directory of tmpfs", a_directory, VHOST_USER_TAKES_NOTHING},
    {"file on disk", a_file_on_disk, VHOST_USER_TAKES_NOTHING},
    {"file of proc", a_file_of_proc, VHOST_USER_TAKES_NOTHING},
    {"terminal", a_terminal, VHOST_USER_TAKES_NOTHING},
    {"epoll", an_epoll, VHOST_USER_TAKES_NOTHING},
    {"timerfd", a_timer, VHOST_USER_TAKES_NOTHING},
    {"signalfd", a_signalfd, VHOST_USER_TAKES_NOTHING},
    {"inotify", an_inotify, VHOST_USER_TAKES_NOTHING},
    {"pidfd", a_process, VHOST_USER_TAKES_NOTHING},
    {"userfaultfd", a_userfaultfd, VHOST_USER_TAKES_NOTHING},
    {"udmabuf", a_buffer_of_devices, VHOST_USER_TAKES_NOTHING},
};

#define REGION_SIZE 40

static const struct {
    enum vhost_user_kind kind;
    uint32_t request, size;
    enum vhost_user_takes takes;
} messages[] = {
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_MEM_TABLE, REGION_SIZE, VHOST_USER_TAKES_MEMORY},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_ADD_MEM_REG, 40, VHOST_USER_TAKES_MEMORY},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_REM_MEM_REG, 40, VHOST_USER_TAKES_MEMORY},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_LOG_BASE, 16, VHOST_USER_TAKES_MEMORY},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_INFLIGHT_FD, 24, VHOST_USER_TAKES_MEMORY},
    {VHOST_USER_BACKEND_REPLY, VHOST_USER_GET_INFLIGHT_FD, 24, VHOST_USER_TAKES_MEMORY},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_VRING_KICK, 8, VHOST_USER_TAKES_EVENTFD},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_VRING_CALL, 8, VHOST_USER_TAKES_EVENTFD},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_VRING_ERR, 8, VHOST_USER_TAKES_EVENTFD},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_LOG_FD, 0, VHOST_USER_TAKES_EVENTFD},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_BACKEND_REQ_FD, 0, VHOST_USER_TAKES_NOTHING},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_GET_FEATURES, 0, VHOST_USER_TAKES_NOTHING},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_GET_CONFIG, 12, VHOST_USER_TAKES_NOTHING},
    {VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_VRING_ADDR, 40, VHOST_USER_TAKES_NOTHING},
    {VHOST_USER_BACKEND_REPLY, VHOST_USER_GET_FEATURES, 8, VHOST_USER_TAKES_NOTHING},
    {VHOST_USER_BACKEND_REPLY, VHOST_USER_GET_CONFIG, 12, VHOST_USER_TAKES_NOTHING},
    {VHOST_USER_BACKEND_REPLY, VHOST_USER_SET_MEM_TABLE, 8, VHOST_USER_TAKES_NOTHING},
};

static void say(enum vhost_user_kind kind, uint32_t request, uint32_t size, int fd, unsigned count)
{
    struct vhost_user_message message;

    ae_vhost_init(&message, kind, request);
    message.size = size;
    if (request == VHOST_USER_SET_MEM_TABLE && kind == VHOST_USER_FRONTEND_REQUEST)
        message.payload.memory.num_regions = count;
    for (unsigned i = 0; i < count; i++)
        message.fds[message.fd_count++] = fd;
    assert_int_equal(ae_vhost_send(far, &message, 1000, NULL), 0);
}

static void try_one(size_t file, size_t which)
{
    bool good =
        files[file].is != VHOST_USER_TAKES_NOTHING && files[file].is == messages[which].takes;
    struct vhost_user_message message;
    struct ae_error err = {0};
    int fd = files[file].make(), rc;

    if (fd < 0)
        return;
    connect_peer(messages[which].kind);
    say(messages[which].kind, messages[which].request, messages[which].size, fd, 1);
    rc = hear(&message, &err);
    if (rc != (good ? 1 : -EPROTO))
        fail_msg("%s with %s: %d %s", ae_vhost_name(messages[which].kind, messages[which].request),
                 files[file].name, rc, err.text);
    if (good) {
        assert_int_equal(message.request, messages[which].request);
        assert_int_equal(message.fd_count, 1);
        assert_int_equal(fcntl(message.fds[0], F_GETFD), FD_CLOEXEC);
        if (files[file].is == VHOST_USER_TAKES_MEMORY && files[file].make != of_huge_pages)
            assert_int_equal(message.file_sizes[0], MEMORY);
        ae_vhost_close_fds(&message);
    }
    close(fd);
    disconnect_peer();
    wait_for_receivers(4);
}

static void only_what_a_message_is_for_comes_in(void **state)
{
    unsigned before = count_fds();

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        for (size_t j = 0; j < sizeof(messages) / sizeof(messages[0]); j++)
            try_one(i, j);
    wait_for_receivers(0);
    assert_int_equal(count_fds(), before);
}

/* The first is good: that says nothing of the second. */
static void each_of_several_is_looked_at(void **state)
{
    struct vhost_user_message message, heard;
    int bad = a_pipe();

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        connect_peer(VHOST_USER_FRONTEND_REQUEST);
        ae_vhost_init(&message, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_MEM_TABLE);
        message.payload.memory.num_regions = message.fd_count = 8;
        message.size = sizeof(message.payload.memory);
        for (unsigned j = 0; j < 8; j++)
            message.fds[j] = i == j ? bad : memory_file();
        assert_int_equal(ae_vhost_send(far, &message, 1000, NULL), 0);
        assert_int_equal(hear(&heard, NULL), -EPROTO);
        for (unsigned j = 0; j < 8; j++)
            if (i != j)
                close(message.fds[j]);
        disconnect_peer();
    }
    close(bad);
    wait_for_receivers(0);
}

static void an_eventfd_that_is_looked_at_is_not_signalled(void **state)
{
    struct ae_vhost_notifier notifier;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), pipe = a_pipe();
    uint64_t count;

    (void)state;
    assert_int_equal(ae_vhost_notifier_open(&notifier, NULL), 0);
    assert_true(ae_vhost_is_eventfd(&notifier, fd));
    assert_false(ae_vhost_is_eventfd(&notifier, pipe));
    assert_int_equal(read(fd, &count, sizeof(count)), -1);
    ae_vhost_notifier_close(&notifier);
    close(fd);
    close(pipe);
}

/* ---- What can be made to wait for ---- */

/* All that it sends is on its way, with the far end's own data unread: closing it waits. */
static int lingering(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger linger = {.l_onoff = 1, .l_linger = 3600};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, size = 4096, unread;
    static const char bytes[65536];

    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &length);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    unread = accept(listener, NULL, NULL);
    assert_true(unread >= 0); /* stays open, till the end of this process */
    close(listener);
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    return fd;
}

static struct silent_files silent;

static int silent_file(void)
{
    return silent_files_open(&silent);
}

struct sent {
    int (*make)(void);
    enum vhost_user_kind kind;
    uint32_t request, size;
    unsigned count; /* of descriptors */
};

static void send_many(int to, int fd, unsigned count)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(VHOST_USER_SENT_FDS * sizeof(int))];
    } control = {.room = {0}};
    struct iovec piece = {(char[]){1, 0, 0}, 3};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = CMSG_SPACE(count * sizeof(int))};

    control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
                                     .cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS};
    for (unsigned i = 0; i < count; i++)
        memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(fd));
    assert_int_equal(sendmsg(to, &header, 0), 3);
}

/* A peer's process: has the file alone, sends it, and ends, if it can. */
static _Noreturn void be_peer(const struct sent *sent, int to, int fd, int go, int done)
{
    char byte;

    if (read(go, &byte, 1) != 1)
        _exit(1);
    if (silent.server)
        silent_files_be_silent(&silent, fd);
    far = to;
    if (sent->count > VHOST_USER_MAX_FDS)
        send_many(to, fd, sent->count);
    else
        say(sent->kind, sent->request, sent->size, fd, sent->count);
    if (write(done, "", 1) != 1)
        _exit(1);
    _exit(0);
}

/* Our own copy of the file is gone before it can make us wait. */
static void send_from_peer(const struct sent *sent, int to)
{
    int fd, go[2], done[2];
    char byte;

    if (silent.server)
        *silent.silent = false;
    fd = sent->make();
    assert_true(fd >= 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(done, O_CLOEXEC), 0);
    if (fork() == 0)
        be_peer(sent, to, fd, go[0], done[1]);
    close(fd);
    assert_int_equal(write(go[1], "", 1), 1);
    assert_int_equal(read(done[0], &byte, 1), 1);
    close(go[0]);
    close(go[1]);
    close(done[0]);
    close(done[1]);
}

static const struct sent sent[] = {
    {NULL, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_MEM_TABLE, REGION_SIZE, 1},
    {NULL, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_MEM_TABLE, 8 + 8 * 32, 8},
    {NULL, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_VRING_KICK, 8, 1},
    {NULL, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_VRING_CALL, 8, 1},
    {NULL, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_GET_FEATURES, 0, 3},
    {NULL, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_GET_FEATURES, 0, VHOST_USER_SENT_FDS},
    {NULL, VHOST_USER_BACKEND_REPLY, VHOST_USER_GET_INFLIGHT_FD, 24, 1},
};

/* Told what is wrong, and rid of it: at once, whatever becomes of the process. */
static void refuse_promptly(const struct sent *one)
{
    struct vhost_user_message message;
    struct ae_error err;
    int64_t begun;
    int rc, to;

    connect_peer(one->kind);
    to = far;
    send_from_peer(one, to);
    begun = ae_now_ms();
    rc = hear(&message, &err);
    if (rc != -EPROTO)
        fail_msg("%d %s", rc, err.text);
    ae_vhost_peer_close(&peer);
    if (ae_now_ms() - begun > PROMPT_S * 1000)
        fail_msg("it was waited for");
    close(to);
}

static void refuse_all_promptly(int (*make)(void))
{
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        struct sent one = sent[i];

        one.make = make;
        refuse_promptly(&one);
    }
}

/* Never accepted, turned away, or not read to the end: nothing of it is closed by us. */
static void let_go_promptly(int (*make)(void))
{
    const struct sent one = {make, VHOST_USER_FRONTEND_REQUEST, VHOST_USER_SET_MEM_TABLE,
                             REGION_SIZE, 1};
    struct ae_vhost_listener listener;
    char name[64];
    int ends[2], fd;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    send_from_peer(&one, ends[0]);
    close(ends[0]);
    assert_int_equal(ae_vhost_let_go(&receivers, ends[1]), 0);
    snprintf(name, sizeof(name), "/tmp/aether-receiver.%d", getpid());
    assert_int_equal(ae_vhost_listen(&listener, name, NULL), 0);
    fd = ae_vhost_connect(name, "", NULL);
    assert_true(fd >= 0);
    send_from_peer(&one, fd);
    close(fd);
    ae_vhost_unlisten(&listener, &receivers);
}

/* What a child says by its exit status. */
enum { GOOD, BAD = 1, SKIP = 77 };

/* In a process that is ended if it waits. One in which an assertion fails goes on as this program
 * would, and ends as one that failed. */
static void in_a_child(int (*check)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(6 * PROMPT_S);
        receivers.count = 0;
        _exit(check());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIP)
        skip();
    assert_int_equal(WEXITSTATUS(status), GOOD);
}

static int with_files_that_do_not_answer(void)
{
    const char *why;

    if (!silent_files_start(&silent, &why)) {
        print_message("skipped: %s\n", why);
        return SKIP;
    }
    refuse_all_promptly(silent_file);
    assert_int_equal(ae_vhost_receivers_check(&receivers, NULL), 0);
    *silent.silent = false;
    ae_vhost_receivers_end(&receivers); /* waits a moment for what does not end */
    let_go_promptly(silent_file);
    silent_files_end(&silent);
    wait_for_receivers(0);
    return GOOD;
}

static void files_that_do_not_answer_hold_nobody(void **state)
{
    (void)state;
    in_a_child(with_files_that_do_not_answer);
}

static int with_sockets_that_linger(void)
{
    refuse_all_promptly(lingering);
    ae_vhost_receivers_end(&receivers);
    let_go_promptly(lingering);
    ae_vhost_receivers_end(&receivers);
    return GOOD;
}

static void sockets_that_linger_hold_nobody(void **state)
{
    (void)state;
    in_a_child(with_sockets_that_linger);
}

/* Those that wait are counted: no peer has us make processes without end. */
static int with_too_many(void)
{
    struct sent one = sent[0];
    const char *why;
    struct ae_error err;
    int ends[2];

    if (!silent_files_start(&silent, &why)) {
        print_message("skipped: %s\n", why);
        return SKIP;
    }
    one.make = silent_file;
    /* One that is slow to let go of its file is answered: the next file is made by then. */
    for (unsigned i = 0; !ae_vhost_receivers_check(&receivers, &err); i++) {
        assert_true(i < 100 * AE_VHOST_RECEIVERS);
        refuse_promptly(&one);
        if (receivers.count == AE_VHOST_RECEIVERS)
            sleep(1); /* those that can end have */
    }
    assert_non_null(strstr(err.text, "have not ended"));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(
        ae_vhost_peer_open(&peer, &receivers, ends[1], VHOST_USER_FRONTEND_REQUEST, NULL), -EBUSY);
    close(ends[0]);
    silent_files_end(&silent);
    wait_for_receivers(0);
    connect_peer(VHOST_USER_FRONTEND_REQUEST);
    disconnect_peer();
    wait_for_receivers(0);
    return GOOD;
}

static void those_that_wait_are_bounded(void **state)
{
    (void)state;
    in_a_child(with_too_many);
}

/* ---- The process ---- */

static char *about(pid_t pid, const char *what)
{
    static char text[65536];
    char name[64];
    FILE *file;

    snprintf(name, sizeof(name), "/proc/%d/%s", pid, what);
    file = fopen(name, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void it_holds_nothing_of_ours(void **state)
{
    struct ae_memory *memory;
    struct vhost_user_message message;
    char name[64], target[128];
    pid_t pid;

    (void)state;
    assert_int_equal(ae_memory_create(&memory, MEMORY, 4096, NULL), 0);
    connect_peer(VHOST_USER_FRONTEND_REQUEST);
    say(VHOST_USER_FRONTEND_REQUEST, VHOST_USER_GET_FEATURES, 0, -1, 0);
    assert_int_equal(hear(&message, NULL), 1); /* it is at work */
    pid = receivers.processes[0];
    assert_null(strstr(about(pid, "maps"), "memfd:aether"));
    assert_non_null(strstr(about(pid, "status"), "CapEff:\t0000000000000000"));
    assert_non_null(strstr(about(pid, "status"), "NoNewPrivs:\t1"));
    for (int fd = 0; fd < 256; fd++) {
        ssize_t length;

        snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, fd);
        length = readlink(name, target, sizeof(target) - 1);
        if (length < 0)
            continue;
        target[length] = '\0';
        if (strncmp(target, "socket:", 7) != 0 && strcmp(target, "/dev/null") != 0)
            fail_msg("it has %s", target);
    }
    disconnect_peer();
    ae_memory_destroy(memory);
    wait_for_receivers(0);
}

static void its_end_is_the_end_of_the_connection(void **state)
{
    struct vhost_user_message message;
    char byte;

    (void)state;
    connect_peer(VHOST_USER_FRONTEND_REQUEST);
    kill(receivers.processes[0], SIGKILL);
    assert_int_equal(hear(&message, NULL), -ECONNRESET);
    ae_vhost_peer_close(&peer);
    assert_int_equal(recv(far, &byte, 1, 0), 0);
    close(far);
    wait_for_receivers(0);
}

static void it_ends_with_its_owner(void **state)
{
    char byte;

    (void)state;
    connect_peer(VHOST_USER_FRONTEND_REQUEST);
    /* As by the kernel, when the owner is killed. */
    close(peer.relay);
    close(peer.fd);
    close(peer.process);
    assert_int_equal(recv(far, &byte, 1, 0), 0);
    close(far);
    wait_for_receivers(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_a_message_is_for_comes_in),
        cmocka_unit_test(each_of_several_is_looked_at),
        cmocka_unit_test(an_eventfd_that_is_looked_at_is_not_signalled),
        cmocka_unit_test(files_that_do_not_answer_hold_nobody),
        cmocka_unit_test(sockets_that_linger_hold_nobody),
        cmocka_unit_test(those_that_wait_are_bounded),
        cmocka_unit_test(it_holds_nothing_of_ours),
        cmocka_unit_test(its_end_is_the_end_of_the_connection),
        cmocka_unit_test(it_ends_with_its_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

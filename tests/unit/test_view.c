/* SPDX-License-Identifier: Apache-2.0 */

/* Looking at a run: what is seen, by whom, and what workers and readers do who mean harm. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/root.h"
#include "descriptors.h"
#include "made_root.h"
#include "seen.h"
#include "supervised.h"
#include "worker/letter.h"
#include "worker/view.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY       65534

/* ---- The worker's side ---- */

/* As many as there may be; the last has had a frame that is too short. */
static int make_nets(struct ae_worker *worker)
{
    struct ae_net_options its = {.prefix = 24};
    struct ae_datagram datagram;
    struct ae_packet packet = {.length = 3};
    struct ae_net *net, *more;

    for (uint8_t i = 1; i <= AE_WORKER_NETS; i++) {
        const uint8_t address[] = {10, 77, 0, i};

        memcpy(&its.address.be, address, sizeof(address));
        if (ae_worker_net(worker, &net, &its, NULL))
            return -1;
    }
    ae_net_input(net, &packet, 0, &datagram);
    return ae_worker_net(worker, &more, &its, NULL) == -ENOSPC ? 0 : -1;
}

static int be_worker(void)
{
    const struct ae_quiet_options allow = {.allow = AE_QUIET_ALLOW_ALL};
    struct ae_worker *worker;

    if (ae_worker_start(&worker, NULL))
        return 99;
    *ae_worker_counter(worker, "turns\033[2J") = 7;
    *ae_worker_counter(worker, "frames") = UINT64_C(1) << 40;
    if (make_nets(worker))
        return 97;
    if (ae_quiet_enter(worker, &allow, NULL))
        return 98;
    while (ae_worker_running(worker))
        ;
    ae_worker_finish(worker);
    return 0;
}

/* ---- A run ---- */

static char self[PATH_MAX];
static int cpu;
static struct ae_supervise_options options;
static struct ae_supervise_result result;
static struct ae_supervisor *supervisor;
static bool quiet;

static void on_quiet(void *context, unsigned worker)
{
    (void)context;
    (void)worker;
    quiet = true;
}

static void open_run(char *const *argv, const char *user)
{
    struct ae_error err;

    quiet = false;
    options = (struct ae_supervise_options){.name = "made",
                                            .cpus = &cpu,
                                            .cpu_count = 1,
                                            .argv = argv,
                                            .user = user,
                                            .grace_ms = 20000,
                                            .hooks = {.quiet = on_quiet}};
    if (ae_supervisor_open(&supervisor, &options, &result, &err))
        fail_msg("%s", err.text);
    assert_string_equal(result.view_notice, "");
}

static void open_quiet_run(void)
{
    static char what[] = "worker";
    static char *argv[] = {self, what, NULL};

    open_run(argv, NULL);
    while (!quiet && ae_supervisor_step(supervisor))
        usleep(1000);
    assert_true(quiet);
}

/* ---- What is found ---- */

static int see_the_run(void)
{
    struct ae_supervise_counter own[AE_WORKER_COUNTERS];
    struct ae_view_net nets[AE_WORKER_NETS];
    struct ae_view_kernel kernel;

    NEED(!seen_look() && seen.count == 1 && seen.refused == 0);
    NEED(seen.view->pid == getppid() && seen.view->user == geteuid());
    NEED(strcmp(seen.view->told.name, "made") == 0 && seen.view->told.worker_count == 1);
    NEED(seen.view->told.workers[0].cpu == cpu && seen.view->told.workers[0].pid > 0);
    NEED(seen.view->told.workers[0].state == AE_VIEW_QUIET);
    NEED(ae_view_get_own(seen.view, 0, own) == 2);
    NEED(strcmp(own[0].name, "turns?[2J") == 0 && own[0].value == 7);
    NEED(own[1].value == UINT64_C(1) << 40);
    NEED(!ae_view_read_kernel(cpu, &kernel));
    NEED(ae_view_get_nets(seen.view, 0, nets) == AE_WORKER_NETS);
    NEED(nets[0].counts.ethernet_short == 0);
    NEED(nets[AE_WORKER_NETS - 1].counts.ethernet_short == 1);
    return 0;
}

static void a_run_is_seen_while_it_is_quiet(void **state)
{
    (void)state;
    open_quiet_run();
    assert_int_equal(supervised_beside(supervisor, see_the_run), 0);
    assert_int_equal(supervised_beside(supervisor, see_the_run), 0);
    ae_supervisor_stop(supervisor);
    while (ae_supervisor_step(supervisor))
        usleep(1000);
    assert_int_equal(result.workers[0].status, 0);
    ae_supervisor_close(supervisor);
    assert_int_equal(seen_look(), 0);
    assert_int_equal(seen.count + seen.refused, 0);
}

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* A socket that lingers would be closed by the supervisor, which then waits. */
static int send_a_descriptor(void)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.align = {.cmsg_len = CMSG_LEN(sizeof(int)),
                           .cmsg_level = SOL_SOCKET,
                           .cmsg_type = SCM_RIGHTS}};
    struct iovec piece = {(char[]){"x"}, 1};
    const struct msghdr message = {.msg_iov = &piece,
                                   .msg_iovlen = 1,
                                   .msg_control = &control,
                                   .msg_controllen = sizeof(control)};
    struct ae_error err;
    char path[64];
    int fd;

    snprintf(path, sizeof(path), AE_VIEW_RUNS "/%d", getppid());
    fd = ae_letter_connect(path, &err);
    NEED(fd >= 0);
    NEED(sendmsg(fd, &message, MSG_NOSIGNAL) < 0 && errno == EPERM);
    return 0;
}

static void nobody_has_the_supervisor_close_his_descriptors(void **state)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), passes = 0;
    bool can = !setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &passes, sizeof(passes));

    (void)state;
    close(fd);
    if (!can)
        skip();
    open_quiet_run();
    assert_int_equal(supervised_beside(supervisor, send_a_descriptor), 0);
    supervised_stop(supervisor);
}

/* Whatever the count is, and names without an end. */
static int see_no_more_than_there_is(void)
{
    struct ae_supervise_counter own[AE_WORKER_COUNTERS];
    struct ae_view_net nets[AE_WORKER_NETS];

    NEED(!seen_look() && seen.count == 1);
    NEED(ae_view_get_own(seen.view, 0, own) == AE_WORKER_COUNTERS);
    NEED(ae_view_get_nets(seen.view, 0, nets) == AE_WORKER_NETS);
    for (unsigned i = 0; i < AE_WORKER_COUNTERS; i++)
        NEED(strlen(own[i].name) < AE_WORKER_NAME && !strchr(own[i].name, '\n'));
    return 0;
}

static void what_a_worker_writes_is_bounded(void **state)
{
    static char what[] = "hostile";
    static char *argv[] = {self, what, NULL};

    (void)state;
    open_run(argv, NULL);
    usleep(200000); /* or it sees nothing yet, and that is no more either */
    for (int i = 0; i < 100 && supervised_beside(supervisor, see_no_more_than_there_is); i++)
        usleep(20000);
    assert_int_equal(supervised_beside(supervisor, see_no_more_than_there_is), 0);
    ae_supervisor_close(supervisor);
}

static int be_hostile(void)
{
    int fd = atoi(getenv(AE_SHARED_ENVIRONMENT));
    struct ae_shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (shared == MAP_FAILED)
        return 99;
    memset(shared->counters, '\n', sizeof(shared->counters));
    shared->net_count = UINT32_MAX;
    shared->counter_count = UINT32_MAX;
    pause();
    return 0;
}

/* ---- Who may ---- */

static int become_nobody(void)
{
    return setgid(NOBODY) || setuid(NOBODY);
}

static int see_without_writing(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct ae_view_message message;
    struct iovec piece = {&message, sizeof(message)};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), page;
    char path[64];

    NEED(!become_nobody());
    snprintf(path, sizeof(path), AE_VIEW_RUNS "/%d", getppid());
    NEED(!ae_root_path(address.sun_path, sizeof(address.sun_path), path));
    NEED(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
    NEED(recvmsg(fd, &header, 0) == sizeof(message));
    NEED(CMSG_FIRSTHDR(&header));
    memcpy(&page, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(page));
    NEED(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0) == MAP_FAILED);
    NEED(write(page, "x", 1) < 0 && fchmod(page, 0600) < 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", page);
    NEED(open(path, O_RDWR) < 0 && errno == EACCES);
    return 0;
}

static int see_as_nobody(void)
{
    NEED(!become_nobody() && !seen_look() && seen.count == 1);
    NEED(seen.view->told.user == NOBODY && seen.view->user == 0);
    return 0;
}

static int see_as_another(void)
{
    NEED(!setuid(4242) && !seen_look() && seen.count == 0 && seen.refused == 1);
    NEED(strstr(seen.refusal.text, "only root and the user 65534"));
    return 0;
}

/* The socket is the workers' user's, who lets everybody connect. */
static int open_the_door(void)
{
    char path[64], full[PATH_MAX];

    NEED(!become_nobody());
    snprintf(path, sizeof(path), AE_VIEW_RUNS "/%d", getppid());
    NEED(!ae_root_path(full, sizeof(full), path) && !chmod(full, 0666));
    return 0;
}

static int see_nothing_through_the_door(void)
{
    NEED(!setuid(4242) && !seen_look() && seen.count == 0 && seen.refused == 1);
    NEED(strstr(seen.refusal.text, "gave no answer"));
    return 0;
}

static void root_and_the_workers_user_may_look(void **state)
{
    static char program[] = "sleep", time[] = "100";
    static char *argv[] = {program, time, NULL};

    (void)state;
    if (geteuid())
        skip();
    made_root_open();
    open_run(argv, "nobody");
    assert_int_equal(supervised_beside(supervisor, see_as_nobody), 0);
    assert_int_equal(supervised_beside(supervisor, see_without_writing), 0);
    assert_int_equal(supervised_beside(supervisor, see_as_another), 0);
    assert_int_equal(supervised_beside(supervisor, open_the_door), 0);
    assert_int_equal(supervised_beside(supervisor, see_nothing_through_the_door), 0);
    assert_int_equal(supervised_beside(supervisor, see_as_nobody), 0);
    ae_supervisor_close(supervisor);
}

/* ---- Readers who mean harm ---- */

static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[64];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(path, sizeof(path), AE_VIEW_RUNS "/%s", name);
    if (!ae_root_path(address.sun_path, sizeof(address.sun_path), path) &&
        !connect(fd, (struct sockaddr *)&address, sizeof(address)))
        return fd;
    close(fd);
    return -1;
}

static void who_connects_and_reads_nothing_costs_nothing(void **state)
{
    char name[16];
    int fds[64];
    unsigned before;

    (void)state;
    open_quiet_run();
    snprintf(name, sizeof(name), "%d", getpid());
    before = count_fds();
    for (int round = 0; round < 8; round++) {
        unsigned connected = 0;

        while (connected < COUNT(fds) && (fds[connected] = connect_to(name)) >= 0)
            connected++;
        assert_true(connected > 0 && connected < COUNT(fds)); /* the rest is told to come again */
        for (unsigned i = 0; i < connected; i++) {
            assert_true(ae_supervisor_step(supervisor));
            if (i % 2)
                close(fds[i]);
        }
        for (unsigned i = 0; i < connected; i += 2)
            close(fds[i]);
        for (int i = 0; i < 4; i++)
            ae_supervisor_step(supervisor);
        assert_int_equal(count_fds(), before);
    }
    assert_int_equal(supervised_beside(supervisor, see_the_run), 0);
    ae_supervisor_close(supervisor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_root_begin, seen_end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_is_seen_while_it_is_quiet),
        TEST(nobody_has_the_supervisor_close_his_descriptors),
        TEST(what_a_worker_writes_is_bounded),
        TEST(root_and_the_workers_user_may_look),
        TEST(who_connects_and_reads_nothing_costs_nothing),
    };

    if (argc > 1)
        return strcmp(argv[1], "worker") == 0 ? be_worker() : be_hostile();
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    cpu = supervised_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Loans by name: who is handed one, what follows when a side ends, and which node the memory is on.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/loan.h>
#include <aether/named.h>
#include <aether/supervise.h>

#include "lent.h"
#include "made_root.h"
#include "port/owner.h"
#include "reachable.h"
#include "supervised.h"
#include "worker/supervisor/supervisor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY       65534
#define LIMIT        16
#define BURST        8

/* ---- The worker's side ---- */

static int be_worker(void)
{
    const struct ae_quiet_options allow = {.allow = AE_QUIET_ALLOW_ALL};
    uint64_t number = 0, *recovered, *misuse;
    struct ae_lender *lender, *second;
    struct ae_worker *worker;
    struct ae_pool *pool;

    if (ae_worker_start(&worker, NULL))
        return 99;
    if (ae_worker_open_lender(worker, "in", &lender, NULL) != -ENOENT ||
        ae_worker_open_lender(worker, "tap", &lender, NULL) ||
        ae_worker_open_lender(worker, "tap", &second, NULL) != -EBUSY)
        return 98;
    recovered = ae_worker_counter(worker, "recovered");
    misuse = ae_worker_counter(worker, "misuse");
    pool = ae_port_queue(ae_worker_port(worker, 0), 0)->pool;
    if (ae_quiet_enter(worker, &allow, NULL))
        return 97;
    while (ae_worker_running(worker)) {
        number = lent_lend(lender, pool, number);
        *recovered = ae_loan_counters(lender)->recovered;
        *misuse = ae_loan_counters(lender)->misuse;
    }
    ae_lender_close(lender);
    ae_worker_finish(worker);
    return 0;
}

/* ---- A run ---- */

static char self[64], what[] = "worker";
static char *arguments[] = {self, what, NULL};
static char home[] = "/tmp/aether-loan.XXXXXX", spec[128], socket_path[64];
static const char *const ports[] = {spec};
static const struct ae_supervise_channel channels[] = {
    {"in", AE_NAMED_IN, 64, 0, 0, 0},
    {"tap", AE_NAMED_LOAN, LIMIT, 0, 0, 0},
};
static int cpu;
static struct ae_supervise_options options;
static struct ae_supervise_result result;
static struct ae_supervisor *supervisor;
static bool quiet;
static pid_t worker_pid;

static int on_started(void *context, unsigned worker, pid_t pid, int on, struct ae_error *err)
{
    (void)context;
    (void)worker;
    (void)on;
    (void)err;
    worker_pid = pid;
    return 0;
}

static void on_quiet(void *context, unsigned worker)
{
    (void)context;
    (void)worker;
    quiet = true;
}

static void await_quiet(void)
{
    quiet = false;
    while (!quiet && ae_supervisor_step(supervisor))
        usleep(1000);
    assert_true(quiet);
}

static int try_run(const char *user, struct ae_error *err)
{
    options = (struct ae_supervise_options){.name = "made",
                                            .cpus = &cpu,
                                            .cpu_count = 1,
                                            .ports = ports,
                                            .port_count = 1,
                                            .channels = channels,
                                            .channel_count = COUNT(channels),
                                            .port.page_size = (size_t)sysconf(_SC_PAGESIZE),
                                            .argv = arguments,
                                            .user = user,
                                            .grace_ms = 20000,
                                            .hooks = {.started = on_started, .quiet = on_quiet}};
    return ae_supervisor_open(&supervisor, &options, &result, err);
}

static void open_run(const char *user)
{
    struct ae_error err;

    if (try_run(user, &err))
        fail_msg("%s", err.text);
    await_quiet();
}

static uint64_t counted(const char *name)
{
    for (unsigned i = 0; i < result.workers[0].counter_count; i++)
        if (strcmp(result.workers[0].counters[i].name, name) == 0)
            return result.workers[0].counters[i].value;
    return UINT64_MAX;
}

/* ---- The borrower's side ---- */

static struct ae_named tap;
static struct ae_borrower borrower;
static struct ae_error why;

static int open_tap(void)
{
    return ae_named_open(&tap, "made:tap", &why);
}

/* The worker has ended, or its supervisor. */
static bool is_over(void)
{
    return poll(&(struct pollfd){.fd = tap.fd, .events = POLLIN}, 1, 0) > 0;
}

/* So many frames, or until it is over. */
static int borrow(unsigned count)
{
    struct ae_loan_frame frames[BURST];

    NEED(!ae_borrower_open(&borrower, tap.memory, tap.size, tap.buffers, tap.buffers_size, &why));
    for (unsigned done = 0; done < count && !is_over();) {
        uint32_t got = ae_loan_borrow(&borrower, frames, BURST);

        for (uint32_t i = 0; i < got; i++)
            NEED(lent_is_whole(&frames[i]));
        NEED(ae_loan_return(&borrower, frames, got) == got && borrower.bad == 0);
        done += got;
    }
    return 0;
}

static int borrow_some(void)
{
    NEED(!open_tap());
    NEED(!borrow(1000));
    NEED(mprotect((void *)(uintptr_t)tap.buffers, 4096, PROT_READ | PROT_WRITE) < 0);
    ae_borrower_close(&borrower);
    ae_named_close(&tap);
    return 0;
}

static void a_loan_is_borrowed_by_its_name(void **state)
{
    (void)state;
    open_run(NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(supervised_beside(supervisor, borrow_some), 0);
    supervised_stop(supervisor);
    assert_int_equal(result.workers[0].status, 0);
    assert_int_equal(counted("misuse"), 0);
}

static int ask_twice(void)
{
    struct ae_named second;

    NEED(!open_tap() && tap.kind == AE_NAMED_LOAN);
    NEED(ae_named_open(&second, "made:tap", &why) == -EBUSY);
    NEED(second.memory == NULL && second.buffers == NULL && second.fd == -1);
    return 0;
}

static void one_borrows_at_a_time(void **state)
{
    (void)state;
    open_run(NULL);
    assert_int_equal(supervised_beside(supervisor, ask_twice), 0);
    assert_int_equal(supervised_beside(supervisor, borrow_some), 0);
    supervised_stop(supervisor);
}

/* ---- Ends ---- */

static int borrow_for_ever(void)
{
    while (open_tap()) /* till its predecessor is known to be dead */
        NEED(why.code == -EBUSY);
    return borrow(UINT32_MAX);
}

static void step_for(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        ae_supervisor_step(supervisor);
        usleep(1000);
    }
}

static void a_borrower_that_is_killed_leaves_all_to_the_next(void **state)
{
    (void)state;
    open_run(NULL);
    for (int life = 0; life < 20; life++) {
        pid_t child = fork();

        if (!child)
            _exit(borrow_for_ever());
        step_for(20);
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    assert_int_equal(supervised_beside(supervisor, borrow_some), 0);
    step_for(20);
    supervised_stop(supervisor);
    assert_int_equal(result.workers[0].status, 0);
    assert_in_range(counted("recovered"), 1, 21 * LIMIT);
}

static void a_worker_that_is_killed_ends_its_loan(void **state)
{
    (void)state;
    open_run(NULL);
    for (int life = 0; life < 3; life++) {
        pid_t child = fork();

        if (!child)
            _exit(borrow_for_ever());
        step_for(20);
        kill(worker_pid, SIGKILL);
        assert_int_equal(supervised_end_of(supervisor, child), 0);
        assert_int_equal(ae_supervisor_restart(supervisor, NULL), 0);
        await_quiet();
    }
    assert_int_equal(supervised_beside(supervisor, borrow_some), 0);
    supervised_stop(supervisor);
}

static _Noreturn void supervise_for_ever(void)
{
    if (!try_run(NULL, NULL))
        while (ae_supervisor_step(supervisor))
            usleep(1000);
    _exit(1);
}

static void a_supervisor_that_is_killed_ends_all(void **state)
{
    struct ae_loan_frame frame;
    pid_t child = fork();

    (void)state;
    if (!child)
        supervise_for_ever();
    while (open_tap())
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
    assert_int_equal(
        ae_borrower_open(&borrower, tap.memory, tap.size, tap.buffers, tap.buffers_size, NULL), 0);
    while (ae_loan_borrow(&borrower, &frame, 1) == 0)
        assert_false(is_over());
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (!is_over())
        usleep(1000);
    assert_true(lent_is_whole(&frame)); /* the memory is still there */
    ae_named_close(&tap);
    ae_named_close(&tap);
}

/* ---- Who may ---- */

static int borrow_as_nobody(void)
{
    NEED(!setgid(NOBODY) && !setuid(NOBODY));
    return borrow_some();
}

static int borrow_as_another(void)
{
    NEED(!setuid(4242) && open_tap() == -EACCES);
    NEED(strstr(why.text, "only root and the user 65534"));
    return 0;
}

static void root_and_the_workers_user_may_borrow(void **state)
{
    (void)state;
    if (geteuid())
        skip();
    made_root_open();
    open_run("nobody");
    assert_int_equal(supervised_beside(supervisor, borrow_as_nobody), 0);
    assert_int_equal(supervised_beside(supervisor, borrow_as_another), 0);
    assert_int_equal(supervised_beside(supervisor, borrow_some), 0);
    supervised_stop(supervisor);
}

/* ---- What may be lent ---- */

static const struct {
    struct ae_supervise_channel channel;
    const char *says;
} refused[] = {
    {{"x", AE_NAMED_LOAN, 0, 0, 0, 0}, "channel x: 0 packets: 1 to 65536"},
    {{"x", AE_NAMED_LOAN, AE_LOAN_LIMIT_MAX + 1, 0, 0, 0}, "65537 packets"},
    {{"x", AE_NAMED_LOAN, 16, 0, 0, 1}, "worker 0 has nothing of a port 1"},
    {{"x", AE_NAMED_LOAN, 16, 0, 1, 0}, "no worker 1"},
};

static void what_cannot_be_lent_is_refused(void **state)
{
    struct ae_supervise_options asked = {.cpus = &cpu,
                                         .cpu_count = 1,
                                         .ports = ports,
                                         .port_count = 1,
                                         .port.page_size = (size_t)sysconf(_SC_PAGESIZE),
                                         .argv = arguments};
    struct ae_port_plan plain[AE_WORKER_PORTS], lending[AE_WORKER_PORTS];
    struct ae_error err;

    (void)state;
    asked.channel_count = 1;
    for (size_t i = 0; i < COUNT(refused); i++) {
        asked.channels = &refused[i].channel;
        assert_int_equal(ae_supervise_plan(&asked, lending, &err), -EINVAL);
        if (!strstr(err.text, refused[i].says))
            fail_msg("%zu: '%s'", i, err.text);
    }
    /* What is lent, the pool has in addition. */
    asked.channels = channels;
    asked.channel_count = 0;
    assert_int_equal(ae_supervise_plan(&asked, plain, &err), 0);
    asked.channel_count = COUNT(channels);
    assert_int_equal(ae_supervise_plan(&asked, lending, &err), 0);
    assert_int_equal(lending[0].packets, plain[0].packets + LIMIT);
    asked.port.packets = 100;
    assert_int_equal(ae_supervise_plan(&asked, lending, &err), 0);
    assert_int_equal(lending[0].packets, plain[0].packets - AE_PORT_PACKETS + 100 + LIMIT);
}

/* ---- Where it is ---- */

/* Where the kernel is to take the pages of a file from: a node, -1 for anywhere, or -2: it does not
 * say. */
static int node_of(int fd, size_t size)
{
    unsigned long nodes[16] = {0};
    void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    int mode, node = -2;

    assert_true(memory != MAP_FAILED);
    if (!syscall(SYS_get_mempolicy, &mode, nodes, 8 * sizeof(nodes), memory, MPOL_F_ADDR))
        node = mode == MPOL_PREFERRED ? __builtin_ctzl(nodes[0]) : -1;
    munmap(memory, size);
    return node;
}

/* On a made-up machine whose node 0, which a real one has too, has the worker's CPU, or not. */
static void what_a_worker_polls_is_on_its_node(void **state)
{
    char text[16];

    (void)state;
    for (int here = 0; here < 2; here++) {
        const struct ae_ward *ward;
        int wanted = here ? 0 : -1;

        snprintf(text, sizeof(text), "%d\n", here ? cpu : cpu + 1);
        made_root_put("/sys/devices/system/node/node0/cpulist", text);
        open_run(NULL);
        ward = &supervisor->wards[0];
        if (node_of(ward->shared_fd, 4096) == -2) {
            supervised_stop(supervisor);
            skip();
        }
        assert_int_equal(node_of(ward->shared_fd, 4096), wanted);
        assert_int_equal(node_of(ward->log_fd, 4096), wanted);
        assert_int_equal(node_of(ward->mirror_fd, 4096), wanted);
        for (size_t i = 0; i < COUNT(channels); i++)
            assert_int_equal(node_of(supervisor->channels[i].fd, 4096), wanted);
        assert_int_equal(node_of(supervisor->owners[0]->queue_fds[0], 4096), wanted);
        assert_int_equal(node_of(supervisor->owners[0]->state_fd, 4096), wanted);
        supervised_stop(supervisor);
    }
}

static int begin(void **state)
{
    (void)state;
    cpu = supervised_cpu();
    if (!mkdtemp(home))
        return -1;
    snprintf(socket_path, sizeof(socket_path), "%s/socket", home);
    snprintf(spec, sizeof(spec), "vhost-user-server:%s", socket_path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(socket_path); /* of the supervisor that was killed */
    return rmdir(home);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_root_begin, made_root_end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_loan_is_borrowed_by_its_name),
        TEST(one_borrows_at_a_time),
        TEST(a_borrower_that_is_killed_leaves_all_to_the_next),
        TEST(a_worker_that_is_killed_ends_its_loan),
        TEST(a_supervisor_that_is_killed_ends_all),
        TEST(root_and_the_workers_user_may_borrow),
        TEST(what_cannot_be_lent_is_refused),
        TEST(what_a_worker_polls_is_on_its_node),
    };

    (void)argv;
    if (argc > 1)
        return be_worker();
    if (reachable_self(self))
        return 1;
    return cmocka_run_group_tests(tests, begin, end);
}

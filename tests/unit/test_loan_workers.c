/* SPDX-License-Identifier: Apache-2.0 */

/* Loans whose borrower is a worker, of the lender's run or of another: quiet, and killed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/loan.h>
#include <aether/named.h>
#include <aether/supervise.h>

#include "base/root.h"
#include "lent.h"
#include "made_root.h"
#include "worker/shared.h"
#include "worker/supervisor/supervisor.h"

#define LIMIT      16
#define BURST      8
#define LENDER     4 /* its CPU; the others borrow */
#define BESIDE     5
#define ELSEWHERE  6
#define DEATHS     5
#define IS_OVER    7   /* exit status of a borrower whose lender is gone */
#define UNOBSERVED 128 /* ... and of one whose system calls could not be, in addition */

/* ---- Workers ---- */

static struct ae_worker *worker;

/* Once it is to stop it waits for what is lent: who borrowed has ended, or is about to. */
static int lend(void)
{
    const struct ae_quiet_options allow = {.allow = AE_QUIET_ALLOW_ALL};
    uint64_t number = 0, *recovered = ae_worker_counter(worker, "recovered"),
             *misuse = ae_worker_counter(worker, "misuse");
    struct ae_pool *pool = ae_port_queue(ae_worker_port(worker, 0), 0)->pool;
    struct ae_lender *lender;

    if (ae_worker_open_lender(worker, "tap", &lender, NULL) || ae_quiet_enter(worker, &allow, NULL))
        return 97;
    while (ae_worker_running(worker)) {
        number = lent_lend(lender, pool, number);
        *recovered = ae_loan_counters(lender)->recovered;
        *misuse = ae_loan_counters(lender)->misuse;
    }
    while (ae_loan_outstanding(lender))
        ae_loan_reclaim(lender, BURST);
    ae_quiet_leave(worker);
    *recovered = ae_loan_counters(lender)->recovered;
    ae_lender_close(lender);
    return 0;
}

/* Everything that enters the kernel is done by then. */
static int enter(void)
{
    struct ae_quiet_options options = {.allow = AE_QUIET_ALLOW_ALL, .calls = AE_QUIET_OBSERVE};

    if (ae_quiet_enter(worker, &options, NULL) == 0)
        return 0;
    options.calls = AE_QUIET_TRACE;
    return ae_quiet_enter(worker, &options, NULL) ? 97 : UNOBSERVED;
}

/* A lender may not be there yet, or not have heard of our predecessor's end. */
static bool open_tap(struct ae_named *tap)
{
    while (ae_named_open(tap, "made:tap", NULL)) {
        if (!ae_worker_running(worker))
            return false;
        usleep(1000);
    }
    return true;
}

static int borrow(void)
{
    uint64_t *borrowed = ae_worker_counter(worker, "borrowed"),
             *wrong = ae_worker_counter(worker, "wrong");
    struct ae_loan_frame frames[BURST];
    struct ae_borrower borrower;
    struct ae_named tap;
    int rc;

    if (!open_tap(&tap) ||
        ae_borrower_open(&borrower, tap.memory, tap.size, tap.buffers, tap.buffers_size, NULL))
        return 98;
    rc = enter();
    while (ae_worker_running(worker) && !ae_loan_is_over(&borrower)) {
        uint32_t got = ae_loan_borrow(&borrower, frames, BURST);

        for (uint32_t i = 0; i < got; i++)
            *wrong += !lent_is_whole(&frames[i]) && !ae_loan_is_over(&borrower);
        *borrowed += ae_loan_return(&borrower, frames, got);
    }
    ae_quiet_leave(worker);
    rc += ae_loan_is_over(&borrower) ? IS_OVER : 0;
    ae_borrower_close(&borrower);
    ae_named_close(&tap);
    return rc;
}

static int be_worker(const char *root)
{
    int rc;

    if (ae_root_set(root) || ae_worker_start(&worker, NULL))
        return 99;
    rc = worker->shared->cpu == LENDER ? lend() : borrow();
    ae_worker_finish(worker);
    return rc;
}

/* ---- Runs ---- */

static char self[4096], socket_path[128], spec[160];
static char *arguments[] = {self, NULL, NULL};
static const char *const ports[] = {spec};
static const struct ae_supervise_channel tap = {"tap", AE_NAMED_LOAN, LIMIT, 0, 0, 0};
static const int cpus[] = {LENDER, BESIDE}, elsewhere[] = {ELSEWHERE};
static struct ae_supervise_options options;
static struct ae_supervise_result result;
static struct ae_supervisor *supervisor;

/* Of a lender's run that another process supervises. */
static struct lending {
    pid_t worker;
} * lending;

static int on_started(void *context, unsigned number, pid_t pid, int cpu, struct ae_error *err)
{
    (void)context;
    (void)number;
    (void)err;
    if (cpu == LENDER)
        __atomic_store_n(&lending->worker, pid, __ATOMIC_RELAXED);
    return 0;
}

static bool on_ended(void *context)
{
    (void)context;
    return true;
}

/* The lender's, of so many workers. */
static void have_lender(unsigned workers)
{
    options = (struct ae_supervise_options){
        .name = "made",
        .cpus = cpus,
        .cpu_count = workers,
        .ports = ports,
        .port_count = 1,
        .channels = &tap,
        .channel_count = 1,
        .port.page_size = (size_t)sysconf(_SC_PAGESIZE),
        .argv = arguments,
        .grace_ms = 30000,
        .hooks = {.started = on_started, .ended = on_ended},
    };
}

/* Another run, of a borrower alone. */
static void have_borrower(void)
{
    options = (struct ae_supervise_options){
        .name = "other", .cpus = elsewhere, .cpu_count = 1, .argv = arguments, .grace_ms = 30000};
}

static void open_run(void)
{
    struct ae_error err;

    if (ae_supervisor_open(&supervisor, &options, &result, &err))
        fail_msg("%s", err.text);
}

static uint64_t counted(unsigned number, const char *name)
{
    const struct ae_shared *shared = supervisor->wards[number].shared;

    for (uint32_t i = 0; i < __atomic_load_n(&shared->counter_count, __ATOMIC_ACQUIRE); i++)
        if (strcmp(shared->counters[i].name, name) == 0)
            return __atomic_load_n(&shared->counters[i].value, __ATOMIC_RELAXED);
    return 0;
}

/* Steps until a worker has borrowed, and returned, so many since it started. */
static void await_borrowed(unsigned number)
{
    while (counted(number, "borrowed") < 20 * LIMIT) {
        assert_true(ae_supervisor_step(supervisor));
        usleep(200);
    }
}

static void step_to_the_end(void)
{
    while (ae_supervisor_step(supervisor))
        usleep(200);
}

static void start_again(void)
{
    struct ae_error err;

    if (ae_supervisor_restart(supervisor, &err))
        fail_msg("%s", err.text);
}

/* Of a run that is to stop either worker may be the first to end. */
static void check_borrower(unsigned number, int status, int or)
{
    const struct ae_supervise_worker *one = &result.workers[number];
    int left = WEXITSTATUS(one->status) & ~UNOBSERVED;

    assert_int_equal(counted(number, "wrong"), 0);
    assert_true(WIFEXITED(one->status) && (left == status || left == or));
    if (!(WEXITSTATUS(one->status) & UNOBSERVED))
        assert_int_equal(one->call_count, 0);
}

static void stop(void)
{
    ae_supervisor_stop(supervisor);
    step_to_the_end();
}

/* ---- Both in one run ---- */

static void a_second_worker_borrows(void **state)
{
    (void)state;
    have_lender(2);
    open_run();
    await_borrowed(1);
    stop();
    check_borrower(1, 0, IS_OVER);
    assert_int_equal(result.workers[0].status, 0);
    assert_int_equal(counted(0, "misuse"), 0);
    ae_supervisor_close(supervisor);
}

/* Whichever dies, the other ends by itself and with nothing lent, and both start again. */
static void either_dies_and_both_start_again(void **state)
{
    (void)state;
    have_lender(2);
    open_run();
    for (unsigned life = 0; life < 6; life++) {
        await_borrowed(1);
        kill(supervisor->wards[life & 1].launch.pid, SIGKILL);
        step_to_the_end();
        assert_int_equal(result.workers[life & 1].status, SIGKILL);
        if (life & 1)
            assert_int_equal(result.workers[0].status, 0);
        else
            check_borrower(1, IS_OVER, IS_OVER);
        start_again();
    }
    await_borrowed(1);
    stop();
    check_borrower(1, 0, IS_OVER);
    ae_supervisor_close(supervisor);
}

/* ---- In another run ---- */

/* Until SIGTERM; the worker that is killed is started again. What a borrower returned before it
 * died may be looked at after all of its was taken back. */
static pid_t lend_elsewhere(void)
{
    pid_t child = fork();

    if (child)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    have_lender(1);
    if (ae_supervise(&options, &result, NULL) || result.workers[0].status)
        _exit(1);
    for (unsigned i = 0; i < result.workers[0].counter_count; i++)
        if (strcmp(result.workers[0].counters[i].name, "misuse") == 0)
            _exit(result.workers[0].counters[i].value > DEATHS * LIMIT ? 2 : 0);
    _exit(3);
}

static void end_lending(pid_t child)
{
    int status;

    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_worker_of_another_run_borrows(void **state)
{
    pid_t lender = lend_elsewhere();

    (void)state;
    have_borrower();
    open_run();
    await_borrowed(0);
    stop();
    check_borrower(0, 0, 0);
    ae_supervisor_close(supervisor);
    end_lending(lender);
}

/* The lender goes on, which has taken back all that was lent when it ends itself. */
static void it_dies_and_borrows_again(void **state)
{
    pid_t lender = lend_elsewhere();

    (void)state;
    have_borrower();
    open_run();
    for (unsigned life = 0; life < DEATHS; life++) {
        await_borrowed(0);
        kill(supervisor->wards[0].launch.pid, SIGKILL);
        step_to_the_end();
        start_again();
    }
    await_borrowed(0);
    stop();
    ae_supervisor_close(supervisor);
    end_lending(lender);
}

/* A borrower that is quiet cannot open the new loan: it ends, and its supervisor starts it again.
 */
static void its_lender_dies_and_is_borrowed_from_again(void **state)
{
    pid_t lender = lend_elsewhere();

    (void)state;
    have_borrower();
    open_run();
    for (unsigned life = 0; life < DEATHS; life++) {
        await_borrowed(0);
        kill(__atomic_load_n(&lending->worker, __ATOMIC_RELAXED), SIGKILL);
        step_to_the_end();
        check_borrower(0, IS_OVER, IS_OVER);
        start_again();
    }
    await_borrowed(0);
    stop();
    check_borrower(0, 0, 0);
    ae_supervisor_close(supervisor);
    end_lending(lender);
}

/* Nobody is left to say that it is over: a quiet borrower gets nothing more, and goes on. */
static void the_lenders_supervisor_dies(void **state)
{
    pid_t lender = lend_elsewhere();

    (void)state;
    have_borrower();
    open_run();
    await_borrowed(0);
    kill(lender, SIGKILL);
    waitpid(lender, NULL, 0);
    for (unsigned i = 0; i < 50; i++) {
        assert_true(ae_supervisor_step(supervisor));
        usleep(1000);
    }
    stop();
    check_borrower(0, 0, 0);
    lender = lend_elsewhere();
    start_again();
    await_borrowed(0);
    stop();
    check_borrower(0, 0, 0);
    ae_supervisor_close(supervisor);
    end_lending(lender);
}

static int begin(void **state)
{
    char root[4096];

    if (made_root_begin(state) || ae_root_path(root, sizeof(root), ""))
        return -1;
    arguments[1] = strdup(root);
    snprintf(socket_path, sizeof(socket_path), "%.100s/socket", root);
    snprintf(spec, sizeof(spec), "vhost-user-server:%s", socket_path);
    return 0;
}

static int end(void **state)
{
    free(arguments[1]);
    return made_root_end(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_worker_borrows),
        TEST(either_dies_and_both_start_again),
        TEST(a_worker_of_another_run_borrows),
        TEST(it_dies_and_borrows_again),
        TEST(its_lender_dies_and_is_borrowed_from_again),
        TEST(the_lenders_supervisor_dies),
    };

    if (argc > 1)
        return be_worker(argv[1]);
    lending =
        mmap(NULL, sizeof(*lending), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (lending == MAP_FAILED || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
